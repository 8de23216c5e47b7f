package conformance

import (
	"fmt"
	"math"
)

// Rate says how often something failed: a failure that does not show in each run is flaky. The zero Rate is that of a failure
// nobody found flaky.
type Rate struct{ Fails, Runs int }

func (r Rate) String() string { return fmt.Sprintf("%d/%d", r.Fails, r.Runs) }

// Flaky reports whether some runs failed and some did not.
func (r Rate) Flaky() bool { return r.Fails > 0 && r.Fails < r.Runs }

// share is the part of runs that fail, away from the certainty no number of runs gives.
func (r Rate) share() float64 { return min(max(ratio(uint64(r.Fails), uint64(r.Runs)), 0.02), 0.98) }

// patience returns in how many runs something that is flaky at that rate fails at least once, but for one time in a million.
func (r Rate) patience() int {
	if !r.Flaky() {
		return 1
	}
	return int(math.Ceil(math.Log(1e-6) / math.Log(1-r.share())))
}

// rateTest is Wald's sequential test of whether a candidate fails at Rate or only half as often: the logarithm of how much likelier
// the runs so far are in the first case goes up and down with each, and ends the test at one of two bounds. One in twenty
// candidates that fail at Rate is refused, which costs a step; one in a thousand that fails half as often is accepted, because
// a reduction tries hundreds. Without a Rate the first run decides.
type rateTest struct {
	Rate
	odds float64
}

// The bounds of rateTest.odds.
var (
	oddsReached = math.Log(1000)
	oddsMissed  = math.Log(0.05)
)

type rateAnswer uint8

const (
	rateOpen rateAnswer = iota
	rateReached
	rateMissed
)

// see adds a run.
func (t *rateTest) see(failed bool) rateAnswer {
	switch {
	case t.Rate == (Rate{}) && failed:
		return rateReached
	case t.Rate == (Rate{}):
		return rateMissed
	}
	p := t.share()
	if failed {
		t.odds += math.Log(2)
	} else {
		t.odds += math.Log((1 - p) / (1 - p/2))
	}
	switch {
	case t.odds >= oddsReached:
		return rateReached
	case t.odds <= oddsMissed:
		return rateMissed
	}
	return rateOpen
}
