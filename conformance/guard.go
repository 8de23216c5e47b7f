package conformance

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// guard is the Executor the runner uses: it makes its own when it needs one, turns a panic of the store under test into a
// failure of AUDIT and goes on with a fresh executor, and shows since when a sequence has been running. One goroutine uses it;
// busy may be asked by any.
type guard struct {
	suite  *Suite
	exec   Executor
	since  atomic.Int64               // unix nanoseconds at which the running sequence began; 0: none runs
	number atomic.Uint64              // of the running sequence, where it has one
	corpus atomic.Pointer[CorpusFile] // the running sequence, where it is a file of the corpus
	probes map[string]uint64          // of executors that are gone
}

func newGuard(s *Suite) *guard { return &guard{suite: s, probes: map[string]uint64{}} }

// Run implements Executor.
func (g *guard) Run(s *Sequence) Result {
	return g.call(func(e Executor) Result { return e.Run(s) })
}

// Explain implements Explainer; without an Explainer below there are no steps.
func (g *guard) Explain(s *Sequence) (r Result, steps []Step) {
	r = g.call(func(e Executor) (r Result) {
		x, ok := e.(Explainer)
		if !ok {
			return e.Run(s)
		}
		r, steps = x.Explain(s)
		return r
	})
	return r, steps
}

// Close implements Executor.
func (g *guard) Close() error {
	if g.exec == nil {
		return nil
	}
	g.keepProbes()
	err := g.exec.Close()
	g.exec = nil
	return err
}

// call runs f on the executor, which it makes first if there is none.
func (g *guard) call(f func(Executor) Result) (r Result) {
	if g.exec == nil {
		e, err := g.suite.NewExecutor()
		if err != nil {
			return Result{Err: err}
		}
		g.exec = e
	}
	g.since.Store(time.Now().UnixNano())
	defer func() {
		g.since.Store(0)
		if p := recover(); p != nil {
			r = Result{Failure: panicFailure(p)}
			g.keepProbes()
			g.exec = nil // whatever it holds cannot be trusted any more, its Close included
		}
	}()
	return f(g.exec)
}

func (g *guard) keepProbes() {
	if p, ok := g.exec.(ProbeSource); ok {
		p.AddProbes(func(name string, n uint64) { g.probes[name] += n })
	}
}

// steps runs s until it fails with that signature, at most so often, and returns that failure with its steps; nil if it did not.
func (g *guard) steps(s *Sequence, want Signature, most int) (*Failure, []Step) {
	for range most {
		if r, steps := g.Explain(s); r.Failure != nil && r.Failure.Signature == want {
			return r.Failure, steps
		}
	}
	return nil, nil
}

// watched runs f, which uses the guards, and returns when it is done, or true when a sequence has been running for longer than
// after: then f goes on in a goroutine that is lost, with the guards.
func watched(guards []*guard, after time.Duration, f func()) (hung bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	tick := time.NewTicker(min(after/4, 100*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-done:
			return false
		case <-tick.C:
			if slices.ContainsFunc(guards, func(g *guard) bool { return g.busyFor() > after }) {
				return true
			}
		}
	}
}

// busyFor returns how long the running sequence has been running, zero if none is.
func (g *guard) busyFor() time.Duration {
	since := g.since.Load()
	if since == 0 {
		return 0
	}
	return time.Since(time.Unix(0, since))
}

// panicFailure describes a panic that no executor caught. Its site is the panic's text without numbers, which differ from one
// occurrence to the next.
func panicFailure(p any) *Failure {
	text := fmt.Sprint(p)
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	site := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
	return &Failure{
		Signature: Signature{Property: "AUDIT", Field: "panic", Site: strings.Join(strings.Fields(site), "-")},
		Claim:     "no operation panics: " + text,
		Want:      "an answer",
		Got:       "panic: " + text,
	}
}

// hangFailure describes a sequence that did not come to its end.
func hangFailure(after time.Duration) *Failure {
	return &Failure{
		Signature: Signature{Property: "PROGRESS", Field: "hang"},
		Claim:     fmt.Sprintf("every operation comes to its end: no answer after %v", after.Round(time.Second)),
		Want:      "an answer",
		Got:       "none",
	}
}
