package log

import (
	"fmt"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/conc"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
)

// Log appends units and knows how far they are durable. It is a Watermark: number n of it is unit n.
type Log struct {
	table   *extent.Table
	io      *iosched.Sched
	buffers *disk.Buffers
	geo     *extent.Geometry
	group   int // bytes of the largest unit that holds several frames

	epoch    uint64
	mutation uint64 // number of the next mutation

	// The next unit begins at off in the listed extent table.Root.Log[head], or in the next one if it does not fit.
	// head < len(table.Root.Log), off <= ExtentBytes, off is a multiple of the physical block.
	head    int
	off     uint32
	trimmed int // extents that have left the list since Open: trimmed+head goes back with Restart only

	next    uint64      // number of the next unit to open
	durable conc.Uint64 // durable < next; read without the lock by StateOf
	failed  conc.Pointer[error]

	units   []*unit // opened and not durable, oldest first: numbers durable+1 .. next-1
	open    *unit   // the last of units while it takes frames, else nil
	lastDir []byte  // directory of the last sealed unit
	spare   []*unit // for reuse
	scan    *scan   // of Recover
}

// unit is a unit from its opening until it is durable.
type unit struct {
	number  uint64
	place   chunk.Place
	extents int // trimmed+index of its extent: log distances are differences of this
	buf     []byte
	limit   int // bytes it may grow to
	frames  uint16
	dirs    uint16 // directory entries it repeats
	dir     []byte // its own directory
	sealed  bool
	issued  bool        // submitted since Start or the last Restart
	from    chunk.Place // where it lay before the last Restart; zero if that did not move it
	write   iosched.Write
}

// Start makes l the log that goes on behind tail in the given epoch. group bounds, in bytes, units of several frames. l may be
// zero, or a log that nobody uses any more; its memory is used again and its dependencies lose their meaning.
func (l *Log) Start(table *extent.Table, io *iosched.Sched, b *disk.Buffers, group int, epoch uint64, tail *Tail) {
	spare := append(l.spare, l.units...)
	*l = Log{units: l.units[:0], spare: spare, scan: l.scan, lastDir: append(l.lastDir[:0], tail.directory...)}
	for _, u := range l.spare {
		u.buf = nil
	}
	l.table, l.io, l.buffers, l.geo = table, io, b, table.Geometry()
	l.group = min(group, int(l.geo.WindowBytes))
	l.epoch, l.mutation = epoch, tail.Mutation
	l.next, l.head, l.off = tail.Number, tail.index, tail.Offset
	l.durable.Store(tail.Number - 1)
}

// MaxPayload returns the largest payload that fits a frame of the log, whatever the unit before it holds.
func MaxPayload(g *extent.Geometry, group int) int {
	frames := min(maxFrames, (min(group, int(g.WindowBytes))-HeaderBytes)/chunk.Overhead)
	fixed := HeaderBytes + max(frames, 1)*DirectoryBytes + chunk.Overhead
	return min(int(g.ExtentBytes), int(g.WindowBytes)) - fixed
}

// Room says whether a frame can be appended now, and if not what must happen first.
type Room uint8

const (
	RoomNow    Room = iota // Append will succeed
	RoomWindow             // units must become durable first (L3)
	RoomReady              // the next extent must be relied on first (L2)
	RoomExtent             // the list holds no further extent
)

// Room says whether a frame with that many bytes of payload can be appended. It seals the open unit if the frame does not fit
// it.
func (l *Log) Room(payload int) Room {
	need := chunk.FrameBytes(payload)
	if l.open != nil {
		if len(l.open.buf)+need <= l.open.limit && l.open.frames < maxFrames {
			return RoomNow
		}
		l.Seal()
	}
	_, room := l.place(l.unitBytes(need))
	return room
}

// unitBytes returns the bytes of a new unit of one frame.
func (l *Log) unitBytes(frame int) int { return HeaderBytes + len(l.lastDir) + frame }

// place says where a unit of that many bytes would be opened.
func (l *Log) place(size int) (index int, room Room) {
	index = l.head
	off := int(l.off)
	if off+size > int(l.geo.ExtentBytes) {
		index, off = index+1, 0
		if index == len(l.table.Root.Log) {
			return index, RoomExtent
		}
	}
	switch {
	case len(l.units) >= int(l.geo.WindowUnits) || size > l.windowLeft(index, off):
		return index, RoomWindow
	case !l.table.Ready(l.table.Root.Log[index].Extent):
		return index, RoomReady
	}
	return index, RoomNow
}

