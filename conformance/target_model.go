package conformance

import (
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/model"
)

// NewModelFactory returns the factory that puts a second model in the engine's place: it shows what the harness alone costs, and
// that it finds what a wrapper spoils. Its stores live in the factory, not on the disk, which may be nil.
func NewModelFactory() Factory { return new(modelFactory) }

type modelFactory struct{ store modelTarget }

func (f *modelFactory) Format(_ disk.Disk, c *Config) error {
	f.store.Reset()
	f.store.Limit = int(c.ValueMax())
	return nil
}

func (f *modelFactory) Open(disk.Disk, *Config) (Target, error) {
	f.store.Reopen()
	return &f.store, nil
}

// modelTarget is a model as a Target.
type modelTarget struct{ model.Store }

// MaxShard returns the model's limit.
func (t *modelTarget) MaxShard() int { return t.Limit }
