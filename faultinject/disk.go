package faultinject

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shardproof/shardproof/engine/disk"
)

// Disk is a disk that fails as its rules say. It implements disk.Disk, disk.Asker and disk.UnitReader, and is safe for concurrent
// use as package disk says. Rules may be added and lifted at any time; Reset, Save and Restore are for who alone uses it.
type Disk struct {
	inner  disk.Disk
	info   disk.Info
	blocks int64 // logical ones, of the device
	block  int64 // bytes of one
	count  atomic.Uint64
	armed  atomic.Bool // there was a rule or damage since Reset: requests take mu
	pool   *disk.Pool  // of 16 physical blocks, for Ask on a disk that is no Asker

	// mu is held for no longer than it takes to look at, and change, what follows; never while the device below is at work.
	mu      sync.Mutex
	changed *sync.Cond // on mu: submits or flights changed, for who waits for what is stalled
	state
	flights []*flight // those requests in flight of which there is something to say, in the order submitted
	submits uint64    // armed ones that have returned from the device below, and calls of Lift
	events  []Event
}

// state is what Save saves, beside the counter and the length of the log. All slices but rules are never changed in place.
type state struct {
	rules   []armed // by id
	id      int     // the last one given
	damage  overlay
	older   overlay // what blocks held before their last write, by the stale rules that concern them
	lending bool    // there may be layers that show bytes of another block
}

var (
	_ disk.Disk       = (*Disk)(nil)
	_ disk.Asker      = (*Disk)(nil)
	_ disk.UnitReader = (*Disk)(nil)
)

// New returns a disk before inner, without rules.
func New(inner disk.Disk) *Disk {
	d := new(Disk)
	d.changed = sync.NewCond(&d.mu)
	d.Reset(inner)
	return d
}

// Reset makes d what New(inner) would return, reusing its memory. Requests in flight are forgotten.
func (d *Disk) Reset(inner disk.Disk) {
	if info := inner.Info(); info != d.info {
		d.info, d.pool = info, disk.NewPool(16*info.PhysicalBlock, info.PhysicalBlock)
		d.block = int64(info.LogicalBlock)
		d.blocks = info.Size / d.block
	}
	d.inner = inner
	d.count.Store(0)
	d.armed.Store(false)
	d.state = state{rules: d.rules[:0]}
	clear(d.flights)
	d.flights, d.submits, d.events = d.flights[:0], 0, d.events[:0]
}

// Below returns the device below, which has the right bytes.
func (d *Disk) Below() disk.Disk { return d.inner }

// Info describes the disk below.
func (d *Disk) Info() disk.Info { return d.info }

// Close closes the disk below. Requests that are held back are abandoned; rules and damage stay.
func (d *Disk) Close() error {
	d.Forget()
	return d.inner.Close()
}

// Forget says that whoever had requests in flight is gone, and will not reap them. Those that the device below has not seen it
// never will.
func (d *Disk) Forget() {
	d.mu.Lock()
	clear(d.flights)
	d.flights = d.flights[:0]
	d.tell()
	d.mu.Unlock()
}

// Reshuffle passes on what a disk below may listen to: the seed of the order in which requests complete.
func (d *Disk) Reshuffle(seed uint64) {
	if i, ok := d.inner.(interface{ Reshuffle(seed uint64) }); ok {
		i.Reshuffle(seed)
	}
}

// Count returns how many IOs there were since Reset: requests submitted, and calls of Read, ReadUnit and Ask.
func (d *Disk) Count() uint64 { return d.count.Load() }

