package engine

import (
	"errors"
	"fmt"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/log"
)

// The reserve (N5). What must always be possible, on a disk however full, is a flush that merges all runs into one: it gives the
// replay position room to move, and leaves free every extent that held runs before. It writes two copies of the metadata, which
// may need an extent each, and a run of everything. As long as that many extents are free, nothing can get stuck:
//
//	flush, the full one     leaves nothing but the metadata
//	a delete                leaves a full flush
//	flush, compaction       leave besides one extent for the log to go on in, for a delete or a new epoch; the one it leaves
//	                        behind becomes free with the next flush
//	a put                   leaves besides one for deletes, and one for copies
//
// One full flush is not enough for deletes to go on: what it leaves free has to suffice for the next, and for two extents of the
// log, of which one may keep shards and the other becomes free with every flush. A full flush trades the extents that runs are in
// for those of the merged one, so a put looks at the free extents and those of runs together. Reclamation may take an extent and
// free none, if what it copies needs more room than in the log, where frames lie closer: it leaves deletes what they need.
//
// From a size on the index is not merged whole: then a few extents are left to compaction, which frees as it goes.
type reserve struct {
	metadata int // for the two copies of the metadata
	merge    int // for a full flush, metadata included
	steps    int // other flushes and compaction leave these
	deletes  int // reclamation leaves these
	put      int // no put takes these
}

const (
	leaveLog     = 1
	leaveDeletes = 1
	rollingLog   = 2
	leaveCopies  = 1
	mostMerge    = 8 // extents of an index that is merged whole
)

// reserve reckons with the present index and n shards more.
func (s *Store) reserve(n int) (r reserve) {
	r.metadata = 2
	if s.extents.Root.Metadata[0].IsZero() {
		r.metadata = 4 // the first two, and two to go on in
	}
	merged := min(s.mergedExtents(n), mostMerge)
	r.merge = r.metadata + merged
	next := 2 + merged + rollingLog // after a full flush
	traded := merged - s.extents.OwnedCount(extent.Runs) - s.extents.OwnedCount(extent.Levels)
	r.steps = r.merge + leaveLog
	r.deletes = max(r.steps+leaveDeletes, next+traded+r.metadata-2)
	r.put = r.deletes + leaveCopies
	return r
}

// mergedExtents returns how many extents a run of everything and n shards more takes.
func (s *Store) mergedExtents(n int) int { return s.extentsFor(s.tree.MergedBytes(n)) }

func (s *Store) extentsFor(bytes int64) int {
	size := int64(s.extents.Geometry().ExtentBytes)
	return int((bytes + size - 1) / size)
}

// keepReserve tells the extents what each owner leaves, for a full flush or anything else.
func (s *Store) keepReserve(full bool) {
	r := s.reserve(0)
	leave := r.steps
	if full || r.merge-r.metadata == mostMerge {
		leave = r.metadata
	}
	s.extents.SetLeave(extent.Runs, leave)
	s.extents.SetLeave(extent.Levels, leave)
	s.extents.SetLeave(extent.Copies, r.deletes)
}

// mustMerge reports whether the flush whose tables are to be built has to be a full one: whether a run of its own, with its
// tombstones, would take what a full one needs afterwards. It makes the reserve fit the answer.
func (s *Store) mustMerge(full bool) bool {
	shards, tombstones := s.tree.FlushingEntries()
	r := s.reserve(tombstones)
	whole := r.merge-r.metadata < mostMerge
	if whole {
		run := s.extentsFor(max(0, s.tree.RunBytes(shards)-int64(s.extents.Left(extent.Runs))))
		full = full || s.extents.FreeCount()-run < r.steps
	}
	s.keepReserve(full || !whole) // the tombstones count here too: without them the index may be just small enough
	if full && !s.tree.Compacting() {
		s.extents.Resume(extent.Levels, extent.LogExtent{}) // no table in an extent with old ones: those are all free then
	}
	return full
}

// makeRoom returns when the log can take a frame of that payload: when the window is open and its extent relied on. It fails
// with ErrFull when only the reserve is left and nothing can be gained.
func (s *Store) makeRoom(kind chunk.Kind, payload int) error {
	if err := s.boundTail(); err != nil {
		return err
	}
	for {
		if s.background != nil && s.tailFull() { // others have put meanwhile
			if err := s.boundTail(); err != nil {
				return err
			}
		}
		room := s.log.Room(payload)
		switch {
		case room == log.RoomWindow:
			s.probes.Hit(probeWindowFull)
			if err := s.progress(); err != nil {
				return err
			}
		case room == log.RoomReady:
			s.probes.Hit(probeAwaitReady)
			if err := s.await(s.extents.Want()); err != nil {
				return err
			}
		case !s.spare(kind, room):
			if err := s.findSpace(func() bool { return s.spare(kind, room) }); err != nil {
				return err
			}
		case room == log.RoomExtent:
			s.takeForLog()
		default:
			return nil
		}
	}
}

// boundTail returns when the log that an Open would replay is below its bound (N5).
func (s *Store) boundTail() error {
	full := s.tailFull()
	if full {
		s.probes.Hit(probeTailFull)
	}
	switch {
	case s.background != nil:
		return s.awaitTail()
	case full:
		return s.flush()
	}
	return nil
}

// findSpace returns when enough says so: it gains space, or waits for those who do.
func (s *Store) findSpace(enough func() bool) error {
	if s.background != nil {
		return s.awaitSpace(enough)
	}
	return s.gainSpace(enough)
}

