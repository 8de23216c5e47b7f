package engine

import (
	"errors"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/iosched"
)

// A failed write or flush ends the epoch: nothing is known of what it covered, and asking again repairs nothing. So all that was not
// durable is written anew, in other places, from what memory holds of it. The mechanism is that of an Open (N2), with the store's
// memory in the place of the log's tail:
//
//	reap all ──► steps under way end, references to lost copies go back ──► units behind the durable prefix get new places
//	         ──► root {epoch + 1, resume}, in two slots ──► units written, flushed ──► calls go on
//
// What answers, and what has been promised, is not changed by any of that: a dependency is the number of a unit, which stays. A step
// that was under way, such as a flush, leaves the store as if it had not begun; who waits for it takes it again.
//
// The store's lock is held all the while, with background work on too: until the references have followed the units nobody may
// look, and who looks afterwards would wait for the device as well.
//
// Not masked: a device that fails again and again. Then the store is read-only, with all that it has answered still readable.

const (
	repairTries = 3  // how often a repair that fails is tried again, if not even a flush succeeds meanwhile
	repairMost  = 12 // how often in any case
	stepTries   = 3  // how often a step is taken again that failed requests have ended
)

// repair makes the store go on after a failed request, or makes it read-only: at once if the device is gone, or if it is not open yet.
func (s *Store) repair() {
	if s.broken != nil {
		return
	}
	io := s.extents.Sched()
	flushed := io.Flushed()
	for tries, all := 0, 0; ; tries, all = tries+1, all+1 {
		cause := io.Err()
		gone := errors.Is(cause, disk.ErrGone) || errors.Is(cause, disk.ErrClosed)
		for !gone && io.Reap() {
		}
		s.letGo(cause)
		if n := io.Flushed(); n > flushed {
			tries, flushed = 0, n
		}
		if gone || s.opening || tries > repairTries || all > repairMost || !s.restart() {
			s.log.Fail(cause)
			_ = s.fail(cause)
			return
		}
		if io.Err() == nil {
			break
		}
	}
	s.repairs++
	s.probes.Hit(probeRepaired)
	s.prepareNext()
}

// letGo ends what relies on requests that were not durable when one of them failed.
func (s *Store) letGo(cause error) {
	if s.opening {
		return
	}
	recorded := s.switches.abandon()
	s.tree.Abandon(&interrupted{cause}, recorded)
	s.moveBack()
	s.release = true // of what the steps have appended
}

// restart begins a new epoch, has it relied on, and makes durable what was not. It returns false if the log cannot go on; otherwise
// it has done all that, or another request has failed.
func (s *Store) restart() bool {
	io := s.extents.Sched()
	if s.extents.Relied(s.shrunk) {
		s.releaseDead() // what a repair that failed has taken, among others
	}
	if !s.log.Restart(s.takeToRepair) {
		return false
	}
	s.followLog()
	s.extents.Restart()
	s.shrunk = s.extents.Touch()
	for recorded := s.extents.Want(); !recorded.Persistent(); {
		s.stepOfRepair()
		if io.Err() != nil {
			return true
		}
	}
	for s.log.Pending() > 0 {
		s.log.Issue()
		s.stepOfRepair()
		if io.Err() != nil {
			return true
		}
		s.log.Advance()
	}
	return true
}

func (s *Store) stepOfRepair() {
	if !s.extents.Step() {
		panic("engine: a repair waits for something that nothing brings about")
	}
}

// takeToRepair gives the log n extents more, of the reserve if need be, if there are so many and the root can list them beside
// others.
func (s *Store) takeToRepair(n, others int) ([]extent.LogExtent, bool) {
	if s.extents.FreeCount() < n || others+n > s.extents.MaxLog() {
		return nil, false
	}
	var taken []extent.LogExtent
	for range n {
		x, err := s.extents.Take(extent.Log, 0)
		if err != nil {
			panic(err) // they have been counted
		}
		taken = append(taken, x)
	}
	return taken, true
}

// followLog makes everything in memory name frames where the log has moved them.
func (s *Store) followLog() {
	s.tree.EachHeld(s.follow)
	for _, p := range s.puts {
		for i, from := range p.parts {
			to, _ := s.log.Moved(from)
			s.extents.Unpin(from.Extent)
			s.extents.Pin(to.Extent)
			p.parts[i] = to
		}
	}
}

// follow makes e, of a memtable, name its frame where that lies now. Parts that have moved belong to a final frame that has, for the
// log moves all that is behind a place.
func (s *Store) follow(e *index.Entry) {
	to, moved := s.log.Moved(e.Locator)
	if !moved {
		return
	}
	s.eachPin(e, s.extents.Unpin)
	if e.Kind == index.PutParts {
		parts := s.parts[e.Locator]
		for i := range parts {
			parts[i], _ = s.log.Moved(parts[i])
		}
		delete(s.parts, e.Locator)
		s.parts[to] = parts
	}
	e.Locator = to
	s.eachPin(e, s.extents.Pin)
}

// movedRef is an entry of the memtable that names a copy which may not be durable yet, and what it named before. The recorded root
// counts that as live until the flush that switches the reference, which waits for the copy; so it is there to go back to.
type movedRef struct {
	id       ShardID
	mutation uint64
	from, to chunk.Locator
	parts    []chunk.Locator // of the put at from, if it is one in parts
	copied   iosched.Dependency
}

// forgetMoves forgets what need not go back any more.
func (s *Store) forgetMoves() {
	kept := s.moves[:0]
	for i := range s.moves {
		if !s.moves[i].copied.Persistent() {
			kept = append(kept, s.moves[i])
		}
	}
	clear(s.moves[len(kept):])
	s.moves = kept
}

// moveBack makes entries of the memtable that name lost copies name again what was copied, the newest move first: a put in parts may
// have been moved several times.
func (s *Store) moveBack() {
	s.forgetMoves()
	for i := len(s.moves) - 1; i >= 0; i-- {
		m := &s.moves[i]
		_, known := s.parts[m.from]
		if len(m.parts) > 0 && !known {
			s.parts[m.from] = m.parts
		}
		if s.tree.MoveBack(m.id, m.mutation, m.from, m.to) {
			s.movedBack = true
		} else if !known {
			delete(s.parts, m.from)
		}
	}
	clear(s.moves)
	s.moves, s.moved = s.moves[:0], iosched.Dependency{}
}

// interrupted is the error of a step that was under way when a request failed. The store has been repaired since, or is read-only.
// It answers to nothing: what it was caused by says nothing of the step.
type interrupted struct{ cause error }

func (e *interrupted) Error() string { return "interrupted by a failed request: " + e.cause.Error() }

// again takes a step, and takes it again if a failed request has ended it. If that happens again and again the error is the
// device's; the store goes on.
func (s *Store) again(step func() error) error {
	for tries := 0; ; tries++ {
		err := step()
		if err == nil {
			return nil
		}
		switch cause := interruption(err); {
		case cause == nil:
			return err
		case s.broken != nil:
			return s.broken
		case tries == stepTries:
			return cause
		}
	}
}

// interruption returns why a step was interrupted that ended with err, nil if it was not.
func interruption(err error) error {
	var i *interrupted
	if errors.As(err, &i) {
		return i.cause
	}
	return nil
}

// againMore is again for a step that reports whether there was one to take.
func (s *Store) againMore(step func() (bool, error)) (more bool, err error) {
	err = s.again(func() error {
		var err error
		more, err = step()
		return err
	})
	return more, err
}

// noSpace reports whether err says that the store lacks space, not its device.
func noSpace(err error) bool { return errors.Is(err, ErrFull) && !errors.Is(err, ErrIO) }
