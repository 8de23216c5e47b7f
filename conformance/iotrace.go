package conformance

import (
	"fmt"
	"slices"

	"github.com/shardproof/shardproof/engine/disk"
)

// TraceDisk stands between the store under test and its disk. It feeds the trace with every request and every read, finds
// requests that break the protocol of package disk, and, where asked to, completes requests in an order of its own.
//
//	store ──► TraceDisk: trace, audit, order ──► the disk
//
// Rules it audits, each a fault of the store:
//
//	overlap            two writes in flight cover the same byte
//	unaligned          an offset or a length is no multiple of the logical block, or a write is empty
//	out-of-range       a request reaches beyond the device
//	submitted-twice    a request is submitted while in flight
//	changed-in-flight  the data of a write changed between Submit and Reap
//	rewritten          a write covers a block of an extent that was written before, and the extent not released since; audited
//	                   from AppendOnly on
//	second-slot        see writeAudit
//
// Reordering holds every request back until it is reaped; which one that is, a generator seeded by the sequence says. A disk with
// a volatile cache must then be told of completion by the Submit below, so it takes a flush for later than the store submitted
// it: such a disk brings its own order and is traced without.
//
// It allocates nothing per request. It is used by one goroutine. Not seen here: what the bytes mean.
type TraceDisk struct {
	inner   disk.Disk
	info    disk.Info
	trace   *Trace
	reorder bool
	seed    uint64
	random  uint64

	flying    []flight // in the order submitted
	scratch   []byte   // for Ask on a disk that is no Asker
	violation *Violation

	meets func(off, n int64) // called for every read; nil: nobody wants to know

	quiet bool // nothing goes into the trace, and data is not looked at: one of many ways a sequence could go on

	writes writeAudit

	requests uint64       // reads, writes and flushes so far
	sorts    requestSorts // of those since somebody looked
	begun    uint64       // requests when the operation under way began, or what it does once more
	written  uint64       // bytes

	// Blocks that may be written once, from AppendOnly on.
	once     int64    // bytes from the start of the disk to the first of them; 0: any may be written again
	occupied []uint64 // a bit for each logical block: written since it was released

	edges *edges // nil: nobody wants to know
}

// flight is a request in flight and the content it was submitted with.
type flight struct {
	request *disk.Request
	sum     uint64
}

// Violation is the first request of a sequence that broke a rule.
type Violation struct {
	Rule    string
	Request string // the request, in words
}

// What a trace word says, in its lowest byte; writes and flushes go by their disk.RequestKind.
const (
	traceRead = iota + 16
	traceUnit
	traceAsk
	traceReap
	traceEmpty // a reap that found nothing complete
)

// Reset puts d before inner, with nothing in flight and nothing counted.
func (d *TraceDisk) Reset(inner disk.Disk, t *Trace, reorder bool, seed uint64) {
	*d = TraceDisk{
		inner: inner, info: inner.Info(), trace: t, reorder: reorder, seed: mix64(seed), random: mix64(seed),
		flying: d.flying[:0], scratch: d.scratch, occupied: d.occupied[:0], writes: d.writes,
	}
	d.writes.begin()
	if n := 16 * d.info.PhysicalBlock; len(d.scratch) != n {
		d.scratch = make([]byte, n)
	}
}

// Operation says that an operation of kind k begins. The order in which its requests complete follows from k and the seed, not from
// what came before: a sequence that is reduced keeps it.
func (d *TraceDisk) Operation(k Kind) {
	d.begun = d.requests
	seed := mix64(d.seed + uint64(k))
	d.random = seed
	if i, ok := d.inner.(Reshuffler); ok {
		i.Reshuffle(seed)
	}
}

// Reshuffler is a disk that completes requests in an order of its own, if asked to, which a seed says.
type Reshuffler interface{ Reshuffle(seed uint64) }

// Violation returns the first broken rule, or nil.
func (d *TraceDisk) Violation() *Violation { return d.violation }

// Flying returns how many requests are in flight.
func (d *TraceDisk) Flying() int { return len(d.flying) }

