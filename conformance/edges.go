package conformance

// edges knows at which blocks of a disk writes began or ended, as far as nothing else was written there since. What a store writes at
// once begins with a header, or a directory, and ends with a trailer: what rots there is told by other checks than a payload is.
type edges struct {
	bits []uint64 // one for each logical block
}

// reset forgets all writes, on a disk of that many blocks.
func (e *edges) reset(blocks int64) {
	if n := (blocks + 63) / 64; int64(len(e.bits)) != n {
		e.bits = make([]uint64, n)
		return
	}
	clear(e.bits)
}

// note notes a write of n blocks at block b.
func (e *edges) note(b, n int64) {
	if n <= 0 {
		return
	}
	for from, end := b, b+n; from < end; { // a word of bits at a time
		count := min(end-from, 64-from%64)
		e.bits[from/64] &^= ^uint64(0) >> (64 - count) << (from % 64)
		from += count
	}
	for _, edge := range []int64{b, b + n - 1} {
		e.bits[edge/64] |= 1 << (edge % 64)
	}
}

// has reports whether a write began or ended at block b.
func (e *edges) has(b int64) bool { return e.bits[b/64]>>(b%64)&1 != 0 }
