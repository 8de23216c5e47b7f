// Package iosched submits writes to a disk and knows which of them a flush has made durable.
//
//	log, extent table ──────────────────────► Submit ──► disk ──► Reap ──► completed ──► Flush ──► durable
//	runs, metadata, copies ──► Append ──► Issue ──┘
//	                             └─ waits for its dependency, finds its neighbours
//
// Two kinds of writes share the flushes. Who submits a write himself keeps its Write and its bytes, and knows what it may be
// issued after. Who appends hands over the bytes together with what they depend on and gets a Dependency: the nodes and edges
// of a graph, kept here and nowhere on the disk. The order of the writes is all that a crash leaves of it (soft updates).
//
// Invariants
//
//	S1  No two writes in flight overlap.
//	S2  A write is durable only if it completed before the submission of a flush that succeeded since.
//	S3  At most one flush is in flight. What completes while it runs waits for the next one.
//	S4  After the first failed write or flush nothing becomes durable any more, until Restart begins a new epoch: what
//	    completed since the last good flush counts as lost for every purpose, in later epochs too.
//	S5  An appended write is issued only once all that it depends on is persistent.
//	S6  Of two appended writes that overlap, the later one is issued only once the earlier one is durable or has failed.
//	S7  An appended write that depends on something failed has failed: it is never issued, nor is what depends on it.
//	S8  An appended write is numbered, and the state of a number that is final stays known for ever.
//	S9  What an appended write depends on was there before it. So the graph has no cycle, and something can always be issued.
//
// S9 holds by construction: a Dependency comes only from an append or a submission that has been made, it never changes, and
// Append takes it before it makes a new one. It fails only if the owner of another Watermark lets that one wait for an append
// that waits for it; Stranded finds that.
//
// A write's state is three numbers compared, so any number of owners share one flush without knowing of each other.
//
// Not here: who may write where, and which write must depend on which; the log, the extent table and the index each submit only
// what their own invariants allow. Callers hold the store's lock, also to ask for the state of an appended write.
package iosched

import (
	"fmt"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/fault"
)

// Write is one write from submission to durability. Its owner keeps it in place until it is durable or the epoch has ended;
// the zero Write is ready for use, and a Write may be used again then.
type Write struct {
	request   disk.Request
	completed uint64 // place in the order of completions; 0 while in flight. completed <= Sched.completions
	epoch     uint32 // the Sched's epoch at submission: results of older epochs are void
	batch     *batch // the appended writes it carries; nil if its owner submitted it
}

// Completed reports whether the device has finished w without an error.
func (w *Write) Completed() bool { return w.completed != 0 }

// Sched is the queue of one disk.
type Sched struct {
	disk    disk.Disk
	buffers *disk.Buffers // where the bytes of appended writes come from and go back to
	limits  Limits

	inFlight []*Write // slot i has Tag i+1; nil slots are free
	writes   int      // writes in flight

	completions uint64 // writes that completed in this epoch
	durable     uint64 // writes up to this place in the order are durable. durable <= completions
	covering    uint64 // what the flush in flight will make durable
	flushed     uint64 // flushes that succeeded, of all epochs
	flush       disk.Request
	flushing    bool

	epoch uint32
	err   error // the failure that ended the epoch; nil while all is well

	appends  []appended // neither durable nor failed, in the order of Append
	waiting  int        // those of appends that have not been issued
	last     uint64     // number of the newest append
	failures []failure  // what is known of numbers that failed, ascending
	stats    Stats

	batches  []*batch // every batch there is
	spare    []*batch // those that nobody uses
	building []*batch // what Issue is about to submit
}

// Limits bound what Issue makes of appended writes.
type Limits struct {
	CoalesceBytes int // the largest request that neighbours are joined to; a single write may be larger. 0: 1 MiB
}

const defaultCoalesce = 1 << 20

// New returns a scheduler with nothing in flight. It owns neither d nor b.
func New(d disk.Disk, b *disk.Buffers) *Sched {
	s := new(Sched)
	s.Reset(d, b)
	return s
}

// Reset makes s as New does, reusing its memory. Nothing of it is in flight. Buffers that s still holds are not put back, and
// dependencies on its earlier appends lose their meaning.
func (s *Sched) Reset(d disk.Disk, b *disk.Buffers) {
	clear(s.inFlight)
	clear(s.appends)
	for _, b := range s.batches {
		*b = batch{} // it may have been in use
	}
	*s = Sched{
		disk: d, buffers: b, limits: Limits{CoalesceBytes: defaultCoalesce}, inFlight: s.inFlight,
		appends: s.appends[:0], failures: s.failures[:0], batches: s.batches, spare: append(s.spare[:0], s.batches...), building: s.building[:0],
	}
}

