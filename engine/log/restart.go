package log

import (
	"fmt"
	"slices"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
)

// After a failed write or flush the log goes on behind its durable prefix, with the units that are in memory (L5):
//
//	| durable | failed, not listed any more ...        before
//	| durable |   | the same units, of the next epoch  after: in extents of which nothing has been issued
//
// They keep numbers and frames and get new places, so every checksum is made again, and a final frame names its parts where these
// are now. What refers to a unit by its number needs not know; what refers to a frame by its locator asks Moved.
//
// If no unit has been issued that is not durable, the disk holds nothing that could be mistaken for one, and none is moved.

// Restart begins an epoch at the first number that is not durable and says so in the table's root; the caller has that relied on
// before anything else is issued, then calls Issue until nothing is pending. Nothing of the log is in flight; the open unit is
// sealed. take returns so many more extents of the log, or false if they cannot be had, or not listed beside others. Restart returns
// false if the units find no place; then they stay where they are.
func (l *Log) Restart(take func(n, others int) ([]extent.LogExtent, bool)) bool {
	l.Advance()
	l.closeOpen()
	for _, u := range l.units {
		u.from = chunk.Place{}
	}
	if len(l.units) > 0 && l.units[0].issued && !l.relocate(take) {
		return false
	}
	root := &l.table.Root
	root.Epoch++
	root.Resume = l.durable.Load() + 1
	l.epoch = root.Epoch
	for _, u := range l.units {
		l.encode(u)
		u.issued = false
	}
	return true
}

// relocate gives every unit in memory a place in extents of which nothing has been issued: those listed behind the units, and new
// ones. Before them the list keeps the extents up to the end of the durable prefix, or none if no unit of it will be replayed (P1).
func (l *Log) relocate(take func(n, others int) ([]extent.LogExtent, bool)) bool {
	root := &l.table.Root
	first := l.units[0]
	keep := first.extents - l.trimmed
	if first.place.Offset > 0 {
		keep++
	}
	replayed := root.Replay.Number < first.number
	if !replayed {
		keep = 0
	}
	clean := l.cleanFrom()
	ahead := len(root.Log) - clean
	if lack := l.layOut(nil) - ahead; lack > 0 {
		more, ok := take(lack, keep+ahead)
		if !ok {
			return false
		}
		root.Log = append(root.Log, more...)
	}
	root.Log = slices.Delete(root.Log, keep, clean)
	l.layOut(func(u *unit, index int, off uint32) { l.move(u, keep+index, off) })
	if !replayed {
		at := first.place
		root.Replay = extent.Position{Number: first.number, Extent: at.Extent, Generation: at.Generation, Offset: at.Offset}
	}
	for i := l.head + 1; i < len(root.Log); i++ {
		root.Log[i].First = 0
	}
	return true
}

// cleanFrom returns the index of the first listed extent of which nothing has been issued.
func (l *Log) cleanFrom() (index int) {
	for _, u := range l.units {
		if u.issued {
			index = u.extents - l.trimmed + 1
		}
	}
	return index
}

// layOut calls fn, if it is not nil, for every unit with the place it has when they lie one behind the other, from the start of an
// empty extent on, and returns how many extents that takes.
func (l *Log) layOut(fn func(u *unit, index int, off uint32)) (extents int) {
	index, off := 0, uint32(0)
	for _, u := range l.units {
		size := uint32(len(u.buf))
		if off+size > l.geo.ExtentBytes {
			index, off = index+1, 0
		}
		if fn != nil {
			fn(u, index, off)
		}
		off += size
	}
	return index + 1
}

// move gives u a new place, behind which the next unit begins. Its bytes are still those of the old one.
func (l *Log) move(u *unit, index int, off uint32) {
	listed := &l.table.Root.Log[index]
	if off == 0 {
		listed.First = u.number
	}
	u.from = u.place
	u.place = chunk.Place{Extent: listed.Extent, Generation: listed.Generation, Offset: off}
	u.extents = l.trimmed + index
	l.head, l.off = index, off+uint32(len(u.buf))
}

// encode makes the bytes of u those of its place and of the present epoch.
func (l *Log) encode(u *unit) {
	if u.from != (chunk.Place{}) {
		off := HeaderBytes + int(u.dirs)*DirectoryBytes
		for range u.frames {
			off += l.encodeFrame(u, off)
		}
	}
	l.seal(u)
}

// encodeFrame makes the frame off bytes into u that of its place, and returns its size. A put's final frame gets the places that its
// other parts have now.
func (l *Log) encodeFrame(u *unit, off int) int {
	f := u.buf[off:]
	h, err := chunk.DecodeHeader(f, u.from.At(off))
	if err != nil {
		panic(fmt.Sprintf("log: unit %d in memory: %v", u.number, err))
	}
	n := chunk.FrameBytes(int(h.Length))
	if h.Kind == chunk.PutFinal {
		locators := f[chunk.HeaderBytes : chunk.HeaderBytes+(int(h.Parts)-1)*extent.LocatorBytes]
		for ; len(locators) > 0; locators = locators[extent.LocatorBytes:] {
			if to, moved := l.Moved(extent.DecodeLocator(locators)); moved {
				extent.AppendLocator(locators[:0], to)
			}
		}
	}
	chunk.SealFrame(f[:n], &h, u.place.At(off))
	return n
}

// Moved returns where the frame at loc lies since the last Restart, if that has moved it. It holds until a unit becomes durable.
func (l *Log) Moved(loc chunk.Locator) (to chunk.Locator, moved bool) {
	for _, u := range l.units {
		if u.from != (chunk.Place{}) && u.covers(u.from, loc) {
			to = loc
			to.Extent, to.Generation = u.place.Extent, u.place.Generation
			to.Offset = loc.Offset - u.from.Offset + u.place.Offset
			return to, true
		}
	}
	return loc, false
}

// Issue submits the units that Restart has left in memory, as many as the window has room for (L3).
func (l *Log) Issue() {
	for _, u := range l.units {
		switch {
		case u.issued:
		case l.windowLeft(u.extents-l.trimmed, int(u.place.Offset)) < len(u.buf):
			return
		default:
			l.submit(u)
		}
	}
}
