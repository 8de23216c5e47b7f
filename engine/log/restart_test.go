package log

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
)

// failFlush makes a flush fail that all in flight has completed before.
func (w *world) failFlush(f *failing) {
	for w.sched.Reap() {
	}
	f.broken = true
	w.sched.Flush()
	for w.sched.Reap() {
	}
	f.broken = false
}

// take gives the log free extents.
func (w *world) take(n, _ int) (taken []extent.LogExtent, ok bool) {
	for range n {
		x, ok := w.table.Allocate(extent.Log)
		if !ok {
			return nil, false
		}
		taken = append(taken, x)
	}
	return taken, true
}

// goOn does what follows a Restart: the epoch is relied on, then the units are issued.
func (w *world) goOn() {
	w.sched.Restart()
	w.record()
	for w.log.Pending() > 0 {
		w.log.Issue()
		w.settle()
	}
}

func failable(t *testing.T, image []byte) (*world, *failing) {
	w := open(t, image, 512)
	f := &failing{tape: w.disk}
	w.sched.Reset(f, w.buffers)
	w.record()
	return w, f
}

// Units that were in flight go on behind the durable prefix, in an extent of which nothing was issued, with their numbers and frames.
func TestARestartGivesUnitsInFlightNewPlaces(t *testing.T) {
	w, f := failable(t, formatted(t))
	_, kept := w.put(1, 0)
	w.settle()
	part := chunk.Header{Kind: chunk.PutPart, ID: chunk.ShardID{2}, Parts: 2, UUID: chunk.UUID{2}}
	w.log.Room(10)
	partAt, _ := w.log.Append(&part, make([]byte, 10))
	w.log.Seal()
	final := chunk.Header{Kind: chunk.PutFinal, ID: chunk.ShardID{2}, Part: 1, Parts: 2, UUID: chunk.UUID{2}}
	require.Equal(t, RoomNow, w.log.Room(20))
	finalAt, n := w.log.Append(&final, extent.AppendLocator(nil, partAt))
	w.log.Seal()
	w.log.Room(0)
	openAt, last := w.add(3, 0)
	before := w.table.Root
	head := before.Log[0]
	w.failFlush(f)

	require.True(t, w.log.Restart(w.take))
	root := &w.table.Root
	require.Equal(t, kept+1, root.Resume)
	require.Equal(t, before.Epoch+1, root.Epoch)
	require.Equal(t, head, root.Log[0], "the durable prefix stays listed")
	require.Equal(t, kept+1, root.Log[1].First)
	for _, l := range []chunk.Locator{partAt, finalAt, openAt} {
		to, moved := w.log.Moved(l)
		require.True(t, moved)
		require.Equal(t, root.Log[1].Extent, to.Extent)
		require.Nil(t, w.log.Bytes(l))
		h, payload, err := chunk.Decode(w.log.Bytes(to), to.Place())
		require.NoError(t, err)
		if h.Kind == chunk.PutFinal && h.Parts == 2 {
			place, _ := w.log.Moved(partAt)
			require.Equal(t, place, extent.DecodeLocator(payload))
		}
	}
	_, moved := w.log.Moved(chunk.Locator{})
	require.False(t, moved)
	w.goOn()
	for _, number := range []uint64{n, last} {
		require.Equal(t, iosched.Persistent, w.log.StateOf(number))
	}
	_, after := w.put(4, 0)
	w.settle()
	require.Equal(t, after, w.log.Durable())

	for range 2 { // what an Open records must not lead back to the failed units
		again := open(t, w.disk.Bytes(), 1)
		require.Equal(t, []frame{{1, 1}, {2, 2}, {2, 3}, {3, 4}, {4, 5}}, again.seen)
		require.Equal(t, after+1, again.tail.Number)
		w = again
	}
}

// If all of the replayed log has failed, the replay position moves with it.
func TestARestartMovesTheReplayPosition(t *testing.T) {
	w, f := failable(t, formatted(t))
	before := w.table.Root.Log[0].Extent
	w.put(1, 0)
	w.failFlush(f)
	require.True(t, w.log.Restart(w.take))
	root := &w.table.Root
	require.NotEqual(t, before, root.Log[0].Extent)
	require.Equal(t, extent.Position{Number: 1, Extent: root.Log[0].Extent, Generation: root.Log[0].Generation}, root.Replay)
	w.goOn()
	require.Equal(t, []frame{{1, 1}}, open(t, w.disk.Bytes(), 1).seen)
}

// Units of which none was issued stay: nothing on the disk could be taken for them.
func TestARestartLeavesUnitsThatWereNotIssued(t *testing.T) {
	w, f := failable(t, formatted(t))
	w.put(1, 0)
	w.settle()
	w.log.Room(0)
	at, _ := w.add(2, 0)
	w.failFlush(f)
	list := len(w.table.Root.Log)
	require.True(t, w.log.Restart(func(int, int) ([]extent.LogExtent, bool) { t.Fatal("no extent is needed"); return nil, false }))
	require.Len(t, w.table.Root.Log, list)
	_, moved := w.log.Moved(at)
	require.False(t, moved)
	w.goOn()
	require.Equal(t, []frame{{1, 1}, {2, 2}}, open(t, w.disk.Bytes(), 1).seen)
}

// Units that do not fit one extent go on in the next, and stay where they are if there is none.
func TestARestartTakesAsManyExtentsAsItNeeds(t *testing.T) {
	g := geometry
	g.WindowBytes = 2048
	d := newTape(nil, true)
	require.NoError(t, extent.Format(d, g, 0, extent.StoreID{1}))
	w, f := failable(t, d.Bytes())
	var numbers []uint64
	for id := range byte(3) {
		if w.log.Room(440) == RoomExtent {
			x, _ := w.take(1, 0)
			w.table.Root.Log = append(w.table.Root.Log, x...)
			w.record()
		}
		require.Equal(t, RoomNow, w.log.Room(440))
		_, n := w.put(id, 440)
		numbers = append(numbers, n)
	}
	w.failFlush(f)
	list := len(w.table.Root.Log)
	require.False(t, w.log.Restart(func(n, others int) ([]extent.LogExtent, bool) {
		require.Positive(t, n)
		return nil, false
	}))
	require.Len(t, w.table.Root.Log, list)
	require.True(t, w.log.Restart(w.take))
	w.goOn()
	require.Equal(t, numbers[2], w.log.Durable())
	require.Len(t, open(t, w.disk.Bytes(), 1).seen, 3)
}

// The last unit before a seal rots: the one after it is found, however much of the sealed extent is empty.
func TestTheUnitBehindASealIsFound(t *testing.T) {
	g := geometry
	g.WindowBytes = 4 * blockBytes
	d := disk.NewMemory(disk.Info{Size: g.DiskBytes, LogicalBlock: blockBytes, PhysicalBlock: blockBytes, PowerSafe: true})
	require.NoError(t, extent.Format(d, g, 0, extent.StoreID{1}))
	w, f := failable(t, d.Bytes())
	l, _ := w.put(1, 0)
	w.settle()
	w.put(2, 0)
	w.failFlush(f)
	require.True(t, w.log.Restart(w.take))
	w.goOn()
	w.disk.Overwrite([]byte{0xff}, geometry.Base(l.Extent)+int64(l.Offset)+30)
	again := open(t, w.disk.Bytes(), 1)
	require.Equal(t, []chunk.ShardID{{1}}, again.damaged)
	require.Equal(t, []frame{{2, 2}}, again.seen)
}
