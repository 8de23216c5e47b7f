package index

import (
	"iter"
	"slices"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
)

// Metadata is what a root names: the index as of a replay position. It is written whole, in two copies in two extents.
type Metadata struct {
	Replay uint64   // number of the first unit of the log that it does not cover
	Zero   []Run    // level 0, newest first: their ranges overlap
	Deep   []Run    // levels 1, 2, ...: one run each, maybe empty
	Live   []uint32 // live bytes of each extent, by extent number (I4)
}

// A metadata record, the payload of a frame of kind metadata:
//
//	0         4        8        16        20
//	| version | tables | replay | extents | then for each table
//	| locator 20 | entries 4 | identity 4 | blocks 2 | filters 2 | level 2 | run 2 | first id 16 | last id 16 |
//	and for each extent with live bytes
//	| extent 4 | live bytes 4 |
//
// Tables come level by level; those of level 0 run by run, newest first, the runs numbered from 0.
const (
	metadataVersion  = 2
	metadataFixed    = 20
	tableRecordBytes = 68
	liveRecordBytes  = 8
	maxLevels        = 16
)

// Reset makes m the index of an empty store of n extents, reusing its memory.
func (m *Metadata) Reset(n int) {
	m.Replay = 0
	m.Zero, m.Deep = m.Zero[:0], m.Deep[:0]
	m.Live = slices.Grow(m.Live[:0], n)[:n]
	clear(m.Live)
}

// CopyFrom makes m equal to o, sharing none of the slices that edits change.
func (m *Metadata) CopyFrom(o *Metadata) {
	m.Replay = o.Replay
	m.Zero = copyRuns(m.Zero, o.Zero)
	m.Deep = copyRuns(m.Deep, o.Deep)
	m.Live = append(m.Live[:0], o.Live...)
}

func copyRuns(dst, src []Run) []Run {
	dst = slices.Grow(dst[:0], len(src))[:len(src)]
	for i := range src {
		dst[i].Tables = append(dst[i].Tables[:0], src[i].Tables...)
	}
	return dst
}

// Runs goes through all runs, newest first.
func (m *Metadata) Runs() iter.Seq[*Run] {
	return func(yield func(*Run) bool) {
		for i := range m.Zero {
			if !yield(&m.Zero[i]) {
				return
			}
		}
		for i := range m.Deep {
			if !yield(&m.Deep[i]) {
				return
			}
		}
	}
}

// Tables returns the number of tables.
func (m *Metadata) Tables() int {
	n := 0
	for r := range m.Runs() {
		n += len(r.Tables)
	}
	return n
}

// TableBytes returns the bytes of all tables.
func (m *Metadata) TableBytes() int64 {
	n := int64(0)
	for r := range m.Runs() {
		n += r.bytes()
	}
	return n
}

// Entries returns the number of entries in all tables, those included that newer ones hide.
func (m *Metadata) Entries() int {
	n := 0
	for r := range m.Runs() {
		n += r.Entries()
	}
	return n
}

// Bytes returns the size of m's record.
func (m *Metadata) Bytes() int {
	n := 0
	for _, l := range m.Live {
		if l > 0 {
			n++
		}
	}
	return MetadataBytes(m.Tables(), n)
}

// MetadataBytes returns the size of a record with that many tables and extents with live bytes.
func MetadataBytes(tables, extents int) int {
	return metadataFixed + tables*tableRecordBytes + extents*liveRecordBytes
}

// Append appends m's record to b.
func (m *Metadata) Append(b []byte) []byte {
	b = le.AppendUint32(b, metadataVersion)
	b = le.AppendUint32(b, uint32(m.Tables()))
	b = le.AppendUint64(b, m.Replay)
	extents := len(b)
	b = le.AppendUint32(b, 0)
	for i := range m.Zero {
		b = m.Zero[i].append(b, 0, i)
	}
	for i := range m.Deep {
		b = m.Deep[i].append(b, i+1, 0)
	}
	n := uint32(0)
	for x, l := range m.Live {
		if l > 0 {
			b = le.AppendUint32(b, uint32(x))
			b = le.AppendUint32(b, l)
			n++
		}
	}
	le.PutUint32(b[extents:], n)
	return b
}

func (r *Run) append(b []byte, level, run int) []byte {
	for i := range r.Tables {
		t := &r.Tables[i]
		b = extent.AppendLocator(b, t.Locator)
		b = le.AppendUint32(b, t.Entries)
		b = le.AppendUint32(b, t.Identity)
		b = le.AppendUint16(b, uint16(t.Blocks)) // of 64 bytes at least, in no more than maxTable
		b = le.AppendUint16(b, uint16(t.Filters))
		b = le.AppendUint16(b, uint16(level))
		b = le.AppendUint16(b, uint16(run))
		b = append(b, t.First[:]...)
		b = append(b, t.Last[:]...)
	}
	return b
}

