package conformance

import (
	"context"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/model"
)

// NewModelFactory returns the factory that puts a second model in the engine's place: it shows what the harness alone costs, and
// that it finds what a wrapper spoils. Its stores live in the factory, not on the disk, which may be nil.
func NewModelFactory() Factory { return new(modelFactory) }

type modelFactory struct{ store modelTarget }

func (f *modelFactory) Format(_ disk.Disk, c *Config, _ int) error {
	f.store = modelTarget{Store: f.store.Store, extentBytes: int64(blockBytes(c, OptExtent)), extents: int(c.Get(OptExtents))}
	f.store.Reset()
	f.store.Limit = int(c.ValueMax())
	return nil
}

func (f *modelFactory) Open(disk.Disk, *Config) (Target, error) {
	f.store.Reopen()
	return &f.store, nil
}

// modelTarget is a model as a Target. It has the space of a disk, less what a log needs for itself, and what is deleted is free at
// once.
type modelTarget struct {
	model.Store
	extentBytes int64
	extents     int
	live        int64 // bytes of frames of what is stored
	recorded    int64 // live as of the last flush
}

// modelReserve is how many extents a modelTarget keeps to itself.
const modelReserve = 6

// Put answers ErrFull when the reserve is all that would be left.
func (t *modelTarget) Put(id engine.ShardID, data []byte) (engine.Dependency, error) {
	grows := t.FrameBytes(len(data)) - t.frameOf(id)
	if len(data) <= t.Limit && t.live+grows > int64(t.extents-modelReserve)*t.extentBytes {
		return engine.Dependency{}, engine.ErrFull
	}
	d, err := t.Store.Put(id, data)
	if err == nil {
		t.live += grows
	}
	return d, err
}

func (t *modelTarget) Delete(id engine.ShardID) (engine.Dependency, error) {
	shrinks := t.frameOf(id)
	d, err := t.Store.Delete(id)
	if err == nil {
		t.live -= shrinks
	}
	return d, err
}

// frameOf returns what id adds to the live bytes.
func (t *modelTarget) frameOf(id engine.ShardID) int64 {
	if i, found := t.Now().Find(id); found {
		return t.FrameBytes(len(t.Now()[i].Data))
	}
	return 0
}

func (t *modelTarget) Head(id engine.ShardID) (int64, error) {
	i, found := t.Now().Find(id)
	if !found {
		return 0, engine.ErrNotFound
	}
	return int64(len(t.Now()[i].Data)), nil
}

func (t *modelTarget) AppendRange(dst []byte, id engine.ShardID, off, n int64) ([]byte, error) {
	i, found := t.Now().Find(id)
	if !found {
		return dst, engine.ErrNotFound
	}
	return append(dst, rangeOf(t.Now()[i].Data, off, n)...), nil
}

func (t *modelTarget) Flush(ctx context.Context) error {
	t.recorded = t.live
	return t.Store.Flush(ctx)
}

func (t *modelTarget) Close() error {
	t.recorded = t.live
	return t.Store.Close()
}

// Compact and Reclaim find nothing to do.
func (t *modelTarget) Compact(context.Context) (bool, error) { return false, nil }
func (t *modelTarget) Reclaim(context.Context) (bool, error) { return false, nil }

func (t *modelTarget) FlushSuperblock(ctx context.Context) error      { return t.Sync(ctx) }
func (t *modelTarget) Scrub(ctx context.Context, r func(error)) error { return t.Check(ctx, r) }
func (t *modelTarget) Start(w Work) error {
	if w == WorkFlush {
		return t.Flush(context.Background())
	}
	return nil
}

func (t *modelTarget) Space() Space {
	used := (t.live + t.extentBytes - 1) / t.extentBytes
	return Space{t.recorded, t.extents, t.extents - int(used), modelReserve, t.live, t.extentBytes, -1}
}

// Describe implements Describer.
func (t *modelTarget) Describe() Description {
	s := t.Space()
	return Description{Figures: []Figure{
		{"shards", int64(len(t.Now()))}, {"live bytes", t.live}, {"live bytes recorded", t.recorded},
		{"mutations persistent", int64(t.Persisted())}, {"extents free", int64(s.FreeExtents)},
	}}
}

func (t *modelTarget) FrameBytes(n int) int64 { return int64(n) + frameOverhead }

// MaxShard returns the model's limit.
func (t *modelTarget) MaxShard() int { return t.Limit }

// rangeOf returns the n bytes of data from off on, fewer where it ends before.
func rangeOf(data []byte, off, n int64) []byte {
	size := int64(len(data))
	off = min(off, size)
	return data[off:min(off+n, size)]
}
