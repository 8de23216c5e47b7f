package extent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
)

func testGeometry(extents uint32) Geometry {
	return Geometry{
		DiskBytes: int64(extents) * 4096, ExtentBytes: 4096, Extents: extents, Logical: 64, Physical: 128,
		PageBytes: 128, WindowBytes: 2048, WindowUnits: 4, PowerSafe: true,
	}
}

func formatted(t *testing.T, extents, superPage uint32) *disk.Memory {
	t.Helper()
	d := disk.NewMemory(disk.Info{Size: int64(extents) * 4096, LogicalBlock: 64, PhysicalBlock: 128})
	require.NoError(t, Format(d, testGeometry(extents), superPage, StoreID{1, 2, 3}))
	return d
}

func load(t *testing.T, d disk.Disk) *Table {
	t.Helper()
	table := new(Table)
	require.NoError(t, table.Load(d, iosched.New(d, new(disk.Buffers)), new(disk.Buffers)))
	return table
}

func loading(d disk.Disk) error {
	return new(Table).Load(d, iosched.New(d, new(disk.Buffers)), new(disk.Buffers))
}

// record makes every change of table relied on.
func record(t *testing.T, table *Table) {
	t.Helper()
	want := table.Changed()
	table.Begin()
	for !table.Relied(want) {
		if table.io.Writes() == 0 {
			table.io.Flush()
		}
		require.True(t, table.io.Reap())
		table.Advance()
	}
}

// superPages are the shapes of superblocks: one page, and several.
var superPages = []struct {
	name      string
	superPage uint32
	pages     int
}{
	{"one page", 0, 1},
	{"several pages", 512, 3},
}

func TestLoadedTableIsWhatWasRecorded(t *testing.T) {
	for _, tt := range superPages {
		t.Run(tt.name, func(t *testing.T) {
			d := formatted(t, 32, tt.superPage)
			a := load(t, d)
			require.Len(t, a.pages, tt.pages)
			a.Touch()
			record(t, a)
			x, ok := a.Allocate(Runs)
			require.True(t, ok)
			require.False(t, a.Ready(x.Extent), "a new owner is not relied on yet")
			a.SetPointer(x.Extent, 640)
			y, ok := a.Allocate(Log)
			require.True(t, ok)
			a.Root.Log = append(a.Root.Log, y)
			a.Root.Epoch, a.Root.DurableThrough = 9, 77
			a.Touch()
			record(t, a)
			require.True(t, a.Ready(x.Extent))
			a.Release(x.Extent)
			require.Equal(t, x.Generation+1, a.Entry(x.Extent).Generation)
			_, again := a.Allocate(Metadata)
			require.True(t, again, "other extents are free")
			record(t, a)

			b := load(t, d)
			if diff := cmp.Diff(a.Root, b.Root); diff != "" {
				t.Errorf("root (-recorded +loaded):\n%s", diff)
			}
			for i := range a.Len() {
				want, got := a.Entry(ID(i)), b.Entry(ID(i))
				want.since, got.since = 0, 0
				if want != got {
					t.Errorf("extent %d: recorded %+v, loaded %+v", i, want, got)
				}
			}
			require.Equal(t, a.FreeCount(), b.FreeCount())
		})
	}
}

func TestReleasedExtentIsNotReadyBeforeItsNewOwnerIsReliedOn(t *testing.T) {
	table := load(t, formatted(t, 16, 0))
	table.Touch()
	record(t, table)
	var held []LogExtent
	for {
		x, ok := table.Allocate(Runs)
		if !ok {
			break
		}
		held = append(held, x)
	}
	record(t, table)
	table.Release(held[0].Extent)
	x, ok := table.Allocate(Log)
	require.True(t, ok)
	require.Equal(t, LogExtent{Extent: held[0].Extent, Generation: held[0].Generation + 1}, x)
	require.False(t, table.Ready(x.Extent))
	record(t, table)
	require.True(t, table.Ready(x.Extent))
}

