package disk

import "math/bits"

// Buffers hands out aligned buffers of any size and takes them back: whoever does IO all the time need not allocate for it. The
// zero Buffers is ready for use. Callers hold the lock of whoever owns it.
type Buffers struct {
	free [maxBufferClass + 1][][]byte // by class: buffers of 1<<class bytes nobody has
	old  [maxBufferClass + 1][][]byte // the same, from before the last Reset: what they hold is not to be seen
	all  [][]byte                     // every buffer there is, but the largest
	made [maxBufferClass + 1]int      // by class: how many of all there are
}

const (
	minBufferClass = 6  // 64 bytes: the smallest block
	maxBufferClass = 24 // 16 MiB: larger ones are left to the garbage collector
	slabBytes      = 64 << 10
)

// Get returns n bytes that start on a page, or on a multiple of their size if that is less. What they hold is undefined.
func (p *Buffers) Get(n int) []byte {
	class := bufferClass(n)
	if class > maxBufferClass {
		return Aligned(n)
	}
	if b := pop(&p.free[class]); b != nil {
		return b[:n]
	}
	b := pop(&p.old[class])
	if b == nil {
		p.make(class)
		b = pop(&p.old[class])
	}
	for i := 0; i < len(b); i += len(stale) {
		copy(b[i:], stale[:])
	}
	return b[:n]
}

// make makes buffers of a class: as many as there are already, so that few calls make many, and one at least. They are cut from
// one allocation, because the alignment of each by itself would cost a page.
func (p *Buffers) make(class int) {
	n := max(1, min(p.made[class], slabBytes>>class))
	p.made[class] += n
	size := 1 << class
	slab := aligned(n*size, min(size, bufferAlign))
	for ; len(slab) > 0; slab = slab[size:] {
		b := slab[:size:size]
		p.all, p.old[class] = append(p.all, b), append(p.old[class], b)
	}
}

func pop(list *[][]byte) []byte {
	n := len(*list) - 1
	if n < 0 {
		return nil
	}
	b := (*list)[n]
	*list = (*list)[:n]
	return b
}

// Put takes back a buffer that Get returned, of whatever length it has become. The caller uses it no more.
func (p *Buffers) Put(b []byte) {
	class := bufferClass(cap(b))
	if class > maxBufferClass || cap(b) != 1<<class {
		return // one of the largest, or never ours
	}
	p.free[class] = append(p.free[class], b[:cap(b)])
}

// Reset takes back every buffer that is out: nobody uses one any more, neither a caller nor a disk. A caller who looks at bytes
// it never wrote sees the same ones in every life, and none of an earlier one.
func (p *Buffers) Reset() {
	for c := range p.free {
		p.free[c], p.old[c] = p.free[c][:0], p.old[c][:0]
	}
	for _, b := range p.all {
		c := bufferClass(len(b))
		p.old[c] = append(p.old[c], b)
	}
}

// stale is what fills a buffer before its first use in a life: neither zeros nor anything of the format.
var stale = func() (s [bufferAlign]byte) {
	for i := range s {
		s[i] = "stale buffer contents; "[i%23]
	}
	return s
}()

func bufferClass(n int) int { return max(minBufferClass, bits.Len(uint(n-1))) }
