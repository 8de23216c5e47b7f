package conformance

// reduceRuns is how many executions a run spends on making one failure small. A few hundred reach the end for nearly all; a
// failure that needs more is worth a minimize of its own.
const reduceRuns = 300

// ReduceSequence is the ReduceFunc of suites whose sequences are reduced by Reducer.
func ReduceSequence(e Executor, s *Sequence, want Signature, stop func() bool) (*Sequence, ReduceFigures) {
	return ReduceWithin(reduceRuns)(e, s, want, stop)
}

// ReduceWithin returns a ReduceFunc that takes at most that many executions.
func ReduceWithin(runs int) ReduceFunc {
	return func(e Executor, s *Sequence, want Signature, stop func() bool) (*Sequence, ReduceFigures) {
		began := CPUTime()
		r := Reducer{Exec: e, Want: want, MaxExecs: runs, Stop: stop}
		small, stats := r.Reduce(s)
		return small, ReduceFigures{Runs: stats.Execs, CPU: CPUTime() - began, Minimal: stats.Minimal}
	}
}
