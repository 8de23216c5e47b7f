package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// floorSequence returns sequence n of a suite, drawn evenly from its kinds.
func floorSequence(dst *Sequence, suite string, n uint64) {
	*dst = Sequence{Suite: suite, Config: DefaultConfig(), Ops: dst.Ops[:0]}
	r := mix64(n)
	draw := func(n uint64) uint64 {
		if n == 0 {
			return 0
		}
		r = mix64(r)
		return r % n
	}
	var kinds [kindCount]Kind
	all := kinds[:0]
	for k := KindNone + 1; k < kindCount; k++ {
		if k.Info().In(suite) {
			all = append(all, k)
			switch k.Info().Group {
			case GroupMutate:
				all = append(all, k, k, k)
			case GroupRead:
				all = append(all, k, k)
			}
		}
	}
	for range 64 {
		op := NewOp(all[draw(uint64(len(all)))])
		for i := range op.Kind.Info().Args {
			a := &op.Kind.Info().Args[i]
			if !a.in(suite) {
				continue
			}
			most := min(a.Max, 63)
			switch a.Role {
			case RoleKey, RoleAfter:
				most = 23
			case RoleSize:
				most = 700
			case RoleRange:
				most = 300
			case RoleOffset:
				most = draw(2) * 600
			case RoleWord, RoleFlag:
				most = a.Max
			case RoleAfterPick:
				most = draw(2) * 8
			}
			op.Set(a.Field, draw(most+1))
		}
		dst.Ops = append(dst.Ops, op)
	}
}

// floorRuns runs n sequences of a suite, which must hold.
func floorRuns(t *testing.T, x Executor, suite string, n int) Stats {
	t.Helper()
	var s Sequence
	var stats Stats
	for i := range n {
		floorSequence(&s, suite, uint64(i))
		r := x.Run(&s)
		require.NoError(t, r.Err)
		if r.Failure != nil {
			t.Fatalf("sequence %d: %+v\n%s", i, *r.Failure, &s)
		}
		stats.Add(&r.Stats)
	}
	return stats
}

func TestModelExtentsAgreeWithTheirModel(t *testing.T) {
	stats := floorRuns(t, NewExtent(NewModelExtentFactory(), nil), "extent", 2000)
	t.Logf("%+v", stats)
}

func benchmarkFloor(b *testing.B, x Executor, suite string) {
	var all [256]Sequence
	for i := range all {
		floorSequence(&all[i], suite, uint64(i))
		x.Run(&all[i])
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		x.Run(&all[i%len(all)])
	}
}

func BenchmarkExtentHarness(b *testing.B) {
	benchmarkFloor(b, NewExtent(NewModelExtentFactory(), nil), "extent")
}
