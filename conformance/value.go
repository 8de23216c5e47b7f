package conformance

import (
	"encoding/binary"
	"slices"
)

// The fills with plain contents. Any other below FillMax is pseudo-random.
const (
	FillZeros = 0
	FillOnes  = 1
)

// AppendValue appends the length bytes that fill stands for: 0 is zeros, 1 is ff, any other a pseudo-random stream of its own.
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

// fold scrambles a counter into a word of contents. One multiplication less than mix64: values are only to differ.
func fold(x uint64) uint64 {
	x = (x ^ x>>32) * 0xbf58476d1ce4e5b9
	return x ^ x>>29
}
