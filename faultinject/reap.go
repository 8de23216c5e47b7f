package faultinject

import (
	"slices"

	"github.com/shardproof/shardproof/engine/disk"
)

// Reap returns a request that is complete: what never went to the device below first. What is delayed waits for completions of
// others, or for Reap to find none; what is stalled is waited for as long as its rule is in force.
func (d *Disk) Reap(wait bool) *disk.Request {
	if !d.armed.Load() {
		r := d.inner.Reap(wait)
		if !d.armed.Load() { // else r may be a flight's, submitted while this waited
			return r
		}
		if r != nil {
			if r = d.completed(r); r != nil {
				return r
			}
		}
	}
	for {
		before, r := d.ready()
		if r != nil {
			return r
		}
		if r = d.inner.Reap(wait); r != nil {
			if r = d.completed(r); r != nil {
				return r
			}
		} else if !d.goOn(before, wait) {
			return nil
		}
	}
}

// ready returns the first flight that is to complete, and gives the device below those that are due. before is what submits was.
func (d *Disk) ready() (before uint64, r *disk.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, f := range d.flights {
		if f.stage == done && !f.held() {
			return d.submits, d.deliver(i)
		}
	}
	for i := 0; i < len(d.flights); i++ {
		if f := d.flights[i]; f.stage == withheld && !f.held() {
			f.stage = sent
			d.mu.Unlock()
			d.inner.Submit(&f.sent)
			d.mu.Lock()
		}
	}
	return d.submits, nil
}

// deliver completes flight i.
func (d *Disk) deliver(i int) *disk.Request {
	f := d.flights[i]
	d.flights = slices.Delete(d.flights, i, i+1)
	f.orig.Err = f.err
	d.passed()
	return f.orig
}

// passed notes that a request completed, for those that let others go first.
func (d *Disk) passed() {
	for _, f := range d.flights {
		f.wait = max(f.wait-1, 0)
	}
}

// completed takes what the device below has completed, and returns the request that completes with it; nil if it is held back.
func (d *Disk) completed(r *disk.Request) *disk.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.flights, func(f *flight) bool { return r == &f.sent })
	if i < 0 {
		if r.Err == nil {
			d.damage = d.damage.without(d.covered(r))
		}
		d.passed()
		return r
	}
	f := d.flights[i]
	if f.stage = done; r.Err != nil {
		f.err = r.Err
	} else {
		d.landed(f)
	}
	if f.held() {
		return nil
	}
	return d.deliver(i)
}

// goOn says whether to look again after the device below had nothing. Where nobody waits, to have looked in vain counts as a
// completion for those that are delayed, so that who only looks finds them in the end.
func (d *Disk) goOn(before uint64, wait bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !wait {
		d.passed()
		return false
	}
	for d.submits == before {
		stalled := false
		for _, f := range d.flights {
			if f.wait > 0 { // there is nothing else that could come first
				f.wait = 0
				return true
			}
			stalled = stalled || f.stalled
		}
		if !stalled {
			return false // what was sent the device below has lost
		}
		d.changed.Wait()
	}
	return true
}
