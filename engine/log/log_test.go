package log

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
)

const groupBytes = 512

func TestRoomWaitsForTheWindow(t *testing.T) {
	w := open(t, formatted(t), 1)
	w.hold()
	for i := range geometry.WindowUnits {
		require.Equal(t, RoomNow, w.log.Room(0))
		require.Equal(t, int(i), w.log.Pending())
		w.put(byte(i), 0)
	}
	require.Equal(t, RoomWindow, w.log.Room(0), "as many units as the window has are in the air")

	w = open(t, formatted(t), 1)
	w.hold()
	w.put(1, 400) // 9 of 12 blocks
	require.Equal(t, RoomNow, w.log.Room(192-HeaderBytes-DirectoryBytes-chunk.Overhead))
	require.Equal(t, RoomWindow, w.log.Room(192-HeaderBytes-DirectoryBytes-chunk.Overhead+1), "a byte more than the window has left")
}

func TestRoomWaitsUntilTheNextExtentIsReliedOn(t *testing.T) {
	w := open(t, formatted(t), 1)
	for w.log.Ahead() > 0 { // to the last listed extent
		w.put(1, 400)
		w.settle()
	}
	require.Equal(t, RoomExtent, w.log.Room(400), "9 of 16 blocks are taken")
	require.Equal(t, RoomNow, w.log.Room(0))
	next, ok := w.table.Allocate(extent.Log)
	require.True(t, ok)
	w.table.Root.Log = append(w.table.Root.Log, next)
	require.Equal(t, RoomReady, w.log.Room(400), "no crash may find frames in an extent that no table knows")
	w.record()
	require.Equal(t, RoomNow, w.log.Room(400))
	at, n := w.put(2, 400)
	require.Equal(t, next.Extent, at.Extent)
	require.Equal(t, n, w.table.Root.Log[len(w.table.Root.Log)-1].First)
}

func TestAnOpenUnitTakesFramesUntilTheGroupIsFull(t *testing.T) {
	w := open(t, formatted(t), groupBytes)
	for i := range 5 {
		require.Equal(t, RoomNow, w.log.Room(0))
		_, n := w.add(byte(i), 0)
		require.Equal(t, uint64(1), n)
	}
	require.Equal(t, RoomWindow, w.log.Room(0), "64 and 5 times 88 bytes leave no room for a sixth in 512: the unit is sealed")
	w.settle()
	require.Equal(t, RoomNow, w.log.Room(0))
	_, n := w.add(5, 0)
	require.Equal(t, uint64(2), n)
}

func TestAFrameIsReadFromMemoryUntilItsUnitIsDurable(t *testing.T) {
	w := open(t, formatted(t), groupBytes)
	w.log.Room(10)
	l, n := w.add(5, 10)
	look := func() {
		t.Helper()
		_, payload, err := chunk.Decode(w.log.Bytes(l), l.Place())
		require.NoError(t, err)
		require.Len(t, payload, 10)
	}
	look()
	w.log.Seal()
	look()
	require.Equal(t, iosched.Pending, w.log.StateOf(n))
	w.settle()
	require.Nil(t, w.log.Bytes(l))
	require.Equal(t, iosched.Persistent, w.log.StateOf(n))
}

// failing is a disk whose flushes fail when they are told to.
type failing struct {
	*tape
	broken bool
}

var errBroken = errors.New("broken")

func (d *failing) Reap(wait bool) *disk.Request {
	r := d.tape.Reap(wait)
	if r != nil && r.Kind == disk.Flush && d.broken {
		r.Err = errBroken
	}
	return r
}

