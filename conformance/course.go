package conformance

import (
	"github.com/shardproof/shardproof/engine"
)

// A course is one run of one sequence: what the executors of all suites do alike.
//
//	Run ──► format, open ──► step, step, step, ... ──► finish
//	                          │
//	                          └─► apply ──► got, want ──► compare ──► every stateInterval: the whole state
//
// Every step executes one operation on the component under test and on its model, and compares the two answers at once. A
// sequence ends with the whole state, a check (AUDIT), a reboot, the whole state once more, and a close, after which every
// dependency ever handed out is asked (PROGRESS). The first broken property ends the course.
//
// An executor embeds a course and is the component of it. Nothing is allocated while the answers agree.
type course struct {
	component component
	disks     DiskSource
	probes    any    // the factory of the executor, which may be a ProbeSource
	order     string // what is claimed of the order in which dependencies become persistent

	// The sequence under execution.
	seq     *Sequence
	at      int // of the operation under way; len(seq.Ops) after the last
	op      *Op
	one     Op                  // of many that op asks for
	disk    *TraceDisk          // nil where the factory needs none
	deps    []engine.Dependency // every one the component handed out, in order
	cell    CellState
	effect  bool // the operation changed or returned something
	trace   Trace
	stats   Stats
	failure *Failure
	fault   error // of the harness

	// What the operation under way answered, and buffers reused for ever.
	got, want answer
	scratch   Scratch
	traced    TraceDisk

	blank   *Description // of what was just formatted; nil but in Explain
	record  func()       // called after each operation; nil but in Explain
	honest  bool         // the disk is broken: a typed error is an answer too
	spoiled bool         // open makes the component lie
	over    bool         // nobody wants to know how it goes on
}

// component is what one suite adds to a course: a target beside its model, and what the operations mean. The methods are called
// in the order of a component's life; format is the first, and whatever an earlier sequence left is void then.
type component interface {
	// format makes an empty component on a blank disk, and the model the same.
	format() error
	// open opens what format or an earlier life left; spoiled says that its first answer with bytes is to be falsified.
	open() error
	// close closes the target cleanly, if it is open; it is not open then, even if that failed. drop forgets it as it is.
	close() error
	drop()
	// apply executes op on both sides and leaves the answers in got and want, or a failure.
	apply(op *Op)
	// equal compares all there is; audit lets the target look at itself.
	equal() *Failure
	audit() *Failure
	// inside returns the target, nil while it is closed: what it can show of itself is for Explain.
	inside() any
	// settle tells the model what the target reports as persistent.
	settle()
}

// healer is a component whose disk may be broken: heal makes it whole. stuck reports whether err, of a close, is one that faults before
// may have brought about; the component is then as after a crash. closeLedger says what became of each fault.
type healer interface {
	heal()
	closeLedger()
	stuck(err error) bool
}

// stateInterval is the number of operations between two comparisons of the whole state. A comparison reads every live byte, so
// this is the price of seeing damage that no read of the sequence touches near the operation that did it.
const stateInterval = 32

// Run implements Executor.
func (x *course) Run(s *Sequence) Result {
	x.begin(s)
	x.execute()
	if h, ok := x.component.(healer); ok && x.failure != nil {
		h.closeLedger()
	}
	if x.disk != nil {
		x.stats.Requests, x.stats.Bytes = x.disk.requests, x.disk.written
	}
	r := Result{Failure: x.failure, Trace: x.trace.Sum(), Stats: x.stats, Err: x.fault}
	x.abandon()
	return r
}

// RunSpoiled implements Liar.
func (x *course) RunSpoiled(s *Sequence) Result {
	x.spoiled = true
	defer func() { x.spoiled = false }()
	return x.Run(s)
}

// Explain implements Explainer.
func (x *course) Explain(s *Sequence) (Result, []Step) {
	var steps []Step
	x.record = func() {
		step := Step{Op: string(x.op.AppendText(nil, s.Config.Page()))}
		if f := x.failure; f != nil {
			step.Model, step.Engine = f.Want, f.Got
		} else {
			step.Model, step.Engine = x.want.text(x.op, s), x.got.text(x.op, s)
		}
		if len(steps) == 0 {
			step.Before = x.blank
		}
		step.After = x.describe()
		steps = append(steps, step)
	}
	defer func() { x.record, x.blank = nil, nil }()
	r := x.Run(s)
	return r, steps
}

// describe returns what the target shows of itself, nil if it shows nothing, is closed or has panicked.
func (x *course) describe() *Description {
	if x.failure != nil && x.failure.Field == "panic" {
		return nil
	}
	switch t := x.component.inside().(type) {
	case Describer:
		d := t.Describe()
		return &d
	case describedExtents:
		return extentsDescription(t)
	}
	return nil
}

// Close implements Executor. The disks belong to their source.
func (x *course) Close() error { return nil }

