package conformance

import (
	"context"
	"errors"
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
	res, steps := g.Explain(s)
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
	out.Reproduced = confirm(g, s, res.Failure.Signature)
	out.Flaky = out.Reproduced < confirmRuns
	out.Outcome = ReplayDiffers
	if s.Fail != nil && s.Fail.Signature == res.Failure.Signature {
		out.Outcome = ReplayFails
	}
	out.Message = messageText(&message{
		seq: s, failure: res.Failure, steps: steps, reproduced: reproducedText(out.Reproduced),
		files: failureFiles{small: file, full: file}, print: print,
	})
	return out
}

// Minimized is what became of a minimization.
type Minimized struct {
	Small   *Sequence // nil: there is nothing smaller to show
	Figures ReduceFigures
	First   *Failure // of s; nil: it passes
	Steady  bool     // it failed each time
	Hung    bool     // a run did not come to its end; the process should end soon
}

// Minimize makes s smaller while it keeps failing as it does now. Once ctx is done it stops with what it has. A run that takes
// longer than hangAfter ends everything.
func Minimize(ctx context.Context, suite Suite, s *Sequence, hangAfter time.Duration) (Minimized, error) {
	g := newGuard(&suite)
	var m Minimized
	var err error
	if g.watched(hangAfter, func() { m, err = minimize(ctx, g, s) }) {
		return Minimized{Hung: true}, nil
	}
	return m, errors.Join(err, g.Close())
}

func minimize(ctx context.Context, g *guard, s *Sequence) (m Minimized, err error) {
	res := g.Run(s)
	m.First = res.Failure
	if res.Err != nil || res.Failure == nil || g.suite.Reduce == nil {
		return m, res.Err
	}
	if m.Steady = confirm(g, s, res.Failure.Signature) == confirmRuns; !m.Steady {
		return m, nil
	}
	small, figures := g.suite.Reduce(g, s, res.Failure.Signature, func() bool { return ctx.Err() != nil })
	again := g.Run(small)
	if again.Failure == nil {
		return m, errors.New("the minimized sequence no longer fails")
	}
	small.Fail = again.Failure.FailLine(len(small.Ops))
	m.Small, m.Figures = small, figures
	return m, nil
}
