package index

import "github.com/shardproof/shardproof/engine/chunk"

// seal is where a page of a table lies, and which table that is. A place alone does not say: what a process wrote behind the recorded
// pointer before it died lies where the next one may write another table, of the same generation, and if that write is lost the old
// page is there, whole. The identity of a table is a checksum of its blocks, so equal ones are equal tables. It is in the metadata and
// in the fences, and every page has it in its checksum.
type seal struct {
	chunk.Place
	table uint32
}

// At returns the seal of what lies off bytes further.
func (s seal) At(off int) seal { return seal{s.Place.At(off), s.table} }

// CRC returns the checksum of b there.
func (s seal) CRC(b []byte) uint32 { return s.Place.CRC(b) ^ s.table }

// seal returns that of the frame of t.
func (t *Table) seal() seal { return seal{t.Locator.Place(), t.Identity} }
