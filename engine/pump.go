package engine

import (
	"context"
	"errors"

	"github.com/shardproof/shardproof/engine/iosched"
)

// A store moves by steps. Each step submits what is due, lets one request of the disk complete, and notes what follows from it:
//
//	due:     a root update that somebody waits for; a flush, once no write is in flight that it should wait for
//	follows: units become durable in order, slots become relied on

// submitDue submits what is due without waiting.
func (s *Store) submitDue() {
	if s.wanted > s.table.Recording() && !s.table.Writing() {
		s.beginRoot()
	}
	if s.io.Undurable() && s.io.Writes() == 0 {
		s.io.Flush()
	}
}

// beginRoot starts to record every change of the table.
func (s *Store) beginRoot() {
	s.table.Root.DurableThrough = s.log.Durable()
	s.table.Begin()
}

// step lets one request complete. It returns false when there is nothing to do.
func (s *Store) step() bool {
	s.submitDue()
	if !s.io.Reap() {
		return false
	}
	s.log.Advance()
	s.table.Advance()
	return true
}

// progress takes a step that the caller's next move depends on.
func (s *Store) progress() error {
	more := s.step()
	if err := s.io.Err(); err != nil {
		return s.fail(err)
	}
	if !more {
		panic("engine: waiting for something that nothing brings about")
	}
	return nil
}

// want asks for the newest change of the table to be relied on.
func (s *Store) want() uint64 {
	s.wanted = s.table.Changed()
	return s.wanted
}

// awaitRoot returns when the change of that number is relied on.
func (s *Store) awaitRoot(change uint64) error {
	for !s.table.Relied(change) {
		if err := s.progress(); err != nil {
			return err
		}
	}
	return nil
}

// awaitUnit returns when unit n is durable.
func (s *Store) awaitUnit(n uint64) error {
	for s.log.Durable() < n {
		if err := s.progress(); err != nil {
			return err
		}
	}
	return nil
}

// awaitWrites returns when w is durable.
func (s *Store) awaitWrite(w *iosched.Write) error {
	for !s.io.Durable(w) {
		if err := s.progress(); err != nil {
			return err
		}
	}
	return nil
}

// Pump lets up to n requests of the disk complete, those first that the log and the superblock wait for, and returns how many
// did. Fewer than n means that nothing was left to do: then every dependency handed out is persistent. Errors: ErrReadOnly
// after a failed request, ErrClosed.
func (s *Store) Pump(n int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return 0, err
	}
	s.log.Seal()
	for i := range n {
		if !s.step() {
			return i, nil
		}
		if err := s.io.Err(); err != nil {
			return i, s.fail(err)
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
	if err := s.writable(); err != nil {
		return err
	}
	n := d.Number(s.log)
	if n == 0 {
		return errForeign
	}
	s.log.Seal()
	for s.log.Durable() < n {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.progress(); err != nil {
			return err
		}
	}
	return nil
}

var errForeign = errors.New("dependency of another store")

// Sync returns when every dependency handed out so far is persistent. Errors as Wait.
func (s *Store) Sync(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wait(ctx, iosched.NewDependency(s.log, s.log.Next()-1))
}