// Any one slot of each page may be rotten, the newest included: the version before it was relied on stands in the others.
func TestEverySingleRottenSlotLeavesTheReliedOnVersion(t *testing.T) {
	for _, tt := range superPages {
		t.Run(tt.name, func(t *testing.T) {
			for rotten := range slots {
				d := formatted(t, 32, tt.superPage)
				a := load(t, d)
				for range 4 {
					a.Root.Epoch++
					for i := range a.pages {
						a.pages[i].dirty = true
					}
					a.Touch()
					record(t, a)
				}
				for i := range a.pages {
					off := a.layout.offset(uint32(i), rotten)
					garbage := make([]byte, 64)
					garbage[0] = 0xee
					require.NoError(t, disk.Do(d, &disk.Request{Kind: disk.Write, Off: off, Data: garbage}))
				}
				b := load(t, d)
				require.Equal(t, a.Root.Epoch, b.Root.Epoch, "slot %d rotten", rotten)
				require.Equal(t, a.pages[0].version, b.pages[0].version)
			}
		})
	}
}

func TestNeverMoreThanOneSlotOfAPageIsUnflushed(t *testing.T) {
	d := formatted(t, 32, 512)
	table := load(t, d)
	spy := &slotSpy{Disk: d, layout: table.layout}
	table.io = iosched.New(spy, new(disk.Buffers))
	for range 20 {
		if x, ok := table.Allocate(Runs); ok {
			table.SetPointer(x.Extent, 128)
		}
		table.Touch()
		record(t, table)
	}
	require.Empty(t, spy.broken)
	require.NotZero(t, spy.writes)
}

// slotSpy notes slot writes that a flush has not covered.
type slotSpy struct {
	disk.Disk
	layout  layout
	pending map[uint32]bool
	writes  int
	broken  []string
}

func (s *slotSpy) Submit(r *disk.Request) {
	if r.Kind == disk.Flush {
		s.pending = nil
	} else {
		page := uint32(uint64(r.Off)%s.layout.stride) / s.layout.pageBytes
		if s.pending[page] {
			s.broken = append(s.broken, "a second slot of a page before a flush")
		}
		if s.pending == nil {
			s.pending = map[uint32]bool{}
		}
		s.pending[page] = true
		s.writes++
	}
	s.Disk.Submit(r)
}

func TestLoadTellsNoStoreFromAnotherFormatAndFromRot(t *testing.T) {
	blank := disk.NewMemory(disk.Info{Size: 1 << 17, LogicalBlock: 64, PhysicalBlock: 128})
	require.ErrorIs(t, loading(blank), ErrNoSuperblock)

	d := formatted(t, 32, 0)
	table := load(t, d)
	for s := range slots {
		b := make([]byte, 64)
		off := table.layout.offset(0, s)
		require.NoError(t, d.Read(b, off))
		le.PutUint16(b[4:], 77)
		le.PutUint32(b[60:], checksumAt(off, b[:60]))
		require.NoError(t, disk.Do(d, &disk.Request{Kind: disk.Write, Off: off, Data: b}))
	}
	require.ErrorIs(t, loading(d), fault.ErrVersion)

	for _, s := range []int{0, 2} { // the first slot rotten, another format in others; our own format first, another in the last
		d = formatted(t, 32, 0)
		if s == 0 {
			d.Overwrite(make([]byte, 64), 0)
		}
		b := make([]byte, 64)
		off := table.layout.offset(0, 2)
		require.NoError(t, d.Read(b, off))
		le.PutUint16(b[4:], 77)
		le.PutUint32(b[60:], checksumAt(off, b[:60]))
		d.Overwrite(b, off)
		require.ErrorIs(t, loading(d), fault.ErrVersion, "case %d", s)
	}

	d = formatted(t, 32, 0)
	for s := range slots {
		b := make([]byte, 64)
		off := table.layout.offset(0, s) + 64
		require.NoError(t, disk.Do(d, &disk.Request{Kind: disk.Write, Off: off, Data: b}))
	}
	require.ErrorIs(t, loading(d), fault.ErrCorrupt)
}