// AddProbes implements ProbeSource where the factory does.
func (x *course) AddProbes(add func(name string, count uint64)) {
	if p, ok := x.probes.(ProbeSource); ok {
		p.AddProbes(add)
	}
}

// begin makes x as new, but for its buffers.
func (x *course) begin(s *Sequence) {
	x.seq, x.at, x.op = s, 0, nil
	x.disk = nil
	x.deps = x.deps[:0]
	x.trace = Trace{}
	x.stats = Stats{Sequences: 1}
	x.failure, x.fault = nil, nil
	x.over = false
	x.cell = CellNew
}

// execute runs the sequence up to its end or its first failure. A panic of the component is a failure like any other.
func (x *course) execute() {
	defer x.catch()
	if !x.format() {
		return
	}
	if x.record != nil {
		x.blank = x.describe()
	}
	for x.at = range x.seq.Ops {
		x.step(&x.seq.Ops[x.at])
		if x.failure != nil || x.fault != nil || x.over {
			return
		}
	}
	x.at, x.op = len(x.seq.Ops), nil
	x.finish()
}

// step executes one operation on both sides and compares.
func (x *course) step(op *Op) {
	x.op = op
	x.got, x.want, x.effect = answer{}, answer{}, true
	x.trace.Op(op)
	if x.disk != nil {
		x.disk.Operation(op.Kind)
	}
	x.component.apply(op)
	x.got.trace(&x.trace)
	x.stats.Operations++
	x.stats.Kinds[op.Kind]++
	if !x.effect {
		x.stats.NoEffect++
		x.stats.Idle[op.Kind]++
	}
	x.stats.Cells[op.Kind][x.cell]++
	x.cell = x.cell.after(op, x.got.err, x.effect)
	if x.failure == nil {
		x.compare()
	}
	if x.failure == nil {
		x.keep(CheckRequests(x.disk))
	}
	if x.record != nil {
		x.record()
	}
	clear(x.got.value) // what was handed out is ours: a store that still looks at it is found out
	if x.at%stateInterval == stateInterval-1 && x.failure == nil {
		x.op = nil
		x.keep(x.component.equal())
	}
}

// finish is what every sequence ends with.
func (x *course) finish() {
	if h, ok := x.component.(healer); ok {
		h.heal()
	}
	_ = x.keep(x.component.equal()) &&
		x.audit() &&
		x.reboot() &&
		x.keep(x.component.equal()) &&
		x.shutdown()
}

// audit is AUDIT: the component's own check, and the requests that the disk saw.
func (x *course) audit() bool {
	return x.keep(x.component.audit()) && x.keep(CheckRequests(x.disk))
}

// compare finds the first field in which the answers differ.
func (x *course) compare() {
	field, site := x.got.differs(&x.want)
	if field == "" {
		return
	}
	property, claim := PropertyEqual, "every answer equals the model's"
	if x.honest {
		property, claim = PropertyHonest, "on a broken disk every answer is right, or a typed error"
	}
	switch {
	case field == "state" && x.op.Kind != KindPoll:
		property, claim = PropertyProgress, "what was waited for is persistent, and all before it"
	case field == "state" || field == "joint state":
		claim = x.order
	}
	x.keep(&Failure{
		Signature: Signature{Property: property, Field: field, Site: site},
		Claim:     claim,
		Want:      x.want.text(x.op, x.seq),
		Got:       x.got.text(x.op, x.seq),
	})
}

// keep makes f the failure of the sequence, at the operation under way, and reports whether there was none. The first one
// stays.
func (x *course) keep(f *Failure) bool {
	if f == nil {
		return x.failure == nil
	}
	if x.failure != nil {
		return false
	}
	f.At = x.at
	if x.op != nil {
		f.Kind = ofMany(x.op.Kind, x.seq.Suite) // the one that failed
	}
	x.failure = f
	return false
}

// each executes the mutations that op asks for, until one is not answered as it should be, or finds no space.
func (x *course) each(op *Op) {
	effect, kind := false, ofMany(op.Kind, x.seq.Suite)
	for i := range op.mutations() {
		x.one = op.single(kind, i)
		x.got, x.want, x.effect = answer{}, answer{}, true
		x.component.apply(&x.one)
		effect = effect || x.effect
		if field, _ := x.got.differs(&x.want); field != "" || x.got.err != nil || x.failure != nil {
			break
		}
	}
	x.effect = effect
}

// refused reports whether err says that there is no space left, and makes that the right answer.
func (x *course) refused(err error) bool {
	if err == nil || classOf(err) != classFull {
		return false
	}
	x.got.err, x.want.err = err, err
	x.effect = false
	x.stats.Refused++
	return true
}

// back returns the index that a choice among n things means, counted back from the newest; false, and no effect, if there are
// none.
func (x *course) back(choice uint64, n int) (int, bool) {
	if n == 0 {
		x.effect = false
		return 0, false
	}
	return n - 1 - int(choice%uint64(n)), true
}
