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

// ReduceFunc makes a failing sequence smaller while it keeps failing with signature want. It changes nothing of s. stop is asked
// before each run; once it says so, the smallest so far is returned.
type ReduceFunc func(e Executor, s *Sequence, want Signature, stop func() bool) (*Sequence, ReduceFigures)

// ReduceFigures says what a reduction cost.
type ReduceFigures struct {
	Runs    int
	CPU     time.Duration
	Minimal bool // no single step makes the result smaller; false also when nobody looked
}
