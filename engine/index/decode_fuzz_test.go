package index

import (
	"encoding/binary"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
)

// Each target decodes what it gets as it is, and again with the checksum made right, to reach the checks behind it.

const fuzzPage = 256

var (
	fuzzGeometry = extent.Geometry{
		DiskBytes: 16 << 16, ExtentBytes: 1 << 16, Extents: 16, Logical: 64, Physical: 128, PageBytes: fuzzPage, WindowBytes: 1 << 12, WindowUnits: 4,
	}
	fuzzShape  = ShapeOf(&fuzzGeometry, 0, 10)
	tablePlace = chunk.Place{Extent: 5, Generation: 3, Offset: 256}
)

// requireCorrupt wants err to say where which check failed.
func requireCorrupt(t *testing.T, err error) {
	t.Helper()
	var corrupt *fault.Corrupt
	require.ErrorAs(t, err, &corrupt)
	require.ErrorIs(t, err, fault.ErrCorrupt)
	require.NotEmpty(t, corrupt.Check)
}

// sampleEntries returns n entries of every kind.
func sampleEntries(n int) []Entry {
	entries := make([]Entry, n)
	for i := range entries {
		e := &entries[i]
		binary.BigEndian.PutUint32(e.ID[4:], uint32(i)*3+1)
		e.Kind, e.Mutation = EntryKind(1+i%(int(entryKindCount)-1)), uint64(1000+i)
		if e.Kind.hasLocator() {
			e.Locator = chunk.Locator{Extent: extent.ID(1 + i%15), Generation: 2, Offset: uint32(i) * 64, Length: 150}
		}
	}
	return entries
}

// sampleTable returns a table of n entries and its frame, at tablePlace.
func sampleTable(n int) (Table, []byte) {
	entries := sampleEntries(n)
	t := fuzzShape.newTable(entries)
	payload := fuzzShape.payloadBytes(t.Blocks, t.Filters)
	f := make([]byte, chunk.FrameBytes(payload))
	fuzzShape.encode(f[chunk.HeaderBytes:chunk.HeaderBytes+payload], &t, entries, tablePlace.At(chunk.HeaderBytes))
	chunk.SealFrame(f, &chunk.Header{Kind: chunk.Run, Parts: 1, Length: uint32(payload)}, tablePlace)
	t.Locator = chunk.Locator{Extent: tablePlace.Extent, Generation: tablePlace.Generation, Offset: tablePlace.Offset, Length: uint32(len(f))}
	t.fences = nil
	return t, f
}

// sampleMetadata returns the metadata of two runs of level 0 and one of level 1.
func sampleMetadata() Metadata {
	var m Metadata
	m.Reset(int(fuzzGeometry.Extents))
	m.Replay = 77
	for i, n := range []int{3, 40, 200} {
		t, _ := sampleTable(n)
		t.Locator.Extent = extent.ID(i + 3)
		r := Run{Tables: []Table{t}}
		if i < 2 {
			m.Zero = append(m.Zero, r)
		} else {
			next := t
			next.First, next.Last, next.Locator.Offset = chunk.ShardID{9}, chunk.ShardID{10}, t.Locator.Offset+20000
			r.Tables = append(r.Tables, next)
			m.Deep = append(m.Deep, Run{}, r)
		}
		m.addLive(&r, +1)
	}
	m.Live[9] = 5
	return m
}

func sealPage(b []byte, at seal) { sealBlock(b, at) }

// page returns b as a page of the size that blocks and filters have.
func page(b []byte) []byte { return append(slices.Clone(b), make([]byte, fuzzPage)...)[:fuzzPage] }

