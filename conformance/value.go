package conformance

import (
	"encoding/binary"
	"slices"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
)

// The fills with plain contents. Any other below FillMax is pseudo-random.
const (
	FillZeros = 0
	FillOnes  = 1
)

// The fills whose contents look like what a store itself writes.
const (
	FillMagic    = FillMax + iota // the words that frames, units and superblock pages begin with
	FillFrames                    // whole frames, whose checksums are right in places of the log
	FillLocators                  // locators of the first extents
)

// FillNames are the names of the fills from FillMax on.
var FillNames = []string{"magic", "frames", "locators"}

// AppendValue appends the length bytes that fill stands for: 0 is zeros, 1 is ff, any other below FillMax a
// pseudo-random stream of its own; those above repeat what they are named after.
// Two values of one fill and different lengths share their beginning. The streams never change: files hold numbers.
func AppendValue(dst []byte, length, fill uint32) []byte {
	n := len(dst)
	dst = slices.Grow(dst, int(length))[:n+int(length)]
	v := dst[n:]
	switch fill {
	case FillZeros:
		clear(v)
		return dst
	case FillOnes:
		for i := range v {
			v[i] = 0xff
		}
		return dst
	case FillMagic, FillFrames, FillLocators:
		for from := meaning[fill-FillMax]; len(v) > 0; v = v[copy(v, from):] {
		}
		return dst
	}
	state := uint64(fill) * 0xd6e8feb86659fd93
	for len(v) >= 8 {
		state += 0x9e3779b97f4a7c15
		binary.LittleEndian.PutUint64(v, fold(state))
		v = v[8:]
	}
	word := fold(state + 0x9e3779b97f4a7c15)
	for i := range v {
		v[i] = byte(word >> (8 * i))
	}
	return dst
}

// meaning holds what the fills from FillMax on repeat.
var meaning = [...][]byte{
	[]byte("SfrmSUntSppg"),
	framesContents(),
	locatorsContents(),
}

// framesContents is whole frames of 128 bytes. The first value of an extent of the log begins 128 bytes into it, behind the
// headers of its unit and its frame: for such a value the frames are in the places that their checksums cover.
func framesContents() (b []byte) {
	const frames, firstLog = 64, 3
	payload := make([]byte, 128-chunk.Overhead)
	for i := range uint32(frames) {
		h := chunk.Header{Kind: chunk.PutFinal, ID: ShardIDOf(KeyID(i % 8)), Mutation: uint64(i) + 1, Parts: 1}
		b = chunk.AppendFrame(b, &h, payload, chunk.Place{Extent: firstLog + extent.ID(i/16%2), Generation: 1, Offset: 128 * (i + 1)})
	}
	return b
}

// locatorsContents is locators as frames and records hold them: extent, generation, offset, length.
func locatorsContents() (b []byte) {
	for i := range uint32(48) {
		b = binary.LittleEndian.AppendUint32(b, i%12)
		b = binary.LittleEndian.AppendUint64(b, uint64(1+i/12))
		b = binary.LittleEndian.AppendUint32(b, 64*(i%5))
		b = binary.LittleEndian.AppendUint32(b, 128)
	}
	return b
}

// fold scrambles a counter into a word of contents. One multiplication less than mix64: values are only to differ.
func fold(x uint64) uint64 {
	x = (x ^ x>>32) * 0xbf58476d1ce4e5b9
	return x ^ x>>29
}
