package model_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/model"
)

var ctx = context.Background()

func id(n byte) engine.ShardID { return engine.ShardID{n} }

func put(t *testing.T, s *model.Store, n byte, value string) engine.Dependency {
	t.Helper()
	d, err := s.Put(id(n), []byte(value))
	require.NoError(t, err)
	return d
}

func requireValue(t *testing.T, s *model.Store, n byte, want string) {
	t.Helper()
	got, err := s.Get(id(n))
	require.NoError(t, err)
	require.Equal(t, want, string(got))
}

func TestStoreAnswersWithTheLatestMutation(t *testing.T) {
	var s model.Store
	_, err := s.Get(id(1))
	require.ErrorIs(t, err, engine.ErrNotFound)
	put(t, &s, 1, "a")
	put(t, &s, 1, "bb")
	requireValue(t, &s, 1, "bb")
	put(t, &s, 2, "")
	requireValue(t, &s, 2, "")
	_, err = s.Delete(id(1))
	require.NoError(t, err)
	_, err = s.Get(id(1))
	require.ErrorIs(t, err, engine.ErrNotFound)
	_, err = s.Delete(id(1))
	require.NoError(t, err, "deleting what is absent is no error")
}

func TestPutKeepsACopy(t *testing.T) {
	var s model.Store
	p := []byte("abc")
	_, err := s.Put(id(1), p)
	require.NoError(t, err)
	p[0] = 'x'
	requireValue(t, &s, 1, "abc")
	got, _ := s.Get(id(1))
	got[0] = 'y'
	requireValue(t, &s, 1, "abc")
}

func TestListPagesInOrder(t *testing.T) {
	var s model.Store
	for _, n := range []byte{9, 3, 7, 5} {
		put(t, &s, n, "v")
	}
	list := func(after *engine.ShardID, limit int) []engine.ShardID {
		ids, err := s.List(after, limit)
		require.NoError(t, err)
		return ids
	}
	three, four, nine := id(3), id(4), id(9)
	require.Equal(t, []engine.ShardID{id(3), id(5), id(7), id(9)}, list(nil, 10))
	require.Equal(t, []engine.ShardID{id(3), id(5)}, list(nil, 2))
	require.Equal(t, []engine.ShardID{id(5)}, list(&three, 1))
	require.Equal(t, []engine.ShardID{id(5), id(7), id(9)}, list(&four, 10))
	require.Empty(t, list(&nine, 10))
	require.Empty(t, list(nil, 0))
}

func TestMutationsBecomePersistentInOrder(t *testing.T) {
	var s model.Store
	a, b, c := put(t, &s, 1, "a"), put(t, &s, 2, "b"), put(t, &s, 3, "c")
	require.False(t, a.Persistent())
	n, err := s.Pump(1)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.True(t, a.Persistent())
	require.False(t, b.Persistent())
	require.False(t, a.And(c).Persistent())
	require.NoError(t, s.Wait(ctx, b))
	require.True(t, b.Persistent())
	require.False(t, c.Persistent())
	require.NoError(t, s.Sync(ctx))
	require.True(t, c.Persistent())
	n, err = s.Pump(4)
	require.NoError(t, err)
	require.Zero(t, n)
	d, _ := s.Delete(id(3))
	require.NoError(t, s.Close())
	require.True(t, d.Persistent(), "a clean shutdown leaves nothing pending")
}

func TestAClosedStoreAnswersNothing(t *testing.T) {
	var s model.Store
	d := put(t, &s, 1, "a")
	require.NoError(t, s.Close())
	_, err := s.Put(id(1), nil)
	require.ErrorIs(t, err, engine.ErrClosed)
	_, err = s.Delete(id(1))
	require.ErrorIs(t, err, engine.ErrClosed)
	_, err = s.Get(id(1))
	require.ErrorIs(t, err, engine.ErrClosed)
	_, err = s.List(nil, 1)
	require.ErrorIs(t, err, engine.ErrClosed)
	_, err = s.Pump(1)
	require.ErrorIs(t, err, engine.ErrClosed)
	for _, err := range []error{s.Wait(ctx, d), s.Sync(ctx), s.Flush(ctx), s.Check(ctx, nil), s.Close()} {
		require.ErrorIs(t, err, engine.ErrClosed)
	}
	s.Reopen()
	requireValue(t, &s, 1, "a")
}