// windowLeft returns how many bytes a unit at that place may have (L3): what the window leaves behind the start of the first
// unit that is not durable, distances taken along the listed extents.
func (l *Log) windowLeft(index, off int) int {
	window := int(l.geo.WindowBytes)
	if len(l.units) == 0 {
		return window
	}
	first := l.units[0]
	distance := (l.trimmed+index-first.extents)*int(l.geo.ExtentBytes) + off - int(first.place.Offset)
	return window - distance
}

// Check reports if more of the log is in flight, or about to be, than the window allows (L3).
func (l *Log) Check(report func(error)) {
	if l.failed.Load() != nil {
		return // what is in memory will not be issued
	}
	n := len(l.units)
	if n > int(l.geo.WindowUnits) {
		report(fmt.Errorf("%d units are in flight, the window has room for %d", n, l.geo.WindowUnits))
	}
	if n == 0 {
		return
	}
	u := l.units[n-1]
	if left := l.windowLeft(u.extents-l.trimmed, int(u.place.Offset)); len(u.buf) > left {
		report(fmt.Errorf("unit %d has %d bytes, the window leaves it %d", u.number, len(u.buf), left))
	}
}

// Append adds a frame of h and payload, for which Room said RoomNow, and returns its place and the number of its unit. It sets
// the mutation number of puts and tombstones.
func (l *Log) Append(h *chunk.Header, payload []byte) (chunk.Locator, uint64) {
	need := chunk.FrameBytes(len(payload))
	u := l.open
	if u == nil {
		u = l.begin(need)
	}
	h.Mutation = l.mutation
	l.mutation++
	off := len(u.buf)
	at := u.place.At(off)
	u.buf = chunk.AppendFrame(u.buf, h, payload, at)
	u.dir = appendDirectory(u.dir, h)
	u.frames++
	if len(u.buf) >= l.group {
		l.Seal()
	}
	return chunk.Locator{Extent: at.Extent, Generation: at.Generation, Offset: at.Offset, Length: uint32(need)}, u.number
}

// begin opens a unit for a frame of that size.
func (l *Log) begin(frame int) *unit {
	size := l.unitBytes(frame)
	index, room := l.place(size)
	if room != RoomNow {
		panic(fmt.Sprintf("log: append of %d bytes without room (%d)", frame, room))
	}
	off := l.off
	if index != l.head {
		l.head, off = index, 0
	}
	listed := &l.table.Root.Log[index]
	if off == 0 {
		listed.First = l.next
	}
	limit := min(max(size, l.group), int(l.geo.ExtentBytes)-int(off), l.windowLeft(index, int(off)))
	u := l.newUnit(limit)
	u.number, u.extents, u.limit = l.next, l.trimmed+index, limit
	u.place = chunk.Place{Extent: listed.Extent, Generation: listed.Generation, Offset: off}
	u.buf = append(u.buf[:HeaderBytes], l.lastDir...)
	u.dirs = uint16(len(l.lastDir) / DirectoryBytes)
	l.off = off
	l.next++
	l.units = append(l.units, u)
	l.open = u
	return u
}

// newUnit returns an empty unit with room for that many bytes, aligned for direct IO.
func (l *Log) newUnit(limit int) *unit {
	u := new(unit)
	if n := len(l.spare); n > 0 {
		u = l.spare[n-1]
		l.spare = l.spare[:n-1]
	}
	*u = unit{dir: u.dir[:0], buf: l.buffers.Get(int(l.geo.RoundUp(uint32(limit))))[:HeaderBytes]}
	return u
}

// Seal closes the open unit, if there is one, and submits it.
func (l *Log) Seal() {
	if u := l.closeOpen(); u != nil {
		l.seal(u)
		l.submit(u)
	}
}

// closeOpen ends the open unit, if there is one, and returns it.
func (l *Log) closeOpen() *unit {
	u := l.open
	if u == nil {
		return nil
	}
	l.open = nil
	u.sealed = true
	u.buf = append(u.buf, make([]byte, int(l.geo.RoundUp(uint32(len(u.buf))))-len(u.buf))...)
	l.off = u.place.Offset + uint32(len(u.buf))
	l.lastDir = append(l.lastDir[:0], u.dir...)
	return u
}

// seal writes the header of u, whose body is complete.
func (l *Log) seal(u *unit) {
	h := header{frames: u.frames, dirFrames: u.dirs, place: u.place, epoch: l.epoch, number: u.number, durableThrough: l.durable.Load()}
	h.seal(u.buf)
}

