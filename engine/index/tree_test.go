package index_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/bufcache"
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/engine/probe"
	"github.com/shardproof/shardproof/model"
)

// The tree on models of the floors below, beside the model of itself.

var ctx = context.Background()

// The extents of a floor: those of its tables, then one that all entries point into.
const (
	tableExtents = 200
	dataExtent   = tableExtents
)

// floor is a tree and what it stands on.
type floor struct {
	t        *testing.T
	geometry extent.Geometry
	options  index.Options
	chunks   model.Chunks
	recorder model.Recorder
	tree     *index.Tree
	model    model.Index
	mutation uint64
	flushed  uint64 // the newest mutation that the record holds
}

func newFloor(t *testing.T, change func(o *index.Options)) *floor {
	f := &floor{t: t}
	f.geometry = extent.Geometry{Extents: tableExtents, ExtentBytes: 4096, Logical: 64, Physical: 64, PageBytes: 128}
	f.chunks.Extents = new(model.Extents)
	f.chunks.Extents.Reset(&f.geometry, extent.Superblock)
	f.geometry.Extents++
	f.options = index.Options{
		Geometry: &f.geometry, FilterBits: 10, Trigger: 2, Fanout: 2, Probes: probe.NewSet(),
		Cache: bufcache.New(4*128, 128, new(disk.Buffers)),
		Await: f.await, Parts: func(chunk.Locator) ([]chunk.Locator, error) { return nil, nil },
		Pin: f.chunks.Pin, Unpin: f.chunks.Unpin,
	}
	if change != nil {
		change(&f.options)
	}
	f.open()
	t.Cleanup(f.check)
	return f
}

// open opens the tree from its record, and the model as of its last flush.
func (f *floor) open() {
	var m index.Metadata
	found, err := f.recorder.Recorded(&m, &f.geometry)
	require.NoError(f.t, err)
	recorded := &m
	if !found {
		recorded = nil
	}
	f.tree = index.Open(&f.chunks, &f.recorder, recorded, f.flushed+1, f.options)
	f.model.Reboot()
}

func (f *floor) await(dep iosched.Dependency) error {
	_ = f.chunks.Sync(ctx)
	f.recorder.Sync()
	if !dep.Persistent() {
		return errors.New("waited for what nothing makes persistent")
	}
	return nil
}

// check wants tree and model to hold the same, and the tree to find nothing wrong with itself.
func (f *floor) check() {
	want, err := f.model.AppendEntries(nil, nil, math.MaxInt32)
	require.NoError(f.t, err)
	got, err := f.tree.AppendEntries(nil, nil, math.MaxInt32)
	require.NoError(f.t, err)
	require.Equal(f.t, shown(want), shown(got))
	for n := range byte(40) {
		want, wanted, _ := f.model.Get(id(n))
		got, found, err := f.tree.Get(id(n))
		require.NoError(f.t, err)
		require.Equal(f.t, wanted, found, "shard %d", n)
		require.Equal(f.t, shown([]index.Entry{want}), shown([]index.Entry{got}))
	}
	require.NoError(f.t, f.tree.Check(ctx, func(err error) { f.t.Error(err) }))
}

// shown returns what callers see of entries.
func shown(entries []index.Entry) []index.Entry {
	for i := range entries {
		entries[i].Moved = false
	}
	return entries
}

func id(n byte) chunk.ShardID { return chunk.ShardID{n * 5, 1} }

func (f *floor) set(n byte, kind index.EntryKind) {
	f.mutation++
	e := index.Entry{ID: id(n), Kind: kind, Mutation: f.mutation}
	if kind == index.Put {
		e.Locator = f.place()
	}
	require.NoError(f.t, f.tree.Set(&e))
	require.NoError(f.t, f.model.Set(&e))
}

// place returns a place that is new while the mutation is.
func (f *floor) place() chunk.Locator {
	return chunk.Locator{Extent: dataExtent, Generation: extent.Generation(f.mutation), Length: 100}
}

