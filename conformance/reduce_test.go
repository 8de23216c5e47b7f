package conformance

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// failing returns the first sequence from seed on that shows the bug before any other of the executor's.
func failing(t interface{ Fatalf(string, ...any) }, exec *toy, want string, seed uint64) *Sequence {
	g := NewGenerator(ProfileNamed("kv"))
	var s Sequence
	for n := range uint64(1_000_000) {
		g.Fill(&s, MixSeed(seed, n))
		if f := exec.Run(&s).Failure; f != nil && f.Site == want {
			return s.Clone()
		}
	}
	t.Fatalf("no sequence shows %s", want)
	return nil
}

// oneStepDown calls yield with each sequence that is a single step simpler than s, the steps written down again independently
// of the passes.
func oneStepDown(s *Sequence, yield func(step string, c *Sequence)) {
	for i := range s.Ops {
		c := s.Clone()
		c.Ops = slices.Delete(c.Ops, i, i+1)
		yield("without an operation", c)
		for _, a := range s.Ops[i].Kind.Info().Args {
			v := s.Ops[i].Get(a.Field)
			if a.Role == RoleKey || v == a.Default {
				continue
			}
			c := s.Clone()
			c.Ops[i].Set(a.Field, a.Default)
			yield("default argument", c)
			if a.Role == RoleSize || a.Role == RoleDep || a.Role == RoleCount && v > a.Default {
				c := s.Clone()
				c.Ops[i].Set(a.Field, v-1)
				yield("one less", c)
			}
		}
	}
	for o := range optionCount {
		c := s.Clone()
		c.Config.Set(o, o.Info().Default)
		if c.Config != s.Config && c.Config.Check() == nil {
			yield("default option", c)
		}
	}
}

func TestReducedSequencesFailAlikeAndAreMinimal(t *testing.T) {
	for _, bug := range toyBugs {
		t.Run(bug.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				exec := &toy{bugs: []toyBug{bug}}
				s := failing(t, exec, bug.name, rapid.Uint64().Draw(t, "seed"))
				want := exec.Run(s).Failure.Signature
				text := s.String()
				exec.runs = 0
				r := Reducer{Exec: exec, Want: want}
				small, stats := r.Reduce(s)
				if s.String() != text {
					t.Fatalf("the sequence was changed")
				}
				if exec.runs != stats.Execs || bug.opsBest <= 8 && stats.Execs > 300 || !stats.Minimal || !stats.Reproduced || len(stats.Others) > 0 {
					t.Fatalf("%d runs counted as %+v for\n%s", exec.runs, stats, small)
				}
				if len(small.Ops) > bug.opsBest || valueBytes(small) > bug.bytes {
					t.Fatalf("%d operations, %d bytes; the smallest has %d, %d:\n%s",
						len(small.Ops), valueBytes(small), bug.opsBest, bug.bytes, small)
				}
				if f := exec.Run(small).Failure; f == nil || f.Signature != want || *small.Fail != *f.FailLine(len(small.Ops)) {
					t.Fatalf("%v after reduction to\n%s", f, small)
				}
				oneStepDown(small, func(step string, c *Sequence) {
					if f := exec.Run(c).Failure; f != nil && f.Signature == want {
						t.Fatalf("%s still fails:\n%s", step, c)
					}
				})
				again, _ := r.Reduce(small)
				if again.String() != small.String() {
					t.Fatalf("reduced again:\n%s\nwas\n%s", again, small)
				}
			})
		})
	}
}

func TestReductionNeverSlipsToAnotherBug(t *testing.T) {
	for _, bug := range []toyBug{lostWrite, twoKeys, pageEdge, parity} {
		t.Run(bug.name, func(t *testing.T) {
			others := 0
			rapid.Check(t, func(t *rapid.T) {
				exec := &toy{bugs: []toyBug{bug, zeroLength}}
				s := failing(t, exec, bug.name, rapid.Uint64().Draw(t, "seed"))
				want := exec.Run(s).Failure.Signature
				small, stats := (&Reducer{Exec: exec}).Reduce(s)
				f := exec.Run(small).Failure
				if f == nil || f.Signature != want || !stats.Minimal || stats.Signature != want {
					t.Fatalf("wanted %v, has %v:\n%s", want, f, small)
				}
				for _, o := range stats.Others {
					others++
					f := exec.Run(o).Failure
					if f == nil || f.Signature == want || *o.Fail != *f.FailLine(len(o.Ops)) {
						t.Fatalf("handed back as another finding: %v\n%s", f, o)
					}
				}
			})
			t.Logf("%d by-products", others)
		})
	}
}

func TestReductionKeepsToItsRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bug := rapid.SampledFrom(toyBugs).Draw(t, "bug")
		exec := &toy{bugs: []toyBug{bug}}
		s := failing(t, exec, bug.name, rapid.Uint64().Draw(t, "seed"))
		want := exec.Run(s).Failure.Signature
		most := rapid.IntRange(1, 120).Draw(t, "runs")
		rate := rapid.SampledFrom([]Rate{{}, {3, 5}, {5, 5}}).Draw(t, "rate")
		exec.runs = 0
		small, stats := (&Reducer{Exec: exec, MaxExecs: most, Rate: rate}).Reduce(s)
		if exec.runs > most || exec.runs != stats.Execs {
			t.Fatalf("%d runs of %d, counted as %d", exec.runs, most, stats.Execs)
		}
		if f := exec.Run(small).Failure; f == nil || f.Signature != want {
			t.Fatalf("the interim result fails as %v", f)
		}
	})
}

