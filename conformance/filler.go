package conformance

import (
	"bytes"
	"fmt"

	"github.com/shardproof/shardproof/engine/extent"
)

// A filler writes the bytes of an append when it is asked to, and notes how it was asked.
type filler struct {
	op    *Op
	size  int
	write func(b []byte, at extent.Place) // what an append is given; made once

	at    extent.Place // of the last time
	times int
	dirty bool // the bytes were not zero, or not as many as they should be

	checked bool // the model is next, which is believed
}

// begin makes f ready for an append of op, of size bytes.
func (f *filler) begin(op *Op, size int) func(b []byte, at extent.Place) {
	if f.write == nil {
		f.write = f.fill
	}
	f.op, f.size, f.times, f.dirty, f.checked = op, size, 0, false, false
	return f.write
}

func (f *filler) fill(b []byte, at extent.Place) {
	f.times++
	f.at = at
	if !f.checked {
		f.dirty = f.dirty || len(b) != f.size || !allZero(b)
	}
	AppendValue(b[:0:len(b)], uint32(len(b)), f.op.Fill)
}

// check wants f to have been asked once, for bytes at a place.
func (f *filler) check(at extent.Place) *Failure {
	f.checked = true
	if f.times == 1 && !f.dirty && f.at == at {
		return nil
	}
	return &Failure{
		Signature: Signature{Property: PropertyEqual, Field: "fill"},
		Claim:     "an append lets its bytes, zero before, be written once, for the place they get",
		Want:      fmt.Sprintf("once, %d bytes at %v", f.size, at),
		Got:       fmt.Sprintf("%d times, last at %v, zero before: %v", f.times, f.at, !f.dirty),
	}
}

func allZero(b []byte) bool {
	for len(b) > 0 {
		n := min(len(b), len(zeros))
		if !bytes.Equal(b[:n], zeros[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}

var zeros [512]byte