func TestTooLargeIsBeyondTheLimit(t *testing.T) {
	s := model.Store{Limit: 3}
	put(t, &s, 1, "abc")
	_, err := s.Put(id(1), []byte("abcd"))
	require.ErrorIs(t, err, engine.ErrTooLarge)
	requireValue(t, &s, 1, "abc")
	require.EqualValues(t, 1, s.Mutations())
}

// A crash leaves what was persistent and some prefix of what came later: all prefixes, and nothing else.
func TestACrashLeavesAPrefix(t *testing.T) {
	for n := uint64(2); n <= 4; n++ {
		var s model.Store
		put(t, &s, 1, "old")
		d := put(t, &s, 2, "kept")
		put(t, &s, 1, "new")
		_, err := s.Delete(id(2))
		require.NoError(t, err)
		require.NoError(t, s.Wait(ctx, d))
		require.Len(t, s.Base(), 2)
		require.Len(t, s.Later(), 2)

		s.Crash(n)
		requireValue(t, &s, 1, map[bool]string{false: "old", true: "new"}[n >= 3])
		_, found := s.Now().Find(id(2))
		require.Equal(t, n < 4, found)
		require.Equal(t, s.Base(), s.Now())
		require.Empty(t, s.Later())
		require.Equal(t, n, s.Mutations())
	}
}

func TestResetForgetsEverything(t *testing.T) {
	var s model.Store
	put(t, &s, 1, "a")
	require.NoError(t, s.Close())
	s.Reset()
	require.Empty(t, s.Now())
	require.Zero(t, s.Mutations())
	d := put(t, &s, 2, "b")
	require.False(t, d.Persistent())
	require.Len(t, s.Now(), 1)
}

// Of what a crash may leave, Explain tells after how many mutations it was so, the fewest; of anything else, that it was never so.
func TestExplainTellsAPrefixFromEverythingElse(t *testing.T) {
	var s model.Store
	put(t, &s, 1, "old")
	d := put(t, &s, 2, "kept")
	put(t, &s, 1, "new")
	put(t, &s, 1, "new")
	_, err := s.Delete(id(2))
	require.NoError(t, err)
	require.NoError(t, s.Wait(ctx, d))
	state := func(values map[byte]string) (x model.State) {
		for _, k := range []byte{1, 2, 3} {
			if v, ok := values[k]; ok {
				x = append(x, model.Shard{ID: id(k), Data: []byte(v)})
			}
		}
		return x
	}
	for _, c := range []struct {
		values map[byte]string
		want   uint64 // 0: never
	}{
		{map[byte]string{1: "old", 2: "kept"}, 2},
		{map[byte]string{1: "new", 2: "kept"}, 3},
		{map[byte]string{1: "new"}, 5},
		{map[byte]string{1: "old"}, 0},
		{map[byte]string{2: "kept"}, 0},
		{map[byte]string{1: "new", 2: "kept", 3: "x"}, 0},
		{nil, 0},
	} {
		n, ok := s.Explain(state(c.values))
		require.Equal(t, c.want > 0, ok, "%v", c.values)
		require.Equal(t, c.want, n, "%v", c.values)
	}
	require.EqualValues(t, 5, s.Mutations(), "asking changes nothing")
	require.EqualValues(t, 2, s.Persisted())
}

func TestExcuseKnowsWhatWasPersistentSinceSettle(t *testing.T) {
	s := model.Store{Recall: true}
	put(t, &s, 1, "old")
	require.NoError(t, s.Sync(ctx))
	s.Settle()
	put(t, &s, 1, "a")
	put(t, &s, 2, "b")
	require.NoError(t, s.Sync(ctx))
	put(t, &s, 3, "c")

	shard := func(n byte, value string) model.Shard { return model.Shard{ID: id(n), Data: []byte(value)} }
	for n, got := range map[uint64]model.State{1: {shard(1, "old")}, 2: {shard(1, "a")}, 3: {shard(1, "a"), shard(2, "b")}} {
		excused, ok := s.Excuse(got)
		require.True(t, ok)
		require.Equal(t, n, excused)
	}
	for _, got := range []model.State{{}, {shard(2, "b")}, {shard(1, "old"), shard(2, "b")}, {shard(1, "a"), shard(2, "b"), shard(3, "c")}} {
		_, ok := s.Excuse(got)
		require.False(t, ok, "no state before, no mixture, and nothing that was not persistent")
	}

	s.Lose(2)
	requireValue(t, &s, 1, "a")
	require.Equal(t, uint64(2), s.Mutations())
	require.Equal(t, uint64(2), s.Persisted())
	_, ok := s.Excuse(model.State{shard(1, "old")})
	require.False(t, ok, "what is left is settled")
}
