package extent

import (
	"hash/crc32"
	"math/bits"

	"github.com/shardproof/shardproof/engine/fault"
)

// Place is what a checksum covers beside bytes.
type Place struct {
	Extent     ID
	Generation Generation
	Offset     uint32
}

// At returns the place off bytes behind p.
func (p Place) At(off int) Place { p.Offset += uint32(off); return p }

// CRC returns the checksum of b at place p: the CRC-32C of extent 4 bytes, generation 8, offset 4, and b, masked.
//
// The mask is there because checksums lie in what other checksums cover: frames in a unit, for one. A CRC is linear, so the CRC
// of bytes that end with their own CRC does not depend on them: without a mask, a torn unit in which a block of whole frames is
// that of an earlier unit at the same place would have the checksum of the intact one. The sum breaks the linearity.
func (p Place) CRC(b []byte) uint32 {
	crc := ^uint32(0)
	crc = crcWord(crc, uint32(p.Extent))
	crc = crcWord(crc, uint32(p.Generation))
	crc = crcWord(crc, uint32(p.Generation>>32))
	crc = crcWord(crc, p.Offset)
	return bits.RotateLeft32(crc32.Update(^crc, castagnoli, b), 17) + 0xa282ead8
}

// crcWord continues the inner state of a CRC-32C over the four bytes of w, lowest first. It saves the buffer that
// crc32.Update would want on the heap.
func crcWord(crc, w uint32) uint32 {
	crc ^= w
	return crcTables[3][crc&0xff] ^ crcTables[2][crc>>8&0xff] ^ crcTables[1][crc>>16&0xff] ^ crcTables[0][crc>>24]
}

// crcTables[i][b] is the inner state that byte b, followed by i zero bytes, makes of zero.
var crcTables = func() (t [4][256]uint32) {
	t[0] = *castagnoli
	for i := 1; i < len(t); i++ {
		for b := range t[i] {
			t[i][b] = t[i-1][b]>>8 ^ t[0][t[i-1][b]&0xff]
		}
	}
	return t
}()

// Corrupt returns the error of a failed check at p.
func (p Place) Corrupt(check string) error {
	return &fault.Corrupt{Extent: uint32(p.Extent), Offset: int64(p.Offset), Check: check}
}