// Forget says that whoever had requests in flight is gone.
func (d *TraceDisk) Forget() {
	if f, ok := d.inner.(interface{ Forget() }); ok {
		f.Forget()
	}
	d.flying, d.begun = d.flying[:0], d.requests
	d.Reopen()
	d.writes.young = d.writes.young[:0]
}

// Reopen says that a store is about to be opened: where its appends go on is for it to say anew. What lies behind a pointer that was
// recorded is nobody's, and may be written again.
func (d *TraceDisk) Reopen() {
	if a := &d.writes; len(a.extents) > 0 {
		d.once, a.extents, a.suspects = 0, a.extents[:0], a.suspects[:0]
	}
}

// Info describes the disk below.
func (d *TraceDisk) Info() disk.Info { return d.info }

// Close does nothing: the disk below belongs to its source.
func (d *TraceDisk) Close() error { return nil }

// Read fills p from off.
func (d *TraceDisk) Read(p []byte, off int64) error {
	d.audit("read", off, len(p))
	d.count(0, off)
	err := d.inner.Read(p, off)
	d.traceRange(traceRead, off, len(p), err)
	if err == nil && !d.quiet {
		d.trace.Bytes(p)
	}
	return err
}

// Ask forwards the question.
func (d *TraceDisk) Ask(off, size int64, pred func(off int64, block []byte) bool) (bool, error) {
	d.audit("ask", off, int(size))
	d.count(0, off)
	yes, err := disk.Ask(d.inner, d.scratch, off, size, pred)
	d.traceRange(traceAsk, off, int(size), err)
	d.word(bit(yes))
	return yes, err
}

// ReadUnit forwards the read.
func (d *TraceDisk) ReadUnit(p []byte, off int64, check func(p []byte) bool) (bool, error) {
	d.audit("read unit", off, len(p))
	d.count(0, off)
	whole, err := disk.ReadUnit(d.inner, p, off, check)
	d.traceRange(traceUnit, off, len(p), err)
	if whole && err == nil && !d.quiet {
		d.trace.Bytes(p)
	}
	return whole, err
}

// Submit begins r.
func (d *TraceDisk) Submit(r *disk.Request) {
	d.auditRequest(r)
	d.count(r.Kind, r.Off)
	if d.edges != nil && r.Kind == disk.Write && !d.quiet {
		d.edges.note(r.Off/int64(d.info.LogicalBlock), int64(len(r.Data)/d.info.LogicalBlock))
	}
	d.written += uint64(len(r.Data))
	f := flight{request: r}
	if !d.quiet {
		f.sum = ContentSum(r.Data)
		d.trace.Word(uint64(r.Kind) | bit(r.FUA)<<8 | uint64(len(r.Data))<<16)
		d.trace.Word(uint64(r.Off))
		d.trace.Word(f.sum)
	}
	d.flying = append(d.flying, f)
	if !d.reorder {
		d.inner.Submit(r)
	}
}

// Reap returns a request that is complete.
func (d *TraceDisk) Reap(wait bool) *disk.Request {
	r := d.next(wait)
	if r == nil {
		d.word(traceEmpty)
		return nil
	}
	for i := range d.flying {
		if d.flying[i].request != r {
			continue
		}
		if !d.quiet && d.flying[i].sum != ContentSum(r.Data) {
			d.violate("changed-in-flight", r.Kind.String(), r.Off, len(r.Data))
		}
		d.word(traceReap | uint64(i)<<8 | bit(r.Err != nil)<<56)
		d.flying = append(d.flying[:i], d.flying[i+1:]...)
		break
	}
	if len(d.writes.young) > 0 {
		d.writes.reaped(r)
	}
	return r
}

// next returns the request that completes now: the one the disk below says, or one drawn from those held back. Where the store
// does not wait, a drawn one may still be under way.
func (d *TraceDisk) next(wait bool) *disk.Request {
	switch {
	case !d.reorder:
		return d.inner.Reap(wait)
	case len(d.flying) == 0, !wait && d.draw(4) == 0:
		return nil
	}
	r := d.flying[d.draw(len(d.flying))].request
	d.inner.Submit(r)
	for {
		if done := d.inner.Reap(true); done == r || done == nil {
			return done
		}
	}
}

