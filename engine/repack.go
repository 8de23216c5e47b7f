package engine

import (
	"errors"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
)

// An index larger than Options.MergeBytes is never merged whole. What a full flush is for the others, three steps together are for
// it: a flush of its own run, compaction in slices, and repacking, which moves tables out of extents of which much is dead. All
// that has to be possible at any time is the last, for which one extent is enough: it frees at least as much as it takes, and
// brings to light what the dead tables hold. So of free extents few are needed, but of free extents and those of runs together
// more: what the index takes when it was repacked at the worst moment.
//
//	repacking    leaves the metadata
//	compaction   leaves besides one for repacking; where it finds no space, it repacks and goes on
//	a flush      the same; before it, what it takes is made free by repacking, then by compaction
//
// The worst moment has the index as it is, an eighth more (Tree.TopHeavy: from there on compaction takes tombstones down to where
// they end), level 0 twice, for it is merged as a whole and entries are in two places meanwhile, and some tables of a slice.
// Repacked, no two extents have tables that fit one: at most half is waste. Where eight tables fit an extent it is a quarter, for
// what is less than three quarters full is moved, and seven eighths are full before a table does not fit.
//
// A disk of 1 TiB in extents of 16 MiB that is full of shards of 4 KiB has 268 million of them. The index takes 13.4 GB, 800
// extents; at the worst moment 800*9/8+5, repacked 4/3 of that, 1207. A put leaves 2+3+2+1+1207-800 = 415 extents, 0.6 % of the
// disk, where merging whole would take 805 and as much memory.
//
// The metadata can name four times the tables that level 0 may have; deeper levels have half. While they have more, no put is
// taken; while less than a quarter is left, every flush compacts first.

// sliced returns what an index and n shards more need that is too large to be merged whole: how many extents to take for the next
// flush and to repack, and how many the index takes at most when it was repacked, its compaction at the worst moment.
func (s *Store) sliced(n int) (work, kept int) {
	run := s.tree.RunBytes(s.memtableMost())
	zero := int64(s.runsMost())*s.tree.RunBytes(s.memtable) + run
	bytes := max(s.tree.MergedBytes(n), s.tree.SpaceBytes()+s.tree.RunBytes(s.tree.Pending()+n))
	bytes += bytes/index.TopShare + 2*zero + 4*int64(s.tree.LargestTable())
	kept = s.extentsFor(2*bytes) + 1
	if s.packsWell() {
		kept = s.extentsFor(bytes/3*4) + 1
	}
	work = leaveRepack + 1 + s.extentsFor(run)
	return work, max(kept, 2*s.mergeMost-work)
}

// memtableMost returns how many entries a memtable holds at most: what was put, or what reclamation has moved out of an extent.
func (s *Store) memtableMost() int {
	return max(s.memtable, int(s.extents.Geometry().ExtentBytes)/chunk.Overhead)
}

// runsMost returns how many runs level 0 has at most, as long as there is space to compact.
func (s *Store) runsMost() int { return 2 * s.options.Trigger }

// manyRuns reports whether level 0 has as many runs as it may have; those of an index that is merged in slices count by their
// entries too, for the reserve reckons with them.
func (s *Store) manyRuns() bool {
	zero := s.tree.Metadata().Zero
	if len(zero) < s.runsMost() && !s.reserve(0).whole {
		n := 0
		for i := range zero {
			n += zero[i].Entries()
		}
		return n > s.runsMost()*s.memtable
	}
	return len(zero) >= s.runsMost()
}

// packsWell reports whether eight tables fit an extent.
func (s *Store) packsWell() bool {
	return 8*s.tree.LargestTable() <= int(s.extents.Geometry().ExtentBytes)
}

// sparse returns the extent of runs that has the fewest bytes of tables, if something is gained by moving them: if they fit what
// is left of the extent of levels, or a new one together with those of another, or are less than three quarters of what a new
// one will hold. It ends: each extent moved makes the extents fewer, at the latest with the next one.
func (s *Store) sparse() (extent.ID, bool) {
	size := s.extents.Geometry().ExtentBytes
	s.taken = s.tree.AppendSpace(s.taken[:0])
	least, first, second := extent.ID(0), size, size
	for i, n := range s.taken {
		x := extent.ID(i)
		switch {
		case n == 0 || s.extents.Appends(x) || s.extents.Pinned(x):
		case n < first:
			least, first, second = x, n, first
		case n < second:
			second = n
		}
	}
	gains := int(first) <= s.extents.Left(extent.Levels) || first+second <= size || s.packsWell() && first <= size/4*3
	return least, least != 0 && gains
}

// repack moves the tables of one sparse extent. It reports whether there was one.
func (s *Store) repack() (bool, error) {
	x, ok := s.sparse()
	if !ok {
		return false, nil
	}
	s.repacking = true
	defer func() { s.repacking = false }()
	s.probes.Hit(probeRepacked)
	if err := s.rewriteTables(x); err != nil {
		return false, err
	}
	s.settle()
	return true, nil
}

// repackAll moves tables until no extent is sparse, and reports whether one was.
func (s *Store) repackAll() (any bool, err error) {
	for {
		more, err := s.repack()
		if err != nil || !more {
			return any, err
		}
		any = true
	}
}

// compactOne does one compaction, and repacks where it lacks space: as often as a slice could be written since.
func (s *Store) compactOne(force bool) (bool, error) {
	for slices := uint64(0); ; {
		began, err := s.tree.StartCompact(force)
		if err != nil || !began {
			return false, err
		}
		err = s.tree.FinishCompact()
		s.settle()
		if !noSpace(err) || s.reserve(0).whole || slices == s.tree.Slices()+1 {
			return err == nil, err
		}
		slices = s.tree.Slices() + 1
		if more, failed := s.repackAll(); failed != nil || !more {
			return false, errors.Join(err, failed)
		}
	}
}

// prepareFlush sees that the next flush finds the extents it takes, where space lies between tables, and that the metadata can
// name its tables.
func (s *Store) prepareFlush() error {
	for {
		r := s.reserve(0)
		lacking := s.extents.FreeCount() < r.merge
		heavy := !r.whole && s.extents.FreeCount() < r.deletes && s.tree.TopHeavy()
		if !lacking && !heavy && (r.whole || !s.tree.Crowded()) {
			return nil
		}
		more, err := false, error(nil)
		if lacking {
			more, err = s.repackAll()
		}
		if err == nil && !more && !r.whole {
			more, err = s.compactOne(true)
		}
		if err != nil || !more {
			return err
		}
	}
}