// Slots lie in physical blocks of their own, and so do the pages in them: an interrupted write damages one slot of one page.
func TestSlotsShareNoPhysicalBlock(t *testing.T) {
	for physical := uint32(64); physical <= maxPhysical; physical *= 2 {
		for _, superPage := range []uint32{0, 1, 512, 5000, 1 << 16} {
			for _, extents := range []uint32{MinExtents, 100, 5000} {
				g := testGeometry(extents)
				g.Physical, g.ExtentBytes = physical, 64*maxPhysical
				l := newLayout(&g, superPage)
				taken := map[int64]bool{}
				for page := range l.pages {
					for slot := range slots {
						off := l.offset(page, slot)
						require.Zero(t, off%int64(physical))
						require.Zero(t, l.pageBytes%physical)
						for b := off; b < off+int64(l.pageBytes); b += int64(physical) {
							require.False(t, taken[b], "physical blocks of %d, pages of %d, %d extents", physical, superPage, extents)
							taken[b] = true
						}
					}
				}
			}
		}
	}
}

// A disk whose blocks cannot be read until they are written whole is written in whole blocks by Format, also where it wipes the
// slots of a store with smaller ones.
func TestFormatWritesWholePhysicalBlocks(t *testing.T) {
	const size = 256 << 10
	old := disk.NewMemory(disk.Info{Size: size, LogicalBlock: 64, PhysicalBlock: 64})
	g := testGeometry(16)
	g.Physical = 64
	require.NoError(t, Format(old, g, 0, StoreID{1}))
	require.Less(t, load(t, old).layout.stride, uint64(2048))

	d := &wholeSpy{Memory: disk.NewMemory(disk.Info{Size: size, LogicalBlock: 64, PhysicalBlock: 2048})}
	d.Overwrite(old.Bytes(), 0)
	g.Physical, g.ExtentBytes, g.DiskBytes, g.WindowBytes, g.PowerSafe = 2048, 16<<10, size, 16<<10, false
	require.NoError(t, Format(d, g, 0, StoreID{2}))
	require.NotZero(t, d.writes)
	require.Zero(t, d.partial)
	require.Equal(t, StoreID{2}, load(t, d).Root.Store)
}

// wholeSpy counts writes, and those that are not whole physical blocks.
type wholeSpy struct {
	*disk.Memory
	writes, partial int
}

func (s *wholeSpy) Submit(r *disk.Request) {
	if r.Kind == disk.Write {
		s.writes++
		if (r.Off|int64(len(r.Data)))%int64(s.Info().PhysicalBlock) != 0 {
			s.partial++
		}
	}
	s.Memory.Submit(r)
}

func TestGeometryThatCannotWorkIsRefused(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Geometry)
	}{
		{"odd logical block", func(g *Geometry) { g.Logical = 96 }},
		{"physical smaller than logical", func(g *Geometry) { g.Physical = 32 }},
		{"extent of odd size", func(g *Geometry) { g.ExtentBytes = 4100 }},
		{"too few extents", func(g *Geometry) { g.Extents = MinExtents - 1 }},
		{"more than the disk", func(g *Geometry) { g.DiskBytes = 4096 }},
		{"page not of blocks", func(g *Geometry) { g.PageBytes = 100 }},
		{"window below a few blocks", func(g *Geometry) { g.WindowBytes = 128 }},
		{"no units in flight", func(g *Geometry) { g.WindowUnits = 0 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := testGeometry(16)
			require.NoError(t, g.Validate())
			tt.spoil(&g)
			require.ErrorIs(t, g.Validate(), ErrGeometry)
		})
	}
}
