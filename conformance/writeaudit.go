package conformance

import (
	"slices"

	"github.com/shardproof/shardproof/engine/disk"
)

// ExtentState is what a store says of one extent: appends go on at Pointer, in bytes, and Generation changes with every reset.
type ExtentState struct {
	Generation uint64
	Pointer    int64
}

// Laid is a Target that says where appends go on, so that AUDIT can look at the writes themselves. AppendExtents appends to dst
// the state of each extent, by number; it costs no more than a look.
type Laid interface {
	AppendExtents(dst []ExtentState) []ExtentState
}

// Slot is one of several places in which a store keeps versions of the same page, and writes them in turn.
type Slot struct {
	Off, Size int64 // bytes
	Page      int
}

// Slotted is a Factory whose stores have such slots. AppendSlots appends those of the store on d to dst, in order of offset. They are
// the first thing on the disk.
type Slotted interface {
	AppendSlots(dst []Slot, d disk.Disk) []Slot
}

// writeAudit is what a TraceDisk knows of a store that tells where it writes. With it two more rules are audited: writes that no store
// may make however they come out, for a crash or a block that rots may show it only much later.
//
//	rewritten       also of a store that is Laid: a write covers a block that was written, or lay below the pointer when the store was
//	                opened, and the extent was not reset since. Whether it was the store says only after the operation, so a reset
//	                forgives what else the same operation did there
//	second-slot     a write to a slot while one to another slot of the same page is not durable: a power cut may tear both
//
// While a store opens it is not Laid yet: what it writes again in place then is for the crashes to judge.
type writeAudit struct {
	extents []ExtentState // as of the last look; none: the store is not open, or not Laid
	now     []ExtentState // scratch
	size    int64         // bytes of an extent

	suspects []suspect // in this operation

	slots []Slot
	young []youngSlot // written, and not durable
}

// suspect is a write that covers blocks of an extent that were written before.
type suspect struct {
	extent int
	write  Violation
}

// youngSlot is a write to a slot on its way.
type youngSlot struct {
	slot    int
	write   *disk.Request // nil once it has completed
	covered *disk.Request // the flush that will make it durable
}

// begin makes a one that knows nothing.
func (a *writeAudit) begin() {
	*a = writeAudit{extents: a.extents[:0], now: a.now, suspects: a.suspects[:0], slots: a.slots[:0], young: a.young[:0]}
}

// slotsEnd returns where the slots end, 0 if it is not known that there are any.
func (a *writeAudit) slotsEnd() int64 {
	if len(a.slots) == 0 {
		return 0
	}
	last := &a.slots[len(a.slots)-1]
	return last.Off + last.Size
}

// FindSlots asks f where the slots of the store are that it has made on d, and forgets those of the one before. While f makes one there
// are none.
func (d *TraceDisk) FindSlots(f Factory) {
	a := &d.writes
	a.slots, a.young = a.slots[:0], a.young[:0]
	if s, ok := f.(Slotted); ok {
		a.slots = s.AppendSlots(a.slots, d.inner)
	}
}

// Look asks the store where its appends go on, and judges what it has written again since it was asked before.
func (d *TraceDisk) Look(t Target) {
	l, ok := t.(Laid)
	if !ok {
		return
	}
	a := &d.writes
	a.now = l.AppendExtents(a.now[:0])
	if len(a.extents) == 0 {
		d.opened(t.Space().ExtentBytes)
	}
	reset := func(x int) bool { return a.now[x].Generation != a.extents[x].Generation }
	for _, s := range a.suspects {
		if !reset(s.extent) && d.violation == nil {
			d.violation = &s.write
		}
	}
	for x := range a.extents {
		if reset(x) {
			d.Release(int64(x)*a.size, a.size)
		}
	}
	a.extents, a.now, a.suspects = a.now, a.extents, a.suspects[:0]
}

// opened notes what lies below the pointers of a store that was opened.
func (d *TraceDisk) opened(size int64) {
	a := &d.writes
	a.size = size
	first := max(1, (a.slotsEnd()+size-1)/size)
	d.AppendOnly(first * size)
	for x := first; x < int64(len(a.now)); x++ {
		d.occupy(x*size, a.now[x].Pointer)
	}
}

// auditOnce notes the blocks that r covers, and finds those that were written before.
func (d *TraceDisk) auditOnce(r *disk.Request) {
	a, end := &d.writes, r.Off+int64(len(r.Data))
	switch {
	case d.once == 0:
	case len(a.extents) == 0:
		if d.occupy(r.Off, end-r.Off) {
			d.violate("rewritten", "write", r.Off, len(r.Data))
		}
	default: // a write may reach from one extent into the next
		for off := r.Off; off < end; {
			x := off / a.size
			next := min((x+1)*a.size, end)
			if d.occupy(off, next-off) {
				a.suspects = append(a.suspects, suspect{int(x), Violation{"rewritten", d.say("write", r.Off, len(r.Data))}})
			}
			off = next
		}
	}
}

// submitted looks at a request, and returns the rule that it breaks.
func (a *writeAudit) submitted(r *disk.Request) string {
	switch {
	case r.Kind == disk.Flush:
		for i := range a.young {
			if y := &a.young[i]; y.write == nil && y.covered == nil {
				y.covered = r
			}
		}
	case r.Kind == disk.Write && r.Off < a.slotsEnd():
		return a.slotWritten(r)
	}
	return ""
}

// slotWritten notes a write to a slot.
func (a *writeAudit) slotWritten(r *disk.Request) string {
	at := slices.IndexFunc(a.slots, func(s Slot) bool { return s.Off <= r.Off && r.Off < s.Off+s.Size })
	if at < 0 {
		return ""
	}
	for i := range a.young {
		if y := &a.young[i]; y.slot != at && a.slots[y.slot].Page == a.slots[at].Page {
			return "second-slot"
		}
	}
	a.young = append(a.young, youngSlot{slot: at, write: r})
	return ""
}

// reaped notes that r is complete.
func (a *writeAudit) reaped(r *disk.Request) {
	kept := a.young[:0]
	for _, y := range a.young {
		switch {
		case y.write == r:
			y.write = nil
			if r.FUA && r.Err == nil {
				continue
			}
		case y.covered == r && r.Err == nil:
			continue
		case y.covered == r:
			y.covered = nil
		}
		kept = append(kept, y)
	}
	a.young = kept
}
