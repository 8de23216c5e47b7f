package index

import (
	"sort"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
)

// A table is a piece of a sorted run, one frame of kind run. Inside the frame:
//
//	| frame header | fences | zeros | filter | ... | block | block | ... | fences | frame trailer |
//
// and the fences, twice because without them no block can be found:
//
//	0        4         8             12        16         20
//	| blocks | entries | block bytes | filters | identity | first id of each block, 16 bytes | last id | crc |
//
// Filters and blocks are pages that begin on a logical block, so that one is read without its neighbours; each has its own
// checksum. Filter i tells which ids blocks i*n to i*n+n-1 may hold, n being blocks divided by filters, rounded up.
const (
	fenceHead  = 20
	fenceFixed = fenceHead + idBytes + 4 // fences without first ids
	idBytes    = 16
	maxTable   = 2 << 20 // bytes of a table; what a merge holds in memory
)

// Shape holds the sizes that tables are built with.
type Shape struct {
	ExtentBytes uint32
	Logical     uint32
	Physical    uint32
	PageBytes   uint32
	TablePages  uint32 // blocks of a table, as wanted
	FitPages    uint32 // blocks of a table, at most. TablePages <= FitPages
	FilterBits  uint32 // bits a key in filters; 0: no filters
	Extents     uint32 // of the disk: an entry names one of them
}

// ShapeOf returns the shape of tables in that geometry. tablePages says how many blocks a table shall have, 0 is as many as fit;
// filterBits how many bits a key its filters have, 0 is no filters.
func ShapeOf(g *extent.Geometry, tablePages, filterBits int) Shape {
	s := Shape{ExtentBytes: g.ExtentBytes, Logical: g.Logical, Physical: g.Physical, PageBytes: g.PageBytes, FilterBits: uint32(filterBits), Extents: g.Extents}
	limit := int(min(s.ExtentBytes, maxTable))
	s.FitPages = uint32(max(0, sort.Search(limit/int(s.PageBytes)+1, func(n int) bool { return s.tableBytes(uint32(n)) > limit })-1))
	s.TablePages = s.FitPages
	if tablePages > 0 {
		s.TablePages = min(s.FitPages, uint32(tablePages))
	}
	return s
}

// tableBytes returns the bytes that the frame of a table of that many blocks takes of an extent.
func (s *Shape) tableBytes(blocks uint32) int {
	n := chunk.FrameBytes(s.payloadBytes(blocks, s.filters(blocks)))
	return (n + int(s.Physical) - 1) &^ (int(s.Physical) - 1)
}

// space returns the bytes that t takes of its extent.
func (s *Shape) space(t *Table) uint32 {
	return (t.Locator.Length + s.Physical - 1) &^ (s.Physical - 1)
}

// filters returns how many filters a table of that many blocks gets.
func (s *Shape) filters(blocks uint32) uint32 {
	return uint32(filterBlocks(int(blocks), s.PageBytes, int(s.FilterBits)))
}

// pagesAt returns the offset of the first page, a filter or block, from the start of the frame.
func (s *Shape) pagesAt(blocks uint32) uint32 {
	n := chunk.HeaderBytes + fenceBytes(blocks)
	return (n + s.Logical - 1) &^ (s.Logical - 1)
}

// payloadBytes returns the payload of a table of that many blocks and filters.
func (s *Shape) payloadBytes(blocks, filters uint32) int {
	return int(s.pagesAt(blocks)-chunk.HeaderBytes) + (int(filters)+int(blocks))*int(s.PageBytes) + int(fenceBytes(blocks))
}

// MaxEntries returns how many entries a table shall have at most; FitEntries how many fit one.
func (s *Shape) MaxEntries() int { return s.entries(s.TablePages) }
func (s *Shape) FitEntries() int { return s.entries(s.FitPages) }

// entries returns how many entries fit so many blocks.
func (s *Shape) entries(blocks uint32) int { return int(blocks) * PerBlock(s.PageBytes) }

// runBytes returns how many bytes of extents of its own a run of n entries takes, in tables of so many blocks.
func (s *Shape) runBytes(n int, blocks uint32) int64 {
	most, size := s.entries(blocks), s.tableBytes(blocks)
	tables, fit := (n+most-1)/most, int(s.ExtentBytes)/size
	return int64(tables/fit)*int64(s.ExtentBytes) + int64(tables%fit)*int64(size)
}

// ExtentEntries returns how many entries fit an extent, in tables of MaxEntries.
func (s *Shape) ExtentEntries() int {
	return int(s.ExtentBytes) / s.tableBytes(s.TablePages) * s.MaxEntries()
}

// Table names a table and what is needed to find blocks in it. Its fences are read when they are first wanted.
type Table struct {
	Locator chunk.Locator
	Blocks  uint32
	Entries uint32
	Filters uint32
	// Identity is the checksum of its blocks; see seal.
	Identity uint32
	First    chunk.ShardID
	Last     chunk.ShardID

	fences []chunk.ShardID // first id of each block; empty until read
}

func fenceBytes(blocks uint32) uint32 { return fenceFixed + blocks*idBytes }

// newTable returns the table of entries, which ascend strictly by id and are at least one, without its place.
func (s *Shape) newTable(entries []Entry) Table {
	per := PerBlock(s.PageBytes)
	n := uint32((len(entries) + per - 1) / per)
	return Table{Blocks: n, Entries: uint32(len(entries)), Filters: s.filters(n), First: entries[0].ID, Last: entries[len(entries)-1].ID}
}

