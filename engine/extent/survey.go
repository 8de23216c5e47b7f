package extent

import (
	"errors"
	"fmt"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/fault"
)

// SlotState says what a look at a slot of the superblock found.
type SlotState string

const (
	SlotValid       SlotState = "valid"
	SlotDamaged     SlotState = "damaged"      // by rot, or by a crash while it was written
	SlotEmpty       SlotState = "empty"        // zeros: wiped, for Format leaves no slot empty
	SlotUnreadable  SlotState = "unreadable"   // the device failed the read
	SlotMissing     SlotState = "missing"      // behind the end of the disk, which was larger once
	SlotOtherFormat SlotState = "other format" // whole, of a format version that is not ours
)

// SlotReport is what a look at one slot found.
type SlotReport struct {
	Page    uint32
	Slot    int
	Offset  int64 // of the disk
	State   SlotState
	Format  int    // format version; 0 where the header does not hold
	Version uint64 // of the page; 0 unless valid
	Err     error  // nil if valid
}

// Survey is what the superblock of a disk still tells.
type Survey struct {
	Slots []SlotReport // page by page
	// Root is from the newest valid slot of page 0, nil if there is none. Where other slots are not valid it may be older than
	// the last one that was relied on.
	Root *Root
	// Entries is the table, by extent. An entry whose page has no valid slot has generation 0.
	Entries []Entry
}

// Examine looks at every slot of the superblock on d. It writes nothing, and a page that is lost does not keep it from telling of
// the others. The error says why there is no root: ErrNoSuperblock, fault.ErrVersion, ErrCorrupt, ErrIO.
func Examine(d disk.Disk, b *disk.Buffers) (*Survey, error) {
	s := new(Survey)
	l := loader{disk: d, info: d.Info(), block: b.Get(d.Info().PhysicalBlock)}
	defer b.Put(l.block)
	first, err := l.findSlot()
	if err != nil {
		_, found := l.header(0)
		s.Slots = append(s.Slots, l.report(0, 0, 0, pageHeader{}, found))
		return s, err
	}
	l.like, l.body[0], l.body[1] = first, b.Get(int(first.pageBytes)), b.Get(int(first.pageBytes))
	defer func() { b.Put(l.body[0]); b.Put(l.body[1]) }()
	body, err := l.examine(0, s)
	if err != nil {
		return s, err
	}
	root := new(Root)
	rest, err := root.decode(body)
	if err != nil {
		return s, err
	}
	s.Root = root
	shape, err := layoutOf(&root.Geometry, &first)
	if err != nil {
		return s, err
	}
	t := Table{layout: shape, entries: make([]Entry, root.Geometry.Extents)}
	t.Root.Geometry = root.Geometry
	for i := range t.layout.pages {
		if i > 0 {
			rest, err = l.examine(i, s)
		}
		if err == nil {
			err = t.decodeEntries(i, rest)
		}
		if err != nil { // what the slots of this page say; its extents stay unknown
			from, to := t.layout.entries(i, root.Geometry.Extents)
			clear(t.entries[from:to])
			err = nil
		}
	}
	s.Entries = t.entries
	return s, nil
}

// examine reports the slots of page i to s and returns the body of the newest valid one, valid until the next call.
func (l *loader) examine(i uint32, s *Survey) (newest []byte, bad error) {
	version := uint64(0)
	for slot := range slots {
		off := l.offset(i, slot)
		if off+int64(l.like.pageBytes) > l.info.Size {
			s.Slots = append(s.Slots, SlotReport{Page: i, Slot: slot, Offset: off, State: SlotMissing, Err: disk.ErrOutOfRange})
			bad = errors.Join(bad, disk.ErrOutOfRange)
			continue
		}
		var body []byte
		h, err := l.headerOf(i, off)
		if err == nil {
			body, err = l.bodyOf(&h, off)
		}
		r := l.report(i, slot, off, h, err)
		s.Slots = append(s.Slots, r)
		switch {
		case err != nil:
			bad = err
		case h.version > version:
			version, newest = h.version, body
			l.body[0], l.body[1] = l.body[1], l.body[0]
		}
	}
	if newest == nil {
		return nil, fmt.Errorf("page %d of the superblock: %w", i, bad)
	}
	return newest, nil
}

// report says what the attempt to read a slot came to. l.block holds its header.
func (l *loader) report(page uint32, slot int, off int64, h pageHeader, err error) SlotReport {
	r := SlotReport{Page: page, Slot: slot, Offset: off, State: SlotDamaged, Err: err}
	switch {
	case err == nil:
		r.State, r.Format, r.Version = SlotValid, pageFormat, h.version
	case errors.Is(err, fault.ErrVersion):
		r.State, r.Format = SlotOtherFormat, int(le.Uint16(l.block[4:]))
	case errors.Is(err, fault.ErrIO):
		r.State = SlotUnreadable
	case isBlank(l.block[:l.info.LogicalBlock]):
		r.State = SlotEmpty
	}
	return r
}

func isBlank(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
