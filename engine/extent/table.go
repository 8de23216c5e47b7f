package extent

import (
	"fmt"

	"github.com/shardproof/shardproof/engine/iosched"
)

// Table is the state of every extent and the root, in memory, and the writer that makes them durable. A change takes effect in
// memory at once and is relied on later: every change has a number, and Relied tells how far the durable version has come.
// Callers hold the store's lock.
type Table struct {
	Root Root // as the next version will record it; after a change call Touch

	io      *iosched.Sched
	layout  layout
	entries []Entry
	owned   [OwnerCount]int // entries by owner
	cursor  ID              // where the search for a free extent begins: extents wear evenly

	// Change numbers: relied <= writing <= change.
	change  uint64 // the newest change in memory
	writing uint64 // the newest change that the update in progress, or the last one, records
	relied  uint64 // the newest change that a relied-on version records

	powerSafe bool // see PowerSafe

	pages  []page
	phase  phase
	second bool // the update is at its second slot
}

// phase is where an update stands: table pages first, each in two slots, then the root page in two.
type phase uint8

const (
	idle phase = iota
	writingTables
	writingRoot
)

// page is one page of the superblock and what is known of its slots.
type page struct {
	version uint64 // the newest version built
	held    [slots]uint64
	dirty   bool   // memory differs from the newest version
	queued  bool   // part of the update in progress
	image   []byte // the newest version as it lies in a slot, whole blocks
	body    uint32 // bytes of the image that are header no more and padding not yet
	slot    int    // the one that write goes to, or went to last
	write   iosched.Write
}

// Geometry returns the geometry of the disk.
func (t *Table) Geometry() *Geometry { return &t.Root.Geometry }

// PowerSafe reports whether an interrupted write leaves every block of the disk readable. The disk must have said so when it was
// formatted, and must say so still: whichever of the two promises less may be what the block that cannot be read now was last
// written under, and taking that for a failing device would keep the store from opening for ever.
func (t *Table) PowerSafe() bool { return t.powerSafe }

// Entry returns what the table holds of x.
func (t *Table) Entry(x ID) Entry { return t.entries[x] }

// FirstGeneration returns the generation that every extent began with. The first extent is the superblock's, and stays in it.
func (t *Table) FirstGeneration() Generation { return t.entries[0].Generation }

// Len returns the number of extents.
func (t *Table) Len() int { return len(t.entries) }

// MaxLog returns how many log extents a root can list.
func (t *Table) MaxLog() int { return t.layout.maxLog }

// FreeCount returns the number of free extents, those included whose release is not relied on yet.
func (t *Table) FreeCount() int { return t.owned[Free] }

// OwnedCount returns the number of extents of that owner.
func (t *Table) OwnedCount(o Owner) int { return t.owned[o] }

// Touch notes that Root has changed and returns the number of that change.
func (t *Table) Touch() uint64 {
	t.change++
	t.pages[0].dirty = true
	return t.change
}

// Changed returns the number of the newest change.
func (t *Table) Changed() uint64 { return t.change }

// Relied reports whether the change of that number survives any crash and one rotten slot.
func (t *Table) Relied(change uint64) bool { return t.relied >= change }

// PlacePointer puts the write pointer of x where recovery found it to be, forward or back.
func (t *Table) PlacePointer(x ID, at uint32) {
	t.entries[x].Pointer = at
	t.pages[t.layout.pageOf(x)].dirty = true
}

// StateOf makes the table the Watermark of its changes: a change is persistent once it is relied on, and has failed once a request
// of the device has. Whoever restarts the Store after that lets nobody ask meanwhile.
func (t *Table) StateOf(change uint64) iosched.State {
	switch {
	case t.relied >= change:
		return iosched.Persistent
	case t.io.Err() != nil:
		return iosched.Failed
	}
	return iosched.Pending
}

// ErrOf returns why a change will never be relied on, nil if it may be.
func (t *Table) ErrOf(change uint64) error {
	if t.relied >= change {
		return nil
	}
	return t.io.Err()
}

// ReadyWhen returns the dependency on which bytes of x may be issued (E1).
func (t *Table) ReadyWhen(x ID) iosched.Dependency {
	return iosched.NewDependency(t, t.entries[x].since)
}

// Ready reports whether bytes of extent x may be issued: whether its owner and generation are relied on (E1).
func (t *Table) Ready(x ID) bool { return t.relied >= t.entries[x].since }

func (t *Table) touchEntry(x ID) {
	t.Touch()
	t.pages[t.layout.pageOf(x)].dirty = true
}

// Allocate gives owner a free extent (E5). It returns false when there is none.
func (t *Table) Allocate(owner Owner) (LogExtent, bool) {
	n := ID(len(t.entries))
	for i := range n {
		x := (t.cursor + i) % n
		e := &t.entries[x]
		if e.Owner != Free {
			continue
		}
		t.touchEntry(x)
		e.Owner, e.Pointer, e.since = owner, 0, t.change
		t.owned[Free]--
		t.owned[owner]++
		t.cursor = x + 1
		return LogExtent{Extent: x, Generation: e.Generation}, true
	}
	return LogExtent{}, false
}

