package extent

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
)

// ErrNoSuperblock is returned by Load when no slot of the root page holds a superblock.
var ErrNoSuperblock = errors.New("no superblock")

// shape makes t a table of g with empty entries and images for its pages, reusing its memory.
func (t *Table) shape(io *iosched.Sched, b *disk.Buffers, g *Geometry, l layout) {
	entries, pages, log := t.entries, t.pages, t.Root.Log
	*t = Table{io: io, layout: l, entries: resized(entries, int(g.Extents)), pages: resized(pages, int(l.pages))}
	t.Root.Geometry, t.Root.Log = *g, log[:0]
	t.powerSafe = g.PowerSafe && io.Disk().Info().PowerSafe
	clear(t.entries)
	clear(t.pages)
	for i := range t.pages {
		t.pages[i].image = b.Get(int(l.pageBytes))
	}
}

// resized returns a slice of n elements, in the memory of s if that is enough.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// Format writes an empty store of geometry g in all slots: the log begins in the first extent behind the superblock, the next
// one is its ready successor. superPage asks for a superblock page size, 0 for the best. What the disk held is lost: id is
// random, and from it comes where generations begin, so that nothing an earlier store left is ever taken for this one's.
func Format(d disk.Disk, g Geometry, superPage uint32, id StoreID) error {
	if err := Suits(&g, superPage); err != nil {
		return err
	}
	l := newLayout(&g, superPage)
	io := iosched.New(d, new(disk.Buffers))
	t := new(Table)
	t.shape(io, new(disk.Buffers), &g, l)
	first := firstGeneration(id)
	for x := range t.entries {
		t.entries[x] = Entry{Generation: first}
		if uint32(x) < l.reserved {
			t.entries[x].Owner = Superblock
		}
	}
	head, next := ID(l.reserved), ID(l.reserved+1)
	t.entries[head].Owner, t.entries[next].Owner = Log, Log
	r := &t.Root
	r.Store, r.Epoch, r.Resume, r.NextMutation = id, 1, 1, 1
	r.Log = []LogExtent{{head, first, 1}, {next, first, 0}}
	r.Replay = Position{Number: 1, Extent: head, Generation: first}
	if err := wipeSlots(d, g.DiskBytes); err != nil {
		return err
	}
	return t.writeEverySlot()
}

// wipeSlots makes every slot of page 0 that an earlier store left at another stride unrecognizable: one that is found when the
// first slot is bad would lead back to that store.
func wipeSlots(d disk.Disk, size int64) error {
	l := loader{disk: d, info: d.Info(), block: disk.Aligned(d.Info().PhysicalBlock)}
	for stride := int64(l.info.LogicalBlock); stride < size; stride *= 2 {
		for off := stride; off < slots*stride && off < size; off += stride {
			if _, ok, _ := l.slotAt(off, stride); !ok {
				continue
			}
			clear(l.block)
			w := disk.Request{Kind: disk.Write, Off: off &^ int64(len(l.block)-1), Data: l.block}
			if err := disk.Do(d, &w); err != nil {
				return &fault.IO{Op: "write", Offset: w.Off, Err: err}
			}
		}
	}
	return nil
}

// Suits reports what makes g unusable with superblock pages of that size, as an error that answers to ErrGeometry.
func Suits(g *Geometry, superPage uint32) error {
	if err := g.Validate(); err != nil {
		return err
	}
	if l := newLayout(g, superPage); l.reserved+MinExtents-1 > g.Extents {
		return fmt.Errorf("%w: the superblock takes %d of %d extents", ErrGeometry, l.reserved, g.Extents)
	}
	return nil
}

// firstGeneration returns the generation that the extents of a store begin with: 47 bits of its id, which leaves room for as many
// resets as any disk survives.
func firstGeneration(id StoreID) Generation { return Generation(le.Uint64(id[8:])&(1<<47-1)) + 1 }

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

