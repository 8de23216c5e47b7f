package conc

// Pool keeps values for reuse. Unlike sync.Pool it is deterministic: the value put last is handed out first, and none goes away
// by itself. Set New and Max before the first use.
type Pool[T any] struct {
	New func() *T // makes a value when none is kept
	Max int       // values kept at most; one more is left to the garbage collector

	mu   Mutex
	free []*T // len <= Max. Guarded by mu.
}

// Get returns the value put last, or a new one.
func (p *Pool[T]) Get() *T {
	p.mu.Lock()
	if n := len(p.free); n > 0 {
		v := p.free[n-1]
		p.free[n-1] = nil
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return v
	}
	p.mu.Unlock()
	return p.New()
}

// Put keeps v for a later Get. The caller uses v no more.
func (p *Pool[T]) Put(v *T) {
	p.mu.Lock()
	if len(p.free) < p.Max {
		p.free = append(p.free, v)
	}
	p.mu.Unlock()
}
