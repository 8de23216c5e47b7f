package log

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/chunk"
)

var here = chunk.Place{Extent: 3, Generation: 1 << 40, Offset: 128}

// sampleUnit returns a unit of a put and a tombstone that repeats a directory of one.
func sampleUnit() (header, []byte) {
	u := make([]byte, HeaderBytes)
	u = appendDirectory(u, &chunk.Header{Kind: chunk.PutFinal, ID: chunk.ShardID{7}, Mutation: 41})
	u = chunk.AppendFrame(u, &chunk.Header{Kind: chunk.PutFinal, ID: chunk.ShardID{8}, Mutation: 42, Parts: 1}, []byte("value"), here.At(len(u)))
	u = chunk.AppendFrame(u, &chunk.Header{Kind: chunk.Tombstone, ID: chunk.ShardID{9}, Mutation: 43, Parts: 1}, nil, here.At(len(u)))
	u = append(u, make([]byte, -len(u)&(blockBytes-1))...)
	h := header{frames: 2, dirFrames: 1, place: here, epoch: 5, number: 17, durableThrough: 15}
	h.seal(u)
	return h, u
}

func TestUnitComesBackAsItWas(t *testing.T) {
	want, u := sampleUnit()
	h, ok := decodeHeader(u, here, &geometry)
	require.True(t, ok)
	require.Equal(t, want, h)
	require.True(t, h.bodyHolds(u))
	require.Len(t, h.directory(u), DirectoryBytes)
	require.Equal(t, byte(7), h.directory(u)[0])
	var kinds []chunk.Kind
	require.NoError(t, h.eachFrame(u, func(f *chunk.Header, loc chunk.Locator, b []byte) error {
		kinds = append(kinds, f.Kind)
		_, _, err := chunk.Decode(b, loc.Place())
		require.Len(t, b, int(loc.Length))
		return err
	}))
	require.Equal(t, []chunk.Kind{chunk.PutFinal, chunk.Tombstone}, kinds)
}

func TestEveryFlippedBitOfAUnitIsNoticed(t *testing.T) {
	_, u := sampleUnit()
	for bit := range len(u) * 8 {
		u[bit/8] ^= 1 << (bit % 8)
		if h, ok := decodeHeader(u, here, &geometry); ok && h.bodyHolds(u) {
			t.Errorf("bit %d of byte %d flipped, and nobody minds", bit%8, bit/8)
		} else if ok && bit < HeaderBytes*8 {
			t.Errorf("bit %d of byte %d of the header flipped, and the header holds", bit%8, bit/8)
		}
		u[bit/8] ^= 1 << (bit % 8)
	}
}

func TestEveryTruncationOfAUnitIsNoticed(t *testing.T) {
	_, u := sampleUnit()
	for n := range u {
		h, ok := decodeHeader(u[:n:n], here, &geometry)
		require.Equal(t, n >= HeaderBytes, ok, "%d bytes: the header is there or not", n)
		require.False(t, ok && h.bodyHolds(u[:n:n]), "%d bytes", n)
	}
}

func TestUnitBelongsToItsPlace(t *testing.T) {
	_, u := sampleUnit()
	for name, at := range map[string]chunk.Place{
		"another extent":  {Extent: 4, Generation: here.Generation, Offset: here.Offset},
		"an earlier life": {Extent: here.Extent, Generation: here.Generation - 1, Offset: here.Offset},
		"another offset":  {Extent: here.Extent, Generation: here.Generation, Offset: here.Offset + 64},
	} {
		_, ok := decodeHeader(u, at, &geometry)
		require.False(t, ok, name)
	}
}