func TestNothingBeyondTheDurablePrefixIsPersistentAfterAFailure(t *testing.T) {
	w := open(t, formatted(t), 1)
	f := &failing{tape: w.disk}
	w.sched.Reset(f, w.buffers)
	_, first := w.put(1, 0)
	w.settle()
	_, second := w.put(2, 0)
	f.broken = true
	w.settle()
	f.broken = false
	_, third := w.put(3, 0)
	w.settle()
	for _, n := range []uint64{second, third} {
		require.Equal(t, iosched.Pending, w.log.StateOf(n), "a restart may come")
	}
	w.log.Fail(w.sched.Err())
	for range 3 {
		w.settle()
		require.Equal(t, iosched.Persistent, w.log.StateOf(first))
		require.NoError(t, w.log.ErrOf(first))
		for _, n := range []uint64{second, third} {
			require.Equal(t, iosched.Failed, w.log.StateOf(n))
			require.ErrorIs(t, w.log.ErrOf(n), errBroken)
		}
	}
}

// shuffled completes requests in any order.
type shuffled struct {
	disk.Disk
	flight []*disk.Request
	pick   func(n int) int
}

func (d *shuffled) Submit(r *disk.Request) { d.flight = append(d.flight, r) }

func (d *shuffled) Reap(bool) *disk.Request {
	if len(d.flight) == 0 {
		return nil
	}
	i := d.pick(len(d.flight))
	r := d.flight[i]
	d.flight = append(d.flight[:i:i], d.flight[i+1:]...)
	d.Disk.Submit(r)
	return d.Disk.Reap(true)
}

// Units lie one behind the other or at the start of the next listed extent (L1), no further than a window beyond the durable
// prefix (L3), and become durable in order, whatever order they complete in (L4).
func TestUnitsKeepOrderPlaceAndWindow(t *testing.T) {
	image := formatted(t)
	rapid.Check(t, func(r *rapid.T) {
		w := open(t, image, rapid.SampledFrom([]int{1, 300, groupBytes}).Draw(r, "group"))
		w.sched.Reset(&shuffled{Disk: w.disk, pick: func(n int) int { return rapid.IntRange(0, n-1).Draw(r, "next") }}, w.buffers)
		var durable uint64
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			switch rapid.IntRange(0, 5).Draw(r, "step") {
			case 0:
				w.sched.Flush()
			case 1, 2:
				w.sched.Reap()
			default:
				payload := rapid.IntRange(0, 500).Draw(r, "payload")
				if w.log.Room(payload) == RoomNow {
					w.add(1, payload)
				}
			}
			w.log.Advance()
			checkUnits(r, w.log, durable)
			durable = w.log.Durable()
		}
	})
}

func checkUnits(r *rapid.T, l *Log, before uint64) {
	if l.Durable() < before || l.Pending() > int(geometry.WindowUnits) {
		r.Fatalf("durable through %d after %d, %d units pending", l.Durable(), before, l.Pending())
	}
	list := l.table.Root.Log
	for i, u := range l.units {
		if u.number != l.Durable()+1+uint64(i) {
			r.Fatalf("unit %d is number %d, durable through %d", i, u.number, l.Durable())
		}
		if end := int(u.place.Offset) + len(u.buf); end > int(geometry.ExtentBytes) || u.place.Extent != list[u.extents].Extent || u.place.Offset%geometry.Physical != 0 {
			r.Fatalf("unit %d of %d bytes at %+v", u.number, len(u.buf), u.place)
		}
		if u.place.Offset == 0 && list[u.extents].First != u.number {
			r.Fatalf("unit %d begins extent %+v", u.number, list[u.extents])
		}
		first := l.units[0]
		if span := (u.extents-first.extents)*int(geometry.ExtentBytes) + int(u.place.Offset) + len(u.buf) - int(first.place.Offset); span > int(geometry.WindowBytes) {
			r.Fatalf("unit %d ends %d bytes behind the start of the first that is not durable", u.number, span)
		}
		if i > 0 {
			p := l.units[i-1]
			if behind := p.place.Extent == u.place.Extent && p.place.Offset+uint32(len(p.buf)) == u.place.Offset; !behind && (u.place.Offset != 0 || u.extents != p.extents+1) {
				r.Fatalf("unit %d at %+v follows %d bytes at %+v", u.number, u.place, len(p.buf), p.place)
			}
		}
	}
}
