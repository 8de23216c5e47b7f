package conformance

import (
	"encoding/binary"
	"math/bits"
)

// Trace is a running 64-bit hash of what a sequence did: every operation, every answer, every device request. Equal traces stand
// for equal runs. It multiplies and folds, eight bytes a step, and depends on nothing but its input, so it is the same on every
// machine.
//
// It is no CRC on purpose: what the store writes carries CRCs of itself, and a CRC over data with its CRC appended is the same
// whatever the data. It is no defence against someone who wants a collision.
type Trace struct{ hash uint64 }

const (
	traceMultiplier = 0x9fb21c651e98df25 // odd, about half of its bits set
	traceIncrement  = 0xd1b54a32d192ed03 // keeps a zero hash from staying zero over zero words
)

// Sum returns the hash so far.
func (t *Trace) Sum() uint64 { return t.hash }

// Word adds w.
func (t *Trace) Word(w uint64) { t.hash = stir(t.hash, w) }

// Bytes adds p and its length.
func (t *Trace) Bytes(p []byte) { t.hash = stirBytes(stir(t.hash, uint64(len(p))), p) }

// Op adds an operation.
func (t *Trace) Op(o *Op) {
	t.Word(uint64(o.Kind) | uint64(o.Key)<<8 | uint64(o.Len)<<24 | uint64(o.Which)<<56)
	t.Word(uint64(o.Fill)<<32 ^ uint64(o.Off) ^ o.Choice<<16)
}

func stir(h, w uint64) uint64 {
	hi, lo := bits.Mul64(h^w, traceMultiplier)
	return (hi ^ lo) + traceIncrement
}

// stirBytes goes over long inputs in four lanes, because a lane waits for its multiplication at every step.
func stirBytes(h uint64, p []byte) uint64 {
	if len(p) >= 64 {
		h1, h2, h3 := h+traceIncrement, h^traceMultiplier, ^h
		for ; len(p) >= 32; p = p[32:] {
			h = stir(h, binary.LittleEndian.Uint64(p))
			h1 = stir(h1, binary.LittleEndian.Uint64(p[8:]))
			h2 = stir(h2, binary.LittleEndian.Uint64(p[16:]))
			h3 = stir(h3, binary.LittleEndian.Uint64(p[24:]))
		}
		h = stir(stir(stir(h, h1), h2), h3)
	}
	for len(p) >= 8 {
		h = stir(h, binary.LittleEndian.Uint64(p))
		p = p[8:]
	}
	if len(p) > 0 {
		var tail [8]byte
		copy(tail[:], p)
		h = stir(h, binary.LittleEndian.Uint64(tail[:]))
	}
	return h
}

// ContentSum returns the hash of p alone.
func ContentSum(p []byte) uint64 { return stirBytes(uint64(len(p)), p) }
