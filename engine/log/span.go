package log

import (
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
)

// Span is the part of an extent that a unit covers, and when the unit was written.
type Span struct {
	chunk.Place
	Length uint32
	Number uint64
	Epoch  uint64
}

// Magic is what the header of a unit begins with: where a scan looks closer.
var Magic = le.AppendUint32(nil, unitMagic)

// DecodeSpan decodes the header of a unit that begins with b, off bytes into extent x of that size. The generation is what the
// header says: a scan that knows no table learns it here.
func DecodeSpan(b []byte, x extent.ID, off, extentBytes uint32) (s Span, ok bool) {
	if len(b) < HeaderBytes {
		return s, false
	}
	at := chunk.Place{Extent: x, Generation: extent.Generation(le.Uint64(b[24:])), Offset: off}
	h, ok := decodeHeader(b, at, &extent.Geometry{Physical: 1, ExtentBytes: extentBytes})
	return Span{at, h.length, h.number, h.epoch}, ok
}
