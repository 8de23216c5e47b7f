package index

import (
	"slices"
	"sort"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
)

// A table is a piece of a sorted run, one frame of kind run. Inside the frame:
//
//	| frame header | fences | zeros | block | block | ... | fences | frame trailer |
//
// and the fences, twice because without them no block can be found:
//
//	0        4         8             12     16
//	| blocks | entries | block bytes | zero | first id of each block, 16 bytes | last id | crc |
//
// Blocks begin on a logical block, so that one is read without its neighbours; each has its own checksum.
const (
	fenceFixed = 16 + 16 + 4 // fences without first ids
	idBytes    = 16
	maxTable   = 2 << 20 // bytes of a table; what a merge holds in memory
)

// Reader reads bytes of extents.
type Reader interface {
	// ReadAt fills p, whole logical blocks, from a place whose offset is a multiple of a logical block.
	ReadAt(p []byte, at chunk.Place) error
	// ReadRange returns n bytes from any place. They are valid until the next call.
	ReadRange(at chunk.Place, n uint32) ([]byte, error)
}

// Shape holds the sizes that tables are built with.
type Shape struct {
	ExtentBytes uint32
	Logical     uint32
	PageBytes   uint32
	TablePages  uint32 // blocks of a table, as wanted
	FitPages    uint32 // blocks of a table, at most. TablePages <= FitPages
}

// ShapeOf returns the shape of tables in that geometry. tablePages says how many blocks a table shall have; 0 is as many as
// fit.
func ShapeOf(g *extent.Geometry, tablePages int) Shape {
	s := Shape{ExtentBytes: g.ExtentBytes, Logical: g.Logical, PageBytes: g.PageBytes}
	limit := int(min(s.ExtentBytes, maxTable))
	fit := sort.Search(limit/int(s.PageBytes)+1, func(n int) bool { return chunk.FrameBytes(s.payloadBytes(uint32(n))) > limit }) - 1
	s.FitPages = uint32(max(fit, 0))
	s.TablePages = s.FitPages
	if tablePages > 0 {
		s.TablePages = min(s.FitPages, uint32(tablePages))
	}
	return s
}

// Table names a table and what is needed to find blocks in it. Its fences are read when they are first wanted.
type Table struct {
	Locator chunk.Locator
	Blocks  uint32
	Entries uint32
	First   chunk.ShardID
	Last    chunk.ShardID

	fences []chunk.ShardID // first id of each block; empty until read
}

func fenceBytes(blocks uint32) uint32 { return fenceFixed + blocks*idBytes }

// blocksAt returns the offset of the first block from the start of the frame.
func (s *Shape) blocksAt(blocks uint32) uint32 {
	n := chunk.HeaderBytes + fenceBytes(blocks)
	return (n + s.Logical - 1) &^ (s.Logical - 1)
}

// payloadBytes returns the payload of a table of that many blocks.
func (s *Shape) payloadBytes(blocks uint32) int {
	return int(s.blocksAt(blocks)-chunk.HeaderBytes) + int(blocks*s.PageBytes) + int(fenceBytes(blocks))
}

// MaxEntries returns how many entries a table shall have at most; FitEntries how many fit one.
func (s *Shape) MaxEntries() int { return int(s.TablePages) * PerBlock(s.PageBytes) }
func (s *Shape) FitEntries() int { return int(s.FitPages) * PerBlock(s.PageBytes) }

// FrameBytes returns the size of the frame of a table with that many entries.
func (s *Shape) FrameBytes(entries int) int {
	per := PerBlock(s.PageBytes)
	return chunk.FrameBytes(s.payloadBytes(uint32((entries + per - 1) / per)))
}

