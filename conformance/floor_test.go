package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/iosched"
)

// requireHolds runs n sequences of the stock profile of a suite, in which nothing may fail and every kind occurs.
func requireHolds(t *testing.T, x Executor, suite string, n int) Stats {
	t.Helper()
	g := NewGenerator(ProfileNamed(suite))
	var s Sequence
	var stats Stats
	for i := range uint64(n) {
		g.Fill(&s, MixSeed(1, i))
		r := x.Run(&s)
		require.NoError(t, r.Err)
		if r.Failure != nil {
			t.Fatalf("sequence %d: %+v\n%s", i, *r.Failure, &s)
		}
		stats.Add(&r.Stats)
	}
	for k := KindNone + 1; k < kindCount; k++ {
		require.Equal(t, k.Info().In(suite), stats.Kinds[k] > 0, "%v", k)
	}
	return stats
}

// requireNoAllocation runs sequences of a suite again and again.
func requireNoAllocation(t *testing.T, x Executor, suite string) {
	t.Helper()
	g := NewGenerator(ProfileNamed(suite))
	var s Sequence
	n := uint64(0)
	next := func() {
		g.Fill(&s, MixSeed(1, n%300))
		x.Run(&s)
		n++
	}
	for range 300 {
		next()
	}
	require.Zero(t, testing.AllocsPerRun(300, next))
}

// benchmarkFloor is what a sequence of the stock profile of a suite costs with models on both sides.
func benchmarkFloor(b *testing.B, x Executor, suite string) {
	g := NewGenerator(ProfileNamed(suite))
	var s Sequence
	var stats Stats
	b.ReportAllocs()
	for n := uint64(0); b.Loop(); n++ {
		g.Fill(&s, MixSeed(1, n))
		r := x.Run(&s)
		stats.Add(&r.Stats)
	}
	b.ReportMetric(float64(stats.Operations)/float64(b.N), "ops/seq")
	b.ReportMetric(float64(stats.Reads)/float64(stats.Operations), "reads/op")
	b.ReportMetric(float64(stats.NoEffect)/float64(stats.Operations), "idle/op")
}

// parsed returns the sequence of these lines of a suite, with ; between them.
func parsed(t *testing.T, suite, ops string) *Sequence {
	t.Helper()
	s, err := Parse([]byte(fmt.Sprintf("conformance-seq 1\nsuite %s opset %d\n%s\n", suite, Opset, strings.ReplaceAll(ops, "; ", "\n"))))
	require.NoError(t, err)
	return s
}

// spoilCase is a way in which a component can be wrong, and how that shows.
type spoilCase struct {
	how   string // as the spoiled target knows it
	ops   string // lines of a sequence, with ; between them
	want  Signature
	at    int
	words string // some of the claim or the two answers
}

// requireFound wants every spoiling to be found where its case says, and its sequence to hold without.
func requireFound(t *testing.T, suite string, cases []spoilCase, executor func(how string) Executor) {
	for _, c := range cases {
		t.Run(c.how+", "+c.want.Property+" "+c.want.Kind.String(), func(t *testing.T) {
			s := parsed(t, suite, c.ops)
			honest := executor("").Run(s)
			require.NoError(t, honest.Err)
			require.Nil(t, honest.Failure, "the sequence itself holds")
			x := executor(c.how)
			r := x.Run(s)
			require.NotNil(t, r.Failure, "found")
			require.Equal(t, c.want, r.Failure.Signature, "%+v", *r.Failure)
			require.Equal(t, c.at, r.Failure.At)
			require.Contains(t, fmt.Sprintln(r.Failure.Claim, r.Failure.Want, r.Failure.Got), c.words)

			again, steps := executor(c.how).(Explainer).Explain(s)
			require.Equal(t, r, again, "explained as run")
			require.Len(t, steps, min(c.at+1, len(s.Ops)))
			require.NotNil(t, CheckDeterminism(s, honest, executor(c.how)), "another trace")
		})
	}
}

// lies is what a spoiled target knows of its lie; it lives in the factory, over all reboots.
type lies struct {
	how   string
	told  bool
	deps  []iosched.Dependency
	asked map[uint64]bool
}

var errSpoiled = errors.New("it went wrong")

// check is the lie about an audit.
func (l *lies) check(report func(error)) error {
	switch l.how {
	case "check complains":
		report(&engine.CorruptError{Extent: 3, Offset: 64, Check: "frame trailer"})
	case "check cannot look":
		return engine.ErrIO
	}
	return nil
}

// pump is the lie about how many requests completed.
func (l *lies) pump(n int, done int, err error) (int, error) {
	if l.how == "pump overshoots" {
		return n + 1, err
	}
	return done, err
}

// sync is the lie about everything being persistent.
func (l *lies) sync(sync func(context.Context) error) error {
	if l.how == "sync does nothing" {
		return nil
	}
	return sync(context.Background())
}

// close is the lie about a clean close.
func (l *lies) close(err error) error {
	if l.how == "close fails" {
		return engine.ErrIO
	}
	l.told = true
	return err
}

// wrap makes d a dependency that lies.
func (l *lies) wrap(d iosched.Dependency) iosched.Dependency {
	switch l.how {
	case "dependency goes back", "dependency too early", "dependency never persistent", "dependency failed", "close leaves the newest pending":
		l.deps = append(l.deps, d)
		return iosched.NewDependency(l, uint64(len(l.deps)))
	}
	return d
}

// unwrap gives back what wrap took.
func (l *lies) unwrap(d iosched.Dependency) iosched.Dependency {
	if n := d.Number(l); n > 0 {
		return l.deps[n-1]
	}
	return d
}

// StateOf is the lie about dependency n.
func (l *lies) StateOf(n uint64) iosched.State {
	state := l.deps[n-1].State()
	switch l.how {
	case "dependency goes back":
		if l.asked == nil {
			l.asked = map[uint64]bool{}
		}
		if l.asked[n] {
			return iosched.Pending
		}
		l.asked[n] = state == iosched.Persistent
	case "dependency too early":
		if n == 2 {
			return iosched.Persistent
		}
	case "dependency never persistent":
		return iosched.Pending
	case "dependency failed":
		return iosched.Failed
	case "close leaves the newest pending":
		if l.told && n == uint64(len(l.deps)) {
			return iosched.Pending
		}
	}
	return state
}

// ErrOf is the lie about its error.
func (l *lies) ErrOf(uint64) error {
	if l.how == "dependency failed" {
		return engine.ErrIO
	}
	return nil
}
