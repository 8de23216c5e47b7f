package model

import (
	"context"
	"math"
	"slices"

	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
)

// Extents is the reference model of extent.Extents: a list of extents, each with the bytes appended to it. Reset comes first.
//
// In the component's place it chooses extents by itself, the first free one, and what it lends is overwritten by the next Append,
// Read or Release. Beside the component it follows: Next says which extent the component began.
type Extents struct {
	order
	Next extent.ID // the extent that an Append begins if it has to, as long as it is free; else the first free one

	geometry extent.Geometry
	extents  []anExtent
	lent     []byte // what Read returned
}

type anExtent struct {
	extent.Entry
	data  []byte // below the pointer
	pins  int
	begun bool // its owner appends to it
}

// Reset makes e the extents of a fresh disk of that geometry, the first of which have owners from the beginning.
func (e *Extents) Reset(g *extent.Geometry, owners ...extent.Owner) {
	e.order = order{after: e.after[:0]}
	e.Next, e.geometry = 0, *g
	e.extents = slices.Grow(e.extents[:0], int(g.Extents))[:g.Extents]
	for i := range e.extents {
		e.extents[i] = anExtent{Entry: extent.Entry{Generation: 1}, data: e.extents[i].data[:0]}
		if i < len(owners) {
			e.extents[i].Owner = owners[i]
		}
	}
}

// Geometry, Len and Describe implement extent.Extents.
func (e *Extents) Geometry() *extent.Geometry        { return &e.geometry }
func (e *Extents) Len() int                          { return len(e.extents) }
func (e *Extents) Describe(x extent.ID) extent.Entry { return e.extents[x].Entry }

// Append implements extent.Extents.
func (e *Extents) Append(owner extent.Owner, n int, after iosched.Dependency, fill func(b []byte, at extent.Place)) (extent.Locator, iosched.Dependency, error) {
	e.lend(nil)
	block, most := int(e.geometry.Physical), int(e.geometry.ExtentBytes)
	size := (n + block - 1) / block * block
	if size > most {
		return extent.Locator{}, iosched.Dependency{}, extent.ErrTooLarge
	}
	i := len(e.extents) - 1
	for i >= 0 && (!e.extents[i].begun || e.extents[i].Owner != owner) {
		i--
	}
	if i < 0 || len(e.extents[i].data)+size > most {
		next := slices.IndexFunc(e.extents, func(x anExtent) bool { return x.Owner == extent.Free })
		if int(e.Next) < len(e.extents) && e.extents[e.Next].Owner == extent.Free {
			next = int(e.Next)
		}
		if next < 0 {
			return extent.Locator{}, iosched.Dependency{}, extent.ErrFull
		}
		if i >= 0 {
			e.extents[i].begun = false
		}
		i = next
		e.extents[i].Owner, e.extents[i].begun = owner, true
	}
	x := &e.extents[i]
	off := len(x.data)
	x.data = slices.Grow(x.data, size)[:off+size]
	clear(x.data[off:])
	x.Pointer = uint32(len(x.data))
	l := extent.Locator{Extent: extent.ID(i), Generation: x.Generation, Offset: uint32(off), Length: uint32(n)}
	fill(x.data[off:off+n:off+n], extent.Place{Extent: l.Extent, Generation: l.Generation, Offset: l.Offset})
	return l, e.add(after), nil
}

// Read implements extent.Extents.
func (e *Extents) Read(at extent.Place, n int) ([]byte, error) {
	b, err := e.View(at, n)
	e.lend(b)
	return e.lent, err
}

// Doubt implements extent.Extents: what is read is what there is.
func (e *Extents) Doubt(extent.Place, int) {}

// View is Read without the danger: what it returns stays as it is until the extent is released.
func (e *Extents) View(at extent.Place, n int) ([]byte, error) {
	if int(at.Extent) >= len(e.extents) || e.extents[at.Extent].Generation != at.Generation ||
		uint64(at.Offset)+uint64(n) > uint64(len(e.extents[at.Extent].data)) {
		return nil, fault.ErrCorrupt
	}
	return e.extents[at.Extent].data[at.Offset:][:n], nil
}

// lend ends what was lent, and lends a copy of b.
func (e *Extents) lend(b []byte) {
	clear(e.lent)
	e.lent = append(e.lent[:0], b...)
}

// Pin, Unpin and Release implement extent.Extents.
func (e *Extents) Pin(x extent.ID)   { e.extents[x].pins++ }
func (e *Extents) Unpin(x extent.ID) { e.extents[x].pins-- }
func (e *Extents) Release(x extent.ID) error {
	e.lend(nil)
	i := &e.extents[x]
	switch {
	case i.Owner == extent.Free || i.Owner == extent.Superblock:
		return extent.ErrFree
	case i.pins > 0:
		return extent.ErrPinned
	}
	i.Entry = extent.Entry{Generation: i.Generation + 1}
	i.data, i.begun = i.data[:0], false
	return nil
}

// Pump makes up to n further appends persistent and returns how many it were; Sync makes all of them persistent.
func (e *Extents) Pump(n int) (int, error)    { return e.advance(n), nil }
func (e *Extents) Sync(context.Context) error { e.advance(math.MaxInt); return nil }

// Reboot is a clean close and an open: pins are gone, and every owner begins a new extent.
func (e *Extents) Reboot() {
	e.advance(math.MaxInt)
	for i := range e.extents {
		e.extents[i].pins, e.extents[i].begun = 0, false
	}
}
