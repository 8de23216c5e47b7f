package conformance

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/probe"
)

// engineTarget is the engine as a Target. Calls that the engine does not have yet are looked for when it is opened.
type engineTarget struct {
	*engine.Store
	ranged interface {
		GetRange(dst []byte, id engine.ShardID, off, n int64) ([]byte, error)
	}
	compact interface {
		Compact(context.Context) (bool, error)
	}
	reclaim interface {
		Reclaim(context.Context) (bool, error)
	}
	super interface{ FlushSuperblock(context.Context) error }
	scrub interface {
		Scrub(context.Context, func(error)) error
	}
}

var _ Target = (*engineTarget)(nil)

// bind makes t the target of s.
func (t *engineTarget) bind(s *engine.Store) {
	a := any(s)
	*t = engineTarget{Store: s}
	t.ranged, _ = a.(interface {
		GetRange(dst []byte, id engine.ShardID, off, n int64) ([]byte, error)
	})
	t.compact, _ = a.(interface {
		Compact(context.Context) (bool, error)
	})
	t.reclaim, _ = a.(interface {
		Reclaim(context.Context) (bool, error)
	})
	t.super, _ = a.(interface{ FlushSuperblock(context.Context) error })
	t.scrub, _ = a.(interface {
		Scrub(context.Context, func(error)) error
	})
}

func (t *engineTarget) Head(engine.ShardID) (int64, error) { return 0, errors.ErrUnsupported }

func (t *engineTarget) AppendRange(dst []byte, id engine.ShardID, off, n int64) ([]byte, error) {
	if t.ranged == nil {
		return dst, errors.ErrUnsupported
	}
	return t.ranged.GetRange(dst, id, off, n)
}

func (t *engineTarget) Compact(ctx context.Context) (bool, error) {
	if t.compact == nil {
		return false, errors.ErrUnsupported
	}
	return t.compact.Compact(ctx)
}

func (t *engineTarget) Reclaim(ctx context.Context) (bool, error) {
	if t.reclaim == nil {
		return false, errors.ErrUnsupported
	}
	return t.reclaim.Reclaim(ctx)
}

func (t *engineTarget) FlushSuperblock(ctx context.Context) error {
	if t.super == nil {
		return errors.ErrUnsupported
	}
	return t.super.FlushSuperblock(ctx)
}

func (t *engineTarget) Scrub(ctx context.Context, report func(error)) error {
	if t.scrub == nil {
		return errors.ErrUnsupported
	}
	return t.scrub.Scrub(ctx, report)
}

func (t *engineTarget) Start(Work) error { return errors.ErrUnsupported }

// Space knows what Stats tells: live bytes of shards it does not, for those of Stats are of runs and records, too.
func (t *engineTarget) Space() Space {
	s := t.Stats()
	space := UnknownSpace
	space.ExtentBytes, space.FreeExtents = int64(s.ExtentBytes), s.Extents["free"]
	space.Extents = 0
	for _, n := range s.Extents {
		space.Extents += n
	}
	return space
}

// Describe implements Describer.
func (t *engineTarget) Describe() Description {
	s := t.Stats()
	d := Description{Figures: []Figure{
		{"live bytes", s.LiveBytes}, {"memtable entries", int64(s.Memtable)}, {"run entries", int64(s.Run)},
		{"log units to replay", int64(s.TailUnits)}, {"log units pending", int64(s.Pending)}, {"epoch", int64(s.Epoch)},
	}}
	for _, owner := range slices.Sorted(maps.Keys(s.Extents)) {
		d.Figures = append(d.Figures, Figure{"extents " + owner, int64(s.Extents[owner])})
	}
	return d
}

// FrameBytes is that of a shard in one frame.
func (t *engineTarget) FrameBytes(n int) int64 {
	if n > t.MaxShard() {
		return -1
	}
	return int64(chunk.FrameBytes(n))
}

// NewEngineFactory returns the factory of the engine itself, with background work off.
func NewEngineFactory() Factory { return &engineFactory{probes: probe.NewSet()} }

type engineFactory struct {
	uuids  uuidSource
	probes *probe.Set    // of all its stores
	last   *engine.Store // the store opened before: nobody uses it any more
	target engineTarget  // of last
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
	f.target.bind(s)
	return &f.target, nil
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
