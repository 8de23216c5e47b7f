package chunk

import (
	"math/bits"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/fault"
)

var here = Place{Extent: 3, Generation: 1 << 40, Offset: 512}

func sample(payload []byte) (Header, []byte) {
	h := Header{Kind: PutFinal, ID: ShardID{1, 2}, Mutation: 77, Parts: 1, UUID: UUID{9, 8, 7}}
	f := AppendFrame(nil, &h, payload, here)
	return h, f
}

func TestFrameComesBackAsItWas(t *testing.T) {
	for n := range 200 {
		payload := make([]byte, n)
		for i := range payload {
			payload[i] = byte(i * 7)
		}
		h, f := sample(payload)
		require.Len(t, f, FrameBytes(n))
		got, p, err := Decode(f, here)
		require.NoError(t, err)
		require.Equal(t, h, got)
		require.Equal(t, payload, append([]byte{}, p...))
	}
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	_, f := sample([]byte("some bytes of a shard"))
	for bit := range len(f) * 8 {
		f[bit/8] ^= 1 << (bit % 8)
		if _, _, err := Decode(f, here); err == nil {
			t.Errorf("bit %d of byte %d flipped, and nobody minds", bit%8, bit/8)
		}
		f[bit/8] ^= 1 << (bit % 8)
	}
}

func TestEveryTruncationIsNoticed(t *testing.T) {
	_, f := sample([]byte("some bytes of a shard"))
	for n := range f {
		_, _, err := Decode(f[:n], here)
		require.ErrorIs(t, err, fault.ErrCorrupt, "%d of %d bytes", n, len(f))
	}
}

func TestFrameBelongsToItsPlace(t *testing.T) {
	_, f := sample([]byte("x"))
	for name, at := range map[string]Place{
		"another extent":      {Extent: 4, Generation: here.Generation, Offset: here.Offset},
		"an earlier life":     {Extent: here.Extent, Generation: here.Generation - 1, Offset: here.Offset},
		"another life's high": {Extent: here.Extent, Generation: here.Generation &^ (1 << 40), Offset: here.Offset},
		"another offset":      {Extent: here.Extent, Generation: here.Generation, Offset: here.Offset + 64},
	} {
		_, _, err := Decode(f, at)
		require.ErrorIs(t, err, fault.ErrCorrupt, name)
	}
}

// The place's part of a checksum is computed by hand: it must be what the library computes over the same bytes,
// masked.
func TestPlaceChecksumIsTheMaskedCRCOfItsBytes(t *testing.T) {
	var b []byte
	b = le.AppendUint32(b, uint32(here.Extent))
	b = le.AppendUint64(b, uint64(here.Generation))
	b = le.AppendUint32(b, here.Offset)
	b = append(b, "and the rest"...)
	require.Equal(t, bits.RotateLeft32(Checksum(b), 17)+0xa282ead8, here.CRC([]byte("and the rest")))
}

func BenchmarkSealFrame(b *testing.B) {
	h, f := sample(make([]byte, 256))
	for b.Loop() {
		SealFrame(f, &h, here)
	}
}
