package engine

import (
	"context"
	"time"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/conc"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/log"
)

// background is what Options.Background adds to a Store: the same steps as without it, taken by goroutines.
//
//	Put, Wait ──► unit ──► disk.Queue ──► driver: notes completed requests, submits what follows, wakes who waits
//	                                      keeper: flush, compaction, reclamation, before puts need them
//	                                      clock:  what nobody waited for is committed, pointers are recorded
//
// Commits have a leader and followers: while a unit is on its way to durability, frames gather in the next one, which is
// submitted when the first is durable, for all who wait then.
//
// One goroutine at a time takes steps that flush, merge or reclaim (B1). It lets go of the store's lock only to wait for
// requests, and other calls fall in between, as they do between the parts of a step that Start began: what a caller has seen
// before it waited need not hold afterwards (B2). Puts that find the log or the disk full wait for the keeper, which begins at half
// of what bounds the log, and from three quarters on each put lets a request complete first: they slow down rather than stand
// still (P15). Close ends all goroutines (B3). When a request fails the driver repairs the store, and holds its lock until that is
// done: everybody else waits (B4).
type background struct {
	queue  *disk.Queue
	driver conc.WaitGroup
	keeper conc.WaitGroup
	clock  conc.WaitGroup
	stop   func() bool // the clock's next tick

	reading conc.Mutex // held by the one call that reads; taken before Store.mu
	work    *conc.Cond // on Store.mu: the driver has something to do
	due     *conc.Cond // on Store.mu: a step may be due; the keeper alone waits for it
	changed *conc.Cond // on Store.mu: anything that somebody else may wait for

	// Guarded by Store.mu.
	busy     bool   // somebody takes steps (B1)
	wanted   bool   // a put waits for space
	refusals uint64 // times the keeper looked for space and found none
	refusal  error  // why it did not the last time
	ticks    int
	failed   uint64 // changes of the store when a step failed, or changed nothing
	failure  error  // of the last step
	closing  bool   // Close has begun: no call begins any more
	ended    bool   // the driver ends when nothing is in flight
}

const (
	queueWorkers = 8
	tick         = 100 * time.Millisecond // after which what nobody waits for is committed
	ticksRecord  = 20                     // after which pointers are recorded
)

// startBackground begins background work; the store is open and idle.
func (s *Store) startBackground(q *disk.Queue) {
	b := &background{queue: q, work: conc.NewCond(&s.mu), due: conc.NewCond(&s.mu), changed: conc.NewCond(&s.mu)}
	s.background = b
	b.driver.Go("store driver", s.drive)
	b.keeper.Go("store keeper", s.keep)
	s.armClock()
}

// drive notes requests as they complete and submits what follows from them.
func (s *Store) drive() {
	b := s.background
	s.mu.Lock()
	defer s.mu.Unlock()
	told := false // whoever waits knows that nothing is in flight
	for {
		if s.broken == nil {
			s.leadCommit()
			s.settle()
			s.hurry()
			s.extents.Submit()
		}
		switch {
		case !s.extents.Sched().Idle():
			s.mu.Unlock()
			r := b.queue.Reap(true)
			s.mu.Lock()
			s.noteRequest(r)
			told = false
		case b.ended:
			return
		case !told:
			b.changed.Broadcast()
			told = true
		default:
			b.work.Wait()
		}
	}
}

func (s *Store) noteRequest(r *disk.Request) {
	if r == nil {
		panic("engine: the device has lost a request")
	}
	s.extents.Note(r)
	if s.extents.Sched().Err() != nil {
		s.repair() // if it cannot, whoever waits is told
	}
	s.settle()
	s.background.changed.Broadcast()
	s.background.due.Signal()
}

// leadCommit submits the open unit if somebody waits for it and no other is on its way.
func (s *Store) leadCommit() {
	if s.waited > s.log.Durable() && s.log.Open() && s.log.Flying() == 0 {
		s.log.Seal()
	}
}

// awaitChange lets go of the lock until something has changed, or says why nothing will.
func (s *Store) awaitChange() error {
	if s.broken != nil {
		return s.broken
	}
	s.background.work.Signal()
	s.background.changed.Wait()
	return s.broken
}

// wakeWhenDone sees that who waits for a change looks again when ctx is done. The function it returns ends that.
func (s *Store) wakeWhenDone(ctx context.Context) (end func()) {
	b := s.background
	if b == nil || ctx.Done() == nil {
		return func() {}
	}
	stop := conc.AfterDone(ctx, func() {
		s.mu.Lock()
		b.changed.Broadcast()
		s.mu.Unlock()
	})
	return func() { stop() }
}

// takeSteps returns when the caller alone takes steps (B1), or why it may not. With background work off it is alone anyway.
func (s *Store) takeSteps(ctx context.Context) error {
	b := s.background
	if b == nil {
		return nil
	}
	if b.busy {
		defer s.wakeWhenDone(ctx)()
	}
	for b.busy {
		b.changed.Wait()
		if err := s.ready(ctx); err != nil {
			return err
		}
	}
	b.busy = true
	return nil
}

