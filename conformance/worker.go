package conformance

// worker runs sequences with a generator, an executor and buffers of its own. One goroutine uses it, except for exec.busyFor
// and inbox, which has its own lock.
type worker struct {
	run   *run
	gen   Filler
	exec  *guard
	seq   Sequence
	batch batch
	asked uint64  // run.probing when it last told which probes were hit
	inbox *inbox  // second runs other workers ask for
	peer  *inbox  // of the worker that does this one's second runs
	lone  *worker // of a run with one worker: makes its second runs, in the same goroutine
}

// newWorkers returns the workers of r, each asking the next one for its second runs.
func newWorkers(r *run) []*worker {
	ws := make([]*worker, r.cfg.Workers)
	for i := range ws {
		ws[i] = newWorker(r)
	}
	for i, w := range ws {
		w.peer = ws[(i+1)%len(ws)].inbox
	}
	if len(ws) == 1 {
		ws[0].lone = newWorker(r)
	}
	return ws
}

func newWorker(r *run) *worker {
	return &worker{run: r, gen: r.cfg.Suite.NewGenerator(), exec: r.guard(), inbox: &inbox{}}
}

// sequences runs batches until there are none left.
func (w *worker) sequences() {
	for {
		w.audits()
		first, end, ok := w.run.take()
		if !ok {
			return
		}
		for i := first; i < end; i++ {
			w.one(w.run.cfg.Shard.number(i))
		}
		w.run.tally.flush(&w.batch)
		if asked := w.run.probing.Load(); asked != w.asked {
			w.asked = asked
			w.run.tally.seeProbes(w.exec)
		}
	}
}

// one runs the sequence of that number.
func (w *worker) one(number uint64) {
	seed := MixSeed(w.run.cfg.Seed, number)
	w.gen.Fill(&w.seq, seed)
	w.exec.number.Store(number)
	r := w.exec.Run(&w.seq)
	w.run.tally.add(&w.batch, number, &r)
	if r.Err != nil {
		w.run.stopping.Store(true) // a harness that is broken once will be so again
	} else if auditDue(seed) {
		w.peer.put(audit{number: number, trace: r.Trace})
	}
}

// close ends the executor and keeps what it counted.
func (w *worker) close() {
	if err := w.exec.Close(); err != nil {
		w.run.tally.fault(err)
	}
	w.run.tally.addProbes(w.exec)
	if w.lone != nil {
		w.lone.close()
	}
}