// spare reports whether there are the free extents that a mutation of that kind needs, if the log has that room for it.
func (s *Store) spare(kind chunk.Kind, room log.Room) bool {
	free := s.extents.FreeCount()
	extend := room == log.RoomExtent
	if extend {
		free--
	}
	switch {
	case extend && !s.mayList():
		return false
	case kind == chunk.Tombstone:
		return !extend || free >= s.reserve(0).merge
	default:
		return free >= s.reserve(1).put
	}
}

// mayList reports whether the root can list another extent of the log.
func (s *Store) mayList() bool { return len(s.extents.Root.Log) < s.extents.MaxLog() }

func (s *Store) takeForLog() {
	x, err := s.extents.Take(extent.Log, 0)
	if err != nil {
		panic(err) // spare said so
	}
	s.extents.Root.Log = append(s.extents.Root.Log, x)
}

// gainSpace does the steps that free extents, the cheapest first, until there are enough or nothing is gained any more: then it
// fails with ErrFull.
func (s *Store) gainSpace(enough func() bool) error {
	for {
		before := s.extents.FreeCount()
		for _, step := range [...]func() error{s.flush, s.merge, s.reclaimOne} {
			if err := step(); err != nil && !errors.Is(err, ErrFull) {
				return err
			}
			if enough() {
				return nil
			}
		}
		if s.extents.FreeCount() <= before {
			s.probes.Hit(probeFull)
			return s.errFull()
		}
	}
}

func (s *Store) errFull() error {
	return fmt.Errorf("%w: %d extents free, %d in reserve", ErrFull, s.extents.FreeCount(), s.reserve(1).put)
}

// merge makes one run of everything, if the index is not too large for that.
func (s *Store) merge() error {
	if r := s.reserve(0); r.merge-r.metadata >= mostMerge {
		_, err := s.compact(true)
		return err
	}
	return s.flushAll(true)
}

func (s *Store) reclaimOne() error {
	_, err := s.reclaim()
	return err
}

// prepareNext makes the successor of the log's extent ready ahead of need, so that puts do not wait for the superblock.
func (s *Store) prepareNext() {
	if s.log.Ahead() == 0 && s.spare(chunk.PutFinal, log.RoomExtent) {
		s.takeForLog()
	}
}

// tailFull reports whether the next mutation would pass the bound on what Open has to replay (N5).
func (s *Store) tailFull() bool {
	g := s.extents.Geometry()
	return s.log.NextMutation()-s.tailMutation >= uint64(s.memtable) || s.tree.Filling() >= s.memtable ||
		s.log.Next()-s.tailUnit >= maxTailUnits ||
		int64(len(s.extents.Root.Log)-s.log.Ahead())*int64(g.ExtentBytes) > max(s.options.TailBytes, 2*int64(g.ExtentBytes)) ||
		len(s.extents.Root.Log) >= s.extents.MaxLog()
}

// tailShare returns about how much of the bound that tailFull keeps is used, in percent.
func (s *Store) tailShare() int {
	g := s.extents.Geometry()
	share := func(n, most uint64) int { return int(100 * n / max(1, most)) }
	return max(
		share(max(s.log.NextMutation()-s.tailMutation, uint64(s.tree.Filling())), uint64(s.memtable)),
		share(s.log.Next()-s.tailUnit, maxTailUnits),
		share(uint64(len(s.extents.Root.Log)-s.log.Ahead()-1)*uint64(g.ExtentBytes), uint64(max(s.options.TailBytes, 2*int64(g.ExtentBytes)))),
		share(uint64(len(s.extents.Root.Log)), uint64(s.extents.MaxLog())),
	)
}

// releaseDead frees every extent that nothing needs: its exact live count in the recorded metadata is 0, the relied-on root does
// not list it in the log nor keep the metadata in it, nothing pins it, and nothing is on its way to it (N4).
func (s *Store) releaseDead() {
	live := s.tree.Metadata().Live
	for i := range s.extents.Len() {
		x := extent.ID(i)
		switch s.extents.Entry(x).Owner {
		case extent.Free, extent.Superblock:
			continue
		case extent.Log: // it may have lost some before it was first counted
			s.peak[x] = s.extents.Geometry().ExtentBytes
		default:
			s.peak[x] = max(s.peak[x], live[x])
		}
		if live[x] > 0 || s.extents.Pinned(x) || s.listed(x) || s.holdsMetadata(x) {
			continue
		}
		if s.extents.Appending(x) { // garbage of a step that failed, which must not land in the next life of x
			s.release = true
			continue
		}
		if err := s.extents.Release(x); err != nil {
			panic(err) // none of its reasons applies
		}
		s.peak[x] = 0
		s.probes.Hit(probeReleased)
	}
}

// listed reports whether x is in the log.
func (s *Store) listed(x extent.ID) bool {
	for _, l := range s.extents.Root.Log {
		if l.Extent == x {
			return true
		}
	}
	return false
}

// holdsMetadata reports whether a copy of the metadata lies in x, or will once the switch under way is relied on.
func (s *Store) holdsMetadata(x extent.ID) bool {
	for i := range s.extents.Root.Metadata {
		if s.extents.Root.Metadata[i].Extent == x || s.switches.begun > s.switches.done && s.switches.metadata[i].Extent == x {
			return true
		}
	}
	return false
}
