package disk

import "github.com/shardproof/shardproof/engine/conc"

// completions hands requests over from the goroutines that carried them out to the one that reaps.
type completions struct {
	mu      conc.Mutex
	changed *conc.Cond // on mu: a request was finished

	// Guarded by mu.
	flight int  // requests begun and not reaped
	done   ring // those of them that are complete, in the order of completion
}

func newCompletions() *completions {
	c := &completions{}
	c.changed = conc.NewCond(&c.mu)
	return c
}

// begin counts a request in. finish(r) follows.
func (c *completions) begin() {
	c.mu.Lock()
	c.flight++
	c.mu.Unlock()
}

// finish makes r ready to be reaped, with the outcome err. The caller uses r no more.
func (c *completions) finish(r *Request, err error) {
	c.mu.Lock()
	r.Err = err
	c.done.push(r)
	c.mu.Unlock()
	c.changed.Signal()
}

// reap is Disk.Reap.
func (c *completions) reap(wait bool) *Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	for wait && c.done.n == 0 && c.flight > 0 {
		c.changed.Wait()
	}
	r := c.done.pop()
	if r != nil {
		c.flight--
	}
	return r
}
