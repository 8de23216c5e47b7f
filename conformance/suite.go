package conformance

import (
	"slices"
	"time"
)

// Suite is what a run needs to know of one profile: where its sequences come from and what executes them.
type Suite struct {
	Profile          string
	Name             string // of its sequences: the suite word of their files
	GeneratorVersion int
	NewGenerator     func() Filler
	NewExecutor      func() (Executor, error)
	Reduce           ReduceFunc // nil: failures are reported as they were generated
	Probes           []Probe
	WorkersMax       int     // executors that can run at once; 0: any number, 1: they share a disk
	Parts            []Suite // of a mix; see MixOf
}

// Executes reports whether the suite runs sequences of that suite word.
func (s *Suite) Executes(name string) bool {
	return s.Name == name || slices.ContainsFunc(s.Parts, func(p Suite) bool { return p.Name == name })
}

// Filler generates sequences. Fill is a pure function of the seed: it overwrites all of dst, and reuses its memory.
type Filler interface {
	Fill(dst *Sequence, seed uint64)
}

// ReduceFunc makes a failing sequence smaller while it keeps failing as the task says. It changes nothing of s.
type ReduceFunc func(s *Sequence, t ReduceTask) (*Sequence, ReduceFigures)

// ReduceTask says what a ReduceFunc works with and what it keeps to.
type ReduceTask struct {
	Execs []Executor  // one, or more that may be used at once
	Want  Signature   // of the failure
	Rate  Rate        // of a flaky failure; else zero
	Stop  func() bool // asked before each run; once it says so, the smallest so far is returned
}

// ReduceFigures says what a reduction cost.
type ReduceFigures struct {
	Runs       int
	Speculated int // runs beside these, of candidates whose turn never came
	CPU        time.Duration
	Minimal    bool // no single step makes the result smaller; false also when nobody looked
	Proof      int  // of a minimal result: simpler candidates that were tried in vain
}
