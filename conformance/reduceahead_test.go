package conformance

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestReductionsAheadOfTheirTurnGiveTheSame(t *testing.T) {
	for _, bug := range toyBugs {
		t.Run(bug.name, func(t *testing.T) {
			speculated := 0
			rapid.Check(t, func(t *rapid.T) {
				exec := &toy{bugs: []toyBug{bug, zeroLength}}
				s := failing(t, exec, bug.name, rapid.Uint64().Draw(t, "seed"))
				exec.runs = 0
				most := rapid.SampledFrom([]int{1, 2, 7, 40, 300, 1000}).Draw(t, "runs")
				want, alone := (&Reducer{Exec: exec, MaxExecs: most}).Reduce(s)
				require.Zero(t, alone.Speculated)
				first := &toy{bugs: exec.bugs}
				all := []*toy{first}
				r := Reducer{Exec: first, MaxExecs: most}
				for range rapid.IntRange(1, 3).Draw(t, "ahead") {
					all = append(all, &toy{bugs: exec.bugs})
					r.Ahead = append(r.Ahead, all[len(all)-1])
				}
				small, stats := r.Reduce(s)
				runs := 0
				for _, e := range all {
					runs += e.runs
				}
				if runs != stats.Execs+stats.Speculated {
					t.Fatalf("%d runs were counted as %d and %d", runs, stats.Execs, stats.Speculated)
				}
				speculated += stats.Speculated
				stats.Speculated = 0
				require.Equal(t, alone, stats)
				require.Equal(t, want.String(), small.String())
			})
			require.NotZero(t, speculated, "nothing was run ahead in vain, so nothing was run ahead")
		})
	}
}

// meeting is an Executor that notes whether two of its kind run at once. Each run lingers for a while, so that over the hundreds of runs
// of a reduction two meet if they can; none waits for another, which may have ended already.
type meeting struct {
	toy
	now *atomic.Int32
	met *atomic.Bool
}

func (m *meeting) Run(s *Sequence) Result {
	m.now.Add(1)
	defer m.now.Add(-1)
	for range 10_000 {
		if m.now.Load() > 1 {
			m.met.Store(true)
		}
		if m.met.Load() {
			break
		}
		runtime.Gosched()
	}
	return m.toy.Run(s)
}

func TestReductionsRunCandidatesAtOnce(t *testing.T) {
	bugs := []toyBug{lostWrite}
	s := failing(t, &toy{bugs: bugs}, lostWrite.name, 1)
	now, met := new(atomic.Int32), new(atomic.Bool)
	r := Reducer{Exec: &meeting{toy{bugs: bugs}, now, met}, Ahead: []Executor{&meeting{toy{bugs: bugs}, now, met}}}
	_, stats := r.Reduce(s)
	require.True(t, stats.Minimal)
	require.True(t, met.Load())
}
