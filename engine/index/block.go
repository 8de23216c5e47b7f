package index

import (
	"sort"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
)

// An index block, one page:
//
//	0     4       6      8
//	| crc | count | zero | entries ... | zeros
//
// and an entry in it:
//
//	0    16         24        44     45     48
//	| id | mutation | locator | kind | zero |
//
// The crc covers the block's place, the table it is of and everything behind the crc; see seal.
const (
	blockHeaderBytes = 8
	entryBytes       = 48
	entryIDBytes     = 16
)

// PerBlock returns how many entries a block of that many bytes holds.
func PerBlock(pageBytes uint32) int { return int(pageBytes-blockHeaderBytes) / entryBytes }

// encodeBlock fills b, a whole page, with entries, for the given seal.
func encodeBlock(b []byte, entries []Entry, at seal) {
	fillBlock(b, entries)
	sealBlock(b, at)
}

// sealBlock puts the checksum of b, which has none, in its place.
func sealBlock(b []byte, at seal) { le.PutUint32(b, at.CRC(b[4:])) }

// fillBlock fills b with entries and leaves the checksum zero.
func fillBlock(b []byte, entries []Entry) {
	clear(b)
	le.PutUint16(b[4:], uint16(len(entries)))
	o := b[blockHeaderBytes:]
	for i := range entries {
		e := &entries[i]
		copy(o, e.ID[:])
		le.PutUint64(o[16:], e.Mutation)
		extent.AppendLocator(o[24:24], e.Locator)
		o[44] = byte(e.Kind)
		o = o[entryBytes:]
	}
}

// block is a view of an index block whose checksum held.
type block []byte

// checkBlock returns what is wrong with b, a page, as a block with the given seal.
func checkBlock(b []byte, at seal) error {
	if le.Uint32(b) != at.CRC(b[4:]) {
		return at.Corrupt("index block")
	}
	if n := block(b).len(); n == 0 || n > PerBlock(uint32(len(b))) {
		return at.Corrupt("index block count")
	}
	return nil
}

func (b block) len() int { return int(le.Uint16(b[4:])) }

func (b block) id(i int) *chunk.ShardID {
	return (*chunk.ShardID)(b[blockHeaderBytes+i*entryBytes:])
}

// decode fills e with the i-th entry. at is the place of the table, s its shape.
func (b block) decode(i int, e *Entry, s *Shape, at chunk.Place) error {
	o := b[blockHeaderBytes+i*entryBytes:]
	e.ID = chunk.ShardID(o[:entryIDBytes])
	e.Mutation = le.Uint64(o[16:])
	e.Locator = extent.DecodeLocator(o[24:])
	e.Kind = EntryKind(o[44])
	if e.Kind == 0 || e.Kind >= entryKindCount || e.Kind.hasLocator() == e.Locator.IsZero() || uint32(e.Locator.Extent) >= s.Extents {
		return at.Corrupt("index entry")
	}
	return nil
}

// search returns the index of the first entry at or behind id.
func (b block) search(id *chunk.ShardID) int {
	return sort.Search(b.len(), func(i int) bool { return Compare(b.id(i), id) >= 0 })
}