// submit hands a sealed unit to the disk.
func (l *Log) submit(u *unit) {
	u.issued = true
	l.io.Submit(&u.write, u.buf, l.geo.Base(u.place.Extent)+int64(u.place.Offset))
}

// Advance notes which units have become durable, in order (L4).
func (l *Log) Advance() {
	for len(l.units) > 0 && l.units[0].sealed && l.io.Durable(&l.units[0].write) {
		u := l.units[0]
		n := copy(l.units, l.units[1:])
		l.units[n] = nil
		l.units = l.units[:n]
		l.durable.Store(u.number)
		l.table.SetPointer(u.place.Extent, u.place.Offset+uint32(len(u.buf)))
		l.buffers.Put(u.buf)
		l.spare = append(l.spare, u)
	}
}

// Fail says that no unit will become durable any more, and why: the epoch has ended and no other begins. What is in memory stays
// readable.
func (l *Log) Fail(err error) { l.failed.CompareAndSwap(nil, &err) }

// Bytes returns the frame at loc if its unit is not durable yet, else nil: such frames are read from memory, never from the
// disk, which may not have them. The bytes are valid until the next Advance.
func (l *Log) Bytes(loc chunk.Locator) []byte {
	for _, u := range l.units {
		if u.covers(u.place, loc) {
			at := loc.Offset - u.place.Offset
			return u.buf[at : at+loc.Length]
		}
	}
	return nil
}

// covers reports whether loc lies in u if u begins at a place.
func (u *unit) covers(at chunk.Place, loc chunk.Locator) bool {
	return at.Extent == loc.Extent && at.Generation == loc.Generation && at.Offset <= loc.Offset && loc.End() <= uint64(at.Offset)+uint64(len(u.buf))
}

// Position returns where the next unit begins. No unit is open.
func (l *Log) Position() extent.Position {
	if l.open != nil {
		panic("log: position asked for while a unit is open")
	}
	at := l.table.Root.Log[l.head]
	return extent.Position{Number: l.next, Extent: at.Extent, Generation: at.Generation, Offset: l.off}
}

// Rotate makes the next unit begin in the next listed extent, whatever room is left in this one. There is one, relied on or not;
// no unit is open or pending.
func (l *Log) Rotate() {
	l.head++
	l.off = 0
	l.table.Root.Log[l.head].First = l.next
}

// Trim takes the extents before x from the list: the replay position has left them.
func (l *Log) Trim(x extent.ID) {
	list := l.table.Root.Log
	n := 0
	for list[n].Extent != x {
		n++
	}
	l.table.Root.Log = append(list[:0], list[n:]...)
	l.head -= n
	l.trimmed += n
}

// Head returns the extent that the last opened unit lies in, or where the log begins, and how far it is written.
func (l *Log) Head() (extent.LogExtent, uint32) { return l.table.Root.Log[l.head], l.off }

// Ahead returns how many listed extents the log has not reached yet.
func (l *Log) Ahead() int { return len(l.table.Root.Log) - 1 - l.head }

// Next returns the number of the next unit to open; Durable the number through which units are durable.
func (l *Log) Next() uint64    { return l.next }
func (l *Log) Durable() uint64 { return l.durable.Load() }

// Completed reports whether the device has finished all units through n, which are open or sealed.
func (l *Log) Completed(n uint64) bool {
	for _, u := range l.units {
		if u.number <= n && !u.write.Completed() {
			return false
		}
	}
	return true
}

// NextMutation returns the number that the next mutation will have.
func (l *Log) NextMutation() uint64 { return l.mutation }

// Pending returns how many units are opened and not durable.
func (l *Log) Pending() int { return len(l.units) }

// Open reports whether a unit takes frames and is not submitted yet; Flying how many are submitted and not durable.
func (l *Log) Open() bool { return l.open != nil }
func (l *Log) Flying() int {
	if l.open != nil {
		return len(l.units) - 1
	}
	return len(l.units)
}

// StateOf returns the state of unit n.
func (l *Log) StateOf(n uint64) iosched.State {
	switch {
	case n <= l.durable.Load():
		return iosched.Persistent
	case l.failed.Load() != nil:
		return iosched.Failed
	}
	return iosched.Pending
}

// ErrOf returns why unit n failed, nil if it did not.
func (l *Log) ErrOf(n uint64) error {
	if err := l.failed.Load(); err != nil && n > l.durable.Load() {
		return *err
	}
	return nil
}
