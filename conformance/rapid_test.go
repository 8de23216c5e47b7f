package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The way rapid is used here: its draws choose operations, one action a kind, and every action only appends one. The sequence
// is executed afterwards, and a failure goes to the Reducer, not to rapid's shrinker, which needs a hundred times the runs and
// does not know the failure from another. So a failing go test prints the same lines as the command.

// RapidSequence draws a sequence of the profile's suite.
func RapidSequence(t *rapid.T, p *Profile) *Sequence {
	s := &Sequence{Suite: p.Suite, Config: DefaultConfig()}
	for o := range optionCount {
		if info := o.Info(); info.Draw != nil {
			s.Config.Set(o, rapid.SampledFrom(info.Draw).Draw(t, info.Name))
		}
	}
	s.Config.fit()
	keys := rapid.Uint16Range(0, uint16(rapid.SampledFrom([]int{1, 3, 8, 40}).Draw(t, "keys")-1))
	sizes := rapidSizes(&s.Config)
	actions := map[string]func(*rapid.T){}
	for k := KindNone + 1; k < kindCount; k++ {
		if info := k.Info(); info.In(p.Suite) {
			actions[info.Name] = func(t *rapid.T) {
				if len(s.Ops) < OpsMax {
					s.Ops = append(s.Ops, rapidOp(t, p.Suite, k, keys, sizes))
				}
			}
		}
	}
	t.Repeat(actions)
	return s
}

func rapidOp(t *rapid.T, suite string, k Kind, keys *rapid.Generator[uint16], sizes *rapid.Generator[uint32]) Op {
	o := NewOp(k)
	args := k.Info().Args
	for i := range args {
		a := &args[i]
		if !a.in(suite) {
			continue
		}
		v := a.Default
		switch a.Role {
		case RoleKey:
			v = uint64(keys.Draw(t, "key"))
		case RoleAfter:
			if rapid.Bool().Draw(t, "from a key") {
				v = uint64(keys.Draw(t, "key"))
			}
		case RoleSize:
			v = uint64(sizes.Draw(t, "size"))
		case RoleFill:
			v = rapid.Uint64Range(0, 1000).Draw(t, "fill")
		default:
			v = rapid.Uint64Range(a.Default, a.Draw).Draw(t, a.Name)
		}
		o.Set(a.Field, v)
	}
	return o
}

// rapidSizes draws lengths of values: small ones, edges of pages with what a frame adds, and any.
func rapidSizes(c *Config) *rapid.Generator[uint32] {
	page, most := c.Page(), c.ValueMax()
	edge := rapid.Custom(func(t *rapid.T) uint32 {
		n := page*rapid.Uint32Range(1, 4).Draw(t, "pages") + rapid.Uint32Range(0, 6).Draw(t, "off") - 3
		return min(n-min(n, rapid.SampledFrom([]uint32{0, 88, 152}).Draw(t, "overhead")), most)
	})
	return rapid.OneOf(rapid.Uint32Range(0, min(page/2, most)), edge, rapid.Uint32Range(0, most))
}

// RapidCheck draws sequences of profile p and runs them with exec. The first that fails is reduced and the test fails with its
// text. To rapid itself every property holds, so that its own shrinker never starts.
func RapidCheck(t rapid.TB, p *Profile, exec Executor) {
	t.Helper()
	message := ""
	rapid.Check(t, func(t *rapid.T) {
		if message != "" {
			return
		}
		s := RapidSequence(t, p)
		if f := exec.Run(s).Failure; f != nil {
			message = ReducedText(exec, s, f)
		}
	})
	if message != "" {
		t.Fatalf("%s", message)
	}
}

// ReducedText reduces s, which failed as f, and returns what a test prints: the claim, the minimal sequence with the operation
// that fails marked by its fail line, and what that cost.
func ReducedText(exec Executor, s *Sequence, f *Failure) string {
	small, stats := (&Reducer{Exec: exec, Want: f.Signature}).Reduce(s)
	if last := exec.Run(small).Failure; last != nil {
		f = last
	}
	var b strings.Builder
	fmt.Fprintf(&b, "FAIL %s\n", f.Claim)
	if f.Want != "" || f.Got != "" {
		fmt.Fprintf(&b, "  model %s\n  store %s\n", f.Want, f.Got)
	}
	fmt.Fprintf(&b, "reproduced %v, from %d to %d operations in %d runs, minimal %v\n%s",
		stats.Reproduced, len(s.Ops), len(small.Ops), stats.Execs, stats.Minimal, small)
	for _, o := range stats.Others {
		fmt.Fprintf(&b, "also seen: %s\n", o.Fail.Signature)
	}
	return b.String()
}

// scratchTB is a test within a test, so that a failing one can be looked at.
type scratchTB struct {
	*testing.T
	message string
}

func (s *scratchTB) Fatalf(f string, a ...any) { s.message = fmt.Sprintf(f, a...) }

func TestRapidSequencesSurviveTheirText(t *testing.T) {
	for _, p := range Profiles {
		rapid.Check(t, func(t *rapid.T) {
			s := RapidSequence(t, p)
			if err := s.Config.Check(); err != nil {
				t.Fatal(err)
			}
			text := s.AppendText(nil)
			if _, err := Parse(text); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			CheckTextLaws(t, text)
		})
	}
}

func TestRapidFailureIsPrintedReduced(t *testing.T) {
	exec := &toy{bugs: []toyBug{parity}}
	tb := &scratchTB{T: t}
	for range 50 { // a hundred sequences, drawn anew each time, may miss it
		if tb.message == "" {
			exec.runs = 0
			RapidCheck(tb, ProfileNamed("kv"), exec)
		}
	}
	require.Contains(t, tb.message, "FAIL parity")
	require.Contains(t, tb.message, "minimal true")
	require.Contains(t, tb.message, "put     k0\n")
	require.Less(t, exec.runs, 500)
}

func TestRapidFindsNothingOnTheModels(t *testing.T) {
	for _, p := range Profiles {
		RapidCheck(t, p, modelExecutors[p.Suite]())
	}
}

func TestRapidPassesWhatHolds(t *testing.T) {
	exec := &toy{}
	RapidCheck(t, ProfileNamed("kv"), exec)
	require.Positive(t, exec.runs)
}
