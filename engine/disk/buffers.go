package disk

import (
	"math/bits"

	"github.com/shardproof/shardproof/engine/conc"
)

// Buffers hands out aligned buffers of any size and takes them back: whoever does IO all the time need not allocate for it. The
// zero Buffers is ready for use. It is safe for concurrent use, but for Reset.
type Buffers struct {
	mu   conc.Mutex
	free [maxBufferClass + 1][][]byte // by class: buffers of 1<<class bytes nobody has. Guarded by mu.
	all  [][]byte                     // every buffer there is, but the largest. Guarded by mu.
}

const (
	minBufferClass = 6 // a buffer of the smallest block
	minBuffer      = 1 << minBufferClass
	maxBufferClass = 24 // 16 MiB: larger ones are left to the garbage collector
)

// Get returns n bytes that start on a page, or on a multiple of their size if that is less. What they hold is undefined.
func (p *Buffers) Get(n int) []byte {
	class := bufferClass(n)
	if class > maxBufferClass {
		return Aligned(n)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if f := p.free[class]; len(f) > 0 {
		b := f[len(f)-1]
		p.free[class] = f[:len(f)-1]
		return b[:n]
	}
	b := aligned(1<<class, min(1<<class, bufferAlign))
	p.all = append(p.all, b)
	return b[:n]
}

// Put takes back a buffer that Get returned, of whatever length it has become. The caller uses it no more.
func (p *Buffers) Put(b []byte) {
	class := bufferClass(cap(b))
	if class > maxBufferClass || cap(b) != 1<<class {
		return // one of the largest, or never ours
	}
	p.mu.Lock()
	p.free[class] = append(p.free[class], b)
	p.mu.Unlock()
}

// Reset takes back every buffer that is out: nobody uses one any more, neither a caller nor a disk. It overwrites them all, so
// that a caller who looks at bytes it never wrote sees the same ones each time, and not those of an earlier life.
func (p *Buffers) Reset() {
	for c := range p.free {
		p.free[c] = p.free[c][:0]
	}
	for _, b := range p.all {
		b = b[:cap(b)]
		for i := 0; i < len(b); i += len(stale) {
			copy(b[i:], stale[:])
		}
		c := bufferClass(cap(b))
		p.free[c] = append(p.free[c], b)
	}
}

// stale is what fills a buffer after Reset.
var stale = [minBuffer]byte([]byte("stale buffer contents, stale buffer contents, stale buffer cont."))

func bufferClass(n int) int { return max(minBufferClass, bits.Len(uint(n-1))) }
