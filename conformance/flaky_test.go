package conformance

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// flakyToy shows the failures of a toy in some runs only. Which runs depends on a counter, and how many of them on the sequence: with a
// check in it more than without.
type flakyToy struct {
	toy
	salt uint64
}

// shares of a hundred runs.
const (
	flakyShare = 60
	poorShare  = 15
)

func (f *flakyToy) share(s *Sequence) uint64 {
	for i := range s.Ops {
		if s.Ops[i].Kind == KindCheck {
			return flakyShare
		}
	}
	return poorShare
}

func (f *flakyToy) Run(s *Sequence) Result {
	r := f.toy.Run(s)
	if mix64(f.salt+uint64(f.runs)*0x9e3779b97f4a7c15)%100 >= f.share(s) {
		r.Failure = nil
	}
	return r
}

// getStored: a get of a key that was put fails.
var getStored = toyBug{name: "get stored", kind: KindGet, opsBest: 2, shows: func(s *Sequence) int {
	stored := map[KeyID]bool{}
	for i, o := range s.Ops {
		switch o.Kind {
		case KindPut:
			stored[o.Key] = true
		case KindGet:
			if stored[o.Key] {
				return i
			}
		}
	}
	return -1
}}

func TestAFlakyFailureStaysAsReliable(t *testing.T) {
	small, kept := 0, 0
	for seed := range uint64(400) {
		exec := &flakyToy{toy: toy{bugs: []toyBug{getStored}}, salt: mix64(seed)}
		s := failing(t, &exec.toy, getStored.name, seed*1000)
		if exec.share(s) != flakyShare {
			continue
		}
		most := 4000
		r := Reducer{Exec: exec, Want: exec.toy.Run(s).Failure.Signature, MaxExecs: most, Rate: Rate{3, 5}}
		exec.runs = 0
		c, stats := r.Reduce(s)
		require.True(t, stats.Reproduced)
		require.Equal(t, exec.runs, stats.Execs)
		require.LessOrEqual(t, stats.Execs, most)
		require.Equal(t, r.Want, exec.toy.Run(c).Failure.Signature)
		small++
		if exec.share(c) == flakyShare {
			kept++
		}
		require.LessOrEqual(t, len(c.Ops), 8, "%s", c)
	}
	require.GreaterOrEqual(t, small, 30, "sequences that fail in 60 of 100 runs")
	require.GreaterOrEqual(t, kept, small*19/20, "results that still do")
}

func TestTheTestOfARateTellsItFromItsHalf(t *testing.T) {
	for _, rate := range []Rate{{1, 5}, {3, 5}, {4, 5}} {
		for _, half := range []bool{false, true} {
			accepted, runs := 0, 0
			const trials = 2000
			percent := uint64(100 * rate.Fails / rate.Runs)
			if half {
				percent /= 2
			}
			for i := range uint64(trials) {
				test, answer := rateTest{Rate: rate}, rateOpen
				for n := uint64(0); answer == rateOpen; n++ {
					answer = test.see(mix64(i<<32+n)%100 < percent)
					runs++
				}
				if answer == rateReached {
					accepted++
				}
			}
			t.Logf("%v at %d of 100: %d of %d accepted, %.1f runs each", rate, percent, accepted, trials, float64(runs)/trials)
			if half {
				require.LessOrEqual(t, accepted, trials/300)
			} else {
				require.GreaterOrEqual(t, accepted, trials*9/10)
			}
		}
	}
}

func TestARateIsPartOfTheFailLine(t *testing.T) {
	for _, c := range []struct{ name, line, refused string }{
		{"a rate", "fail at=1 property=EQ op=get field=value rate=3/5", ""},
		{"no failure", "fail at=1 property=EQ rate=0/5", "rate is"},
		{"nothing flaky", "fail at=1 property=EQ rate=5/5", "rate is"},
		{"no number", "fail at=1 property=EQ rate=x/5", "rate is"},
		{"one number", "fail at=1 property=EQ rate=3", "rate is"},
		{"twice", "fail at=1 property=EQ rate=1/5 rate=2/5", "rate is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "conformance-seq 1\nsuite kv opset 1\n" + c.line + "\nget     k0\n"
			s, err := Parse([]byte(text))
			if c.refused != "" {
				require.ErrorContains(t, err, c.refused)
				return
			}
			require.NoError(t, err)
			require.Equal(t, Rate{3, 5}, s.Fail.Rate)
			require.Equal(t, text, s.String())
		})
	}
}

// flakySuite is the kv suite with a flakyToy.
func flakySuite(salt uint64) Suite {
	return Suite{
		Profile: "kv", Name: "kv", GeneratorVersion: 9, Reduce: ReduceWithin(4000),
		NewGenerator: func() Filler { return NewGenerator(ProfileNamed("kv")) },
		NewExecutor: func() (Executor, error) {
			return &flakyToy{toy: toy{bugs: []toyBug{getStored}}, salt: salt}, nil
		},
	}
}

func TestAFlakyFailureOfARunIsMinimizedAndLabelled(t *testing.T) {
	rep := mustRun(t, t.Context(), RunConfig{Suite: flakySuite(3), Seed: 5, Sequences: 200, Workers: 1, FailFast: true,
		Print: Print{Command: "conformance-run", Out: t.TempDir()}})
	require.Equal(t, Counterexample, rep.Verdict)
	require.Len(t, rep.Failures, 1)
	f := &rep.Failures[0]
	require.Equal(t, "flaky", f.Class)
	require.Less(t, f.MinimizedOps, f.Ops)
	require.Regexp(t, `^[1-9]\d?/20$`, f.Reproduced)
	require.Contains(t, f.Message, "reproduced "+f.Reproduced)
	require.FileExists(t, f.File)

	kept := readFile(t, f.File)
	s, err := Parse(kept)
	require.NoError(t, err)
	require.Equal(t, f.Reproduced, s.Fail.Rate.String())
	r := Replay(flakySuite(9), s, f.File, Print{})
	require.Equal(t, ReplayFails, r.Outcome, "a replay of what is flaky does not stop at the first run that passes")
	require.True(t, r.Flaky)
}

func TestMinimizeDoesNotRefuseWhatIsFlaky(t *testing.T) {
	s := failing(t, &toy{bugs: []toyBug{getStored}}, getStored.name, 1)
	s.Fail = &FailAt{At: 1, Signature: Signature{Property: "EQ"}, Rate: Rate{1, 5}}
	m, err := Minimize(t.Context(), flakySuite(1), s, 1, hangLong)
	require.NoError(t, err)
	require.NotNil(t, m.Small)
	require.True(t, m.Rate.Flaky())
	require.Equal(t, m.Rate, m.Small.Fail.Rate)
	require.LessOrEqual(t, len(m.Small.Ops), 4)
}

const hangLong = time.Minute

func readFile(t *testing.T, name string) []byte {
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return text
}