// draw returns a number below n, close enough to evenly for a queue's depth.
func (d *TraceDisk) draw(n int) int {
	d.random += traceIncrement
	return int(mix64(d.random) >> 32 * uint64(n) >> 32)
}

// AppendOnly says that what lies from byte from on is written once, until it is released. What was written before does not count.
func (d *TraceDisk) AppendOnly(from int64) {
	words := int(d.info.Size/int64(d.info.LogicalBlock)+63) / 64
	d.once = from
	d.occupied = slices.Grow(d.occupied[:0], words)[:words]
	clear(d.occupied)
}

// Release says that n bytes at off may be written again.
func (d *TraceDisk) Release(off, n int64) {
	for b := off / int64(d.info.LogicalBlock); b < (off+n)/int64(d.info.LogicalBlock); b++ {
		d.occupied[b/64] &^= 1 << (b % 64)
	}
}

// End returns the offset behind the last block of the n bytes at off that was written since they were released; off if none was.
func (d *TraceDisk) End(off, n int64) int64 {
	block := int64(d.info.LogicalBlock)
	for b := (off + n) / block; b > off/block; b-- {
		if d.occupied[(b-1)/64]>>((b-1)%64)&1 != 0 {
			return b * block
		}
	}
	return off
}

// occupy notes that n bytes at off are written, and reports whether any of their blocks was before.
func (d *TraceDisk) occupy(off, n int64) (again bool) {
	block := int64(d.info.LogicalBlock)
	from, end := max(off, d.once)/block, min(off+n, d.info.Size)/block
	for from < end { // a word of bits at a time
		count := min(end-from, 64-from%64)
		mask := ^uint64(0) >> (64 - count) << (from % 64)
		w := &d.occupied[from/64]
		again = again || *w&mask != 0
		*w |= mask
		from += count
	}
	return again
}

func (d *TraceDisk) auditRequest(r *disk.Request) {
	write := r.Kind == disk.Write
	if write {
		d.audit("write", r.Off, len(r.Data))
		d.auditOnce(r)
	}
	for i := range d.flying {
		other := d.flying[i].request
		switch {
		case other == r:
			d.violate("submitted-twice", r.Kind.String(), r.Off, len(r.Data))
		case !write || other.Kind != disk.Write:
		case r.Off < other.Off+int64(len(other.Data)) && other.Off < r.Off+int64(len(r.Data)):
			d.violate("overlap", r.Kind.String(), r.Off, len(r.Data))
		}
	}
	if rule := d.writes.submitted(r); rule != "" {
		d.violate(rule, r.Kind.String(), r.Off, len(r.Data))
	}
}

func (d *TraceDisk) audit(what string, off int64, n int) {
	if (off|int64(n))&int64(d.info.LogicalBlock-1) != 0 || n == 0 {
		d.violate("unaligned", what, off, n)
	}
	if off < 0 || off > d.info.Size || int64(n) > d.info.Size-off {
		d.violate("out-of-range", what, off, n)
	}
}

func (d *TraceDisk) violate(rule, what string, off int64, n int) {
	if d.violation == nil {
		d.violation = &Violation{rule, d.say(what, off, n)}
	}
}

// say names the request that is being made.
func (d *TraceDisk) say(what string, off int64, n int) string {
	return fmt.Sprintf("request %d: %s of %d B at %d", d.requests+1, what, n, off)
}

func (d *TraceDisk) traceRange(what uint64, off int64, n int, err error) {
	if d.meets != nil && what <= traceAsk {
		d.meets(off, int64(n))
	}
	d.word(what | uint64(n)<<16 | bit(err != nil)<<56)
	d.word(uint64(off))
}

// word adds w to the trace.
func (d *TraceDisk) word(w uint64) {
	if !d.quiet {
		d.trace.Word(w)
	}
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
