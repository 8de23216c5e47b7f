package engine

import (
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
// With m extents for the merged run and t that runs are in, free are 2+m for a delete, 3+m for the next flush, and for a put
// max(5+m, 5+2m-t): 5+m if the index is one run without waste.
//
// That m is an upper bound takes three things. It counts an entry once for every run that it is in, for nobody knows better before
// they are merged; so whoever adds entries, or writes some in a second place for a while as compaction does, leaves what is needed
// with them. More entries never need less, although larger tables lie closer. And a full flush makes its tables as large as the
// bound took them to be.
//
// The metadata is one frame, which names tables in 68 bytes each: an extent of 4 KiB has room for about 55, less 8 bytes for each
// extent of the disk. A full flush makes its tables so large that half of that is enough; a flush that would not find room beside
// the tables that are there is a full one; a slice of compaction that would not is given up. A put for whose shard the largest
// tables would be too many is refused: then all free extents are in reserve.
//
// From a size on the index is not merged whole, for that takes as much memory: see sliced.
type reserve struct {
	whole    bool // the index is merged whole
	metadata int  // for the two copies of the metadata
	merge    int  // for a full flush, metadata included; of an index that is merged in slices, for the next flush and to repack
	steps    int  // other flushes and compaction leave these, see leave
	deletes  int  // reclamation leaves these
	put      int  // no put takes these
}

const (
	leaveLog     = 1
	leaveDeletes = 1
	rollingLog   = 2
	leaveCopies  = 1
	leaveRepack  = 1
	mostMerge    = 8        // extents of an index that is merged whole, if they are more than Options.MergeBytes
	leastSliced  = 32 << 10 // bytes of an extent from which on an index may be merged in slices
)

// reserve reckons with the present index and n shards more.
func (s *Store) reserve(n int) (r reserve) {
	r.metadata = 2
	if s.extents.Root.Metadata[0].IsZero() {
		r.metadata = 4 // the first two, and two to go on in
	}
	merged := s.mergedExtents(n)
	work, kept := merged, merged // to take for a full flush, and what it has taken afterwards
	if r.whole = merged <= s.mergeMost; !r.whole {
		work, kept = s.sliced(n)
	}
	traded := kept - s.extents.OwnedCount(extent.Runs) - s.extents.OwnedCount(extent.Levels)
	next := 2 + work + rollingLog // afterwards
	r.merge = r.metadata + work
	r.steps = r.merge + leaveLog
	r.deletes = max(r.steps+leaveDeletes, next+traded+r.metadata-2)
	r.put = r.deletes + leaveCopies
	if !s.tree.Fits(n) || !r.whole && !s.tree.FitsSliced() {
		r.put = max(r.put, s.extents.Len())
	}
	return r
}

// mergedExtents returns how many extents a run of everything and n shards more takes.
func (s *Store) mergedExtents(n int) int { return s.extentsFor(s.tree.MergedBytes(n)) }

func (s *Store) extentsFor(bytes int64) int {
	size := int64(s.extents.Geometry().ExtentBytes)
	return int((bytes + size - 1) / size)
}

// keepReserve tells the extents what each owner leaves, for a full flush or anything else.
func (s *Store) keepReserve(r reserve, full bool) {
	leave := r.leave()
	if full {
		leave = r.metadata
	}
	s.extents.SetLeave(extent.Runs, leave)
	s.extents.SetLeave(extent.Levels, leave)
	s.extents.SetLeave(extent.Copies, r.deletes)
}

// leave returns what flushes that are no full ones, and compaction, leave.
func (r *reserve) leave() int {
	if r.whole {
		return r.steps
	}
	return r.metadata + leaveRepack
}

// mustMerge reports whether the flush whose tables are to be built has to be a full one: whether a run of its own, with its
// tombstones, would take what a full one needs afterwards, or the metadata cannot name its tables. It makes the reserve fit the
// answer.
func (s *Store) mustMerge(full bool) bool {
	shards, tombstones := s.tree.FlushingEntries()
	r := s.reserve(tombstones)
	if r.whole {
		run := s.tree.RunBytes(shards)
		if run <= int64(s.extents.Left(extent.Runs)) {
			run = 0
		}
		full = full || s.extents.FreeCount()-s.extentsFor(run) < r.steps || !s.tree.FlushFits()
	}
	s.keepReserve(r, full)
	if full && !s.tree.Compacting() {
		s.extents.Resume(extent.Levels, extent.LogExtent{}) // no table in an extent with old ones: those are all free then
	}
	return full
}

// mayGrow makes compaction leave what is needed when runs hold so many entries more; a table that is moved holds none.
func (s *Store) mayGrow(entries int) {
	r := s.reserve(entries)
	leave := r.leave()
	if s.repacking || !r.whole && entries == 0 {
		leave = r.metadata
	}
	s.extents.SetLeave(extent.Levels, leave)
}

// makeRoom returns when the log can take a frame of that payload: when the window is open and its extent relied on. It fails
// with ErrFull when only the reserve is left and nothing can be gained.
func (s *Store) makeRoom(kind chunk.Kind, payload int) error {
	return s.again(func() error { return s.tryRoom(kind, payload) })
}

func (s *Store) tryRoom(kind chunk.Kind, payload int) error {
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
		before, more := s.extents.FreeCount(), false
		for _, step := range [...]func() (bool, error){s.flushOne, s.merge, s.reclaim} {
			did, err := step()
			if err != nil && !noSpace(err) {
				return err
			}
			if enough() {
				return nil
			}
			more = more || did && err == nil
		}
		if s.extents.FreeCount() <= before && (!more || s.reserve(0).whole) {
			s.probes.Hit(probeFull)
			return s.errFull()
		}
	}
}

func (s *Store) errFull() error {
	return fmt.Errorf("%w: %d extents free, %d in reserve", ErrFull, s.extents.FreeCount(), s.reserve(1).put)
}

func (s *Store) flushOne() (bool, error) { return false, s.flush() }

// merge makes one run of everything, if the index is not too large for that; else it takes a step of compaction.
func (s *Store) merge() (bool, error) {
	if s.reserve(0).whole {
		return false, s.flushAll(true)
	}
	return s.compact(true)
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