func (f *floor) flush() {
	f.flushed = f.mutation
	require.NoError(f.t, f.tree.Flush(ctx))
	require.NoError(f.t, f.model.Flush(ctx))
}

// compact merges until nothing is left to merge.
func (f *floor) compact() {
	for {
		more, err := f.tree.Compact(ctx)
		require.NoError(f.t, err)
		if !more {
			return
		}
	}
}

// live is what the model says of the live bytes of entries.
func (f *floor) live() uint32 {
	live := make([]uint32, tableExtents+1)
	f.model.AddLive(live)
	return live[dataExtent]
}

func TestTreeHoldsTheNewestMutationOnEveryLevel(t *testing.T) {
	f := newFloor(t, nil)
	for round := range byte(9) {
		for n := range byte(12) {
			f.set(n+round, index.Put)
		}
		f.set(round, index.Delete)
		f.check()
		f.flush()
		f.check()
		_, err := f.tree.Compact(ctx)
		require.NoError(t, err)
		f.check()
	}
	require.NotEmpty(t, f.tree.Metadata().Deep)
}

func TestTreeComesBackFromItsRecord(t *testing.T) {
	f := newFloor(t, nil)
	for round := range byte(5) {
		f.set(round, index.Put)
		f.set(round+1, index.Put)
		f.flush()
		f.open()
		f.check()
	}
	f.compact()
	f.open()
	f.check()
}

func TestCompactionLeavesOneLevelWithoutTombstones(t *testing.T) {
	f := newFloor(t, nil)
	for n := range byte(30) {
		f.set(n, index.Put)
		if n%7 == 6 {
			f.flush()
		}
	}
	for n := range byte(20) {
		f.set(n, index.Delete)
	}
	f.flush()
	f.compact()
	f.check()
	m := f.tree.Metadata()
	require.Equal(t, 10, m.Entries(), "what exists and nothing else")
	levels := len(m.Zero)
	for i := range m.Deep {
		if len(m.Deep[i].Tables) > 0 {
			levels++
		}
	}
	require.Equal(t, 1, levels)
}

func TestLiveBytesFollowEveryFlush(t *testing.T) {
	f := newFloor(t, nil)
	random := rand.New(rand.NewPCG(3, 1))
	for range 60 {
		for range random.IntN(12) {
			f.set(byte(random.IntN(40)), index.EntryKind(1+random.IntN(2)))
		}
		f.flush()
		if random.IntN(3) == 0 {
			_, err := f.tree.Compact(ctx)
			require.NoError(t, err)
		}
		want := make([]uint32, tableExtents+1)
		want[dataExtent] = f.live()
		f.tree.EachTable(func(l chunk.Locator) { want[l.Extent] += l.Length })
		require.Equal(t, want, f.tree.Metadata().Live)
	}
}

func TestMovesAreRecordedByTheNextFlush(t *testing.T) {
	f := newFloor(t, nil)
	f.set(1, index.Put)
	f.flush()
	from := f.place()
	to := from
	to.Offset = 64
	for _, wrong := range []func() (bool, error){
		func() (bool, error) { return f.tree.Move(id(2), 1, from, to) },
		func() (bool, error) { return f.tree.Move(id(1), 2, from, to) },
		func() (bool, error) { return f.tree.Move(id(1), 1, to, to) },
	} {
		moved, err := wrong()
		require.NoError(t, err)
		require.False(t, moved)
	}
	move := func() {
		moved, err := f.tree.Move(id(1), 1, from, to)
		require.NoError(t, err)
		require.True(t, moved)
	}
	move()
	f.open()
	f.check() // at its old place
	f.set(2, index.Put)
	move()
	_, _ = f.model.Move(id(1), 1, from, to)
	f.check()
	f.flush()
	f.open()
	f.check()
}