func TestReductionOfWhatDoesNotFailAsWanted(t *testing.T) {
	exec := &toy{bugs: []toyBug{zeroLength}}
	s := failing(t, exec, zeroLength.name, 1)
	same, stats := (&Reducer{Exec: exec, Want: Signature{Property: "PROGRESS"}}).Reduce(s)
	require.False(t, stats.Reproduced)
	require.False(t, stats.Minimal)
	require.Equal(t, s.String(), same.String())
	require.Len(t, stats.Others, 1)

	same, stats = (&Reducer{Exec: &toy{}}).Reduce(s)
	require.False(t, stats.Reproduced)
	require.Equal(t, s.String(), same.String())
	require.Empty(t, stats.Others)
}

func TestReductionStopsWhenAsked(t *testing.T) {
	exec := &toy{bugs: []toyBug{lostWrite}}
	s := failing(t, exec, lostWrite.name, 1)
	exec.runs = 0
	_, stats := (&Reducer{Exec: exec, Stop: func() bool { return exec.runs >= 10 }}).Reduce(s)
	require.Equal(t, 10, stats.Execs)
	require.False(t, stats.Minimal)
}

func TestReductionKeepsTheStory(t *testing.T) {
	s, err := Parse([]byte(`conformance-seq 1
suite kv opset 1
origin seed=5
key k9 "b"
# Why.
put     k9 len=3p  # at once
get     k3
# Here.
get     k9
`))
	require.NoError(t, err)
	small, _ := (&Reducer{Exec: &toy{bugs: []toyBug{{name: "any get", kind: KindGet, shows: func(s *Sequence) int {
		return slices.IndexFunc(s.Ops, func(o Op) bool { return o.Kind == KindGet })
	}}}}}).Reduce(s)
	require.Equal(t, `conformance-seq 1
suite kv opset 1
origin seed=5
fail at=1 property=EQ op=get field=value site="any get"
# Why.
get     k0
`, small.String())
}

func TestReductionFindsTheSimplerKind(t *testing.T) {
	s, err := Parse([]byte("conformance-seq 1\nsuite kv opset 1\noptions page=8 seed=77\n" +
		"put k40 len=3p+8 fill=9\nreboot\ndelete k917\nget k40\n"))
	require.NoError(t, err)
	small, stats := (&Reducer{Exec: &toy{bugs: []toyBug{{name: "step", kind: KindGet, shows: func(s *Sequence) int {
		stage := 0 // a value of a page or more, anything that moves data, a mutation of another key, a read
		var key KeyID
		for i, o := range s.Ops {
			g := o.Kind.Info().Group
			switch {
			case stage == 0 && o.Kind == KindPut && o.Len >= s.Config.Page():
				stage, key = 1, o.Key
			case stage == 1 && (g == GroupPersist || g == GroupMaintain || g == GroupReboot):
				stage = 2
			case stage == 2 && g == GroupMutate && o.Key != key:
				stage = 3
			case stage == 3 && o.Kind == KindGet:
				return i
			}
		}
		return -1
	}}}}}).Reduce(s)
	require.True(t, stats.Minimal)
	require.Equal(t, `conformance-seq 1
suite kv opset 1
fail at=4 property=EQ op=get field=value site=step
put     k0 len=1p
pump
put     k1
get     k0
`, small.String())
}

func TestPreferenceIsAStrictOrder(t *testing.T) {
	g := NewGenerator(ProfileNamed("kv"))
	rapid.Check(t, func(t *rapid.T) {
		var three [3]*Sequence
		for i := range three {
			var s Sequence
			g.Fill(&s, rapid.Uint64().Draw(t, "seed"))
			s.Ops = s.Ops[:rapid.IntRange(0, min(2, len(s.Ops))).Draw(t, "length")]
			three[i] = &s
		}
		a, b, c := three[0], three[1], three[2]
		if compareCost(a, b) != -compareCost(b, a) || compareCost(a, a) != 0 {
			t.Fatalf("not antisymmetric:\n%s%s", a, b)
		}
		if compareCost(a, b) <= 0 && compareCost(b, c) <= 0 && compareCost(a, c) > 0 {
			t.Fatalf("not transitive:\n%s%s%s", a, b, c)
		}
		if compareCost(a, b) == 0 && a.Hash() != b.Hash() {
			t.Fatalf("equal in order, not in meaning:\n%s%s", a, b)
		}
	})
}

// TestReductionCost prints what reductions cost over many failures of each bug; the medians are quoted in commits.
func TestReductionCost(t *testing.T) {
	for _, bug := range toyBugs {
		exec := &toy{bugs: []toyBug{bug}}
		var runs, from, ops []int
		for seed := range uint64(50) {
			s := failing(t, exec, bug.name, seed*1000)
			from = append(from, len(s.Ops))
			_, stats := (&Reducer{Exec: exec}).Reduce(s)
			runs, ops = append(runs, stats.Execs), append(ops, stats.OpsExecs)
		}
		slices.Sort(runs)
		slices.Sort(from)
		slices.Sort(ops)
		t.Logf("%-14s from %d operations (median): operations after %d runs (median), %d (most); all after %d, %d", bug.name,
			from[len(from)/2], ops[len(ops)/2], ops[len(ops)-1], runs[len(runs)/2], runs[len(runs)-1])
		require.LessOrEqual(t, ops[len(ops)-1], 300)
	}
}
