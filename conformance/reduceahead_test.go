package conformance

import (
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

// meeting is an Executor that notes how many of its kind run at once.
type meeting struct {
	toy
	now, most *atomic.Int32
	alone     chan struct{} // closed when two met
}

func (m *meeting) Run(s *Sequence) Result {
	if n := m.now.Add(1); n > 1 && m.most.CompareAndSwap(0, n) {
		close(m.alone)
	}
	defer m.now.Add(-1)
	return m.toy.Run(s)
}

func TestReductionsRunCandidatesAtOnce(t *testing.T) {
	bugs := []toyBug{lostWrite}
	s := failing(t, &toy{bugs: bugs}, lostWrite.name, 1)
	now, most, met := new(atomic.Int32), new(atomic.Int32), make(chan struct{})
	r := Reducer{Exec: &waiting{meeting{toy{bugs: bugs}, now, most, met}, 0}, Ahead: []Executor{&meeting{toy{bugs: bugs}, now, most, met}}}
	_, stats := r.Reduce(s)
	require.True(t, stats.Minimal)
	require.EqualValues(t, 2, most.Load())
}

// waiting waits in its third run until it meets another.
type waiting struct {
	meeting
	runs int
}

func (w *waiting) Run(s *Sequence) Result {
	if w.runs++; w.runs == 3 {
		w.now.Add(1)
		<-w.alone
		w.now.Add(-1)
	}
	return w.meeting.Run(s)
}