func TestTablesLeaveAnExtentThatIsReclaimed(t *testing.T) {
	f := newFloor(t, func(o *index.Options) { o.TablePages = 2 })
	for n := range byte(40) {
		f.set(n, index.Put)
		if n%9 == 8 {
			f.flush()
		}
	}
	f.flush()
	tables := map[extent.ID]int{}
	f.tree.EachTable(func(l chunk.Locator) { tables[l.Extent]++ })
	for x := range tables {
		f.chunks.Reboot() // tables to come lie in extents of their own
		for {
			began, err := f.tree.StartMove(x)
			require.NoError(t, err)
			if !began {
				break
			}
			require.NoError(t, f.tree.FinishCompact())
		}
		f.tree.EachTable(func(l chunk.Locator) { require.NotEqual(t, x, l.Extent) })
		require.Zero(t, f.tree.Metadata().Live[x])
		require.NoError(t, f.chunks.Release(x))
		f.check()
	}
}

func TestAnUnreadableTableIsAnError(t *testing.T) {
	f := newFloor(t, func(o *index.Options) { o.Cache, o.FilterBits = nil, 0 })
	f.set(1, index.Put)
	f.flush()
	f.tree.EachTable(func(l chunk.Locator) { require.NoError(t, f.chunks.Release(l.Extent)) })
	f.open()
	_, _, err := f.tree.Get(id(1))
	require.Error(t, err)
	_, err = f.tree.AppendEntries(nil, nil, 9)
	require.Error(t, err)
	complaints := 0
	require.NoError(t, f.tree.Check(ctx, func(error) { complaints++ }))
	require.Positive(t, complaints)
	f.set(1, index.Put)
	_, found, err := f.tree.Get(id(1))
	require.NoError(t, err, "what was set since needs no table")
	require.True(t, found)
	f.tree, f.model = index.Open(&f.chunks, &f.recorder, nil, 1, f.options), model.Index{}
}

// Other calls fall between the steps of a flush and a compaction, and see nothing of them.
func TestNothingShowsBetweenTheStepsOfFlushAndCompaction(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 2))
		f := newFloor(t, func(o *index.Options) {
			o.TablePages = 1 + random.IntN(4)
			o.Trigger, o.Fanout, o.FilterBits = 1+random.IntN(4), 2+random.IntN(6), random.IntN(2)*10
		})
		for range 400 {
			switch random.IntN(10) {
			case 0:
				if _, err := f.tree.StartFlush(false, f.mutation, f.mutation+1, iosched.Dependency{}); err != nil {
					require.ErrorIs(t, err, index.ErrBusy)
				}
			case 1:
				if _, err := f.tree.StartCompact(random.IntN(2) == 0); err != nil {
					require.ErrorIs(t, err, index.ErrBusy)
				}
			case 2:
				_, _ = f.chunks.Pump(1 + random.IntN(3))
			case 3:
				f.recorder.Sync()
			case 4:
				require.NoError(t, f.tree.Advance())
			case 5:
				after := id(byte(random.IntN(40)))
				got, err := f.tree.AppendEntries(nil, &after, 5)
				require.NoError(t, err)
				want, _ := f.model.AppendEntries(nil, &after, 5)
				require.Equal(t, shown(want), shown(got))
			case 6:
				f.move(id(byte(random.IntN(40))))
			case 7:
				f.releaseDead()
			default:
				f.set(byte(random.IntN(40)), index.EntryKind(1+random.IntN(3)/2))
			}
			n := byte(random.IntN(40))
			got, found, err := f.tree.Get(id(n))
			require.NoError(t, err)
			want, wanted, _ := f.model.Get(id(n))
			require.Equal(t, wanted, found, "seed %d, shard %d", seed, n)
			require.Equal(t, want.Mutation, got.Mutation)
			require.Equal(t, want.Locator, got.Locator)
		}
		require.NoError(t, f.tree.FinishFlush())
		require.NoError(t, f.tree.FinishCompact())
		f.check()
	}
}

