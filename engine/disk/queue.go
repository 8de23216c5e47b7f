package disk

import "github.com/shardproof/shardproof/engine/conc"

// Queue is a disk that carries requests out on goroutines of its own: Submit returns at once, whatever the disk below does.
//
//	Submit ──► pending ──► worker: Submit of the disk below ──► Reap
//
// Requests begin in the order they were submitted and run side by side, as many as there are workers. Safe for concurrent use as
// Disk says; nobody else submits to the disk below.
type Queue struct {
	Disk    // below
	workers conc.WaitGroup

	mu      conc.Mutex
	changed *conc.Cond // on mu: of any of these

	// Guarded by mu.
	pending ring // submitted, no worker has them yet
	flight  int  // submitted and not reaped
	done    int  // of them, those that the disk below has been given. done <= flight
	closed  bool
}

// NewQueue returns the queue of d with that many workers. Close ends it and leaves d open.
func NewQueue(d Disk, workers int) *Queue {
	q := &Queue{Disk: d}
	q.changed = conc.NewCond(&q.mu)
	for range workers {
		q.workers.Go("disk request", q.work)
	}
	return q
}

// Submit takes r and returns. A closed queue takes nothing: r is lost.
func (q *Queue) Submit(r *Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.flight++
	q.pending.push(r)
	q.changed.Broadcast()
}

// work gives requests to the disk below until the queue is closed and empty.
func (q *Queue) work() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for q.pending.n == 0 && !q.closed {
			q.changed.Wait()
		}
		r := q.pending.pop()
		if r == nil {
			return
		}
		q.mu.Unlock()
		q.Disk.Submit(r)
		q.mu.Lock()
		q.done++
		q.changed.Broadcast()
	}
}

// Reap returns a request that is complete.
func (q *Queue) Reap(wait bool) *Request {
	q.mu.Lock()
	for wait && q.done == 0 && q.flight > 0 {
		q.changed.Wait()
	}
	if q.done == 0 {
		q.mu.Unlock()
		return nil
	}
	q.mu.Unlock()
	r := q.Disk.Reap(wait)
	if r != nil {
		q.mu.Lock()
		q.done--
		q.flight--
		q.mu.Unlock()
	}
	return r
}

// Close returns when the workers have ended; what was submitted has been carried out then. The disk below stays open.
func (q *Queue) Close() error {
	q.mu.Lock()
	q.closed = true
	q.changed.Broadcast()
	q.mu.Unlock()
	q.workers.Wait()
	return nil
}
