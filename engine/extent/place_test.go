package extent

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// Frames end with their checksum and lie in units that have one: the outer one must notice another frame in the place of one.
func TestChecksumSeesBytesThatEndWithTheirOwnChecksum(t *testing.T) {
	outer, inner := Place{Extent: 3, Generation: 1, Offset: 0}, Place{Extent: 3, Generation: 1, Offset: 64}
	seen := map[uint32]int{}
	for i := range 10_000 {
		b := make([]byte, 128)
		binary.LittleEndian.PutUint32(b[64:], uint32(i))
		binary.LittleEndian.PutUint32(b[124:], inner.CRC(b[64:124]))
		crc := outer.CRC(b)
		before, taken := seen[crc]
		require.False(t, taken, "contents %d and %d", before, i)
		seen[crc] = i
	}
}

func TestChecksumCoversThePlace(t *testing.T) {
	at := Place{Extent: 3, Generation: 1 << 40, Offset: 64}
	for _, other := range []Place{{4, at.Generation, 64}, {3, 0, 64}, {3, at.Generation + 1, 64}, at.At(1), {}} {
		require.NotEqual(t, at.CRC([]byte("x")), other.CRC([]byte("x")), "%+v", other)
	}
}
