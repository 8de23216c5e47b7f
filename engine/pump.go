package engine

import (
	"context"
	"errors"

	"github.com/shardproof/shardproof/engine/iosched"
)

// A store moves by steps. Each step submits what is due, lets one request of the disk complete, and notes what follows from it:
// units become durable in order, slots become relied on, a flush, a compaction or a root switch goes on. Whoever waits takes the
// steps himself, or, with background work on, waits for the driver to take them.

// step lets one request complete. It returns false when there is nothing to do.
func (s *Store) step() bool {
	s.settle()
	s.hurry()
	if !s.extents.Step() {
		return false
	}
	if s.extents.Sched().Err() != nil {
		s.repair()
	}
	s.settle()
	return true
}

// settle notes what completed requests make possible.
func (s *Store) settle() {
	s.log.Advance()
	s.switches.advance()
	if s.tree.Advance() != nil { // whoever waits for the job that failed is told; what it appended is garbage
		s.release = true
	}
	s.switches.advance()
	if s.release && s.extents.Relied(s.shrunk) {
		s.release = false
		s.releaseDead()
	}
}

// progress takes a step that the caller's next move depends on.
func (s *Store) progress() error {
	if s.background != nil {
		return s.awaitChange()
	}
	more := s.step()
	if s.broken != nil {
		return s.broken
	}
	if !more {
		panic("engine: waiting for something that nothing brings about")
	}
	return nil
}

// await returns when dep is persistent, or when the store has repaired itself: then every change of the table made before is relied
// on, and steps that were under way have ended.
func (s *Store) await(dep iosched.Dependency) error {
	s.settle()
	for before := s.repairs; !dep.Persistent() && s.repairs == before; {
		if err := s.progress(); err != nil {
			return err
		}
	}
	return nil
}

// Pump lets up to n requests of the disk complete and returns how many did. Steps that were started go on meanwhile. Fewer than n
// means that nothing was left to do: then every dependency handed out is persistent. With background work on requests complete
// without it, and it lets none. Where a request fails, repairing the store counts as one. Errors: ErrReadOnly if that cannot be
// done, ErrClosed.
func (s *Store) Pump(n int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return 0, err
	}
	if s.background != nil {
		return 0, nil
	}
	s.log.Seal()
	for i := range n {
		if !s.step() {
			return i, nil
		}
		if s.broken != nil {
			return i, s.broken
		}
	}
	return n, nil
}

// Wait returns when d is persistent, or has failed, or ctx is done. With background work off it lets requests complete on the
// caller's goroutine. Errors: why d failed, the context's, ErrClosed if d is pending and the store is closed.
func (s *Store) Wait(ctx context.Context, d Dependency) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wait(ctx, d)
}

func (s *Store) wait(ctx context.Context, d Dependency) error {
	switch d.State() {
	case Persistent:
		return nil
	case Failed:
		return errors.Join(ErrReadOnly, d.Err())
	}
	switch {
	case s.closed:
		return ErrClosed
	case s.broken != nil:
		return s.broken
	}
	n := d.Number(s.log)
	if n == 0 {
		return errForeign
	}
	s.commit(n)
	defer s.wakeWhenDone(ctx)()
	for s.log.Durable() < n {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.closed {
			return ErrClosed
		}
		// The unit may have become durable, and the store read-only, before who waits was woken: then the wait has succeeded.
		if err := s.progress(); err != nil && s.log.Durable() < n {
			return err
		}
	}
	return nil
}

// commit sees that unit n is submitted: at once, or, with background work on, together with those that others wait for.
func (s *Store) commit(n uint64) {
	s.waited = max(s.waited, n)
	if s.background == nil {
		s.log.Seal()
	}
}

// hurry submits a flush once all units that are waited for have completed. Other writes may be in flight: those of a run, and
// there may be many, do not hold up a put.
func (s *Store) hurry() {
	if s.log.Durable() < s.waited && s.log.Completed(s.waited) {
		s.extents.Sched().Flush()
	}
}

var errForeign = errors.New("dependency of another store")

// Sync returns when every dependency handed out so far is persistent. Errors as Wait.
func (s *Store) Sync(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wait(ctx, iosched.NewDependency(s.log, s.log.Next()-1))
}

// FlushSuperblock records all that is known of the extents, write pointers included, and returns when that is relied on. Errors:
// ErrReadOnly, ErrClosed, the context's.
func (s *Store) FlushSuperblock(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.extents.Touch()
	defer s.wakeWhenDone(ctx)()
	return s.await(s.extents.Want())
}