// move gives the entry of a shard another place, on both sides.
func (f *floor) move(id chunk.ShardID) {
	e, found, _ := f.model.Get(id)
	if !found {
		return
	}
	to := e.Locator
	to.Offset += 64
	moved, err := f.tree.Move(id, e.Mutation, e.Locator, to)
	require.NoError(f.t, err)
	require.True(f.t, moved)
	_, _ = f.model.Move(id, e.Mutation, e.Locator, to)
}

// releaseDead releases every extent without live bytes by the record, as the floor above does.
func (f *floor) releaseDead() {
	var m index.Metadata
	found, err := f.recorder.Recorded(&m, &f.geometry)
	require.NoError(f.t, err)
	if !found || f.tree.Busy() {
		return
	}
	for x := range extent.ID(tableExtents) {
		if f.chunks.Describe(x).Owner == extent.Runs && m.Live[x] == 0 {
			require.NoError(f.t, f.chunks.Release(x))
		}
	}
}

// holds counts what a tree has been told to hold.
type holds map[chunk.Locator]int

func (h holds) count(e *index.Entry, n int) {
	h[e.Locator] += n
	if h[e.Locator] == 0 {
		delete(h, e.Locator)
	}
}

// A put in parts that was moved several times, for each part once, goes back move by move, and is held once all the while.
func TestMovesGoBack(t *testing.T) {
	held := holds{}
	f := newFloor(t, func(o *index.Options) {
		o.Hold = func(e *index.Entry) { held.count(e, 1) }
		o.Drop = func(e *index.Entry) { held.count(e, -1) }
	})
	var places []chunk.Locator
	for range 4 {
		f.mutation++
		places = append(places, f.place())
	}
	e := index.Entry{ID: id(1), Kind: index.PutParts, Mutation: f.mutation, Locator: places[0]}
	require.NoError(t, f.tree.Set(&e))
	require.NoError(t, f.model.Set(&e))
	f.flush()
	require.Empty(t, held)
	for i := range places[1:] {
		moved, err := f.tree.Move(e.ID, e.Mutation, places[i], places[i+1])
		require.NoError(t, err)
		require.True(t, moved)
	}
	require.False(t, f.tree.MoveBack(e.ID, e.Mutation+1, places[2], places[3]))
	require.False(t, f.tree.MoveBack(e.ID, e.Mutation, places[1], places[2]))
	for i := len(places) - 2; i >= 0; i-- {
		require.True(t, f.tree.MoveBack(e.ID, e.Mutation, places[i], places[i+1]))
		now, _, err := f.tree.Get(e.ID)
		require.NoError(t, err)
		require.Equal(t, places[i], now.Locator)
		require.Equal(t, 1, held[places[i]])
		require.Zero(t, held[places[i+1]])
	}
	f.flush()
	require.Empty(t, held)
}

// Steps that are abandoned leave the tree as if they had not begun, whatever they waited for.
func TestAbandonedStepsHaveNotBegun(t *testing.T) {
	interrupted := errors.New("interrupted")
	for waits := range 3 {
		f := newFloor(t, nil)
		for n := range byte(30) {
			f.set(n, index.Put)
		}
		f.flush()
		for n := range byte(40) {
			f.set(n, index.Put)
		}
		began, err := f.tree.StartFlush(false, f.mutation, f.mutation+1, iosched.Dependency{})
		require.NoError(t, err)
		require.True(t, began)
		if waits > 0 {
			require.NoError(t, f.tree.Advance())
		}
		if waits > 1 {
			_ = f.chunks.Sync(ctx)
			require.NoError(t, f.tree.Advance())
		}
		f.tree.Abandon(interrupted, false)
		require.False(t, f.tree.Busy())
		require.ErrorIs(t, f.tree.FinishFlush(), interrupted)
		require.Equal(t, 40, f.tree.Pending())
		f.check()
		f.recorder.Sync()
		if waits < 2 { // the record of the model goes its way
			f.flush()
			f.compact()
			require.Zero(t, f.tree.Pending())
		}
	}
}