func FuzzBlock(f *testing.F) {
	for _, n := range []int{1, PerBlock(fuzzPage)} {
		b := make([]byte, fuzzPage)
		encodeBlock(b, sampleEntries(n), filterAt)
		f.Add(b)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		b = page(b)
		if err := checkBlock(b, filterAt); err != nil {
			requireCorrupt(t, err)
		}
		sealPage(b, filterAt)
		if err := checkBlock(b, filterAt); err != nil {
			requireCorrupt(t, err)
			return
		}
		for i := range block(b).len() {
			var e Entry
			if err := block(b).decode(i, &e, &fuzzShape, filterAt.Place); err != nil {
				requireCorrupt(t, err)
				continue
			}
			require.Less(t, uint32(e.Locator.Extent), fuzzGeometry.Extents)
			require.LessOrEqual(t, block(b).search(&e.ID), block(b).len())
		}
	})
}

func FuzzFilter(f *testing.F) {
	for _, bits := range []int{1, 10, 32} {
		b := make([]byte, fuzzPage)
		encodeFilter(b, sampleEntries(20), bits, filterAt)
		f.Add(b, b[:16])
	}
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, b, id []byte) {
		b = page(b)
		if _, err := checkFilter(b, filterAt); err != nil {
			requireCorrupt(t, err)
		}
		sealPage(b, filterAt)
		x, err := checkFilter(b, filterAt)
		if err != nil {
			requireCorrupt(t, err)
			return
		}
		require.Positive(t, x.keys())
		x.add((*chunk.ShardID)(page(id)))
		require.True(t, x.mayHold((*chunk.ShardID)(page(id))))
	})
}

// frames is what tables are read from: one frame.
type frames struct {
	chunk.Chunks
	bytes []byte
}

func (f frames) Read(l chunk.Locator, off, n int) ([]byte, error) {
	if off < 0 || n < 0 || uint64(off)+uint64(n) > uint64(l.Length) || off+n > len(f.bytes) {
		return nil, l.Place().Corrupt("range inside a frame")
	}
	return f.bytes[off : off+n], nil
}

func (f frames) Doubt(chunk.Locator, int, int) {}

// FuzzTable reads a table from a frame of any bytes, by fields of metadata that hold as far as they are checked: its fences, its
// entries from the first to the last, and one of them.
func FuzzTable(f *testing.F) {
	for _, n := range []int{1, 5, 40, 200} {
		t, b := sampleTable(n)
		f.Add(b, t.Blocks, t.Entries, t.Filters)
		f.Add(b[:len(b)/2], t.Blocks, t.Entries, t.Filters)
	}
	f.Add([]byte{}, uint32(1), uint32(1), uint32(1))
	f.Fuzz(func(t *testing.T, b []byte, blocks, entries, filters uint32) {
		table, _ := sampleTable(1)
		table.Blocks, table.Entries, table.Filters = blocks, entries, filters
		if blocks > fuzzGeometry.ExtentBytes/fuzzPage || filters > blocks {
			return
		}
		table.Locator.Length = uint32(chunk.FrameBytes(fuzzShape.payloadBytes(blocks, filters)))
		b = append(slices.Clone(b), make([]byte, table.Locator.Length)...)[:table.Locator.Length]
		table.First, table.Last = chunk.ShardID(b[chunk.HeaderBytes+fenceHead:]), chunk.ShardID(b[chunk.HeaderBytes+fenceHead+int(blocks)*idBytes:])
		if !table.plausible(&fuzzShape) {
			return
		}
		readTable(t, table, b)
		sealTable(&table, b)
		readTable(t, table, b)
	})
}

// sealTable makes the checksums of the first fences and of every page of the frame b of t right.
func sealTable(t *Table, b []byte) {
	at := t.seal()
	fences := b[chunk.HeaderBytes:][:fenceBytes(t.Blocks)]
	le.PutUint32(fences, t.Blocks)
	le.PutUint32(fences[4:], t.Entries)
	le.PutUint32(fences[8:], fuzzPage)
	le.PutUint32(fences[12:], t.Filters)
	le.PutUint32(fences[16:], t.Identity)
	n := len(fences) - 4
	le.PutUint32(fences[n:], at.Place.At(chunk.HeaderBytes).CRC(fences[:n]))
	for i := range int(t.Filters + t.Blocks) {
		off := t.filterAt(&fuzzShape, i)
		sealPage(b[off:off+fuzzPage], at.At(off))
	}
}

