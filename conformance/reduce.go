package conformance

import "slices"

// Reducer makes a failing sequence small without letting go of the failure. It edits the data, runs each candidate and keeps it
// if the failure has the wanted signature:
//
//	failing sequence ──► passes, over and over until none finds anything ──► proof ──► minimal sequence
//	                       │      ▲
//	                       └─ try: seen before? simpler? runs, same signature?
//
// Invariants
//
//	M1  The result failed with exactly the wanted signature in the last run it had.
//	M2  A round of passes ends with a simpler sequence than it began with (see simpler), or is the last; widen alone takes a step
//	    back, once, and what there was before it is kept if nothing simpler comes of it.
//	M3  No more than MaxExecs runs, and no candidate is judged twice.
//	M4  If Minimal, then no single step down fails in the same way; see proof for what a step is.
//	M5  Reducing a minimal result again gives the same.
//	M6  A candidate that fails with another signature is never followed; the simplest of each is handed back.
//	M7  Result and figures do not depend on the executors in Ahead, but for Speculated.
//
// A pass is a function of the best sequence so far and of what try answers, so a new axis (what a crash keeps, fault rules, a
// schedule) is a new Role or one more pass, and candidates can be run ahead of their turn without a pass knowing; see foresight.
//
// Runs of operations that matter only by what they wrote are replaced by few long values or a flush; else nothing is ever added.
//
// Not attempted: the smallest of all sequences. A single step is a local notion; two that must be taken together are found only
// among operations, in pairs, and only once few are left.
type Reducer struct {
	Exec     Executor
	Ahead    []Executor  // run candidates before their turn, while Exec runs the one whose turn it is; they answer as Exec does
	Want     Signature   // zero: that of the first run
	MaxExecs int         // 0: 1,000
	Rate     Rate        // of the sequence, if it is flaky: an accepted candidate fails about as often; zero: runs are deterministic
	Stop     func() bool // asked before each run; true ends the reduction with what it has
}

// ReduceStats says what a reduction cost and how far it came.
type ReduceStats struct {
	Reproduced bool        // the sequence failed as wanted when it was run first
	Signature  Signature   // that was kept to
	Execs      int         // runs in all, less those that were speculated
	Speculated int         // runs ahead of their turn that nobody asked for
	OpsExecs   int         // runs when the last operation fell away
	Minimal    bool        // no single step down is left; false when runs ran out or Stop said so
	Proof      int         // different candidates that the last round tried, none of which fails as wanted
	Others     []*Sequence // one for each other signature met, the simplest seen, with its fail line; not reduced
}

const (
	maxExecsDefault = 1000
	othersMax       = 16
	pairsMax        = 16 // operations up to which pairs are tried
)

// reduction is one call of Reduce.
type reduction struct {
	*Reducer
	ReduceStats
	best   *Sequence
	at     int             // where best fails; len(best.Ops): at its end
	draft  *Sequence       // the next candidate; see edit
	known  map[uint64]int  // where each sequence that was run fails as wanted, by hash; notAsWanted if it does not
	round  map[uint64]bool // hashes of what this round tried
	fewest int             // operations of the smallest sequence so far
	ended  bool            // runs ran out, or Stop

	widened, again bool      // see widen
	narrow         *Sequence // what was widened

	pass  passStart  // the pass that is under way
	ahead *foresight // nil: every candidate is run when its turn comes
	scout *scout     // of a copy that only foresees candidates; else nil
}

const notAsWanted = -1

// Reduce returns a sequence that is at most as complex as s and fails in the same way, or a copy of s if it does not fail as
// wanted. It keeps the origin and the comments of the header and of the first operation, and writes the fail line. s is not
// changed.
func (r *Reducer) Reduce(s *Sequence) (*Sequence, ReduceStats) {
	d := &reduction{Reducer: r, best: s.Clone(), draft: s.Clone(), known: make(map[uint64]int), round: make(map[uint64]bool)}
	d.Signature = r.Want
	if !d.start() {
		return d.best, d.ReduceStats
	}
	if slices.ContainsFunc(d.best.Ops, isRot) {
		d.widen()
	}
	d.lookAhead()
	for d.improve() || d.widen() || d.narrowAgain() {
	}
	d.lookAway()
	d.keepNarrow()
	if d.Minimal = !d.ended; d.Minimal {
		d.Proof = len(d.round)
	}
	d.best.Comments = storyOf(d.best.Comments)
	d.best.Fail = failAt(d.Signature, d.at, len(d.best.Ops))
	return d.best, d.ReduceStats
}

