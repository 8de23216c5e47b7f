package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// ReduceRuns returns how many executions a run spends on making one failure of a suite small. A few hundred reach the end for nearly
// all; a failure that needs more is worth a minimize of its own. With crashes and faults the failures are deeper.
func ReduceRuns(suite string) int {
	if suite != "kv" && wholeStore(suite) {
		return 1000
	}
	return 300
}

// ReduceOf returns the ReduceFunc of a suite whose sequences are reduced by Reducer.
func ReduceOf(suite string) ReduceFunc { return ReduceWithin(ReduceRuns(suite)) }

// ReduceWithin returns a ReduceFunc that takes at most that many executions. On the fail line of the result stands in a comment
// whether it is minimal, see proofText.
func ReduceWithin(runs int) ReduceFunc {
	return func(s *Sequence, t ReduceTask) (*Sequence, ReduceFigures) {
		began := CPUTime()
		r := Reducer{Exec: t.Execs[0], Ahead: t.Execs[1:], Want: t.Want, MaxExecs: runs, Rate: t.Rate, Stop: t.Stop}
		small, stats := r.Reduce(s)
		if stats.Reproduced {
			small.remarkFailure(proofText(&stats, runs))
		}
		return small, ReduceFigures{stats.Execs, stats.Speculated, CPUTime() - began, stats.Minimal, stats.Proof}
	}
}

// proofText says what is known of the result of a reduction that could take so many runs.
func proofText(s *ReduceStats, runs int) string {
	switch {
	case s.Minimal:
		return fmt.Sprintf("minimal: %d simpler ones were tried, none fails like this", s.Proof)
	case s.Execs < runs:
		return fmt.Sprintf("not shown to be minimal: stopped after %d executions", s.Execs)
	}
	return fmt.Sprintf("not shown to be minimal: all %d executions were used", runs)
}

// remarkFailure puts a comment on the fail line of s, in place of the one that stands there.
func (s *Sequence) remarkFailure(text string) {
	s.Comments = slices.DeleteFunc(s.Comments, isFailureRemark)
	s.Comments = append(s.Comments, Comment{Before: PlaceFail, Trailing: true, Text: " " + text})
}

// failureRemark returns what the comment on the fail line of s says, empty if there is none.
func (s *Sequence) failureRemark() string {
	if i := slices.IndexFunc(s.Comments, isFailureRemark); i >= 0 {
		return strings.TrimSpace(s.Comments[i].Text)
	}
	return ""
}

func isFailureRemark(c Comment) bool { return c.Trailing && c.Before == PlaceFail }
