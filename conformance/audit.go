package conformance

import "sync"

// The determinism audit runs one sequence in a hundred a second time, on another worker's executor, and compares the trace
// hashes: operations, answers and device requests. What it cannot see is a difference between machines; for that the digests of
// two reports are compared.

// audit asks for a second run.
type audit struct {
	number uint64
	trace  uint64 // of the first run
}

// auditDue chooses the sequences: by their seed, so that the choice is the same however the work is shared out.
func auditDue(seed uint64) bool { return mix64(seed^0xa0d17)%100 == 0 }

// inbox holds the second runs one worker owes to another.
type inbox struct {
	mu    sync.Mutex
	items []audit
}

func (b *inbox) put(a audit) {
	b.mu.Lock()
	b.items = append(b.items, a)
	b.mu.Unlock()
}

func (b *inbox) get() (audit, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.items) == 0 {
		return audit{}, false
	}
	a := b.items[len(b.items)-1]
	b.items = b.items[:len(b.items)-1]
	return a, true
}

// audits makes the second runs that w owes.
func (w *worker) audits() {
	for {
		a, ok := w.inbox.get()
		if !ok {
			return
		}
		on := w
		if w.lone != nil {
			on = w.lone
		}
		on.again(a)
	}
}

// again runs a sequence a second time and compares.
func (w *worker) again(a audit) {
	w.gen.Fill(&w.seq, MixSeed(w.run.cfg.Seed, a.number))
	w.exec.number.Store(a.number)
	r := w.exec.Run(&w.seq)
	if r.Err != nil {
		w.run.tally.fault(r.Err)
		return
	}
	w.run.tally.audited(a.number, r.Trace == a.trace)
}