// SetLimits changes the limits from the next Issue on.
func (s *Sched) SetLimits(l Limits) {
	if l.CoalesceBytes == 0 {
		l.CoalesceBytes = defaultCoalesce
	}
	s.limits = l
}

// Disk returns the disk below.
func (s *Sched) Disk() disk.Disk { return s.disk }

// Err returns the failure that ended the epoch, nil if none did.
func (s *Sched) Err() error { return s.err }

// Restart begins a new epoch after the failure that ended the last one, in which nothing is appended, completed or durable yet.
// Nothing is in flight. What had not become durable has failed for ever, whatever the device did with it: its owner writes
// again what is still wanted.
func (s *Sched) Restart() {
	if s.err == nil || !s.Idle() {
		panic(fmt.Sprintf("iosched: restart after error %v with %d writes in flight, flushing %t", s.err, s.writes, s.flushing))
	}
	s.epoch++
	s.err = nil
	s.completions, s.durable, s.covering = 0, 0, 0
}

// Flushed returns how many flushes have succeeded since New or Reset.
func (s *Sched) Flushed() uint64 { return s.flushed }

// Idle reports whether nothing is in flight. Appended writes may be waiting.
func (s *Sched) Idle() bool { return s.writes == 0 && !s.flushing }

// Writes returns how many writes are in flight; joined ones count as one.
func (s *Sched) Writes() int { return s.writes }

// Durable reports whether w will survive any crash.
func (s *Sched) Durable(w *Write) bool {
	return w.completed != 0 && w.completed <= s.durable && w.epoch == s.epoch
}

// Undurable reports whether a write has completed that no flush covers yet, submitted or done.
func (s *Sched) Undurable() bool {
	return s.completions > s.durable && !(s.flushing && s.covering == s.completions)
}

// Submit hands a write of p at off bytes to the disk. p and w belong to the scheduler until w is durable or the epoch ends.
// It panics if the write overlaps one in flight (S1).
func (s *Sched) Submit(w *Write, p []byte, off int64) {
	w.batch = nil
	s.submit(w, p, off)
}

func (s *Sched) submit(w *Write, p []byte, off int64) {
	slot := -1
	for i, o := range s.inFlight {
		if o == nil {
			slot = i
			continue
		}
		if off < o.request.Off+int64(len(o.request.Data)) && o.request.Off < off+int64(len(p)) {
			panic(fmt.Sprintf("iosched: write at %d+%d overlaps one in flight at %d+%d", off, len(p), o.request.Off, len(o.request.Data)))
		}
	}
	if slot < 0 {
		slot = len(s.inFlight)
		s.inFlight = append(s.inFlight, nil)
	}
	s.inFlight[slot] = w
	s.writes++
	s.stats.Writes++
	s.stats.Bytes += uint64(len(p))
	w.request = disk.Request{Kind: disk.Write, Off: off, Data: p, Tag: uint64(slot) + 1}
	w.completed, w.epoch = 0, s.epoch
	s.disk.Submit(&w.request)
}

// Flush submits a flush that will make every write completed by now durable. It does nothing while another flush is in flight
// or after the epoch ended, and reports whether it submitted one.
func (s *Sched) Flush() bool {
	if s.flushing || s.err != nil {
		return false
	}
	s.flushing, s.covering = true, s.completions
	s.flush = disk.Request{Kind: disk.Flush}
	s.stats.Flushes++
	s.disk.Submit(&s.flush)
	return true
}

// Reap waits for one request to complete and takes note of it. It returns false when nothing is in flight.
func (s *Sched) Reap() bool {
	r := s.disk.Reap(true)
	if r == nil {
		return false
	}
	s.Note(r)
	return true
}

// Note takes note of r, which the caller has reaped from the disk.
func (s *Sched) Note(r *disk.Request) {
	if r.Kind == disk.Flush {
		s.noteFlush(r.Err)
		return
	}
	w := s.inFlight[r.Tag-1]
	s.inFlight[r.Tag-1] = nil
	s.writes--
	w.request.Data = nil
	switch {
	case w.batch != nil && w.batch.members == 0:
		s.retire(w.batch) // its writes failed while the disk had them
	case w.epoch != s.epoch:
	case r.Err != nil:
		s.fail(&fault.IO{Op: "write", Offset: r.Off, Err: r.Err})
	case s.err == nil:
		s.completions++
		w.completed = s.completions
	}
}

func (s *Sched) noteFlush(err error) {
	s.flushing = false
	switch {
	case err != nil:
		s.fail(&fault.IO{Op: "flush", Err: err})
	case s.err == nil:
		s.flushed++
		s.durable = s.covering
		s.settle()
	}
}

// fail ends the epoch (S4).
func (s *Sched) fail(err error) {
	if s.err == nil {
		s.err = err
		s.abandon(err)
	}
}
