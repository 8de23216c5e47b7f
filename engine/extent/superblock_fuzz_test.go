package extent

import (
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
)

// Mutated bytes rarely pass a checksum. So each target also seals what it got, as an encoder would, to reach the checks of the
// fields behind: bytes that lie, with checksums that hold.

// requireTyped wants err to say which check failed where, or that the format is of another version.
func requireTyped(t *testing.T, err error) {
	t.Helper()
	var corrupt *fault.Corrupt
	if errors.As(err, &corrupt) {
		require.ErrorIs(t, err, fault.ErrCorrupt)
		require.NotEmpty(t, corrupt.Check)
		return
	}
	require.ErrorIs(t, err, fault.ErrVersion)
}

// sealHeader gives b the magic and the checksum of a page header at off.
func sealHeader(b []byte, off int64) {
	le.PutUint32(b, pageMagic)
	le.PutUint32(b[60:], checksumAt(off, b[:60]))
}

// slotsOf returns every slot of a formatted disk as it lies there, by its place.
func slotsOf(t testing.TB, extents, superPage uint32) (found map[int64][]byte, l layout) {
	g := testGeometry(extents)
	d := disk.NewMemory(disk.Info{Size: g.DiskBytes, LogicalBlock: 64, PhysicalBlock: 128})
	require.NoError(t, Format(d, g, superPage, StoreID{1, 2, 3}))
	l = newLayout(&g, superPage)
	found = map[int64][]byte{}
	for i := range l.pages {
		for slot := range slots {
			off := l.offset(i, slot)
			h, err := decodePageHeader(d.Bytes()[off:], off)
			require.NoError(t, err)
			found[off] = slices.Clone(d.Bytes()[off : off+pageHeaderBytes+int64(h.body)])
		}
	}
	return found, l
}

func FuzzPageHeader(f *testing.F) {
	for _, tt := range superPages {
		found, _ := slotsOf(f, 32, tt.superPage)
		for off, b := range found {
			f.Add(b[:pageHeaderBytes], off)
		}
	}
	f.Add([]byte{}, int64(0))
	f.Add(make([]byte, pageHeaderBytes-1), int64(-1))
	f.Fuzz(func(t *testing.T, b []byte, off int64) {
		if h, err := decodePageHeader(b, off); err != nil {
			requireTyped(t, err)
		} else {
			require.Equal(t, off, int64(uint64(h.slot)*h.stride+uint64(h.page)*uint64(h.pageBytes)))
		}
		if len(b) < pageHeaderBytes {
			return
		}
		b = slices.Clone(b)
		sealHeader(b, off)
		h, err := decodePageHeader(b, off)
		if err != nil {
			requireTyped(t, err)
			return
		}
		require.Less(t, h.slot, uint8(slots))
		require.Less(t, h.page, h.pages)
		require.LessOrEqual(t, h.body+pageHeaderBytes, h.pageBytes)
		require.LessOrEqual(t, uint64(h.pages)*uint64(h.pageBytes), h.stride, "slots do not overlap")
	})
}

// sampleRoot is a root with everything in it.
func sampleRoot() Root {
	g := testGeometry(32)
	return Root{
		Store: StoreID{9, 8, 7}, Geometry: g, Epoch: 3, Resume: 40, Replay: Position{38, 4, 2, 256}, DurableThrough: 41, NextMutation: 99,
		Metadata: [2]Locator{{7, 1, 128, 300}, {8, 1, 0, 300}}, MetadataCRC: 77, Log: []LogExtent{{4, 2, 30}, {5, 1, 45}, {6, 1, 0}},
	}
}

func FuzzRoot(f *testing.F) {
	r := sampleRoot()
	f.Add(r.append(nil))
	f.Add(append(r.append(nil), make([]byte, 32*entryBytes)...))
	r.Log, r.Metadata = r.Log[:1], [2]Locator{}
	f.Add(r.append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again Root
		rest, err := r.decode(b)
		if err != nil {
			requireTyped(t, err)
			return
		}
		require.NoError(t, r.Geometry.Validate())
		tail, err := again.decode(append(r.append(nil), rest...))
		require.NoError(t, err)
		require.Equal(t, r, again)
		require.Equal(t, rest, tail)
	})
}

