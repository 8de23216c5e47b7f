package engine

import (
	"github.com/shardproof/shardproof/engine/bufcache"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/probe"
)

// ExtentStat is what is known of one extent.
type ExtentStat struct {
	Owner      string // free, superblock, log, runs, levels, metadata, metadata2, copies
	Generation uint64
	Pointer    uint32 // bytes written
	Live       uint32 // bytes of frames that the recorded index refers to
	InLog      bool   // part of what an Open would replay, or ahead of it
}

// Space is how much of the disk is used, and for what.
type Space struct {
	ExtentBytes int   // bytes of an extent
	Extents     int   // extents of the disk
	Free        int   // free extents
	Reserve     int   // free extents that no put takes
	ShardBytes  int64 // bytes of frames of shards that the recorded index refers to: exact as of the last flush
	RunBytes    int64 // bytes of the sorted runs
	UsedBytes   int64 // bytes below the write pointers, the superblock left out
	Released    int64 // times an extent became free since the store was formatted
}

// Space returns the present figures. They do not fail, on a closed store either.
func (s *Store) Space() Space {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.space()
}

func (s *Store) space() Space {
	x := s.extents
	m := s.tree.Metadata()
	p := Space{ExtentBytes: int(x.Geometry().ExtentBytes), Extents: x.Len(), Free: x.FreeCount(), Reserve: s.reserve(1).put, RunBytes: m.TableBytes()}
	for i := range x.Len() {
		p.ShardBytes += int64(m.Live[i])
		e := x.Entry(extent.ID(i))
		p.UsedBytes += int64(e.Pointer)
		p.Released += int64(e.Generation - x.Entry(0).Generation) // the superblock stays in the generation the store began with
	}
	p.ShardBytes -= p.RunBytes
	return p
}

// Stats is what a store tells of itself at one moment.
type Stats struct {
	Space
	Table      []ExtentStat // by extent number
	Memtable   int          // shards changed and in no recorded run yet
	Runs       []int        // entries of each run, newest first
	TailUnits  uint64       // log units that an Open would replay now
	Pending    int          // log units that are not persistent yet
	Epoch      uint64       // opens and recovered failures since Format
	Cache      bufcache.Stats
	IndexCache bufcache.Stats
	ReadOnly   error      // why the store takes no mutations, nil if it does
	Probes     *probe.Set // situations that occurred; shared if Options.Probes is
}

// Stats returns the present figures. They do not fail, on a closed store either.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.extents
	m := s.tree.Metadata()
	t := Stats{
		Space: s.space(), Memtable: s.tree.Pending(), TailUnits: s.log.Next() - s.tailUnit, Pending: s.log.Pending(),
		Epoch: x.Root.Epoch, Cache: s.pages.Stats(), IndexCache: s.indexPages.Stats(), ReadOnly: s.broken, Probes: s.probes,
	}
	for i := range x.Len() {
		id := extent.ID(i)
		e := x.Entry(id)
		t.Table = append(t.Table, ExtentStat{e.Owner.String(), uint64(e.Generation), e.Pointer, m.Live[i], s.listed(id)})
	}
	for i := range m.Zero {
		t.Runs = append(t.Runs, m.Zero[i].Entries())
	}
	for i := range m.Deep {
		t.Runs = append(t.Runs, m.Deep[i].Entries())
	}
	return t
}
