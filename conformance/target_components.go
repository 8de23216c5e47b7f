package conformance

import (
	"context"
	"errors"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/bufcache"
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/probe"
)

// The engine's own components in the place of targets.

// NewExtentFactory returns the factory of the engine's extent stores, with a cache of the configured size and no reserve.
func NewExtentFactory() ExtentFactory { return &extentFactory{probes: probe.NewSet()} }

type extentFactory struct {
	probes  *probe.Set
	buffers disk.Buffers
	cache   bufcache.Cache
	lives   []*extent.Store // of this sequence, and of earlier ones behind them
	life    int             // the next
}

func (f *extentFactory) Format(d disk.Disk, c *Config) error {
	g := GeometryOf(c)
	f.life = 0
	return extent.Format(d, g, uint32(blockBytes(c, OptSuperPage)), extent.StoreID{})
}

func (f *extentFactory) Open(d disk.Disk, c *Config) (ExtentTarget, error) {
	s, err := f.open(d, c)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// open takes over no store of this sequence: its dependencies are still asked.
func (f *extentFactory) open(d disk.Disk, c *Config) (*extent.Store, error) {
	f.buffers.Reset()
	if f.life == len(f.lives) {
		f.lives = append(f.lives, new(extent.Store))
	}
	s, err := extent.Open(d, extent.Options{Buffers: &f.buffers, Probes: f.probes, Reuse: f.lives[f.life]})
	f.life++
	if err != nil {
		return nil, err
	}
	f.cache.Reset(int64(c.Get(OptCache)*c.Page()), int(c.Page()), &f.buffers)
	s.SetCache(&f.cache)
	return s, nil
}

// AddProbes implements ProbeSource.
func (f *extentFactory) AddProbes(add func(name string, count uint64)) { addProbes(f.probes, add) }

func addProbes(s *probe.Set, add func(name string, count uint64)) {
	for name, count := range s.All() {
		add(name, uint64(count))
	}
}

// NewChunkFactory returns the factory of the engine's chunk stores, on its extent stores.
func NewChunkFactory() ChunkFactory {
	return &chunkFactory{extentFactory: extentFactory{probes: probe.NewSet()}}
}

type chunkFactory struct {
	extentFactory
	uuids  uuidSource
	target chunkTarget
}

func (f *chunkFactory) Format(d disk.Disk, c *Config) error {
	f.uuids.seed(c, 0)
	return f.extentFactory.Format(d, c)
}

func (f *chunkFactory) Open(d disk.Disk, c *Config) (ChunkTarget, error) {
	s, err := f.open(d, c)
	if err != nil {
		return nil, err
	}
	f.target.extents = s
	f.target.Store.Reset(s, &f.uuids)
	f.target.Store.SetProbes(f.probes)
	return &f.target, nil
}

// chunkTarget is a chunk store and the extents below it.
type chunkTarget struct {
	chunk.Store
	extents *extent.Store
}

// Reclaim implements chunk.Chunks. Nothing appends to an extent that is reclaimed: the floor above sees to that.
func (t *chunkTarget) Reclaim(x extent.ID, refs chunk.References) (int, error) {
	if t.extents.Appends(x) {
		t.extents.Resume(t.extents.Describe(x).Owner, extent.LogExtent{})
	}
	return t.Store.Reclaim(x, refs)
}

func (t *chunkTarget) Geometry() *extent.Geometry        { return t.extents.Geometry() }
func (t *chunkTarget) Len() int                          { return t.extents.Len() }
func (t *chunkTarget) Describe(x extent.ID) extent.Entry { return t.extents.Describe(x) }
func (t *chunkTarget) Release(x extent.ID) error         { return t.extents.Release(x) }
func (t *chunkTarget) Pump(n int) (int, error)           { return t.extents.Pump(n) }
func (t *chunkTarget) Sync(ctx context.Context) error    { return t.extents.Sync(ctx) }
func (t *chunkTarget) Close() error                      { return t.extents.Close() }
func (t *chunkTarget) Check(ctx context.Context, report func(error)) error {
	return t.extents.Check(ctx, report)
}

// NewIndexFactory returns the factory of the engine's indexes.
func NewIndexFactory() IndexFactory { return &indexFactory{probes: probe.NewSet()} }

type indexFactory struct {
	buffers disk.Buffers
	cache   bufcache.Cache
	probes  *probe.Set
	last    *index.Tree
	target  indexTarget
}

func (f *indexFactory) Open(b *IndexBelow, c *Config) (IndexTarget, error) {
	f.buffers.Reset()
	f.cache.Reset(int64(c.Get(OptIndexCache)*c.Page()), int(c.Page()), &f.buffers)
	f.last = index.Open(b.Chunks, b.Recorder, b.Recorded, b.Replay, index.Options{
		Geometry: b.Geometry, TablePages: int(c.Get(OptTable)), FilterBits: int(c.Get(OptFilterBits)), Trigger: int(c.Get(OptTrigger)),
		Fanout: int(c.Get(OptFanout)), Cache: &f.cache, Probes: f.probes,
		Await: b.Await, Parts: noParts, Pin: b.Pin, Unpin: b.Unpin, MustMerge: f.target.mustMerge, Reuse: f.last,
	})
	f.target = indexTarget{Tree: f.last}
	return &f.target, nil
}

// indexTarget is an index whose metadata has room for every table, which a store sees to otherwise: when compaction lacks it, or
// little is left, the next flush merges everything.
type indexTarget struct {
	*index.Tree
	lacking bool // compaction lacked room
}

func (t *indexTarget) mustMerge(full bool) bool {
	full = full || t.lacking || t.Crowded() || !t.FlushFits()
	t.lacking = false
	return full
}

// Compact implements index.Index.
func (t *indexTarget) Compact(ctx context.Context) (bool, error) {
	did, err := t.Tree.Compact(ctx)
	if t.lacking = errors.Is(err, engine.ErrFull); t.lacking {
		return false, nil
	}
	return did, err
}

// noParts says of every put that it has one part.
func noParts(chunk.Locator) ([]chunk.Locator, error) { return nil, nil }

// AddProbes implements ProbeSource.
func (f *indexFactory) AddProbes(add func(name string, count uint64)) { addProbes(f.probes, add) }
