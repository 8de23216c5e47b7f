package conc

import "sync"

// WaitGroup is a sync.WaitGroup: a count of what is still to be done.
type WaitGroup struct {
	group sync.WaitGroup
	obj   Object
}

// Add adds delta to the count. A count below zero panics.
func (g *WaitGroup) Add(delta int) {
	if active != nil {
		g.obj.point(OpGroupAdd, delta)
	}
	g.group.Add(delta)
}

// Done takes one from the count.
func (g *WaitGroup) Done() {
	if active != nil {
		g.obj.point(OpGroupAdd, -1)
	}
	g.group.Done()
}

// Wait returns when the count is zero.
func (g *WaitGroup) Wait() {
	if active != nil {
		g.obj.point(OpGroupWait, 0)
	}
	g.group.Wait()
}

// Go runs fn in a goroutine of that name, counted until it returns.
func (g *WaitGroup) Go(name string, fn func()) {
	g.Add(1)
	Go(name, func() {
		defer g.Done()
		fn()
	})
}

// Once does something the first time and never again.
type Once struct {
	mu   Mutex
	done Bool // set once the function has ended, by a panic too. Written under mu.
}

// Do calls fn if it is the first call of Do, and returns once that first call's function has ended.
func (o *Once) Do(fn func()) {
	if !o.done.Load() {
		o.first(fn)
	}
}

func (o *Once) first(fn func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.done.Load() {
		defer o.done.Store(true)
		fn()
	}
}