// encode writes the payload of t, the table of entries, into p, for the place of p.
func (s *Shape) encode(p []byte, t *Table, entries []Entry, at chunk.Place) {
	per := PerBlock(s.PageBytes)
	page := s.PageBytes
	first := s.pagesAt(t.Blocks) - chunk.HeaderBytes
	t.fences = make([]chunk.ShardID, 0, t.Blocks)
	off := first + t.Filters*page
	for rest := entries; len(rest) > 0; off += page {
		here := rest[:min(per, len(rest))]
		rest = rest[len(here):]
		fillBlock(p[off:off+page], here)
		t.fences = append(t.fences, here[0].ID)
	}
	t.Identity = chunk.Checksum(p[first+t.Filters*page : off])
	sealed := seal{at, t.Identity}
	for o := first + t.Filters*page; o < off; o += page {
		sealBlock(p[o:o+page], sealed.At(int(o)))
	}
	for i := range t.Filters {
		from, to := t.covered(i)
		at, f := sealed.At(int(first+i*page)), p[first+i*page:][:page]
		encodeFilter(f, entries[min(int(from)*per, len(entries)):min(int(to)*per, len(entries))], int(s.FilterBits), at)
	}
	t.encodeFences(p, s, at)
	t.encodeFences(p[off:], s, at.At(int(off)))
}

// covered returns the range of blocks of filter i.
func (t *Table) covered(i uint32) (from, to uint32) {
	per := (t.Blocks + t.Filters - 1) / t.Filters
	return min(i*per, t.Blocks), min((i+1)*per, t.Blocks)
}

func (t *Table) encodeFences(b []byte, s *Shape, at chunk.Place) {
	le.PutUint32(b, t.Blocks)
	le.PutUint32(b[4:], t.Entries)
	le.PutUint32(b[8:], s.PageBytes)
	le.PutUint32(b[12:], t.Filters)
	le.PutUint32(b[16:], t.Identity)
	o := b[fenceHead:]
	for i := range t.fences {
		copy(o, t.fences[i][:])
		o = o[idBytes:]
	}
	copy(o, t.Last[:])
	le.PutUint32(o[idBytes:], at.CRC(b[:fenceHead+len(t.fences)*idBytes+idBytes]))
}

// loadFences reads the fences of t, the second copy if the first is bad.
func (t *Table) loadFences(r reader, s *Shape) error {
	if len(t.fences) > 0 {
		return nil
	}
	err := t.readFences(r, s, chunk.HeaderBytes)
	if err != nil {
		err = t.readFences(r, s, int(s.pagesAt(t.Blocks)+(t.Filters+t.Blocks)*s.PageBytes))
	}
	return err
}

func (t *Table) readFences(r reader, s *Shape, off int) error {
	at := t.Locator.Place().At(off)
	b, err := r.checked(t, off, int(fenceBytes(t.Blocks)), func(b []byte) error { return t.checkFences(b, at, s) })
	if err != nil {
		return err
	}
	t.fences = make([]chunk.ShardID, t.Blocks)
	for i := range t.fences {
		t.fences[i] = chunk.ShardID(b[fenceHead+i*idBytes:])
	}
	return nil
}

// checkFences checks b, which lies at a place, as the fences of t.
func (t *Table) checkFences(b []byte, at chunk.Place, s *Shape) error {
	n := len(b) - 4
	if le.Uint32(b[n:]) != at.CRC(b[:n]) {
		return at.Corrupt("index fences")
	}
	if le.Uint32(b) != t.Blocks || le.Uint32(b[4:]) != t.Entries || le.Uint32(b[8:]) != s.PageBytes || le.Uint32(b[12:]) != t.Filters ||
		le.Uint32(b[16:]) != t.Identity {
		return at.Corrupt("index fences fields")
	}
	fence := func(i int) *chunk.ShardID { return (*chunk.ShardID)(b[fenceHead+i*idBytes:]) }
	for i := 1; i < int(t.Blocks); i++ {
		if Compare(fence(i-1), fence(i)) >= 0 {
			return at.Corrupt("index fences order")
		}
	}
	if *fence(0) != t.First || chunk.ShardID(b[n-idBytes:n]) != t.Last {
		return at.Corrupt("index fences range")
	}
	return nil
}

// blockOf returns the block whose range holds id, the first one for ids before it. The fences are loaded.
func (t *Table) blockOf(id *chunk.ShardID) int {
	return max(0, sort.Search(len(t.fences), func(i int) bool { return Compare(&t.fences[i], id) > 0 })-1)
}

// blockAt returns the offset of block i from the start of the frame; filterAt that of filter i.
func (t *Table) blockAt(s *Shape, i int) int {
	return int(s.pagesAt(t.Blocks)) + (int(t.Filters)+i)*int(s.PageBytes)
}
func (t *Table) filterAt(s *Shape, i int) int { return int(s.pagesAt(t.Blocks)) + i*int(s.PageBytes) }

// Run is a sorted run: tables whose ranges ascend and do not overlap.
type Run struct {
	Tables []Table
}

// Entries returns the number of entries in r.
func (r *Run) Entries() int {
	n := 0
	for i := range r.Tables {
		n += int(r.Tables[i].Entries)
	}
	return n
}

// bytes returns the bytes of the tables of r.
func (r *Run) bytes() int64 {
	n := int64(0)
	for i := range r.Tables {
		n += int64(r.Tables[i].Locator.Length)
	}
	return n
}

// tableOf returns the index of the first table that ends at or behind id; nil is the beginning.
func (r *Run) tableOf(id *chunk.ShardID) int {
	if id == nil {
		return 0
	}
	return sort.Search(len(r.Tables), func(i int) bool { return Compare(&r.Tables[i].Last, id) >= 0 })
}
