package conformance

import "errors"

// Executor runs sequences of one suite, one at a time, each from a fresh store on a cleared disk. Run is deterministic: equal
// sequences give equal results, trace hash included. An Executor is used by one goroutine; every worker has its own.
type Executor interface {
	Run(s *Sequence) Result
	Close() error
}

// Result is what one run of a sequence showed.
type Result struct {
	Failure *Failure // nil: every property held
	Trace   uint64   // hash of every operation, answer and device request, in order
	Stats   Stats
	Err     error // the sequence could not be run to its end: neither pass nor failure; ErrStale, or a fault of the harness
}

// ErrStale is returned for a sequence that records a choice which no longer applies: nothing is known of it.
var ErrStale = errors.New("the sequence holds a choice that no longer applies")

// Step is one operation of an explained run.
type Step struct {
	Op     string // the operation's line of text
	Model  string // the model's answer
	Engine string // the answer of the store under test

	// What the store shows of itself, where it is a Describer: before the first step, and after each.
	Before, After *Description
}

// Explainer is an Executor that can say what happened at each step: one Step for each operation up to the one that failed.
// Explain runs s as Run does and gives the same Result.
type Explainer interface {
	Explain(s *Sequence) (Result, []Step)
}

// Liar is an Executor that can be made to lie: RunSpoiled runs s as Run does, with the first answer of the store under test
// that returns bytes falsified before it is compared. A sequence without such an answer is run unchanged. It exists so that
// every run can show that its alarm rings.
type Liar interface {
	RunSpoiled(s *Sequence) Result
}

// Stats counts what the executed sequences did; Add sums them. They decide whether a rate is honest.
type Stats struct {
	Sequences  uint64
	Operations uint64
	NoEffect   uint64 // operations that changed nothing and returned nothing
	Reads      uint64 // operations that returned bytes of a shard
	Refused    uint64 // operations answered ErrFull
	AboveCache uint64 // sequences whose live data outgrew the cache at some time
	Kinds      [kindCount]uint64
	Idle       [kindCount]uint64 // those without effect
	Cells      Cells
	Crash      CrashStats
	Fault      FaultStats
	Requests   uint64 // reads, writes and flushes the device saw
	Bytes      uint64 // written to the device
}

// Signature identifies a failure across runs, reduction and reports: two failures with equal signatures are taken for the
// same. It holds nothing that changes when unrelated operations are removed: no index, key, size or line number.
type Signature struct {
	Property string // which claim broke: EQ, PROGRESS, ...
	Kind     Kind   // of the operation at which it showed; KindNone at the end of the sequence
	Field    string // the first answer that differs: value, error, ids, ...
	Site     string // normalized: an error class, an audit rule
}

// Failure is one broken property.
type Failure struct {
	Signature
	At    int    // index of the operation that showed it; len(Ops) when it showed after the last one
	Claim string // the property in words, with the values that break it
	Want  string // the model's answer
	Got   string // the answer of the store under test

	Instead   *Op // of the operation at InsteadAt, shows the same sooner; nil: nothing does
	InsteadAt int
}