// Decode fills m from a record whose checksum held. g is the geometry of the disk, at the frame's place.
func (m *Metadata) Decode(b []byte, g *extent.Geometry, at chunk.Place) error {
	m.Reset(int(g.Extents))
	if len(b) < metadataFixed || le.Uint32(b) != metadataVersion {
		return at.Corrupt("metadata version")
	}
	tables, extents := le.Uint32(b[4:]), le.Uint32(b[16:])
	m.Replay = le.Uint64(b[8:])
	if uint64(len(b)) != metadataFixed+uint64(tables)*tableRecordBytes+uint64(extents)*liveRecordBytes {
		return at.Corrupt("metadata length")
	}
	b = b[metadataFixed:]
	s := ShapeOf(g, 0, 0)
	records, live := b[:tables*tableRecordBytes], b[tables*tableRecordBytes:]
	for len(records) > 0 {
		if !m.decodeTable(records, &s) {
			return at.Corrupt("metadata table")
		}
		records = records[tableRecordBytes:]
	}
	if !m.decodeLive(live) {
		return at.Corrupt("metadata live bytes")
	}
	return nil
}

// decodeLive fills the live bytes, which come in order of extent, and reports whether they cover the tables, which they count.
func (m *Metadata) decodeLive(b []byte) bool {
	next := uint32(0)
	for ; len(b) > 0; b = b[liveRecordBytes:] {
		x, n := le.Uint32(b), le.Uint32(b[4:])
		if x < next || int64(x) >= int64(len(m.Live)) || n == 0 {
			return false
		}
		m.Live[x], next = n, x+1
	}
	for r := range m.Runs() {
		for i := range r.Tables {
			l := r.Tables[i].Locator
			if m.Live[l.Extent] < l.Length {
				return false
			}
		}
	}
	return true
}

// decodeTable adds the table of the first record of b to its run, and reports whether it may stand there.
func (m *Metadata) decodeTable(b []byte, s *Shape) bool {
	t := Table{
		Locator: extent.DecodeLocator(b), Entries: le.Uint32(b[20:]), Identity: le.Uint32(b[24:]),
		Blocks: uint32(le.Uint16(b[28:])), Filters: uint32(le.Uint16(b[30:])), First: chunk.ShardID(b[36:]), Last: chunk.ShardID(b[52:]),
	}
	level, run := int(le.Uint16(b[32:])), int(le.Uint16(b[34:]))
	if !t.plausible(s) || level > maxLevels {
		return false
	}
	runs, i := &m.Zero, run
	if level > 0 {
		runs, i = &m.Deep, level-1
	}
	if i < len(*runs)-1 || level == 0 && (i > len(*runs) || len(m.Deep) > 0) || level > 0 && run != 0 {
		return false
	}
	for len(*runs) <= i {
		*runs = appendRun(*runs)
	}
	r := &(*runs)[i]
	if len(r.Tables) == 0 {
		r.Tables = slices.Grow(r.Tables, sameRun(b))
	}
	if n := len(r.Tables); n > 0 && Compare(&r.Tables[n-1].Last, &t.First) >= 0 {
		return false
	}
	r.Tables = append(r.Tables, t)
	return true
}

// sameRun returns how many of the records that b begins with are of one run.
func sameRun(b []byte) int {
	n := 1
	for at := tableRecordBytes; at < len(b) && le.Uint32(b[at+32:]) == le.Uint32(b[32:]); at += tableRecordBytes {
		n++
	}
	return n
}

// appendRun appends an empty run, in memory that was used before if there is some.
func appendRun(runs []Run) []Run {
	n := len(runs)
	runs = slices.Grow(runs, 1)[:n+1]
	runs[n].Tables = runs[n].Tables[:0]
	return runs
}

// plausible reports whether the sizes of t fit each other and the geometry.
func (t *Table) plausible(s *Shape) bool {
	l := t.Locator
	per := uint32(PerBlock(s.PageBytes))
	return uint32(l.Extent) < s.Extents && l.End() <= uint64(s.ExtentBytes) && t.Blocks > 0 && t.Blocks <= s.ExtentBytes/s.PageBytes &&
		t.Entries > (t.Blocks-1)*per && t.Entries <= t.Blocks*per && t.Filters <= t.Blocks &&
		int(l.Length) == chunk.FrameBytes(s.payloadBytes(t.Blocks, t.Filters)) && Compare(&t.First, &t.Last) <= 0
}