// Release makes x free, with the next generation and an empty write pointer in the same change (E2). That nothing needs x any
// more is the caller's to know.
func (t *Table) Release(x ID) {
	e := &t.entries[x]
	if e.Owner == Free || e.Owner == Superblock {
		panic(fmt.Sprintf("extent: release of %v extent %d", e.Owner, x))
	}
	t.touchEntry(x)
	t.owned[e.Owner]--
	t.owned[Free]++
	e.Owner, e.Pointer, e.since = Free, 0, t.change
	e.Generation++
}

// SetPointer moves the write pointer of x to the given offset in bytes. A pointer is recorded with the next change of anything:
// it is no change by itself.
func (t *Table) SetPointer(x ID, to uint32) {
	e := &t.entries[x]
	if to < e.Pointer || to > t.Root.Geometry.ExtentBytes {
		panic(fmt.Sprintf("extent: pointer of extent %d moves from %d to %d", x, e.Pointer, to))
	}
	e.Pointer = to
	t.pages[t.layout.pageOf(x)].dirty = true
}

// Recording returns the number of the newest change that the update in progress, or the last one, records.
func (t *Table) Recording() uint64 { return t.writing }

// Writing reports whether an update is in progress.
func (t *Table) Writing() bool { return t.phase != idle }

// Dirty reports whether memory holds a change that no update has begun to record.
func (t *Table) Dirty() bool { return t.change > t.writing }

// Begin starts an update that will record every change up to now. It does nothing while one is in progress or when nothing
// changed.
func (t *Table) Begin() {
	if t.phase != idle || !t.Dirty() {
		return
	}
	t.writing = t.change
	t.phase, t.second = writingTables, false
	for i := range t.pages {
		p := &t.pages[i]
		if p.dirty {
			p.dirty, p.queued = false, true
			p.version++
			t.encode(uint32(i), p)
		}
	}
	t.writeSlots()
	t.Advance() // past the table pages if none is dirty
}

// Advance moves the update in progress as far as completed flushes allow.
func (t *Table) Advance() {
	for t.phase != idle && t.slotsDurable() {
		switch {
		case !t.second:
			t.second = true
		case t.phase == writingTables:
			t.phase, t.second = writingRoot, false
		default:
			t.finish()
			return
		}
		t.writeSlots()
	}
}

func (t *Table) finish() {
	t.phase, t.second = idle, false
	t.relied = t.writing
	for i := range t.pages {
		t.pages[i].queued = false
	}
}

// abandon gives up the update in progress, of which the device has failed a request: a later one records what it was to record.
// A slot that no good flush covered counts as the oldest, and is overwritten first; with a higher version, because that of what
// may stand there is never built again. It is called before the epoch of io ends for good: durable is what was durable in it.
func (t *Table) abandon() {
	if t.phase == idle {
		return
	}
	for i := range t.pages {
		p := &t.pages[i]
		if t.inPhase(i) && !t.io.Durable(&p.write) {
			p.held[p.slot] = 0
		}
		p.dirty = p.dirty || p.queued
		p.queued = false
	}
	t.phase, t.second = idle, false
	t.writing = t.relied
}

// inPhase reports whether page i is written in the present phase: the root's page alone comes last (E4).
func (t *Table) inPhase(i int) bool {
	return t.pages[i].queued && (i == 0) == (t.phase == writingRoot)
}

func (t *Table) slotsDurable() bool {
	for i := range t.pages {
		if t.inPhase(i) && !t.io.Durable(&t.pages[i].write) {
			return false
		}
	}
	return true
}

// writeSlots writes every page of the phase to its oldest slot (E3).
func (t *Table) writeSlots() {
	for i := range t.pages {
		if !t.inPhase(i) {
			continue
		}
		p := &t.pages[i]
		slot := p.oldest()
		p.held[slot], p.slot = p.version, slot
		off := t.layout.offset(uint32(i), slot)
		h := pageHeader{slot: uint8(slot), page: uint32(i), pages: t.layout.pages, pageBytes: t.layout.pageBytes, stride: t.layout.stride, version: p.version}
		h.seal(p.image[:pageHeaderBytes+p.body], off)
		t.io.Submit(&p.write, p.image, off)
	}
}

// oldest returns the slot to overwrite. A slot that could not be read holds version 0 and goes first.
func (p *page) oldest() int {
	o := 0
	for s := 1; s < slots; s++ {
		if p.held[s] < p.held[o] {
			o = s
		}
	}
	return o
}

// encode builds the body of page i in its image, behind the room for the header; the tail is padded with zeros to whole
// logical blocks, or physical ones where a block may be unreadable until a write covers all of it.
func (t *Table) encode(i uint32, p *page) {
	b := p.image[:pageHeaderBytes]
	if i == 0 {
		b = t.Root.append(b)
	}
	from, to := t.layout.entries(i, uint32(len(t.entries)))
	for x := from; x < to; x++ {
		e := &t.entries[x]
		b = append(b, byte(e.Owner), 0, 0, 0)
		b = le.AppendUint32(b, e.Pointer)
		b = le.AppendUint64(b, uint64(e.Generation))
	}
	p.body = uint32(len(b) - pageHeaderBytes)
	block := t.Root.Geometry.Physical
	if t.powerSafe {
		block = t.Root.Geometry.Logical
	}
	for uint32(len(b))%block != 0 {
		b = append(b, 0)
	}
	p.image = b
}
