// Package chunk turns bytes into frames and back. A frame is a chunk as it lies in an extent: what it holds, who it is, and
// enough checksums that a torn, misplaced, stale or foreign one is never taken for it.
//
//	bytes ──► AppendFrame ──► log unit, run or metadata extent ──► Decode ──► bytes
//
// Invariants
//
//	C1  Every checksum covers the place (extent, generation, offset) too: bytes that landed elsewhere, or survive from an
//	    earlier life of the extent, fail.
//	C2  Header and payload have checksums of their own, so that a scan can step over a frame whose payload rots.
//	C3  Header and trailer carry the same UUID: a frame begun and a frame ended are the same frame.
//	C4  The decoder accepts any bytes and returns a view of them or a *fault.Corrupt; it allocates nothing.
//
// Not checked here: whether anything still refers to a frame.
package chunk

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/shardproof/shardproof/engine/extent"
)

// ShardID names a shard: sixteen bytes, any value, ordered bytewise.
type ShardID [16]byte

// UUID tells one chunk from another; copies of a chunk keep it.
type UUID [16]byte

// Locator is the place of a frame.
type Locator = extent.Locator

// Kind says what a frame holds.
type Kind uint8

const (
	PutPart   Kind = iota + 1 // bytes of a shard, not the last ones
	PutFinal                  // the last bytes of a shard, behind the locators of its other parts
	Tombstone                 // nothing: the shard is deleted
	Copy                      // bytes of a shard, moved; outside the log
	Run                       // entries of a sorted run; outside the log
	Metadata                  // a metadata record; outside the log
	kindCount
)

func (k Kind) String() string {
	if k == 0 || k >= kindCount {
		return "unknown frame kind"
	}
	return [...]string{"put-part", "put-final", "tombstone", "copy", "run", "metadata"}[k-1]
}

// Header is what a frame says of itself.
type Header struct {
	Kind     Kind
	ID       ShardID // zero for runs and metadata
	Mutation uint64  // place in the order of all mutations; copies keep it
	Part     uint16  // this part, from 0
	Parts    uint16  // parts of the shard, at least 1
	UUID     UUID
	Length   uint32 // bytes of payload
}

// A frame:
//
//	0       4      5      6      8       10     12       16   32         40     56            60           64
//	| magic | kind | zero | part | parts | zero | length | id | mutation | uuid | payload crc | header crc | payload ...
//	... payload | uuid 16 | length 4 | crc 4 |
//
// The header crc covers the place and the header before it, payload crc included; the payload crc covers the payload alone,
// the trailer crc the place and the trailer.
const (
	frameMagic   = 0x6d726653 // "Sfrm"
	HeaderBytes  = 64
	TrailerBytes = 24
	Overhead     = HeaderBytes + TrailerBytes // bytes a frame adds to its payload
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// Magic is what a frame begins with: where a scan looks closer.
var Magic = le.AppendUint32(nil, frameMagic)

// Place is what a checksum covers beside bytes.
type Place = extent.Place

// Checksum is the CRC-32C of b alone.
func Checksum(b []byte) uint32 { return crc32.Update(0, castagnoli, b) }

// FrameBytes returns the size of a frame with that many bytes of payload.
func FrameBytes(payload int) int { return payload + Overhead }

// AppendFrame appends the frame of h and payload to b, for the given place. h.Length is set to the payload's.
func AppendFrame(b []byte, h *Header, payload []byte, at Place) []byte {
	h.Length = uint32(len(payload))
	start := len(b)
	b = append(b, make([]byte, HeaderBytes)...)
	b = append(b, payload...)
	b = append(b, make([]byte, TrailerBytes)...)
	SealFrame(b[start:], h, at)
	return b
}

// SealFrame writes header and trailer of h around the payload that already lies in f, for the given place.
func SealFrame(f []byte, h *Header, at Place) {
	body := f[HeaderBytes : HeaderBytes+h.Length]
	le.PutUint32(f, frameMagic)
	f[4], f[5] = byte(h.Kind), 0
	le.PutUint16(f[6:], h.Part)
	le.PutUint16(f[8:], h.Parts)
	le.PutUint16(f[10:], 0)
	le.PutUint32(f[12:], h.Length)
	copy(f[16:], h.ID[:])
	le.PutUint64(f[32:], h.Mutation)
	copy(f[40:], h.UUID[:])
	le.PutUint32(f[56:], Checksum(body))
	le.PutUint32(f[60:], at.CRC(f[:60]))
	t := f[HeaderBytes+h.Length:]
	copy(t, h.UUID[:])
	le.PutUint32(t[16:], h.Length)
	le.PutUint32(t[20:], at.CRC(t[:20]))
}

// DecodeHeader decodes the header of a frame at the given place.
func DecodeHeader(f []byte, at Place) (h Header, err error) {
	if len(f) < HeaderBytes || le.Uint32(f) != frameMagic {
		return h, at.Corrupt("frame magic")
	}
	if le.Uint32(f[60:]) != at.CRC(f[:60]) {
		return h, at.Corrupt("frame header")
	}
	h.Kind, h.Part, h.Parts = Kind(f[4]), le.Uint16(f[6:]), le.Uint16(f[8:])
	h.Length, h.Mutation = le.Uint32(f[12:]), le.Uint64(f[32:])
	copy(h.ID[:], f[16:])
	copy(h.UUID[:], f[40:])
	if h.Kind == 0 || h.Kind >= kindCount || h.Parts == 0 || h.Part >= h.Parts {
		return h, at.Corrupt("frame header fields")
	}
	return h, nil
}

// Decode checks the whole frame that fills f, at the given place, and returns its header and a view of its payload.
func Decode(f []byte, at Place) (Header, []byte, error) {
	h, err := DecodeHeader(f, at)
	if err != nil {
		return h, nil, err
	}
	if uint64(len(f)) != uint64(h.Length)+Overhead {
		return h, nil, at.Corrupt("frame length")
	}
	payload, t := f[HeaderBytes:HeaderBytes+h.Length], f[HeaderBytes+h.Length:]
	if le.Uint32(t[20:]) != at.CRC(t[:20]) || UUID(t[:16]) != h.UUID || le.Uint32(t[16:]) != h.Length {
		return h, nil, at.Corrupt("frame trailer")
	}
	if le.Uint32(f[56:]) != Checksum(payload) {
		return h, nil, at.Corrupt("frame payload")
	}
	return h, payload, nil
}