// FuzzLoad loads superblocks whose pages are anything and whose checksums hold. What loads is usable: an update is written, and
// loads as what it was.
func FuzzLoad(f *testing.F) {
	for _, tt := range superPages {
		found, l := slotsOf(f, 32, tt.superPage)
		table := []byte{}
		for i := uint32(1); i < l.pages; i++ {
			table = append(table, found[l.offset(i, 0)][pageHeaderBytes:]...)
		}
		f.Add(l.pages, l.pageBytes, l.stride, found[0][pageHeaderBytes:], table)
		f.Add(l.pages, l.pageBytes, l.stride*2, found[0][pageHeaderBytes:], table)
		f.Add(l.pages+1, l.pageBytes, l.stride, found[0][pageHeaderBytes:], table)
	}
	r := sampleRoot()
	f.Add(uint32(1), uint32(1), uint64(128), r.append(nil), []byte{})
	f.Add(uint32(9), uint32(1024), uint64(16<<10), r.append(nil), []byte{})
	f.Fuzz(func(t *testing.T, pages, pageBytes uint32, stride uint64, root, table []byte) {
		g := testGeometry(32)
		d := disk.NewMemory(disk.Info{Size: g.DiskBytes, LogicalBlock: 64, PhysicalBlock: 128})
		writePages(d, pageHeader{pages: pages, pageBytes: pageBytes, stride: stride, version: 1}, root, table)
		a := new(Table)
		if err := a.Load(d, iosched.New(d, new(disk.Buffers)), new(disk.Buffers)); err != nil {
			if !errors.Is(err, ErrNoSuperblock) && !errors.Is(err, ErrGeometry) {
				requireTyped(t, err)
			}
			return
		}
		a.Touch()
		if x, ok := a.Allocate(Runs); ok {
			a.SetPointer(x.Extent, a.Geometry().Physical)
		}
		record(t, a)
		b := load(t, d)
		require.Empty(t, cmp.Diff(a.Root, b.Root))
		for x := range a.entries {
			want, got := a.entries[x], b.entries[x]
			want.since, got.since = 0, 0
			require.Equal(t, want, got, "extent %d", x)
		}
	})
}

// writePages writes to all slots of every page that h speaks of, as far as the disk goes: root to page 0, to each of the others
// as much of table as a page can hold.
func writePages(d *disk.Memory, h pageHeader, root, table []byte) {
	for i := uint32(0); i < min(h.pages, 64); i++ {
		body := root
		if i > 0 && h.pageBytes > pageHeaderBytes {
			n := min(len(table), int(h.pageBytes-pageHeaderBytes)/entryBytes*entryBytes)
			body, table = table[:n], table[n:]
		}
		for slot := range slots {
			off := uint64(slot)*h.stride + uint64(i)*uint64(h.pageBytes)
			b := append(make([]byte, pageHeaderBytes), body...)
			if off+uint64(len(b)) > uint64(d.Info().Size) || off >= uint64(d.Info().Size) {
				continue
			}
			h.slot, h.page = uint8(slot), i
			h.seal(b, int64(off))
			d.Overwrite(b, int64(off))
		}
	}
}

func TestEveryFlippedBitOfASuperblockPageIsNoticed(t *testing.T) {
	for _, tt := range superPages {
		found, l := slotsOf(t, 32, tt.superPage)
		for off, b := range found {
			want, err := decodePageHeader(b, off)
			require.NoError(t, err)
			for bit := range len(b) * 8 {
				b[bit/8] ^= 1 << (bit % 8)
				h, err := decodePageHeader(b, off)
				switch {
				case err != nil:
					requireTyped(t, err)
				case h == want && h.bodyHolds(b[pageHeaderBytes:], off):
					t.Errorf("%s: bit %d of byte %d flipped, and nobody minds", tt.name, bit%8, bit/8)
				}
				b[bit/8] ^= 1 << (bit % 8)
			}
			for n := range b {
				_, err := decodePageHeader(b[:n:n], off)
				require.Equal(t, n < pageHeaderBytes, err != nil, "%d bytes", n)
				require.False(t, err == nil && want.bodyHolds(b[pageHeaderBytes:n:n], off), "%d bytes", n)
			}
		}
		require.Len(t, found, slots*int(l.pages))
	}
}