// Load makes t the newest valid version of every page on d. t may be zero, or a table that nobody uses any more; its memory is
// used again. Load writes nothing. Slots that cannot be read, or fail a check, count as oldest; it fails when no slot of a page is
// left, or with fault.ErrVersion when one is of another format. io is what t will write with, b where its buffers come from.
func (t *Table) Load(d disk.Disk, io *iosched.Sched, b *disk.Buffers) error {
	l := loader{disk: d, info: d.Info(), block: b.Get(d.Info().PhysicalBlock)}
	defer b.Put(l.block)
	first, err := l.findSlot()
	if err != nil {
		return err
	}
	l.like, l.body[0], l.body[1] = first, b.Get(int(first.pageBytes)), b.Get(int(first.pageBytes))
	defer func() { b.Put(l.body[0]); b.Put(l.body[1]) }()
	var root page
	body, err := l.newest(0, &root)
	if err != nil {
		return err
	}
	r := Root{Log: t.Root.Log}
	rest, err := r.decode(body)
	if err != nil {
		return err
	}
	if err := r.Geometry.Fits(l.info); err != nil {
		return err
	}
	shape, err := layoutOf(&r.Geometry, &first)
	if err != nil {
		return err
	}
	if err := l.present(&shape); err != nil {
		return err
	}
	t.shape(io, b, &r.Geometry, shape)
	t.Root = r
	t.pages[0].version, t.pages[0].held = root.version, root.held
	for i := range t.pages {
		if i > 0 {
			if rest, err = l.newest(uint32(i), &t.pages[i]); err != nil {
				return err
			}
		}
		if err := t.decodeEntries(uint32(i), rest); err != nil {
			return err
		}
	}
	if err := t.validate(); err != nil {
		return err
	}
	t.distrust()
	return nil
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

// layoutOf rebuilds the layout from the geometry and what a header says of pages, and makes sure that updates will go where
// the pages were found.
func layoutOf(g *Geometry, h *pageHeader) (layout, error) {
	inFirst, pages := uint32(0), uint64(1)
	if h.pages == 1 {
		inFirst = g.Extents
	}
	l := newPages(g, h.pages, h.pageBytes, inFirst)
	if h.pages > 1 && l.perPage > 0 {
		pages += (uint64(g.Extents) + uint64(l.perPage) - 1) / uint64(l.perPage)
	}
	switch {
	case uint64(h.pages) != pages, l.stride != h.stride, h.pageBytes%g.Physical != 0,
		uint64(h.pageBytes) < pageHeaderBytes+rootFixed+uint64(inFirst)*entryBytes, l.reserved+MinExtents-1 > g.Extents:
		return l, rootError("superblock shape")
	}
	return l, nil
}

func (t *Table) decodeEntries(i uint32, b []byte) error {
	from, to := t.layout.entries(i, uint32(len(t.entries)))
	if uint64(len(b)) != uint64(to-from)*entryBytes {
		return t.corrupt(i, "extent table length")
	}
	g := &t.Root.Geometry
	for x := from; x < to; x++ {
		e := Entry{Owner: Owner(b[0]), Pointer: le.Uint32(b[4:]), Generation: Generation(le.Uint64(b[8:]))}
		if e.Owner >= OwnerCount || e.Pointer > g.ExtentBytes || e.Pointer%g.Physical != 0 || e.Generation == 0 {
			return t.corrupt(i, "extent table entry")
		}
		if (e.Owner == Superblock) != (x < t.layout.reserved) {
			return t.corrupt(i, "extents of the superblock")
		}
		t.owned[e.Owner]++
		t.entries[x] = e
		b = b[entryBytes:]
	}
	return nil
}

// corrupt is the error of a failed check of page i, at the place of the slot that was read.
func (t *Table) corrupt(i uint32, check string) error {
	p := &t.pages[i]
	return &fault.Corrupt{Offset: t.layout.offset(i, max(0, slices.Index(p.held[:], p.version))), Check: check}
}

// validate checks that table and root agree on the log, and that the log runs through no extent twice.
func (t *Table) validate() error {
	for _, l := range t.Root.Log {
		e := &t.entries[l.Extent]
		if e.Owner != Log || e.Generation != l.Generation {
			return t.corrupt(0, "owner of a log extent")
		}
		if e.since != 0 {
			return t.corrupt(0, "a log extent listed twice")
		}
		e.since = 1 // a mark, until distrust puts the number of a change there
	}
	return nil
}

// Recognize reports whether b, the first bytes of a disk, begin a superblock of this or another format.
func Recognize(b []byte) bool {
	_, err := decodePageHeader(b, 0)
	return err == nil || errors.Is(err, fault.ErrVersion)
}

// loader reads slots.
type loader struct {
	disk  disk.Disk
	info  disk.Info
	like  pageHeader // what every slot shares with the first one found
	block []byte     // a physical block
	body  [2][]byte  // bodies of slots: the newest so far, and the one being read
}

// findSlot returns the header of a readable slot of page 0. The first slot lies at the start of the disk; if it is bad the
// others are sought at every stride that is a power of two, asking rather than reading, since what lies there may be anything.
func (l *loader) findSlot() (pageHeader, error) {
	h, bad := l.header(0)
	if bad == nil || errors.Is(bad, fault.ErrVersion) {
		return h, bad
	}
	blank := errors.Is(bad, fault.ErrCorrupt) && le.Uint32(l.block) != pageMagic
	for stride := int64(l.info.LogicalBlock); stride < l.info.Size; stride *= 2 {
		for slot := int64(1); slot < slots; slot++ {
			if h, ok, err := l.slotAt(slot*stride, stride); ok {
				return h, err
			}
		}
	}
	if blank {
		return h, ErrNoSuperblock
	}
	return h, bad
}

// slotAt returns the header of a slot of page 0 at off, if there is one with that stride; ErrVersion if there is one of another
// format, which may say its stride elsewhere.
func (l *loader) slotAt(off, stride int64) (h pageHeader, ok bool, err error) {
	physical := int64(l.info.PhysicalBlock)
	if off+physical > l.info.Size {
		return h, false, nil
	}
	yes, err := disk.Ask(l.disk, l.block, off, physical, func(off int64, b []byte) bool {
		if b == nil || le.Uint32(b) != pageMagic {
			return false // most are not, and an error is an allocation
		}
		h, err := decodePageHeader(b, off)
		return err == nil && h.page == 0 && int64(h.stride) == stride || errors.Is(err, fault.ErrVersion)
	})
	if err != nil || !yes {
		return h, false, nil
	}
	h, err = l.header(off)
	return h, err == nil || errors.Is(err, fault.ErrVersion), err
}

// header reads the header of a slot, and once more if it does not hold: a device that fails or misreads once is right the next time.
func (l *loader) header(off int64) (pageHeader, error) {
	h, err := l.headerOnce(off)
	if err != nil && !errors.Is(err, fault.ErrVersion) {
		h, err = l.headerOnce(off)
	}
	return h, err
}

func (l *loader) headerOnce(off int64) (pageHeader, error) {
	b := l.block[:l.info.LogicalBlock]
	if err := l.disk.Read(b, off); err != nil {
		return pageHeader{}, &fault.IO{Op: "read", Offset: off, Err: err}
	}
	h, err := decodePageHeader(b, off)
	if err == nil && !l.fits(&h) {
		err = &fault.Corrupt{Offset: off, Check: "superblock shape"}
	}
	return h, err
}

// fits reports whether pages as h describes them can be read from the disk. What is read into memory is so bounded by the disk.
func (l *loader) fits(h *pageHeader) bool {
	logical := uint64(l.info.LogicalBlock)
	return h.stride%logical == 0 && uint64(h.pageBytes)%logical == 0 &&
		(slots-1)*h.stride+uint64(h.pages)*uint64(h.pageBytes) <= uint64(l.info.Size)
}

// present makes sure that every page has a slot with a header, before a table is made for the extents that they should hold. A
// small one is made without asking.
func (l *loader) present(shape *layout) (bad error) {
	const small = 16 << 10
	if uint64(shape.pages)*uint64(shape.pageBytes) <= small {
		return nil
	}
	for i := uint32(1); i < shape.pages; i++ {
		found := false
		for slot := 0; slot < slots && !found; slot++ {
			var h pageHeader
			if h, bad = l.header(shape.offset(i, slot)); bad == nil {
				found = h.page == i
			}
		}
		if !found {
			return cmp.Or(bad, rootError("superblock shape"))
		}
	}
	return nil
}

// newest fills p.held from the slots of page i and returns the body of the newest valid one, valid until the next call. Bodies are
// read from the newest on: one that is older than a valid one is overwritten before it matters, so nobody asks whether it is whole.
func (l *loader) newest(i uint32, p *page) (newest []byte, bad error) {
	var headers [slots]pageHeader
	unread := 0
	// two says whether two slots cannot be read: what can be may be older than what cannot, and no power cut does that to a disk that is
	// power-safe.
	two := func(err error) bool {
		if errors.Is(err, fault.ErrIO) {
			unread++
		}
		return unread > 1 && l.info.PowerSafe
	}
	for slot := range slots {
		h, err := l.headerOf(i, l.offset(i, slot))
		if errors.Is(err, fault.ErrVersion) {
			return nil, err // what is newer than this program must not be overwritten, nor passed over for what is older
		}
		if err != nil {
			if bad = err; two(err) {
				return nil, err
			}
			continue
		}
		headers[slot], p.held[slot] = h, h.version
	}
	for left := p.held; ; {
		slot := 0
		for s := range slots {
			if left[s] > left[slot] {
				slot = s
			}
		}
		version := left[slot]
		if version == 0 || version < p.version {
			break
		}
		left[slot] = 0
		body, err := l.bodyOf(&headers[slot], l.offset(i, slot))
		if err != nil {
			if bad, p.held[slot] = err, 0; two(err) {
				return nil, err
			}
			continue
		}
		if newest == nil {
			p.version, newest = version, body
			l.body[0], l.body[1] = l.body[1], l.body[0]
		}
	}
	if newest == nil {
		return nil, bad
	}
	return newest, nil
}

// offset returns where a slot of page i lies on the disk.
func (l *loader) offset(i uint32, slot int) int64 {
	return int64(uint64(slot)*l.like.stride + uint64(i)*uint64(l.like.pageBytes))
}

// headerOf reads the header of a slot of page i.
func (l *loader) headerOf(i uint32, off int64) (pageHeader, error) {
	h, err := l.header(off)
	if err == nil && (h.page != i || h.pages != l.like.pages || h.pageBytes != l.like.pageBytes || h.stride != l.like.stride) {
		err = &fault.Corrupt{Offset: off, Check: "superblock shape"}
	}
	return h, err
}

// bodyOf reads the slot of h into the spare body buffer and checks it.
func (l *loader) bodyOf(h *pageHeader, off int64) ([]byte, error) {
	whole := pageHeaderBytes + int(h.body)
	whole += -whole & (l.info.LogicalBlock - 1)
	p := l.body[1][:whole]
	isWhole := func(p []byte) bool {
		again, err := decodePageHeader(p, off)
		return err == nil && again == *h && again.bodyHolds(p[pageHeaderBytes:pageHeaderBytes+again.body], off)
	}
	holds, err := disk.ReadUnit(l.disk, p, off, isWhole)
	if err != nil || !holds {
		holds, err = disk.ReadUnit(l.disk, p, off, isWhole)
	}
	switch {
	case err != nil:
		return nil, &fault.IO{Op: "read", Offset: off, Err: err}
	case !holds:
		return nil, &fault.Corrupt{Offset: off, Check: "superblock body"}
	}
	return p[pageHeaderBytes : pageHeaderBytes+h.body], nil
}