// Encode writes the table of entries into f, whose length is FrameBytes, for the place at, and returns it. Entries ascend
// strictly by id and are at least one.
func (s *Shape) Encode(f []byte, entries []Entry, uuid chunk.UUID, at chunk.Place) Table {
	per := PerBlock(s.PageBytes)
	n := uint32((len(entries) + per - 1) / per)
	t := Table{Blocks: n, Entries: uint32(len(entries)), First: entries[0].ID, Last: entries[len(entries)-1].ID}
	t.Locator = chunk.Locator{Extent: at.Extent, Generation: at.Generation, Offset: at.Offset, Length: uint32(len(f))}
	clear(f)
	t.fences = make([]chunk.ShardID, 0, n)
	off := s.blocksAt(n)
	for rest := entries; len(rest) > 0; off += s.PageBytes {
		here := rest[:min(per, len(rest))]
		rest = rest[len(here):]
		encodeBlock(f[off:off+s.PageBytes], here, at.At(int(off)))
		t.fences = append(t.fences, here[0].ID)
	}
	t.encodeFences(f[chunk.HeaderBytes:], s, at.At(chunk.HeaderBytes))
	t.encodeFences(f[off:], s, at.At(int(off)))
	h := chunk.Header{Kind: chunk.Run, Parts: 1, UUID: uuid, Length: uint32(s.payloadBytes(n))}
	chunk.SealFrame(f, &h, at)
	return t
}

func (t *Table) encodeFences(b []byte, s *Shape, at chunk.Place) {
	le.PutUint32(b, t.Blocks)
	le.PutUint32(b[4:], t.Entries)
	le.PutUint32(b[8:], s.PageBytes)
	o := b[16:]
	for i := range t.fences {
		copy(o, t.fences[i][:])
		o = o[idBytes:]
	}
	copy(o, t.Last[:])
	le.PutUint32(o[idBytes:], at.CRC(b[:16+len(t.fences)*idBytes+idBytes]))
}

// loadFences reads the fences of t, the second copy if the first is bad.
func (t *Table) loadFences(r Reader, s *Shape) error {
	if len(t.fences) > 0 {
		return nil
	}
	at := t.Locator.Place()
	err := t.readFences(r, s, at.At(chunk.HeaderBytes))
	if err != nil {
		err = t.readFences(r, s, at.At(int(s.blocksAt(t.Blocks)+t.Blocks*s.PageBytes)))
	}
	return err
}

func (t *Table) readFences(r Reader, s *Shape, at chunk.Place) error {
	b, err := r.ReadRange(at, fenceBytes(t.Blocks))
	if err != nil {
		return err
	}
	n := len(b) - 4
	if le.Uint32(b[n:]) != at.CRC(b[:n]) {
		return at.Corrupt("index fences")
	}
	if le.Uint32(b) != t.Blocks || le.Uint32(b[4:]) != t.Entries || le.Uint32(b[8:]) != s.PageBytes {
		return at.Corrupt("index fences fields")
	}
	t.fences = slices.Grow(t.fences[:0], int(t.Blocks))[:t.Blocks]
	for i := range t.fences {
		t.fences[i] = chunk.ShardID(b[16+i*idBytes:])
	}
	return nil
}

// block reads block i of t into scratch, a page.
func (t *Table) block(r Reader, s *Shape, i int, scratch []byte) (block, chunk.Place, error) {
	at := t.Locator.Place().At(int(s.blocksAt(t.Blocks)) + i*int(s.PageBytes))
	if err := r.ReadAt(scratch, at); err != nil {
		return nil, at, err
	}
	b, err := checkBlock(scratch, at)
	return b, at, err
}

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

// Get finds the entry of id. scratch is a page. An unreadable block of its range is an error (I5).
func (r *Run) Get(src Reader, s *Shape, scratch []byte, id *chunk.ShardID, e *Entry) (bool, error) {
	i := sort.Search(len(r.Tables), func(i int) bool { return Compare(&r.Tables[i].Last, id) >= 0 })
	if i == len(r.Tables) || Compare(&r.Tables[i].First, id) > 0 {
		return false, nil
	}
	t := &r.Tables[i]
	if err := t.loadFences(src, s); err != nil {
		return false, err
	}
	b, at, err := t.block(src, s, t.blockOf(id), scratch)
	if err != nil {
		return false, err
	}
	n := b.search(id)
	if n == b.len() || *b.id(n) != *id {
		return false, nil
	}
	return true, b.decode(n, e, at)
}

// blockOf returns the block whose range holds id, the first one for ids before it.
func (t *Table) blockOf(id *chunk.ShardID) int {
	return max(0, sort.Search(len(t.fences), func(i int) bool { return Compare(&t.fences[i], id) > 0 })-1)
}