// readTable reads all there is in t.
func readTable(t *testing.T, table Table, b []byte) {
	t.Helper()
	table.fences = nil
	r := reader{Chunks: frames{bytes: b}}
	run := &Run{Tables: []Table{table}}
	var c runCursor
	seen := 0
	err := c.seek(run, r, &fuzzShape, make([]byte, 0, fuzzPage), &table.First)
	for ; err == nil && c.current() != nil; err = c.next() {
		seen++
	}
	if err != nil {
		requireCorrupt(t, err)
	}
	require.LessOrEqual(t, seen, int(table.Blocks)*PerBlock(fuzzPage))
	var e Entry
	if _, err := r.find(run, &fuzzShape, make([]byte, 0, fuzzPage), &table.Last, &e); err != nil {
		requireCorrupt(t, err)
	}
}

func FuzzMetadata(f *testing.F) {
	m := sampleMetadata()
	f.Add(m.Append(nil))
	var empty Metadata
	empty.Reset(16)
	f.Add(empty.Append(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again Metadata
		if err := m.Decode(b, &fuzzGeometry, filterAt.Place); err != nil {
			requireCorrupt(t, err)
			return
		}
		require.Equal(t, b, m.Append(nil), "a record has one form")
		require.NoError(t, again.Decode(m.Append(nil), &fuzzGeometry, filterAt.Place))
	})
}

// Behind the checksum of its frame a record of metadata has none of its own; what it says must fit together all the same.
func TestMetadataThatContradictsItselfIsRefused(t *testing.T) {
	table := metadataFixed // the first record
	for _, tt := range []struct {
		name   string
		change func(b []byte) []byte
		reason string
	}{
		{"version", func(b []byte) []byte { b[0]++; return b }, "another format"},
		{"length", func(b []byte) []byte { return append(b, 0) }, "a byte too many"},
		{"extent of a table", func(b []byte) []byte { le.PutUint32(b[table:], 16); return b }, "the disk has 16"},
		{"blocks of a table", func(b []byte) []byte { b[table+28]++; return b }, "a frame of another length"},
		{"entries of a table", func(b []byte) []byte { le.PutUint32(b[table+20:], 1000); return b }, "more than fit"},
		{"level", func(b []byte) []byte { b[table+32] = maxLevels + 1; return b }, "deeper than any"},
		{"order of runs", func(b []byte) []byte { b[table+34] = 1; return b }, "run 0 comes first"},
		{"order of ids", func(b []byte) []byte { b[table+36] = 0xff; return b }, "the first id is behind the last"},
		{"live bytes without the table", func(b []byte) []byte { le.PutUint32(b[len(b)-4*liveRecordBytes+4:], 1); return b }, "the table alone is larger"},
		{"live bytes of no extent", func(b []byte) []byte { le.PutUint32(b[len(b)-liveRecordBytes:], 16); return b }, "the disk has 16"},
		{"live bytes twice", func(b []byte) []byte { le.PutUint32(b[len(b)-liveRecordBytes:], 3); return b }, "extent 3 came before"},
		{"no live bytes", func(b []byte) []byte { le.PutUint32(b[len(b)-4:], 0); return b }, "an extent without any is left out"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := sampleMetadata()
			var got Metadata
			require.NoError(t, got.Decode(m.Append(nil), &fuzzGeometry, filterAt.Place))
			err := got.Decode(tt.change(m.Append(nil)), &fuzzGeometry, filterAt.Place)
			require.ErrorIs(t, err, fault.ErrCorrupt, tt.reason)
		})
	}
}

func TestEveryFlippedBitAndTruncationOfAMetadataFrameIsNoticed(t *testing.T) {
	m := sampleMetadata()
	b := chunk.AppendFrame(nil, &chunk.Header{Kind: chunk.Metadata, Parts: 2}, m.Append(nil), filterAt.Place)
	for bit := range len(b) * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		_, _, err := chunk.Decode(b, filterAt.Place)
		require.ErrorIs(t, err, fault.ErrCorrupt, "bit %d", bit)
		b[bit/8] ^= 1 << (bit % 8)
	}
	record := m.Append(nil)
	for n := range record {
		var got Metadata
		require.ErrorIs(t, got.Decode(record[:n:n], &fuzzGeometry, filterAt.Place), fault.ErrCorrupt, "%d bytes", n)
	}
}

