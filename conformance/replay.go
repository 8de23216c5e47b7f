package conformance

import "errors"

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

// Minimize makes s smaller while it keeps failing as it does now. It returns false when s does not fail each time.
func Minimize(suite Suite, s *Sequence) (small *Sequence, figures ReduceFigures, first *Failure, ok bool, err error) {
	g := newGuard(&suite)
	defer func() { err = errors.Join(err, g.Close()) }()
	res := g.Run(s)
	if res.Err != nil || res.Failure == nil || suite.Reduce == nil {
		return nil, figures, res.Failure, false, res.Err
	}
	if confirm(g, s, res.Failure.Signature) < confirmRuns {
		return nil, figures, res.Failure, false, nil
	}
	small, figures = suite.Reduce(g, s, res.Failure.Signature)
	again := g.Run(small)
	if again.Failure == nil {
		return nil, figures, res.Failure, false, errors.New("the minimized sequence no longer fails")
	}
	small.Fail = again.Failure.FailLine(len(small.Ops))
	return small, figures, res.Failure, true, nil
}
