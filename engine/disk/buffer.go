package disk

import (
	"unsafe"

	"github.com/shardproof/shardproof/engine/conc"
)

// bufferAlign is what Aligned aligns to, in bytes: no device here asks for more than a page.
const bufferAlign = 4096

// Aligned returns n zero bytes that start on a page, as devices want them that copy straight from and to memory.
func Aligned(n int) []byte { return aligned(n, bufferAlign) }

// aligned returns n zero bytes at an address that is a multiple of align, a power of two.
func aligned(n, align int) []byte {
	b := make([]byte, n+align-1)
	skip := -addressOf(b) & uintptr(align-1)
	return b[skip : int(skip)+n : int(skip)+n]
}

// isAligned reports whether b starts at a multiple of align, a power of two.
func isAligned(b []byte, align int) bool { return addressOf(b)&uintptr(align-1) == 0 }

// addressOf returns where b starts. The number is only looked at, never turned back into a pointer, and memory that escapes to
// the heap, as every buffer of this package does, is not moved.
func addressOf(b []byte) uintptr {
	return uintptr(unsafe.Pointer(unsafe.SliceData(b))) // unsafe: alignment is a matter of addresses
}

// Pool keeps aligned buffers of one size for reuse. It is safe for concurrent use.
type Pool struct {
	size, align int // bytes

	mu   conc.Mutex
	free [][]byte // each of size bytes. Guarded by mu.
}

// NewPool returns a pool of buffers of size bytes that start at multiples of align, a power of two.
func NewPool(size, align int) *Pool {
	if size <= 0 || !isPowerOfTwo(align) {
		panic("disk: a pool needs a size and an alignment that is a power of two")
	}
	return &Pool{size: size, align: align}
}

// Get returns a buffer: the one put last, or a new one. What it holds is undefined.
func (p *Pool) Get() []byte {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		b := p.free[n-1]
		p.free[n-1] = nil
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return b
	}
	p.mu.Unlock()
	return aligned(p.size, p.align)
}

// Put takes back a buffer that Get returned. The caller uses it no more. A buffer of another size or alignment panics.
func (p *Pool) Put(b []byte) {
	if len(b) != p.size || !isAligned(b, p.align) {
		panic("disk: this buffer is not of this pool")
	}
	p.mu.Lock()
	p.free = append(p.free, b)
	p.mu.Unlock()
}