// storyOf returns the comments that are about the whole sequence.
func storyOf(all []Comment) []Comment {
	return slices.DeleteFunc(all, func(c Comment) bool { return c.Before > 0 || c.Trailing })
}

// failAt returns the fail line for a failure at index at of n operations.
func failAt(g Signature, at, n int) *FailAt {
	if at >= n {
		return &FailAt{At: 0, Signature: g}
	}
	return &FailAt{At: at + 1, Signature: g}
}

// FailLine returns the fail line that tells f, seen in a sequence of n operations.
func (f *Failure) FailLine(n int) *FailAt { return failAt(f.Signature, f.At, n) }

// start runs the sequence as it is.
func (d *reduction) start() bool {
	for range d.Rate.patience() {
		if d.spent() {
			return false
		}
		f := d.run(d.best)
		if f == nil || d.Signature != (Signature{}) && f.Signature != d.Signature {
			d.byproduct(d.best, f)
			continue
		}
		d.Signature, d.at = f.Signature, f.At
		d.known[d.best.Hash()] = d.at
		d.Reproduced, d.OpsExecs, d.fewest = true, d.Execs, len(d.best.Ops)
		d.cut()
		d.instead(f)
		return true
	}
	return false
}

// instead takes the operation that shows f sooner, if there is one: of the states that a crash can leave, the one that fails.
func (d *reduction) instead(f *Failure) {
	if f.Instead == nil {
		return
	}
	c := d.edit()
	c.Ops[f.InsteadAt] = *f.Instead
	d.try()
}

// Which state of a crash fails changes with every operation before it, so what was narrowed to one state gets stuck where more could
// be taken away; and what is not narrowed is slow, and shows other failures first. So a reduction begins narrow, goes on wide when half
// of its runs are used up or nothing is left to do, and ends narrow again. With blocks that rot it goes on wide at once: all of them are
// soon looked at.

// isRot reports whether op is one that lets blocks rot.
func isRot(op Op) bool { return op.Kind == KindRot }

// widen makes every crash one that may leave any state, and lets every block rot, if what was narrowed still fails so, and reports
// whether it does. It does so once.
func (d *reduction) widen() bool {
	if d.widened || d.scout != nil {
		return false
	}
	d.widened = true
	c := d.best.Clone()
	for i := range c.Ops {
		switch o := &c.Ops[i]; o.Kind {
		case KindCrash:
			o.Off = 0
		case KindRot:
			o.Off, o.Fill = 0, uint32(argRotten.Max)
		}
	}
	if c.Hash() == d.best.Hash() || d.outcome(c) == notAsWanted {
		return false
	}
	d.surprise()
	d.narrow, d.best, d.at = d.best, c, d.known[c.Hash()]
	return true
}

// narrowAgain narrows what was widened, once, and reports whether it could.
func (d *reduction) narrowAgain() bool {
	if d.narrow == nil || d.again || d.spent() {
		return false
	}
	d.again = true
	f := d.run(d.best)
	if f == nil {
		return false
	}
	before := d.best.Hash()
	d.instead(f)
	return d.best.Hash() != before
}

// keepNarrow takes back what there was before it was widened, if that is simpler.
func (d *reduction) keepNarrow() {
	if d.narrow != nil && simpler(d.narrow, d.best) {
		d.best, d.at = d.narrow, d.known[d.narrow.Hash()]
	}
}

// improve goes through the passes and reports whether any found a simpler sequence. Passes that take away much come first; each
// round that finds something is followed by another, so the last round has tried everything on the result and is its proof:
//
// taking away any one operation; any two, when at most sixteen are left; putting several in one operation that does as much,
// all of a sort or two that follow one another; joining two writes that follow one another, when at most thirty-two are left; a
// simpler kind for any operation; a step of the device, a larger write, or a crash in its midst for any two that follow one
// another; the default for any argument; one less for any size, count or dependency; any one key renumbered or merged with
// another; any one operation away and a fault aimed up to six lower; the default for any option, and any simpler value it is
// drawn from; the bytes of a key line forgotten. Each of these was run, or is not simpler, or is unfit as a Config, and does
// not fail in the same way.
func (d *reduction) improve() bool {
	before := d.best.Hash()
	clear(d.round)
	for i := range passes {
		d.begin(i)
		passes[i](d)
		if d.left() < d.Execs {
			d.widen()
		}
	}
	return d.best.Hash() != before && !d.ended
}

