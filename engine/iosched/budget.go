package iosched

import "fmt"

// Class says who takes from a Budget.
type Class uint8

const (
	Foreground Class = iota // puts and deletes: the log
	Background              // flush, compaction, reclamation: what the foreground may have to wait for
	classes
)

func (c Class) String() string { return [...]string{"foreground", "background"}[c] }

// Budget bounds the bytes of buffers that are out, and keeps a part for the background: a put that waits for a memtable flush
// must not hold what the flush waits for.
//
// Invariants
//
//	U1  Nobody is refused while nothing is out.
//	U2  The background is refused only while it holds something itself: it never waits for the foreground.
//	U3  The foreground holds at most Bytes-Reserved, and both together at most Bytes, but for what a single request takes
//	    beyond that by U1 or U2.
//
// So with every holder in the end returning what it took without taking more, nobody waits for ever.
//
// It does not wait: who is refused tries again after a Return. Callers hold the store's lock.
type Budget struct {
	Bytes    int // in all
	Reserved int // of Bytes, for the background

	out [classes]int // bytes taken and not returned
}

// Take reports whether c may have n bytes more now, and counts them as out if so.
func (b *Budget) Take(c Class, n int) bool {
	all, own := b.Out(), b.out[c]
	var ok bool
	switch c {
	case Foreground:
		ok = all == 0 || own+n <= b.Bytes-b.Reserved && all+n <= b.Bytes
	case Background:
		ok = own == 0 || own+n <= b.Reserved || all+n <= b.Bytes
	}
	if ok {
		b.out[c] += n
	}
	return ok
}

// Return gives back n bytes that c took.
func (b *Budget) Return(c Class, n int) {
	if n > b.out[c] {
		panic(fmt.Sprintf("iosched: the %v returns %d bytes of a budget, it has %d", c, n, b.out[c]))
	}
	b.out[c] -= n
}

// Out returns how many bytes are out.
func (b *Budget) Out() int { return b.out[Foreground] + b.out[Background] }

// OutOf returns how many of them c has.
func (b *Budget) OutOf(c Class) int { return b.out[c] }