// Add puts r in force, and returns its id: they count from 1 since Reset. An impossible r panics.
func (d *Disk) Add(r Rule) (id int) {
	if err := r.Validate(); err != nil {
		panic(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.id++
	d.rules = append(d.rules, armed{rule: r, id: d.id})
	d.armed.Store(true)
	return d.id
}

// Lift ends the rule with that id and takes its damage away: what the device below has comes to light. What it held back completes.
// An id that no rule has does nothing.
func (d *Disk) Lift(id int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rules = slices.DeleteFunc(d.rules, func(a armed) bool { return a.id == id })
	d.damage, d.older = d.damage.lifted(id), d.older.lifted(id)
	for _, f := range d.flights {
		if f.hit.id == id {
			f.wait, f.stalled = 0, false
		}
	}
	d.tell()
}

// LiftAll lifts all rules, and all damage.
func (d *Disk) LiftAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rules, d.damage, d.older, d.lending = d.rules[:0], nil, nil, false
	for _, f := range d.flights {
		f.wait, f.stalled = 0, false
	}
	d.tell()
}

// Damage does at once, to what is there, what r does to a write: flip, zero, garbage or swap; fail makes it unreadable. It hits
// the logical blocks that the n bytes at off touch, whatever else r says. The id is for Lift. Another action panics.
//
// Swap cuts the range into pieces of twice Arg blocks, and exchanges the halves of each; what has no partner stays. It moves the bytes
// that the device below has, without the damage above them.
func (d *Disk) Damage(r Rule, off, n int64) (id int) {
	if err := r.Validate(); err != nil {
		panic(err)
	}
	if !actions[r.Do].damage {
		panic(fmt.Sprintf("faultinject: %v is no damage to what is there", r.Do))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.id++
	h := hit{rule: r, id: d.id, io: d.count.Load()}
	if h.from, h.to = d.touched(off, n); h.from < h.to {
		d.damage = d.damage.with(h.layers())
		d.lending = d.lending || r.Do == Swap
		d.log(&h, 0)
	}
	d.armed.Store(true)
	return d.id
}

// touched returns the blocks of the device that the n bytes at off touch.
func (d *Disk) touched(off, n int64) (from, to int64) {
	end := d.info.Size
	if n < end-off { // off+n may be more than an int64 holds
		end = off + n
	}
	off = max(off, 0)
	if off >= end {
		return 0, 0
	}
	return off / d.block, (end-1)/d.block + 1
}

// Bad reports whether a read of the n bytes at off, now, would fail or suffer: damage lies there, even if its bytes should happen
// to be the right ones, or a rule would hit it. It asks the device below nothing.
func (d *Disk) Bad(off, n int64) (bad bool) {
	if d.Damaged(off, n) {
		return true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	q := query{on: Read, off: off, n: n}
	return slices.ContainsFunc(d.rules, func(a armed) bool { return d.matches(&a, &q) && a.due(a.seen+1) })
}

// Damaged reports whether damage lies in the n bytes at off.
func (d *Disk) Damaged(off, n int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	from, to := d.touched(off, n)
	return len(d.damage.within(from, to)) > 0
}

// Events returns what was injected since Reset, in order, as far as EventsMax. It is valid until Reset or Restore.
func (d *Disk) Events() []Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.events[:len(d.events):len(d.events)]
}

// log notes that h hit something.
func (d *Disk) log(h *hit, on Target) {
	if len(d.events) < EventsMax {
		d.events = append(d.events, Event{h.id, h.io, h.rule.Do, on, h.from * d.block, (h.to - h.from) * d.block})
	}
}

// tell wakes who waits for what is stalled.
func (d *Disk) tell() {
	d.submits++
	d.changed.Broadcast()
}

// State is what a Disk was when it was saved. It is valid for that disk until Reset.
type State struct {
	state
	count  uint64
	events int
}

// Save makes s the state of d: its rules with what they have counted, its damage, and the length of its log. It copies no bytes.
// For who explores what the device below may do: each exploration begins with Restore.
func (d *Disk) Save(s *State) {
	rules := append(s.rules[:0], d.rules...)
	*s = State{d.state, d.count.Load(), len(d.events)}
	s.rules = rules
}

// Restore puts d back to s. Requests in flight are forgotten.
func (d *Disk) Restore(s *State) {
	d.Forget()
	rules := append(d.rules[:0], s.rules...)
	d.state = s.state
	d.rules = rules
	d.events = d.events[:s.events]
	d.count.Store(s.count)
}
