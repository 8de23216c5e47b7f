package model

import (
	"context"
	"slices"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/iosched"
)

// Store is the reference model of engine.Store. The zero Store is empty and open. It is used by one goroutine.
type Store struct {
	Limit int // bytes of the largest shard it takes; 0: any
	// Recall makes it remember every mutation since Settle, for Excuse.
	Recall bool

	mark
	now    State      // M1
	base   State      // every mutation up to persisted
	later  []Mutation // persisted+1, persisted+2, ...
	first  State      // with Recall: every mutation up to that of the last Settle
	gone   []Mutation // with Recall: those since, up to persisted
	could  State      // scratch: what a crash may leave
	closed bool
	bytes  []byte // what the values lie in, one after another
}

// Put stores a copy of data as shard id.
func (s *Store) Put(id engine.ShardID, data []byte) (engine.Dependency, error) {
	if !s.closed && s.Limit > 0 && len(data) > s.Limit {
		return engine.Dependency{}, engine.ErrTooLarge
	}
	start := len(s.bytes)
	s.bytes = append(s.bytes, data...)
	return s.mutate(Mutation{Shard: Shard{id, s.bytes[start:]}})
}

// Delete takes shard id away, if it is there.
func (s *Store) Delete(id engine.ShardID) (engine.Dependency, error) {
	return s.mutate(Mutation{Shard: Shard{ID: id}, Delete: true})
}

func (s *Store) mutate(m Mutation) (engine.Dependency, error) {
	if s.closed {
		return engine.Dependency{}, engine.ErrClosed
	}
	s.now = s.now.Apply(m)
	s.later = append(s.later, m)
	return iosched.NewDependency(s, s.Mutations()), nil
}

// Get returns the bytes of shard id; AppendShard appends them to dst.
func (s *Store) Get(id engine.ShardID) ([]byte, error) { return s.AppendShard(nil, id) }
func (s *Store) AppendShard(dst []byte, id engine.ShardID) ([]byte, error) {
	if s.closed {
		return dst, engine.ErrClosed
	}
	if i, found := s.now.Find(id); found {
		return append(dst, s.now[i].Data...), nil
	}
	return dst, engine.ErrNotFound
}

// List returns the first ids after *after, or from the start; at most limit. AppendList appends them to dst.
func (s *Store) List(after *engine.ShardID, limit int) ([]engine.ShardID, error) {
	return s.AppendList(nil, after, limit)
}
func (s *Store) AppendList(dst []engine.ShardID, after *engine.ShardID, limit int) ([]engine.ShardID, error) {
	if s.closed {
		return dst, engine.ErrClosed
	}
	start, found := 0, false
	if after != nil {
		start, found = s.now.Find(*after)
	}
	if found {
		start++
	}
	for _, shard := range s.now[start:][:max(0, min(limit, len(s.now)-start))] {
		dst = append(dst, shard.ID)
	}
	return dst, nil
}

// Wait makes persistent what d stands for, and so all before it; Sync and Flush every mutation. Check finds nothing.
func (s *Store) Wait(_ context.Context, d engine.Dependency) error { return s.persist(d.Number(s)) }
func (s *Store) Sync(context.Context) error                        { return s.persist(s.Mutations()) }
func (s *Store) Flush(context.Context) error                       { return s.persist(s.Mutations()) }
func (s *Store) Check(context.Context, func(error)) error          { return s.persist(0) }

// Pump makes up to n further mutations persistent and returns how many it were.
func (s *Store) Pump(n int) (int, error) {
	n = min(n, len(s.later))
	return n, s.persist(s.persisted + uint64(n))
}

// Close makes every mutation persistent; until Reopen every call answers ErrClosed.
func (s *Store) Close() error {
	err := s.persist(s.Mutations())
	s.closed = true
	return err
}

func (s *Store) persist(n uint64) error {
	if s.closed {
		return engine.ErrClosed
	}
	s.Persist(n)
	return nil
}

// Reopen is the clean open after a Close.
func (s *Store) Reopen() { s.closed = false }

// Reset makes s empty and open, for another life; the dependencies of this one lose their meaning.
func (s *Store) Reset() {
	*s = Store{
		Limit: s.Limit, Recall: s.Recall, now: s.now[:0], base: s.base[:0], could: s.could[:0], later: s.later[:0], bytes: s.bytes[:0],
		first: s.first[:0], gone: s.gone[:0],
	}
}

// Mutations returns the number of the newest mutation, Persisted that of the newest one that is persistent; 0 is none.
func (s *Store) Mutations() uint64 { return s.persisted + uint64(len(s.later)) }
func (s *Store) Persisted() uint64 { return s.persisted }

// Persist records that the mutations up to number n are persistent.
func (s *Store) Persist(n uint64) {
	count := min(max(n, s.persisted)-s.persisted, uint64(len(s.later)))
	for _, m := range s.later[:count] {
		s.base = s.base.Apply(m)
		if s.Recall {
			s.gone = append(s.gone, m)
		}
	}
	s.later = slices.Delete(s.later, 0, int(count))
	s.persisted += count
}

// Crash makes s what a crash leaves that let the mutations up to number n through, Persisted at least; the open after it made
// them persistent. The numbers of the lost ones are used again.
func (s *Store) Crash(n uint64) {
	s.Persist(n)
	s.later = s.later[:0]
	s.now = append(s.now[:0], s.base...)
	s.closed = false
}

// Explain returns after how many mutations, the fewest that a crash may let through, s held exactly got: all that was persistent,
// and a prefix of what came later. It reports false if no such number explains it.
func (s *Store) Explain(got State) (n uint64, ok bool) {
	s.could = append(s.could[:0], s.base...)
	for i := 0; ; i++ {
		if s.could.Equal(got) {
			return s.persisted + uint64(i), true
		}
		if i == len(s.later) {
			return 0, false
		}
		s.could = s.could.Apply(s.later[i])
	}
}

// Settle says that what is persistent now can no longer be taken for torn, whatever breaks.
func (s *Store) Settle() { s.first, s.gone = append(s.first[:0], s.base...), s.gone[:0] }

// Excuse returns the state nearest to Persisted that holds exactly got, of those since the last Settle: damage to the end of a log
// cannot be told from a write that was torn. It reports false if there is none.
func (s *Store) Excuse(got State) (n uint64, ok bool) {
	s.could = append(s.could[:0], s.first...)
	for i := 0; ; i++ {
		if s.could.Equal(got) {
			n, ok = s.persisted-uint64(len(s.gone)-i), true
		}
		if i == len(s.gone) {
			return n, ok
		}
		s.could = s.could.Apply(s.gone[i])
	}
}

// Lose makes s what it was after the mutation of number n, which Excuse returned.
func (s *Store) Lose(n uint64) {
	s.base = append(s.base[:0], s.first...)
	for _, m := range s.gone[:uint64(len(s.gone))-(s.persisted-n)] {
		s.base = s.base.Apply(m)
	}
	s.persisted, s.later = n, s.later[:0]
	s.now = append(s.now[:0], s.base...)
	s.Settle()
}

// Now returns what the store holds, until the next mutation; Base what certainly survives a crash (D of every shard), and Later
// the mutations since in order, from number Persisted+1 on, of which a prefix may survive (L).
func (s *Store) Now() State        { return s.now }
func (s *Store) Base() State       { return s.base }
func (s *Store) Later() []Mutation { return s.later }