func TestEveryFlippedBitOfABlockAndAFilterIsNoticed(t *testing.T) {
	b, x := make([]byte, fuzzPage), make([]byte, fuzzPage)
	encodeBlock(b, sampleEntries(3), filterAt)
	encodeFilter(x, sampleEntries(3), 10, filterAt)
	for bit := range fuzzPage * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		x[bit/8] ^= 1 << (bit % 8)
		require.ErrorIs(t, checkBlock(b, filterAt), fault.ErrCorrupt, "bit %d", bit)
		_, err := checkFilter(x, filterAt)
		require.ErrorIs(t, err, fault.ErrCorrupt, "bit %d", bit)
		b[bit/8] ^= 1 << (bit % 8)
		x[bit/8] ^= 1 << (bit % 8)
	}
}

// A flip in one copy of the fences costs nothing, in both at once it is noticed, and what is between fences and pages is nobody's.
func TestEveryFlippedBitOfFencesIsNoticed(t *testing.T) {
	table, b := sampleTable(40)
	second := int(fuzzShape.pagesAt(table.Blocks)) + int(table.Filters+table.Blocks)*fuzzPage
	r := reader{Chunks: frames{bytes: b}}
	require.NoError(t, table.loadFences(r, &fuzzShape))
	want := table.fences
	for bit := range int(fenceBytes(table.Blocks)) * 8 {
		b[chunk.HeaderBytes+bit/8] ^= 1 << (bit % 8)
		table.fences = nil
		require.NoError(t, table.loadFences(r, &fuzzShape), "bit %d", bit)
		require.Equal(t, want, table.fences)
		b[second+bit/8] ^= 1 << (bit % 8)
		table.fences = nil
		require.ErrorIs(t, table.loadFences(r, &fuzzShape), fault.ErrCorrupt, "bit %d", bit)
		require.Empty(t, table.fences)
		b[chunk.HeaderBytes+bit/8] ^= 1 << (bit % 8)
		b[second+bit/8] ^= 1 << (bit % 8)
	}
}

func TestDecodersOfTheIndexTakeMemoryForTheirInput(t *testing.T) {
	long := sampleMetadata()
	for i := range 2000 { // one run of many tables
		next, _ := sampleTable(1)
		binary.BigEndian.PutUint32(next.First[:], 1<<28+uint32(i))
		next.Last = next.First
		long.Deep[1].Tables = append(long.Deep[1].Tables, next)
	}
	long.Live[tablePlace.Extent] = 1 << 30
	many := sampleMetadata()
	for range 2000 { // runs of one table
		many.Zero = append(many.Zero, many.Zero[0])
	}
	lying := sampleMetadata()
	promises := lying.Append(nil)
	le.PutUint32(promises[4:], 1<<32-1)
	le.PutUint32(promises[16:], 1<<32-1)
	for name, b := range map[string][]byte{"one run": long.Append(nil), "many runs": many.Append(nil), "promises": promises} {
		var m Metadata
		took := allocated(func() { _ = m.Decode(b, &fuzzGeometry, filterAt.Place) })
		require.LessOrEqual(t, took, uint64(4*len(b)+64<<10), name)
	}
	table, b := sampleTable(200)
	sealTable(&table, b)
	took := allocated(func() { _ = table.loadFences(reader{Chunks: frames{bytes: b}}, &fuzzShape) })
	require.LessOrEqual(t, took, uint64(4*len(b)+64<<10))
	garbage := make([]byte, fuzzPage)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _ = checkBlock(garbage, filterAt) }), 1.0, "the error alone")
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = checkFilter(garbage, filterAt) }), 1.0, "the error alone")
}

// allocated returns the bytes that fn allocates.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
