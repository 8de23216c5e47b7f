package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// spoiledTwice spoils every store that its factory opens in two ways.
type spoiledTwice struct {
	Factory
	one, other Spoiling
}

func (f spoiledTwice) factory() Factory {
	return spoiledFactory{spoiledFactory{f.Factory, f.one}, f.other}
}

// failingOn returns the first sequences of the stock profile that exec does not pass, at most most of them, with their failures.
func failingOn(exec Executor, from uint64, most int) (all []*Sequence, how []*Failure) {
	for n := from; n < from+2000 && len(all) < most; n++ {
		s := kvSequence(n)
		if f := exec.Run(s).Failure; f != nil {
			all, how = append(all, s), append(how, f)
		}
	}
	return all, how
}

func TestReducedAgainIsTheSame(t *testing.T) {
	reduced := 0
	again := func(exec Executor, s *Sequence) {
		r := Reducer{Exec: exec, MaxExecs: 5000}
		small, stats := r.Reduce(s)
		require.True(t, stats.Minimal, "after %d runs:\n%s", stats.Execs, small)
		r.Want = stats.Signature
		twice, second := r.Reduce(small)
		require.True(t, second.Minimal)
		require.Equal(t, small.String(), twice.String())
		require.Equal(t, stats.Proof, second.Proof, "the proof is of the result, not of the way to it")
		reduced++
	}
	for _, how := range []Spoiling{SpoilByte, SpoilLost, SpoilDelete, SpoilOrder, SpoilStale, SpoilRegress, SpoilEarly, SpoilClose, SpoilPump,
		SpoilLive, SpoilLeak, SpoilMerge, SpoilMove, SpoilTaken} {
		exec := NewKV(spoiledFactory{NewModelFactory(), how}, nil)
		all, _ := failingOn(exec, 0, 5)
		for _, s := range all {
			again(exec, s)
		}
	}
	for _, bug := range toyBugs {
		for seed := range uint64(20) {
			exec := &toy{bugs: []toyBug{bug}}
			again(exec, failing(t, exec, bug.name, seed*1000))
		}
	}
	require.GreaterOrEqual(t, reduced, 150)
}

func TestOfTwoSpoilingsTheReducerKeepsToOne(t *testing.T) {
	pairs := [][2]Spoiling{{SpoilByte, SpoilList}, {SpoilDelete, SpoilOrder}, {SpoilLost, SpoilHead}, {SpoilMove, SpoilRange}, {SpoilEarly, SpoilStale}}
	reductions, others := 0, 0
	for _, p := range pairs {
		exec := NewKV(spoiledTwice{NewModelFactory(), p[0], p[1]}.factory(), nil)
		all, how := failingOn(exec, 100, 25)
		for i, s := range all {
			small, stats := (&Reducer{Exec: exec, Want: how[i].Signature}).Reduce(s)
			f := exec.Run(small).Failure
			require.NotNil(t, f, "%s", small)
			require.Equal(t, how[i].Signature, f.Signature, "%s", small)
			for _, o := range stats.Others {
				f := exec.Run(o).Failure
				require.NotNil(t, f, "%s", o)
				require.NotEqual(t, how[i].Signature, f.Signature)
				require.Equal(t, o.Fail, f.FailLine(len(o.Ops)))
			}
			reductions++
			others += len(stats.Others)
		}
	}
	require.GreaterOrEqual(t, reductions, 100)
	require.NotZero(t, others, "nothing failed in another way, so there was nothing to slip to")
	t.Logf("%d reductions met %d failures with other signatures", reductions, others)
}
