package conformance

import (
	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/model"
)

// KV executes sequences of the kv suite: goal, to find any answer of a store that its reference model would not give.
//
//	Sequence ──► op ──► Target ──► answer ─┐
//	              └───► model  ──► answer ─┴► equal? ──► failure, explained
//	             TraceDisk, under the Target ──► audit, trace
//
// Method: every operation goes to the store and to the model, and the two answers are compared at once (EQ). Every stateInterval
// operations, and at the end, the whole state is listed and read. A reboot closes the store, asks every dependency ever handed
// out (PROGRESS) and opens it again. Each sequence ends with the whole state, a check (AUDIT), a reboot, and the whole state once
// more.
//
// Dependencies are numbered like the mutations they belong to, from 1 since the beginning of the sequence, over all reboots;
// refused mutations have no number. A choice counts back from the newest, modulo how many there are, so it means the same
// whatever else is taken away; with no mutation yet, wait and poll do nothing. The model is told which mutations the store
// reported persistent, always a prefix: one that is persistent before an earlier one, or no longer, is a wrong state.
//
// ErrFull is a right answer to whatever needs space, as long as space is not modelled; it has no effect on either side. Too large
// is exactly what is longer than the store's MaxShard.
//
// Blind spots: what a store does between two operations of one goroutine; space; whether persistent means anything, which only a
// crash can show.
//
// An executor allocates nothing while the answers agree. It is used by one goroutine.
type KV struct {
	factory Factory
	disks   DiskSource

	// The sequence under execution.
	seq     *Sequence
	at      int // of the operation under way; len(seq.Ops) after the last
	op      *Op
	disk    *TraceDisk // nil where the factory needs none
	target  Target     // nil while closed
	model   model.Store
	deps    []engine.Dependency // deps[i] is that of mutation i+1
	dirty   bool                // a mutation was accepted since the last flush or reboot
	effect  bool                // the operation changed or returned something
	trace   Trace
	stats   Stats
	failure *Failure
	fault   error // of the harness

	// What the operation under way answered, and buffers reused for ever.
	got, want answer
	value     []byte // as generated
	lent      []byte // the copy the store sees
	read      []byte
	ids       []engine.ShardID
	wantIDs   []engine.ShardID
	after     engine.ShardID
	scratch   Scratch
	traced    TraceDisk

	record func()              // called after each operation; nil but in Explain
	spoil  func(Target) Target // nil but in RunSpoiled
}

// stateInterval is the number of operations between two comparisons of the whole state. A comparison reads every live byte, so
// this is the price of seeing damage that no read of the sequence touches near the operation that did it.
const stateInterval = 32

// NewKV returns an executor that drives stores of f on disks of source. With a nil source the stores get no disk.
func NewKV(f Factory, source DiskSource) *KV { return &KV{factory: f, disks: source} }

// Run implements Executor.
func (x *KV) Run(s *Sequence) Result {
	x.begin(s)
	x.execute()
	if x.disk != nil {
		x.stats.Requests, x.stats.Bytes = x.disk.requests, x.disk.written
	}
	r := Result{Failure: x.failure, Trace: x.trace.Sum(), Stats: x.stats, Err: x.fault}
	x.abandon()
	return r
}

// RunSpoiled implements Liar.
func (x *KV) RunSpoiled(s *Sequence) Result {
	x.spoil = func(t Target) Target { return Spoil(t, SpoilByte) }
	defer func() { x.spoil = nil }()
	return x.Run(s)
}

// Explain implements Explainer.
func (x *KV) Explain(s *Sequence) (Result, []Step) {
	var steps []Step
	x.record = func() {
		step := Step{Op: string(x.op.AppendText(nil, s.Config.Page()))}
		if f := x.failure; f != nil {
			step.Model, step.Engine = f.Want, f.Got
		} else {
			step.Model, step.Engine = x.want.text(x.op, s), x.got.text(x.op, s)
		}
		steps = append(steps, step)
	}
	defer func() { x.record = nil }()
	r := x.Run(s)
	return r, steps
}

// Close implements Executor. The disks belong to their source.
func (x *KV) Close() error { return nil }

// begin makes x as new, but for its buffers.
func (x *KV) begin(s *Sequence) {
	x.seq, x.at, x.op = s, 0, nil
	x.disk, x.target = nil, nil
	x.model.Reset()
	x.deps = x.deps[:0]
	x.dirty = false
	x.trace = Trace{}
	x.stats = Stats{Sequences: 1}
	x.failure, x.fault = nil, nil
}

// execute runs the sequence up to its end or its first failure. A panic of the store is a failure like any other.
func (x *KV) execute() {
	defer x.catch()
	if !x.format() {
		return
	}
	for x.at = range x.seq.Ops {
		x.step(&x.seq.Ops[x.at])
		if x.failure != nil {
			return
		}
	}
	x.at, x.op = len(x.seq.Ops), nil
	x.finish()
}

// step executes one operation on both sides and compares.
func (x *KV) step(op *Op) {
	x.op = op
	x.got, x.want, x.effect = answer{}, answer{}, true
	x.trace.Op(op)
	x.apply(op)
	x.got.trace(&x.trace)
	x.stats.Operations++
	x.stats.Kinds[op.Kind]++
	if !x.effect {
		x.stats.NoEffect++
	}
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
		x.wholeState()
	}
}

// finish is what every sequence ends with.
func (x *KV) finish() {
	_ = x.wholeState() &&
		x.keep(CheckAudit(x.target, x.disk, &x.scratch)) &&
		x.reboot() &&
		x.wholeState() &&
		x.shutdown()
}

// wholeState compares all there is, and reports whether it is as it should be.
func (x *KV) wholeState() bool {
	x.trace.Word(uint64(len(x.model.Now())))
	return x.keep(CheckEqual(x.target, &x.model, x.seq, &x.scratch))
}

// compare finds the first field in which the answers differ.
func (x *KV) compare() {
	field, site := x.got.differs(&x.want)
	if field == "" {
		return
	}
	property, claim := PropertyEqual, "every answer equals the model's"
	switch {
	case field == "state" && x.op.Kind != KindPoll:
		property, claim = PropertyProgress, "what was waited for is persistent, and all before it"
	case field == "state" || field == "joint state":
		claim = "mutations become persistent in their order, and stay so"
	}
	x.keep(&Failure{
		Signature: Signature{Property: property, Field: field, Site: site},
		Claim:     claim,
		Want:      x.want.text(x.op, x.seq),
		Got:       x.got.text(x.op, x.seq),
	})
}

// keep makes f the failure of the sequence, at the operation under way, and reports whether there was none.
func (x *KV) keep(f *Failure) bool {
	if f == nil {
		return true
	}
	f.At = x.at
	if x.op != nil {
		f.Kind = x.op.Kind
	}
	x.failure = f
	return false
}

// settle tells the model what the store reports as persistent: the longest prefix.
func (x *KV) settle() {
	n := x.model.Persisted()
	for n < uint64(len(x.deps)) && x.deps[n].Persistent() {
		n++
	}
	x.model.Persist(n)
}

// stateOf returns what the model knows of mutation i+1.
func (x *KV) stateOf(i int) iosched.State { return x.model.StateOf(uint64(i) + 1) }

// AddProbes implements ProbeSource where the factory does.
func (x *KV) AddProbes(add func(name string, count uint64)) {
	if p, ok := x.factory.(ProbeSource); ok {
		p.AddProbes(add)
	}
}