// One slot of three is read wholly by every load: a flip anywhere in all of them leaves no superblock, one in two of them costs
// nothing.
func TestEveryFlippedBitOfASuperblockEndsInATypedError(t *testing.T) {
	for _, tt := range superPages {
		found, l := slotsOf(t, 32, tt.superPage)
		d := formatted(t, 32, tt.superPage)
		for i := range l.pages {
			for bit := range len(found[l.offset(i, 0)]) * 8 {
				for slot := range slots {
					off := l.offset(i, slot)
					b := slices.Clone(found[off])
					b[bit/8] ^= 1 << (bit % 8)
					d.Overwrite(b, off)
					if slot < slots-1 {
						require.NoError(t, loading(d), "%d slots", slot+1)
					}
				}
				if err := loading(d); !errors.Is(err, ErrNoSuperblock) {
					requireTyped(t, err)
				}
				for slot := range slots {
					d.Overwrite(found[l.offset(i, slot)], l.offset(i, slot))
				}
			}
		}
	}
}

func TestEveryTruncationOfARootIsNoticed(t *testing.T) {
	r := sampleRoot()
	b := r.append(nil)
	for n := range b {
		var got Root
		_, err := got.decode(b[:n:n])
		require.ErrorIs(t, err, fault.ErrCorrupt, "%d of %d bytes", n, len(b))
	}
}

// emptyDisk is a disk of any size that holds what was written over zeros.
type emptyDisk struct {
	*disk.Memory
	size int64
}

func (d emptyDisk) Info() disk.Info {
	i := d.Memory.Info()
	i.Size = d.size
	return i
}

func (d emptyDisk) Read(p []byte, off int64) error {
	clear(p)
	if off >= d.Memory.Info().Size {
		return nil
	}
	return d.Memory.Read(p[:min(int64(len(p)), d.Memory.Info().Size-off)], off)
}

// Disks far larger than what they hold, whose roots promise more than there is.
func TestASuperblockThatPromisesMuchTakesLittleMemory(t *testing.T) {
	const size = 1 << 45
	for _, tt := range []struct {
		name    string
		extents uint32
		change  func(r *Root, h *pageHeader)
	}{
		{"table pages that are not there", MaxExtents, nil},
		{"a table in page 0 that is not there", MaxExtents, func(_ *Root, h *pageHeader) { h.pages, h.pageBytes, h.stride = 1, 1<<20, 1<<20 }},
		{"the largest pages", MaxExtents, func(_ *Root, h *pageHeader) { h.pages, h.pageBytes, h.stride = 1<<20, 1<<20, 1<<40 }},
		{"a log list that is not there", 1 << 20, func(r *Root, _ *pageHeader) { r.Log = make([]LogExtent, 100) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := testGeometry(tt.extents)
			g.DiskBytes = int64(tt.extents) * 4096
			r := sampleRoot()
			r.Geometry = g
			l := newLayout(&g, 0)
			h := pageHeader{pages: l.pages, pageBytes: l.pageBytes, stride: l.stride, version: 1}
			if tt.change != nil {
				tt.change(&r, &h)
			}
			d := emptyDisk{disk.NewMemory(disk.Info{Size: 1 << 20, LogicalBlock: 64, PhysicalBlock: 128}), size}
			only := h
			root := append(make([]byte, pageHeaderBytes), r.append(nil)...)
			only.seal(root, 0)
			d.Overwrite(root, 0)
			io := iosched.New(d, new(disk.Buffers))
			var err error
			took := allocated(func() { err = new(Table).Load(d, io, new(disk.Buffers)) })
			require.ErrorIs(t, err, fault.ErrCorrupt)
			require.LessOrEqual(t, took, 4*uint64(h.pageBytes)+64<<10)
		})
	}
}

// A whole table is the most that a superblock makes a load allocate.
func TestLoadingTakesMemoryForWhatIsThere(t *testing.T) {
	for _, extents := range []uint32{11, 64, 4096, 70_000} {
		g := testGeometry(extents)
		d := disk.NewMemory(disk.Info{Size: g.DiskBytes, LogicalBlock: 64, PhysicalBlock: 128})
		require.NoError(t, Format(d, g, 0, StoreID{1}))
		l := newLayout(&g, 0)
		io := iosched.New(d, new(disk.Buffers))
		var err error
		took := allocated(func() { err = new(Table).Load(d, io, new(disk.Buffers)) })
		require.NoError(t, err)
		require.LessOrEqual(t, took, 4*uint64(l.pages)*uint64(l.pageBytes)+64<<10, "%d extents", extents)
	}
}

// allocated returns the bytes that fn allocates.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
