package conformance

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
}

// Stats counts what the executed sequences did; Add sums them. They decide whether a rate is honest.
type Stats struct {
	Sequences  uint64
	Operations uint64
	NoEffect   uint64 // operations that changed nothing and returned nothing
	Reads      uint64 // operations that returned bytes of a shard
	AboveCache uint64 // sequences whose live data outgrew the cache at some time
	Kinds      [kindCount]uint64
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
}
