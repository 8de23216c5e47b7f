package conformance

import (
	"iter"
	"sync"
)

// Most candidates do not fail as wanted, so what a reduction tries next can be told before the candidate whose turn it is has been
// run: a scout, which is a copy of the reduction, goes through the same pass from its beginning, with the answers that are known, and
// takes every other candidate not to fail. The candidates it names are run on the executors in Ahead while the one whose turn it is
// runs on Exec, and when theirs comes, their results are there:
//
//	reduction   pass ──► candidate 7 ──────────► run on Exec      ──► answer 7 ──► candidate 8: its result is there
//	scout       pass ──► (7 does not fail) ──► 8 run on Ahead[0] ─┘
//
// When a candidate does fail as wanted, the scout was wrong from there on, and the next one starts.

// passStart is how a pass began.
type passStart struct {
	pass int // index into passes
	best *Sequence
	at   int
}

// foresight is what a reduction knows before it asks.
type foresight struct {
	done  map[uint64]Result // of candidates whose turn has not come, by hash
	slots []Sequence        // what each executor in Ahead runs

	next func() (*Sequence, bool) // the next candidate of the scout, valid until it is asked again; nil: there is no scout
	stop func()
}

// lookAhead begins to run candidates before their turn, if there is something to run them on and it answers the same each time.
func (d *reduction) lookAhead() {
	if len(d.Ahead) > 0 && d.Rate == (Rate{}) {
		d.ahead = &foresight{done: make(map[uint64]Result), slots: make([]Sequence, len(d.Ahead))}
	}
}

// lookAway ends that.
func (d *reduction) lookAway() {
	d.surprise()
	d.ahead = nil
}

// begin notes that a pass begins.
func (d *reduction) begin(pass int) {
	if d.ahead != nil {
		d.pass = passStart{pass, d.best.Clone(), d.at}
	}
}

// surprise ends the scout: a candidate failed as wanted.
func (d *reduction) surprise() {
	if d.ahead != nil && d.ahead.next != nil {
		d.ahead.stop()
		d.ahead.next = nil
	}
}

// run returns what s shows. If that is not there yet, it runs s, and beside it what the scout names.
func (a *foresight) run(d *reduction, s *Sequence) *Failure {
	h := s.Hash()
	if r, ok := a.done[h]; ok {
		delete(a.done, h)
		d.Speculated--
		return r.Failure
	}
	var all sync.WaitGroup
	results := make([]Result, a.foresee(d, h))
	for i := range results {
		all.Go(func() { results[i] = d.Ahead[i].Run(&a.slots[i]) })
	}
	f := d.Exec.Run(s).Failure
	all.Wait()
	for i := range results {
		a.done[a.slots[i].Hash()] = results[i]
	}
	d.Speculated += len(results)
	return f
}

// foresee fills slots with candidates that come after that of hash h, as far as there are some and runs for them, and returns how
// many it filled.
func (a *foresight) foresee(d *reduction, h uint64) int {
	if a.next == nil {
		a.next, a.stop = iter.Pull(d.candidates)
	}
	n := 0
	for n < min(len(a.slots), d.left()) {
		c, ok := a.next()
		if !ok {
			break
		}
		if c.Hash() == h {
			continue
		}
		slot := &a.slots[n]
		ops, keys := append(slot.Ops[:0], c.Ops...), append(slot.Keys[:0], c.Keys...)
		*slot = *c
		slot.Ops, slot.Keys = ops, keys
		n++
	}
	return n
}

// scout makes a copy of a reduction foresee candidates.
type scout struct {
	yield   func(*Sequence) bool
	done    map[uint64]Result
	refused map[uint64]bool // candidates that were taken not to fail, by hash
}

// scoutEnded is what a scout panics with, to leave its passes when nobody wants more candidates of it.
type scoutEnded struct{}

// candidates yields what the reduction will run, from the beginning of the pass on, as far as answers are known, and then as long
// as nothing fails as wanted.
func (d *reduction) candidates(yield func(*Sequence) bool) {
	defer func() {
		if p := recover(); p != nil && p != (scoutEnded{}) {
			panic(p)
		}
	}()
	c := &reduction{
		Reducer: d.Reducer, best: d.pass.best.Clone(), draft: d.pass.best.Clone(), at: d.pass.at, known: d.known,
		scout: &scout{yield: yield, done: d.ahead.done, refused: make(map[uint64]bool)},
	}
	c.Signature = d.Signature
	for _, pass := range passes[d.pass.pass:] {
		pass(c)
	}
}

// outcome answers what is known, and otherwise yields s and takes it not to fail.
func (x *scout) outcome(d *reduction, s *Sequence, h uint64) int {
	if at, ok := d.known[h]; ok {
		return at
	}
	if r, ok := x.done[h]; ok {
		if r.Failure != nil && r.Failure.Signature == d.Signature {
			return r.Failure.At
		}
		return notAsWanted
	}
	if x.refused[h] || s.Config.Check() != nil {
		return notAsWanted
	}
	x.refused[h] = true
	if !x.yield(s) {
		panic(scoutEnded{})
	}
	return notAsWanted
}
