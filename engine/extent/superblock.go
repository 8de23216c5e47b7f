package extent

import (
	"errors"
	"fmt"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
)

// ErrNoSuperblock is returned by Load when no slot of the root page holds a superblock.
var ErrNoSuperblock = errors.New("no superblock")

// newTable returns a table of g with empty entries and buffers for its pages. The images are aligned for direct IO.
func newTable(io *iosched.Sched, g *Geometry, l layout) *Table {
	t := &Table{io: io, layout: l, entries: make([]Entry, g.Extents), pages: make([]page, l.pages)}
	t.Root.Geometry = *g
	for i := range t.pages {
		t.pages[i].image = disk.Aligned(int(l.pageBytes))
	}
	return t
}

// Format writes an empty store of geometry g in all slots: the log begins in the first extent behind the superblock, the next
// one is its ready successor. superPage asks for a superblock page size, 0 for the best. What the disk held is lost.
func Format(d disk.Disk, g Geometry, superPage uint32, id StoreID) error {
	if err := g.Validate(); err != nil {
		return err
	}
	l := newLayout(&g, superPage)
	if l.reserved+MinExtents-1 > g.Extents {
		return fmt.Errorf("%w: the superblock takes %d of %d extents", ErrGeometry, l.reserved, g.Extents)
	}
	io := iosched.New(d)
	t := newTable(io, &g, l)
	for x := range t.entries {
		t.entries[x] = Entry{Generation: 1}
		if uint32(x) < l.reserved {
			t.entries[x].Owner = Superblock
		}
	}
	head, next := ID(l.reserved), ID(l.reserved+1)
	t.entries[head].Owner, t.entries[next].Owner = Log, Log
	r := &t.Root
	r.Store, r.Epoch, r.Resume, r.NextMutation = id, 1, 1, 1
	r.Log = []LogExtent{{head, 1, 1}, {next, 1, 0}}
	r.Replay = Position{Number: 1, Extent: head, Generation: 1}
	return t.writeEverySlot()
}

// writeEverySlot writes the first version of every page to all its slots, each covered by a flush before the next.
func (t *Table) writeEverySlot() error {
	for i := range t.pages {
		t.pages[i].version = 1
		t.pages[i].queued = true
		t.encode(uint32(i), &t.pages[i])
	}
	for range slots {
		for _, t.phase = range [...]phase{writingTables, writingRoot} {
			t.writeSlots()
			if err := drain(t.io); err != nil {
				return err
			}
		}
	}
	return nil
}

// drain waits for everything in flight and flushes.
func drain(io *iosched.Sched) error {
	for io.Reap() {
	}
	io.Flush()
	for io.Reap() {
	}
	return io.Err()
}

// Load reads the newest valid version of every page. It writes nothing. Slots that cannot be read, or fail a check, count as
// oldest; Load fails only when no slot of a page is left.
func Load(d disk.Disk, io *iosched.Sched) (*Table, error) {
	l := loader{disk: d, info: d.Info()}
	first, err := l.findSlot()
	if err != nil {
		return nil, err
	}
	root := make([]page, 1)
	body, err := l.newest(&first, 0, &root[0])
	if err != nil {
		return nil, err
	}
	var r Root
	rest, err := r.decode(body)
	if err != nil {
		return nil, err
	}
	if err := r.Geometry.Fits(l.info); err != nil {
		return nil, err
	}
	lay := layoutOf(&r.Geometry, &first)
	t := newTable(io, &r.Geometry, lay)
	t.Root = r
	t.pages[0].version, t.pages[0].held = root[0].version, root[0].held
	for i := range t.pages {
		if i > 0 {
			if rest, err = l.newest(&first, uint32(i), &t.pages[i]); err != nil {
				return nil, err
			}
		}
		if err := t.decodeEntries(uint32(i), rest); err != nil {
			return nil, err
		}
	}
	t.distrust()
	return t, t.validate()
}

// distrust makes the update that Open writes the first one relied on: what was read may stand in one slot only. Pages whose
// newest version stands in fewer than two slots are part of that update.
func (t *Table) distrust() {
	t.change = 1
	for x := range t.entries {
		t.entries[x].since = t.change
	}
	for i := range t.pages {
		p := &t.pages[i]
		holding := 0
		for _, v := range p.held {
			if v == p.version {
				holding++
			}
		}
		p.dirty = i == 0 || holding < 2
	}
}

// layoutOf rebuilds the layout from the geometry and what a header says of pages.
func layoutOf(g *Geometry, h *pageHeader) layout {
	inFirst := uint32(0)
	if h.pages == 1 {
		inFirst = g.Extents
	}
	return newPages(g, h.pages, h.pageBytes, inFirst)
}

