package conc

import "sync"

// Cond is a sync.Cond on a Mutex: threads wait for a change of what the mutex guards.
type Cond struct {
	mu   *Mutex
	cond sync.Cond
	obj  Object
}

// NewCond returns a condition variable for what m guards.
func NewCond(m *Mutex) *Cond { return &Cond{mu: m, cond: sync.Cond{L: m}} }

// Wait releases the mutex, which the caller holds, waits for a signal, and takes the mutex again. The condition may no longer
// hold by then: call it in a loop.
func (c *Cond) Wait() {
	if active == nil {
		c.cond.Wait()
		return
	}
	c.obj.point(OpCondWait, 0)
	c.mu.Unlock()
	c.obj.point(OpCondWake, 0)
	c.mu.Lock()
}

// Signal wakes one waiter, if there is one.
func (c *Cond) Signal() {
	if active != nil {
		c.obj.point(OpCondSignal, 0)
	}
	c.cond.Signal()
}

// Broadcast wakes all waiters.
func (c *Cond) Broadcast() {
	if active != nil {
		c.obj.point(OpCondAll, 0)
	}
	c.cond.Broadcast()
}
