package conformance

import (
	"math/rand/v2"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/probe"
)

// The engine is a Target as it is.
var _ Target = (*engine.Store)(nil)

// NewEngineFactory returns the factory of the engine itself, with background work off.
func NewEngineFactory() Factory { return &engineFactory{probes: probe.NewSet()} }

type engineFactory struct {
	uuids  uuidSource
	probes *probe.Set    // of all its stores
	last   *engine.Store // the store opened before: nobody uses it any more
}

func (f *engineFactory) Format(d disk.Disk, c *Config) error {
	f.uuids.seed(c)
	return engine.Format(d, engine.Geometry{
		ExtentBytes: blockBytes(c, OptExtent),
		Extents:     int(c.Get(OptExtents)),
		PageBytes:   blockBytes(c, OptPage),
		WindowBytes: blockBytes(c, OptWindow),
		WindowUnits: int(c.Get(OptWindowUnits)),
		Rand:        &f.uuids,

		SuperPageBytes: blockBytes(c, OptSuperPage),
	})
}

// Open goes on with the UUIDs where the life before left off: after a reboot a store does not draw the same ones again.
func (f *engineFactory) Open(d disk.Disk, c *Config) (Target, error) {
	s, err := engine.Open(d, engine.Options{
		Rand:            &f.uuids,
		GroupBytes:      blockBytes(c, OptGroup),
		MemtableEntries: int(c.Get(OptMemtable)),
		TablePages:      int(c.Get(OptTable)),
		Probes:          f.probes,
		Reuse:           f.last,
	})
	if err != nil {
		f.last = nil
		return nil, err
	}
	f.last = s
	return s, nil
}

// AddProbes implements ProbeSource.
func (f *engineFactory) AddProbes(add func(name string, count uint64)) {
	for name, count := range f.probes.All() {
		add(name, uint64(count))
	}
}

func blockBytes(c *Config, o Option) int { return int(c.Get(OptBlock)) * int(c.Get(o)) }

// uuidSource draws UUIDs with little entropy where the sequence asks for that, so that equal ones occur. It implements
// rand.Source; a UUID is two words of it.
type uuidSource struct {
	pcg  rand.PCG
	mask uint64 // the bits of a word that vary
}

func (u *uuidSource) seed(c *Config) {
	u.pcg.Seed(mix64(uint64(c.Get(OptSeed))), 1)
	u.mask = ^uint64(0) >> (64 - max(1, c.Get(OptUUIDBits)/2))
}

// Uint64 returns the next word.
func (u *uuidSource) Uint64() uint64 { return u.pcg.Uint64() & u.mask }