// leaveSteps lets others take steps.
func (s *Store) leaveSteps() {
	if b := s.background; b != nil {
		b.busy = false
		b.changed.Broadcast()
		b.due.Signal()
		b.work.Signal()
	}
}

// keep takes the steps that are due until the store is closed.
func (s *Store) keep() {
	b := s.background
	s.mu.Lock()
	defer s.mu.Unlock()
	for !b.closing {
		if b.busy || s.broken != nil || !s.keepOne() {
			b.due.Wait()
		}
	}
}

// keepOne takes one step if one is due. What fails, or changes nothing, is not tried again before the store has changed.
func (s *Store) keepOne() bool {
	step := s.due()
	if step == nil {
		return false
	}
	b := s.background
	b.busy = true
	before := s.changes()
	b.failure = s.again(step)
	if b.failure != nil || s.changes() == before {
		b.failed = s.changes()
	}
	s.leaveSteps()
	s.mu.Unlock() // a step need not have waited for anything
	s.mu.Lock()
	return true
}

// changes returns a number that grows with every mutation and every change of the table of extents.
func (s *Store) changes() uint64 { return s.extents.Changed() + s.log.NextMutation() }

// due returns the step that is due, nil if none is.
func (s *Store) due() func() error {
	b := s.background
	if b.wanted {
		return s.lookForSpace
	}
	if b.failed == s.changes() {
		return nil
	}
	switch {
	case s.tailShare() >= 50:
		return s.flush
	case s.tree.CompactionDue():
		return func() error { _, err := s.compact(false); return err }
	case s.extents.FreeCount() < s.freeTarget():
		if _, ok := s.victim(); ok {
			return s.reclaimOne
		}
	}
	return nil
}

// freeTarget returns how many free extents background work sees to.
func (s *Store) freeTarget() int {
	n := s.options.FreeExtents
	if n <= 0 {
		n = s.extents.Len() / 16
	}
	return n + s.reserve(1).put
}

// lookForSpace does for puts that wait what gains space, and counts if nothing did.
func (s *Store) lookForSpace() error {
	b := s.background
	b.wanted = false
	err := s.again(func() error {
		return s.gainSpace(func() bool { return s.spare(chunk.PutFinal, log.RoomExtent) })
	})
	if err != nil {
		b.refusals++
		b.refusal = err
	}
	if noSpace(err) {
		return nil
	}
	return err
}

// awaitSpace returns when enough says so, or ErrFull once the keeper has looked for space since and found none.
func (s *Store) awaitSpace(enough func() bool) error {
	b := s.background
	before := b.refusals
	if b.busy {
		before++ // the step under way began to look before this call
	}
	for !enough() {
		if b.refusals > before {
			return b.refusal
		}
		b.wanted = true
		if err := s.awaitKeeper(); err != nil {
			return err
		}
	}
	return nil
}

// awaitTail returns when the log has room below its bound, and from three quarters of it on lets a request complete first.
func (s *Store) awaitTail() error {
	b := s.background
	for paced := false; s.tailFull() || !paced && s.tailShare() >= 75 && !s.extents.Sched().Idle(); paced = true {
		if b.failure != nil && b.failed == s.changes() && s.tailFull() {
			return b.failure // the log cannot be shortened
		}
		if err := s.awaitKeeper(); err != nil {
			return err
		}
	}
	return nil
}

// awaitKeeper wakes the keeper, and lets go of the lock until something has changed, or says why nothing will.
func (s *Store) awaitKeeper() error {
	s.background.due.Signal()
	if err := s.awaitChange(); err != nil {
		return err
	}
	if s.background.closing {
		return ErrClosed
	}
	return nil
}

// armClock sets the clock to its next tick.
func (s *Store) armClock() {
	b := s.background
	b.clock.Add(1)
	b.stop = conc.AfterFunc(tick, func() {
		defer b.clock.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		if b.closing {
			return
		}
		if s.log.Open() {
			s.commit(s.log.Next() - 1)
		}
		if b.ticks++; b.ticks%ticksRecord == 0 && s.extents.Dirty() {
			s.extents.Want()
		}
		b.work.Signal()
		b.due.Signal()
		s.armClock()
	})
}

// endBackground ends what begins work of its own; the lock is held, and let go of meanwhile. Afterwards the caller takes steps alone
// and only the driver is left.
func (s *Store) endBackground() {
	b := s.background
	b.closing = true
	if b.stop() {
		b.clock.Done()
	}
	b.changed.Broadcast()
	b.due.Signal()
	s.mu.Unlock()
	b.clock.Wait()
	b.keeper.Wait()
	s.mu.Lock()
	for b.busy {
		b.changed.Wait()
	}
	b.busy = true
}

// endDriver ends the driver and the queue; the lock is held, and let go of meanwhile.
func (s *Store) endDriver() {
	b := s.background
	b.ended = true
	b.work.Signal()
	b.changed.Broadcast()
	s.mu.Unlock()
	b.driver.Wait()
	_ = b.queue.Close() // never fails
	s.mu.Lock()
}