func (t *Table) decodeEntries(i uint32, b []byte) error {
	from, to := t.layout.entries(i, uint32(len(t.entries)))
	if uint64(len(b)) != uint64(to-from)*entryBytes {
		return rootError("extent table length")
	}
	for x := from; x < to; x++ {
		e := Entry{Owner: Owner(b[0]), Pointer: le.Uint32(b[4:]), Generation: Generation(le.Uint64(b[8:]))}
		if e.Owner >= ownerCount || e.Pointer > t.Root.Geometry.ExtentBytes || e.Generation == 0 {
			return rootError("extent table entry")
		}
		if e.Owner == Free {
			t.free++
		}
		t.entries[x] = e
		b = b[entryBytes:]
	}
	return nil
}

// validate checks that table and root agree on the log.
func (t *Table) validate() error {
	for _, l := range t.Root.Log {
		if e := t.entries[l.Extent]; e.Owner != Log || e.Generation != l.Generation {
			return rootError("owner of a log extent")
		}
	}
	return nil
}

// loader reads slots.
type loader struct {
	disk disk.Disk
	info disk.Info
}

// findSlot returns the header of a readable slot of page 0. The first slot lies at the start of the disk; if it is bad the
// others are sought at every stride that is a power of two, asking rather than reading, since what lies there may be anything.
func (l *loader) findSlot() (pageHeader, error) {
	var h pageHeader
	block := disk.Aligned(l.info.PhysicalBlock)
	bad := l.header(&h, block, 0)
	if bad == nil || errors.Is(bad, fault.ErrVersion) {
		return h, bad
	}
	for stride := int64(l.info.LogicalBlock); stride < l.info.Size; stride *= 2 {
		for slot := int64(1); slot < slots; slot++ {
			off := slot * stride
			if off+int64(l.info.PhysicalBlock) > l.info.Size {
				continue
			}
			is := func(off int64, b []byte) bool {
				var h pageHeader
				return h.decode(b, off) == nil && h.page == 0 && int64(h.stride) == stride
			}
			if yes, err := disk.Ask(l.disk, block, off, int64(l.info.PhysicalBlock), is); err != nil || !yes {
				continue
			}
			if l.header(&h, block, off) == nil {
				return h, nil
			}
		}
	}
	if errors.Is(bad, fault.ErrCorrupt) && le.Uint32(block) != pageMagic {
		return h, ErrNoSuperblock
	}
	return h, bad
}

func (l *loader) header(h *pageHeader, block []byte, off int64) error {
	b := block[:l.info.LogicalBlock]
	if err := l.disk.Read(b, off); err != nil {
		return &fault.IO{Op: "read", Offset: off, Err: err}
	}
	return h.decode(b, off)
}

// newest reads the slots of page i into p.held and returns the body of the newest valid one.
func (l *loader) newest(like *pageHeader, i uint32, p *page) ([]byte, error) {
	var body []byte
	var bad error
	block := disk.Aligned(l.info.LogicalBlock)
	for slot := range slots {
		off := int64(uint64(slot)*like.stride + uint64(i)*uint64(like.pageBytes))
		var h pageHeader
		if off+int64(like.pageBytes) > l.info.Size {
			continue
		}
		if err := l.header(&h, block, off); err != nil {
			bad = err
			continue
		}
		if h.page != i || h.pages != like.pages || h.pageBytes != like.pageBytes || h.stride != like.stride {
			bad = &fault.Corrupt{Offset: off, Check: "superblock shape"}
			continue
		}
		b, err := l.body(&h, off)
		if err != nil {
			bad = err
			continue
		}
		p.held[slot] = h.version
		if h.version > p.version {
			p.version, body = h.version, b
		}
	}
	if body == nil {
		return nil, bad
	}
	return body, nil
}

// body reads and checks the body of a slot.
func (l *loader) body(h *pageHeader, off int64) ([]byte, error) {
	whole := pageHeaderBytes + int(h.body)
	whole += -whole & (l.info.LogicalBlock - 1)
	p := disk.Aligned(whole)
	holds, err := disk.ReadUnit(l.disk, p, off, func(p []byte) bool {
		var again pageHeader
		return again.decode(p, off) == nil && again == *h && h.bodyHolds(p[pageHeaderBytes:pageHeaderBytes+h.body], off)
	})
	switch {
	case err != nil:
		return nil, &fault.IO{Op: "read", Offset: off, Err: err}
	case !holds:
		return nil, &fault.Corrupt{Offset: off, Check: "superblock body"}
	}
	return p[pageHeaderBytes : pageHeaderBytes+h.body], nil
}
