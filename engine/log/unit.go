package log

import (
	"encoding/binary"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
)

// A unit:
//
//	0       4         5      6        8           10     12       16       20       24           32      40       48                56         60
//	| magic | version | zero | frames | dir frames | zero | length | extent | offset | generation | epoch | number | durable through | body crc | header crc |
//	64                   directory of the unit before, 25 bytes a frame | frames ... | zeros to a whole physical block
//
// The header crc covers the header before it, the body crc everything behind the header; both cover the place. The header fits
// one logical block, so it is old or new, never a mixture.
const (
	unitMagic   = 0x746e5553 // "SUnt"
	unitVersion = 1

	// HeaderBytes is the size of a unit's header.
	HeaderBytes = 64
	// DirectoryBytes is the size of a directory entry: id 16, kind 1, mutation 8.
	DirectoryBytes = 25
	// maxFrames bounds the frames of a unit, and so the directory that the next unit repeats.
	maxFrames = 512
)

var le = binary.LittleEndian

// header is what a unit says of itself.
type header struct {
	frames         uint16
	dirFrames      uint16 // entries in the directory of the unit before
	length         uint32 // bytes of the whole unit, a multiple of the physical block
	place          chunk.Place
	epoch          uint64
	number         uint64
	durableThrough uint64 // units up to this number were durable when this one was sealed
	bodyCRC        uint32
}

// seal writes h and the checksums into u, a whole unit whose body is complete.
func (h *header) seal(u []byte) {
	h.length = uint32(len(u))
	h.bodyCRC = h.place.CRC(u[HeaderBytes:])
	le.PutUint32(u, unitMagic)
	u[4], u[5] = unitVersion, 0
	le.PutUint16(u[6:], h.frames)
	le.PutUint16(u[8:], h.dirFrames)
	le.PutUint16(u[10:], 0)
	le.PutUint32(u[12:], h.length)
	le.PutUint32(u[16:], uint32(h.place.Extent))
	le.PutUint32(u[20:], h.place.Offset)
	le.PutUint64(u[24:], uint64(h.place.Generation))
	le.PutUint64(u[32:], h.epoch)
	le.PutUint64(u[40:], h.number)
	le.PutUint64(u[48:], h.durableThrough)
	le.PutUint32(u[56:], h.bodyCRC)
	le.PutUint32(u[60:], h.place.CRC(u[:60]))
}

// decodeHeader decodes the first block of a unit that must lie at the given place, and reports whether it is one.
func decodeHeader(b []byte, at chunk.Place, g *extent.Geometry) (h header, ok bool) {
	if len(b) < HeaderBytes || le.Uint32(b) != unitMagic || b[4] != unitVersion || le.Uint32(b[60:]) != at.CRC(b[:60]) {
		return h, false
	}
	h = header{
		frames: le.Uint16(b[6:]), dirFrames: le.Uint16(b[8:]), length: le.Uint32(b[12:]),
		place: chunk.Place{Extent: extent.ID(le.Uint32(b[16:])), Generation: extent.Generation(le.Uint64(b[24:])), Offset: le.Uint32(b[20:])},
		epoch: le.Uint64(b[32:]), number: le.Uint64(b[40:]), durableThrough: le.Uint64(b[48:]), bodyCRC: le.Uint32(b[56:]),
	}
	return h, h.place == at && h.length%g.Physical == 0 && h.length >= HeaderBytes+uint32(h.dirFrames)*DirectoryBytes &&
		uint64(at.Offset)+uint64(h.length) <= uint64(g.ExtentBytes)
}

// bodyHolds reports whether u is wholly the unit that h promises.
func (h *header) bodyHolds(u []byte) bool { return h.place.CRC(u[HeaderBytes:]) == h.bodyCRC }

// directory returns the encoded directory in u.
func (h *header) directory(u []byte) []byte {
	return u[HeaderBytes : HeaderBytes+int(h.dirFrames)*DirectoryBytes]
}

// appendDirectory appends the directory entry of a frame.
func appendDirectory(b []byte, h *chunk.Header) []byte {
	b = append(b, h.ID[:]...)
	b = append(b, byte(h.Kind))
	return le.AppendUint64(b, h.Mutation)
}

// eachFrame calls fn for every frame of u, a unit whose checksums held, until fn fails. The frames' payloads are covered by the
// unit's checksum.
func (h *header) eachFrame(u []byte, fn func(f *chunk.Header, loc chunk.Locator, frame []byte) error) error {
	var f chunk.Header // one for all: fn makes it escape
	off := HeaderBytes + int(h.dirFrames)*DirectoryBytes
	for range h.frames {
		if off > len(u) {
			return h.place.At(off).Corrupt("frame beyond its unit")
		}
		at := h.place.At(off)
		var err error
		if f, err = chunk.DecodeHeader(u[off:], at); err != nil {
			return err
		}
		n := chunk.FrameBytes(int(f.Length))
		if n > len(u)-off {
			return at.Corrupt("frame beyond its unit")
		}
		loc := chunk.Locator{Extent: at.Extent, Generation: at.Generation, Offset: at.Offset, Length: uint32(n)}
		if err := fn(&f, loc, u[off:off+n]); err != nil {
			return err
		}
		off += n
	}
	return nil
}
