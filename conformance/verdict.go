package conformance

// Verdict is what a run concludes. Unknown is never a pass: a run that could not look where it had to is Inconclusive.
type Verdict string

const (
	Held           Verdict = "held"           // every property held, and everything that was to be looked at was
	Counterexample Verdict = "counterexample" // at least one property broke
	Inconclusive   Verdict = "inconclusive"   // something that had to be looked at was not; the reasons say what
	HarnessFault   Verdict = "harness-fault"  // the harness itself could not work
	Interrupted    Verdict = "interrupted"    // asked to stop; the report covers what was done
	Terminated     Verdict = "terminated"     // told to stop; the report covers what was done
)

// ExitUsage is the exit code of a command that was called wrongly; nothing was run, so there is no verdict.
const ExitUsage = 2

// ExitCode returns the exit code of a process that ends with v. An unknown verdict is a fault of the harness.
func (v Verdict) ExitCode() int {
	switch v {
	case Held:
		return 0
	case Counterexample:
		return 1
	case Inconclusive:
		return 3
	case Interrupted:
		return 130
	case Terminated:
		return 143
	}
	return 4
}

// rank orders verdicts for runs and merged reports: a counterexample is never hidden by anything, and a pass never hides
// anything.
func (v Verdict) rank() int {
	switch v {
	case Counterexample:
		return 5
	case HarnessFault:
		return 4
	case Terminated:
		return 3
	case Interrupted:
		return 2
	case Inconclusive:
		return 1
	case Held:
		return 0
	}
	return 4
}

// Worse returns the verdict of two runs taken together.
func (v Verdict) Worse(w Verdict) Verdict {
	if w.rank() > v.rank() {
		return w
	}
	return v
}
