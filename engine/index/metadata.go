package index

import (
	"slices"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
)

// Metadata is what a root names: the index as of its replay position. It is written whole, in two copies in two extents.
type Metadata struct {
	Replay  uint64 // number of the first unit it does not cover
	Run     Run
	Entries int      // of the run
	Live    []uint32 // live bytes of each extent, by extent number (I4)
}

// A metadata record, the payload of a frame of kind metadata:
//
//	0         4        8        16
//	| version | tables | replay | extents | then for each table
//	| locator 20 | blocks 4 | entries 4 | level 4 | first id 16 | last id 16 |
//	and for each extent with live bytes
//	| extent 4 | live bytes 4 |
const (
	metadataVersion  = 1
	metadataFixed    = 20
	tableRecordBytes = 64
	liveRecordBytes  = 8
)

// EmptyLive returns a count of 0 for every extent of g, in the memory of old if it suffices.
func EmptyLive(old []uint32, g *extent.Geometry) []uint32 {
	live := slices.Grow(old[:0], int(g.Extents))[:g.Extents]
	clear(live)
	return live
}

// Bytes returns the size of m's record.
func (m *Metadata) Bytes() int {
	n := 0
	for _, l := range m.Live {
		if l > 0 {
			n++
		}
	}
	return MetadataBytes(len(m.Run.Tables), n)
}

// MetadataBytes returns the size of a record with that many tables and extents with live bytes.
func MetadataBytes(tables, extents int) int {
	return metadataFixed + tables*tableRecordBytes + extents*liveRecordBytes
}

// Append appends m's record to b.
func (m *Metadata) Append(b []byte) []byte {
	b = le.AppendUint32(b, metadataVersion)
	b = le.AppendUint32(b, uint32(len(m.Run.Tables)))
	b = le.AppendUint64(b, m.Replay)
	extents := len(b)
	b = le.AppendUint32(b, 0)
	for i := range m.Run.Tables {
		t := &m.Run.Tables[i]
		b = extent.AppendLocator(b, t.Locator)
		b = le.AppendUint32(b, t.Blocks)
		b = le.AppendUint32(b, t.Entries)
		b = le.AppendUint32(b, 0)
		b = append(b, t.First[:]...)
		b = append(b, t.Last[:]...)
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

// Decode fills m from a record whose checksum held. g is the geometry of the disk, at the frame's place.
func (m *Metadata) Decode(b []byte, g *extent.Geometry, at chunk.Place) error {
	if len(b) < metadataFixed || le.Uint32(b) != metadataVersion {
		return at.Corrupt("metadata version")
	}
	tables, extents := le.Uint32(b[4:]), le.Uint32(b[16:])
	m.Replay = le.Uint64(b[8:])
	if uint64(len(b)) != metadataFixed+uint64(tables)*tableRecordBytes+uint64(extents)*liveRecordBytes {
		return at.Corrupt("metadata length")
	}
	b = b[metadataFixed:]
	m.Run.Tables = slices.Grow(m.Run.Tables[:0], int(tables))[:tables]
	for i := range m.Run.Tables {
		t := &m.Run.Tables[i]
		*t = Table{Locator: extent.DecodeLocator(b), Blocks: le.Uint32(b[20:]), Entries: le.Uint32(b[24:]), First: chunk.ShardID(b[32:]), Last: chunk.ShardID(b[48:]), fences: t.fences[:0]}
		if !t.plausible(g) || i > 0 && Compare(&m.Run.Tables[i-1].Last, &t.First) >= 0 {
			return at.Corrupt("metadata table")
		}
		b = b[tableRecordBytes:]
	}
	m.Entries = m.Run.Entries()
	m.Live = EmptyLive(m.Live, g)
	for range extents {
		x := le.Uint32(b)
		if x >= g.Extents {
			return at.Corrupt("metadata live bytes")
		}
		m.Live[x] = le.Uint32(b[4:])
		b = b[liveRecordBytes:]
	}
	return nil
}

// plausible reports whether the sizes of t fit each other and the geometry.
func (t *Table) plausible(g *extent.Geometry) bool {
	s := ShapeOf(g, 0)
	l := t.Locator
	per := uint32(PerBlock(s.PageBytes))
	return uint32(l.Extent) < g.Extents && l.End() <= uint64(g.ExtentBytes) && t.Blocks > 0 && t.Blocks <= g.ExtentBytes/g.PageBytes &&
		t.Entries > (t.Blocks-1)*per && t.Entries <= t.Blocks*per &&
		int(l.Length) == chunk.FrameBytes(s.payloadBytes(t.Blocks)) && Compare(&t.First, &t.Last) <= 0
}
