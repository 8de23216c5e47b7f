package conformance

import (
	"context"
	"errors"
	"runtime"
	"time"
)

// ReplayOutcome says what became of a sequence that was kept.
type ReplayOutcome string

const (
	ReplayPasses  ReplayOutcome = "passes"
	ReplayFails   ReplayOutcome = "still fails with the same signature"
	ReplayDiffers ReplayOutcome = "fails differently"
	ReplayStale   ReplayOutcome = "stale"
	ReplayBroken  ReplayOutcome = "could not be run"
)

// Replayed is the outcome of one replay. A sequence without a fail line that fails is ReplayDiffers.
type Replayed struct {
	Outcome    ReplayOutcome
	Failure    *Failure // of the first run
	Reproduced int      // of confirmRuns
	Flaky      bool
	Trace      uint64
	Stats      Stats
	Err        error
	Message    string // the failure in words; empty when it passes
}

// Verdict returns what the outcome means for an exit code: strict, so that neither a stale nor an unrunnable sequence passes.
func (r *Replayed) Verdict() Verdict {
	switch r.Outcome {
	case ReplayPasses:
		return Held
	case ReplayFails, ReplayDiffers:
		return Counterexample
	case ReplayStale:
		return Inconclusive
	}
	return HarnessFault
}

// Replay runs s and, when it fails, again, as a run does with what it finds. file is the path s was read from, for the message.
func Replay(suite Suite, s *Sequence, file string, print Print) (out Replayed) {
	g := newGuard(&suite)
	defer func() {
		if err := g.Close(); err != nil && out.Err == nil {
			out.Outcome, out.Err = ReplayBroken, err
		}
	}()
	res, steps := g.explainFlaky(s)
	out = Replayed{Outcome: ReplayPasses, Failure: res.Failure, Trace: res.Trace, Stats: res.Stats, Err: res.Err}
	switch {
	case errors.Is(res.Err, ErrStale):
		out.Outcome = ReplayStale
		return out
	case res.Err != nil:
		out.Outcome = ReplayBroken
		return out
	case res.Failure == nil:
		return out
	}
	rate := confirm(g, s, res.Failure.Signature, confirmRuns)
	out.Reproduced, out.Flaky = rate.Fails, rate.Fails < rate.Runs
	out.Outcome = ReplayDiffers
	if s.Fail != nil && s.Fail.Signature == res.Failure.Signature {
		out.Outcome = ReplayFails
	}
	out.Message = messageText(&message{
		seq: s, failure: res.Failure, steps: steps, reproduced: rate.String(),
		files: failureFiles{small: file, full: file}, print: print,
	})
	return out
}

// explainFlaky runs s once, and if its fail line says that it is flaky, until it fails or has had every chance to.
func (g *guard) explainFlaky(s *Sequence) (res Result, steps []Step) {
	tries := 1
	if s.Fail != nil {
		tries = s.Fail.Rate.patience()
	}
	for range tries {
		if res, steps = g.Explain(s); res.Err != nil || res.Failure != nil {
			break
		}
	}
	return res, steps
}

// Minimized is what became of a minimization.
type Minimized struct {
	Small   *Sequence // nil: there is nothing smaller to show
	Figures ReduceFigures
	First   *Failure // of s; nil: it passes
	Rate    Rate     // at which Small fails, if that is flaky; else zero
	Hung    bool     // a run did not come to its end; the process should end soon
}

// Minimize makes s smaller while it keeps failing as it does now, on so many workers; 0: one for each processor. Once ctx is done it
// stops with what it has. A run that takes longer than hangAfter ends everything.
func Minimize(ctx context.Context, suite Suite, s *Sequence, workers int, hangAfter time.Duration) (Minimized, error) {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	if suite.WorkersMax > 0 {
		workers = min(workers, suite.WorkersMax)
	}
	guards := make([]*guard, workers)
	for i := range guards {
		guards[i] = newGuard(&suite)
	}
	var m Minimized
	var err error
	if watched(guards, hangAfter, func() { m, err = minimize(ctx, guards, s) }) {
		return Minimized{Hung: true}, nil
	}
	for _, g := range guards {
		err = errors.Join(err, g.Close())
	}
	return m, err
}

func minimize(ctx context.Context, guards []*guard, s *Sequence) (m Minimized, err error) {
	g := guards[0]
	res, _ := g.explainFlaky(s)
	m.First = res.Failure
	if res.Err != nil || res.Failure == nil || g.suite.Reduce == nil {
		return m, res.Err
	}
	t := ReduceTask{Want: res.Failure.Signature, Stop: func() bool { return ctx.Err() != nil }}
	for _, g := range guards {
		t.Execs = append(t.Execs, g)
	}
	rate := confirm(g, s, t.Want, confirmRuns)
	if rate.Fails == 0 {
		rate = Rate{1, confirmRuns + 1}
	}
	if rate.Flaky() {
		t.Rate = rate
	}
	m.Small, m.Figures = g.suite.Reduce(s, t)
	if !rate.Flaky() {
		again := g.Run(m.Small)
		if again.Failure == nil {
			return Minimized{First: m.First}, errors.New("the minimized sequence no longer fails")
		}
		m.Small.Fail = again.Failure.FailLine(len(m.Small.Ops))
		return m, nil
	}
	m.Rate = confirm(g, m.Small, t.Want, flakyRuns)
	if m.Small.Fail == nil || m.Small.Fail.Signature != t.Want { // it never failed again
		m.Small.Fail = m.First.FailLine(len(m.Small.Ops))
	}
	m.Small.Fail.Rate = m.Rate
	return m, nil
}
