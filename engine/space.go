package engine

import (
	"errors"
	"fmt"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/log"
)

// The reserve (N5) says how many free extents an allocation must leave to others, so that on a full disk deletes, flushes,
// compaction and reclamation still run, each with what those after it need:
//
//	metadata    leaves nothing: its two copies come last
//	flush       leaves two, for the metadata
//	compaction  leaves one more, for the next flush
//	reclamation leaves besides what a compaction may need at once (workspace)
//	a delete    leaves one more, for a new epoch
//	a put       leaves one more, for deletes
const (
	leaveFlush   = 2
	leaveCompact = leaveFlush + 1
	leaveEpoch   = 1
	leaveDeletes = 1
)

// reserve is how many free extents each user leaves now.
type reserve struct {
	move   int // reclamation, and any mutation: a compaction can run
	delete int // an extent for the log, for a delete
	put    int // an extent for the log, for a put
}

// reserve reckons with the present index. A compaction writes a level anew while the old one stands; from a few extents on it
// frees the first while it writes the last.
func (s *Store) reserve() (r reserve) {
	const mostWorkspace = 4
	workspace := min(1+int(s.tree.Metadata().TableBytes()/int64(s.extents.Geometry().ExtentBytes)), mostWorkspace)
	r.move = leaveCompact + workspace
	r.delete = r.move + leaveEpoch
	r.put = r.delete + leaveDeletes
	return r
}

// keepReserve tells the extents what each owner leaves.
func (s *Store) keepReserve() {
	s.extents.SetLeave(extent.Runs, leaveFlush)
	s.extents.SetLeave(extent.Levels, leaveCompact)
	s.extents.SetLeave(extent.Copies, s.reserve().move)
}

// makeRoom returns when the log can take a frame of that payload: when the window is open and its extent relied on. It fails
// with ErrFull when only the reserve is left and nothing can be gained.
func (s *Store) makeRoom(kind chunk.Kind, payload int) error {
	if s.tailFull() {
		s.probes.Hit(probeTailFull)
		if err := s.flush(); err != nil {
			return err
		}
	}
	for {
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
			if err := s.gainSpace(); err != nil {
				return err
			}
		case room == log.RoomExtent:
			s.takeForLog()
		default:
			return nil
		}
	}
}

// spare reports whether there are the free extents that a mutation of that kind needs, if the log has that room for it.
func (s *Store) spare(kind chunk.Kind, room log.Room) bool {
	r := s.reserve()
	switch free := s.extents.FreeCount(); {
	case room == log.RoomExtent && kind == chunk.Tombstone:
		return free > r.delete && s.mayList()
	case room == log.RoomExtent:
		return free > r.put && s.mayList()
	case kind == chunk.Tombstone:
		return true // it makes the index no larger for long
	default:
		return free >= r.move
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

// gainSpace does one of the steps that free extents, the cheapest first. It fails with ErrFull if none of them gains anything.
func (s *Store) gainSpace() error {
	if s.tree.Pending() > 0 {
		return s.flush()
	}
	before := s.extents.FreeCount()
	for _, step := range []func() (bool, error){s.reclaim, func() (bool, error) { return s.compact(true) }} {
		did, err := step()
		if err != nil && !errors.Is(err, ErrFull) {
			return err
		}
		if err == nil && did && s.extents.FreeCount() > before {
			return nil
		}
	}
	s.probes.Hit(probeFull)
	return fmt.Errorf("%w: %d extents free, %d in reserve", ErrFull, s.extents.FreeCount(), s.reserve().put)
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

// releaseDead frees every extent that nothing needs: its exact live count in the recorded metadata is 0, the relied-on root does
// not list it in the log nor keep the metadata in it, and nothing pins it (N4).
func (s *Store) releaseDead() {
	live := s.tree.Metadata().Live
	for i := range s.extents.Len() {
		x := extent.ID(i)
		switch s.extents.Entry(x).Owner {
		case extent.Free, extent.Superblock:
			continue
		}
		if live[x] > 0 || s.extents.Pinned(x) || s.listed(x) || s.holdsMetadata(x) {
			continue
		}
		if err := s.extents.Release(x); err != nil {
			panic(err) // none of its reasons applies
		}
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