// passes in the order of a round. It is a variable that init sets, because a scout, which a pass may need, goes through them too.
var passes []func(d *reduction)

func init() {
	passes = []func(d *reduction){
		(*reduction).plainOptions,
		(*reduction).muchBefore,
		func(d *reduction) { d.dropLabels(labelKeys, max(1, len(keysOf(d.best))/manyOps)) },
		func(d *reduction) { d.dropLabels(labelKinds, 1) },
		(*reduction).fewerLarger,
		(*reduction).dropOps,
		(*reduction).gather,
		(*reduction).joinWrites,
		(*reduction).simplerKinds,
		(*reduction).dropPairs,
		(*reduction).oneForTwo,
		(*reduction).simplerArguments,
		(*reduction).fewerKeys,
		(*reduction).aimAgain,
		(*reduction).simplerOptions,
	}
}

// edit returns the draft, equal to best, for a pass to change and try. It is valid until the next edit.
func (d *reduction) edit() *Sequence {
	ops, keys := append(d.draft.Ops[:0], d.best.Ops...), append(d.draft.Keys[:0], d.best.Keys...)
	*d.draft = *d.best
	d.draft.Ops, d.draft.Keys = ops, keys
	return d.draft
}

// try makes the draft the best if it is simpler and fails as wanted, and reports whether it did.
func (d *reduction) try() bool {
	if !simpler(d.draft, d.best) {
		return false
	}
	at := d.outcome(d.draft)
	if at == notAsWanted {
		return false
	}
	d.best, d.draft, d.at = d.draft, d.best, at
	if len(d.best.Ops) < d.fewest {
		d.fewest, d.OpsExecs = len(d.best.Ops), d.Execs
	}
	d.cut()
	return true
}

// outcome says where s fails as wanted, or notAsWanted. What was judged before is not judged again.
func (d *reduction) outcome(s *Sequence) int {
	h := s.Hash()
	if d.scout != nil {
		return d.scout.outcome(d, s, h)
	}
	d.round[h] = true
	if at, ok := d.known[h]; ok {
		return at
	}
	if s.Config.Check() != nil || d.spent() {
		return notAsWanted
	}
	at := d.judge(s)
	d.known[h] = at
	if at != notAsWanted {
		d.surprise()
	}
	return at
}

// judge runs s and says where it fails as wanted, or notAsWanted. With a Rate it does so until it is sure that s fails as often, or
// that it does not.
func (d *reduction) judge(s *Sequence) int {
	at, test := notAsWanted, rateTest{Rate: d.Rate}
	for {
		f := d.run(s)
		wanted := f != nil && f.Signature == d.Signature
		if wanted {
			at = f.At
		} else {
			d.byproduct(s, f)
		}
		switch test.see(wanted) {
		case rateReached:
			return at
		case rateMissed:
			return notAsWanted
		}
		if d.spent() {
			return notAsWanted
		}
	}
}

// cut takes away what follows the operation that fails.
func (d *reduction) cut() {
	if d.at+1 >= len(d.best.Ops) {
		return
	}
	c := d.edit()
	c.Ops = c.Ops[:d.at+1]
	d.try()
}

// run executes s once.
func (d *reduction) run(s *Sequence) *Failure {
	d.Execs++
	if d.ahead != nil {
		return d.ahead.run(d, s)
	}
	return d.Exec.Run(s).Failure
}

// spent reports whether no run is left, and remembers it.
func (d *reduction) spent() bool {
	if d.left() <= 0 || d.Stop != nil && d.Stop() {
		d.ended = true
	}
	return d.ended
}

// left returns how many runs are left.
func (d *reduction) left() int {
	if d.MaxExecs == 0 {
		return maxExecsDefault - d.Execs
	}
	return d.MaxExecs - d.Execs
}

// byproduct keeps s if it fails in a way of its own and is the simplest to do so.
func (d *reduction) byproduct(s *Sequence, f *Failure) {
	if f == nil {
		return
	}
	i := slices.IndexFunc(d.Others, func(o *Sequence) bool { return o.Fail.Signature == f.Signature })
	switch {
	case i < 0 && len(d.Others) < othersMax:
		d.Others = append(d.Others, nil)
		i = len(d.Others) - 1
	case i < 0 || !simpler(s, d.Others[i]):
		return
	}
	o := s.Clone()
	o.Comments = storyOf(o.Comments)
	o.Fail = f.FailLine(len(o.Ops))
	d.Others[i] = o
}
