package disk

import (
	"math/bits"

	"github.com/shardproof/shardproof/engine/conc"
)

// Memory is a disk in memory, for tests and harnesses that go through millions of them.
//
// Requests complete in the order submitted. A write takes effect when it is reaped, not when it is submitted, so that a reader
// which relies on an unfinished write is found out. A completed write is durable: there is no volatile cache to lose.
//
// Safe for concurrent use as Disk says. No request allocates, but for errors and until the queue has grown to its depth.
type Memory struct {
	mu conc.Mutex // held for the copying of one request, and while Ask asks

	// Guarded by mu. Reset changes info too; a caller that resets is alone with the disk.
	info   Info
	closed bool
	bytes  []byte   // the medium, info.Size bytes; what lies behind it up to its capacity is zero or marked in dirty
	dirty  []uint64 // one bit for each started dirtyChunk of bytes' capacity: it may hold something other than zeros
	flight ring     // the requests submitted and not reaped
}

// dirtyChunk is the grain at which Reset clears, in bytes. Small disks fit one word of bits, and one block written costs the
// clearing of one page.
const (
	dirtyShift = 12
	dirtyChunk = 1 << dirtyShift
)

var (
	_ Disk  = (*Memory)(nil)
	_ Asker = (*Memory)(nil)
)

// NewMemory returns a disk full of zeros. An impossible info panics.
func NewMemory(info Info) *Memory {
	m := &Memory{}
	m.Reset(info)
	return m
}

// Reset makes m what NewMemory(info) would return, reusing its memory and clearing only what was written. Requests in flight
// are forgotten. No other call may be under way.
func (m *Memory) Reset(info Info) {
	if err := info.Validate(); err != nil {
		panic(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if int64(cap(m.bytes)) < info.Size {
		chunks := (info.Size + dirtyChunk - 1) >> dirtyShift
		m.bytes = make([]byte, chunks<<dirtyShift)
		m.dirty = make([]uint64, (chunks+63)/64)
	}
	m.clearDirty()
	m.info, m.bytes, m.closed = info, m.bytes[:info.Size], false
	m.flight.drop()
}

// clearDirty makes all of the memory zero again.
func (m *Memory) clearDirty() {
	all := m.bytes[:cap(m.bytes)]
	for w, word := range m.dirty {
		for ; word != 0; word &= word - 1 {
			at := (w*64 + bits.TrailingZeros64(word)) << dirtyShift
			clear(all[at:min(at+dirtyChunk, len(all))])
		}
		m.dirty[w] = 0
	}
}

// Info describes the disk.
func (m *Memory) Info() Info { return m.info }

// Read fills p from off.
func (m *Memory) Read(p []byte, off int64) error {
	m.mu.Lock()
	if err := m.check(off, len(p)); err != nil {
		m.mu.Unlock()
		return failed("read", off, err)
	}
	copy(p, m.bytes[off:])
	m.mu.Unlock()
	return nil
}

func (m *Memory) check(off int64, n int) error {
	if m.closed {
		return ErrClosed
	}
	return m.info.checkRange(off, n)
}

// Submit begins r. It never blocks.
func (m *Memory) Submit(r *Request) {
	m.mu.Lock()
	m.flight.push(r)
	m.mu.Unlock()
}

// Reap completes the oldest request in flight and returns it, or nil when there is none.
func (m *Memory) Reap(bool) *Request {
	m.mu.Lock()
	r := m.flight.pop()
	if r != nil {
		m.complete(r)
	}
	m.mu.Unlock()
	return r
}

func (m *Memory) complete(r *Request) {
	err := m.info.checkRequest(r)
	if m.closed {
		err = ErrClosed
	}
	if err != nil {
		r.Err = failed(r.Kind.String(), r.Off, err)
		return
	}
	r.Err = nil
	if r.Kind == Write {
		m.write(r.Data, r.Off)
	}
}

func (m *Memory) write(p []byte, off int64) {
	copy(m.bytes[off:], p)
	for c := off >> dirtyShift; c <= (off+int64(len(p))-1)>>dirtyShift; c++ {
		m.dirty[c>>6] |= 1 << (c & 63)
	}
}

// Ask answers as Asker does, without copying.
func (m *Memory) Ask(off, size int64, pred func(off int64, block []byte) bool) (bool, error) {
	if size == 0 {
		return false, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.check(off, int(size)); err != nil {
		return false, failed("read", off, err)
	}
	for at := off; at < off+size; at += int64(m.info.PhysicalBlock) {
		end := at + int64(m.info.LogicalBlock)
		if pred(at, m.bytes[at:end:end]) {
			return true, nil
		}
	}
	return false, nil
}

// Close abandons the requests in flight; every call from now on fails with ErrClosed. What was completed stays, for Reopen.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.flight.drop()
	return nil
}

// Reopen makes a closed disk usable again, with the contents it had.
func (m *Memory) Reopen() {
	m.mu.Lock()
	m.closed = false
	m.mu.Unlock()
}

// Bytes returns the medium itself, to be read while nothing is reaped and never written; see Overwrite.
func (m *Memory) Bytes() []byte { return m.bytes[:len(m.bytes):len(m.bytes)] }

// Overwrite changes the medium at off behind the engine's back, unaligned if need be: for tests that damage it.
func (m *Memory) Overwrite(p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	m.mu.Lock()
	m.write(p, off)
	m.mu.Unlock()
}
