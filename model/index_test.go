package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/model"
)

// entry returns mutation m of shard n, a put.
func entry(n byte, m uint64) index.Entry {
	return index.Entry{ID: id(n), Kind: index.Put, Mutation: m, Locator: chunk.Locator{Extent: extent.ID(n % 4), Generation: 1, Offset: uint32(m) * 64, Length: 100}}
}

func newIndex(t *testing.T, entries ...index.Entry) *model.Index {
	x := new(model.Index)
	for i := range entries {
		require.NoError(t, x.Set(&entries[i]))
	}
	return x
}

func requireEntries(t *testing.T, x index.Index, want ...index.Entry) {
	t.Helper()
	got, err := x.AppendEntries(nil, nil, 100)
	require.NoError(t, err)
	require.ElementsMatch(t, want, got)
	for _, e := range want {
		one, found, err := x.Get(e.ID)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, e, one)
	}
}

func TestIndexHoldsTheNewestMutation(t *testing.T) {
	x := newIndex(t, entry(1, 1), entry(2, 2), entry(1, 3))
	requireEntries(t, x, entry(1, 3), entry(2, 2))
	require.NoError(t, x.Set(&index.Entry{ID: id(2), Kind: index.Delete, Mutation: 4}))
	require.NoError(t, x.Set(&index.Entry{ID: id(7), Kind: index.Delete, Mutation: 5}))
	requireEntries(t, x, entry(1, 3))
	_, found, err := x.Get(id(2))
	require.NoError(t, err)
	require.False(t, found)
}

func TestScansPageInOrder(t *testing.T) {
	x := newIndex(t, entry(9, 1), entry(3, 2), entry(7, 3), entry(5, 4))
	three, four := id(3), id(4)
	for _, c := range []struct {
		after *chunk.ShardID
		limit int
		want  []index.Entry
	}{
		{nil, 2, []index.Entry{entry(3, 2), entry(5, 4)}},
		{&three, 1, []index.Entry{entry(5, 4)}},
		{&four, 9, []index.Entry{entry(5, 4), entry(7, 3), entry(9, 1)}},
	} {
		got, err := x.AppendEntries(nil, c.after, c.limit)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}

func TestMoveComparesAndSwaps(t *testing.T) {
	x := newIndex(t, entry(1, 1))
	from, to := entry(1, 1).Locator, chunk.Locator{Extent: 3, Generation: 9, Length: 100}
	for _, c := range []struct {
		name     string
		id       chunk.ShardID
		mutation uint64
		from     chunk.Locator
	}{
		{"another shard", id(2), 1, from}, {"another mutation", id(1), 2, from}, {"another place", id(1), 1, to},
	} {
		moved, err := x.Move(c.id, c.mutation, c.from, to)
		require.NoError(t, err)
		require.False(t, moved, c.name)
	}
	moved, err := x.Move(id(1), 1, from, to)
	require.NoError(t, err)
	require.True(t, moved)
	want := entry(1, 1)
	want.Locator = to
	requireEntries(t, x, want)
}

func TestFlushIsWhatARebootGoesBackTo(t *testing.T) {
	x := newIndex(t, entry(1, 1), entry(5, 2), entry(2, 3))
	require.NoError(t, x.Flush(ctx))
	e := entry(1, 4)
	require.NoError(t, x.Set(&e))
	live := make([]uint32, 4)
	x.AddLive(live)
	require.Equal(t, []uint32{0, 200, 100, 0}, live)
	x.Reboot()
	requireEntries(t, x, entry(1, 1), entry(5, 2), entry(2, 3))
	x.Reset()
	requireEntries(t, x)
}

func TestRecorderKeepsTheNewestPersistentRecord(t *testing.T) {
	g := &extent.Geometry{Extents: 5, ExtentBytes: 512, Logical: 64, Physical: 64, PageBytes: 64}
	e := newExtents()
	var r model.Recorder
	var m index.Metadata
	found, err := r.Recorded(&m, g)
	require.NoError(t, err)
	require.False(t, found)

	d, err := r.Record(&index.Metadata{Live: []uint32{0, 7}}, none)
	require.NoError(t, err)
	require.False(t, d.Persistent())
	r.Sync()
	require.True(t, d.Persistent())

	_, after := appendText(t, e, extent.Runs, "a table", none)
	d, err = r.Record(&index.Metadata{Live: []uint32{0, 0, 9}}, after)
	require.NoError(t, err)
	r.Sync()
	require.False(t, d.Persistent())
	_, err = r.Recorded(&m, g)
	require.NoError(t, err)
	require.Equal(t, []uint32{0, 7, 0, 0, 0}, m.Live)

	require.NoError(t, e.Sync(ctx))
	r.Sync()
	require.True(t, d.Persistent())
	found, err = r.Recorded(&m, g)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, []uint32{0, 0, 9, 0, 0}, m.Live)
	r.Reset()
	found, _ = r.Recorded(&m, g)
	require.False(t, found)
}
