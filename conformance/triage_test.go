package conformance

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// slippery is a suite whose failing sequences hang as soon as they are run again.
type slippery struct {
	fakeExecutor
	failed *atomic.Bool // shared: what triage runs, a worker may be running too
}

func (e *slippery) Run(s *Sequence) Result {
	r := e.fakeExecutor.Run(s)
	if r.Failure != nil {
		if e.failed.Swap(true) {
			time.Sleep(3 * time.Second)
		}
	}
	return r
}

func TestAMinimizationThatHangsIsGivenUp(t *testing.T) {
	f := fakeStore{breaks: longPut(250)}
	suite := f.suite()
	failed := new(atomic.Bool)
	suite.NewExecutor = func() (Executor, error) { return &slippery{fakeExecutor{f: &f}, failed}, nil }
	rep := mustRun(t, t.Context(), RunConfig{Suite: suite, Seed: 5, Sequences: 3000, Workers: 1, FailFast: true,
		HangAfter: 200 * time.Millisecond, Print: Print{Out: t.TempDir()}})
	require.Len(t, rep.Failures, 1)
	require.Equal(t, "hangs when it is run again", rep.Failures[0].Class)
	require.Contains(t, rep.Failures[0].Message, "FAIL EQ: put ")
	require.FileExists(t, rep.Failures[0].File)
	require.Equal(t, Counterexample, rep.Verdict)
}

func TestAMinimizationStopsWhenItIsTold(t *testing.T) {
	f := fakeStore{breaks: longPut(250)}
	suite := f.suite()
	ctx, cancel := context.WithCancel(t.Context())
	suite.Reduce = func(s *Sequence, task ReduceTask) (*Sequence, ReduceFigures) {
		require.False(t, task.Stop())
		cancel()
		require.True(t, task.Stop())
		return s.Clone(), ReduceFigures{Runs: 1}
	}
	rep := mustRun(t, ctx, RunConfig{Suite: suite, Seed: 5, Sequences: 300, Workers: 1, FailFast: true})
	require.Len(t, rep.Failures, 1)
	require.Equal(t, "5/5", rep.Failures[0].Reproduced)
	require.Equal(t, 1, rep.Failures[0].MinimizeRuns)
}

func TestMinimizeGivesUpOnWhatHangs(t *testing.T) {
	f := fakeStore{hangs: KindFlush}
	m, err := Minimize(t.Context(), f.suite(), &Sequence{Suite: "kv", Config: DefaultConfig(), Ops: []Op{NewOp(KindFlush)}}, 1, 100*time.Millisecond)
	require.NoError(t, err)
	require.True(t, m.Hung)
}
