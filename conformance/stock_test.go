package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// modelExecutors drive a second model in the place of each component.
var modelExecutors = map[string]func() Executor{
	"kv":          func() Executor { return NewKV(NewModelFactory(), nil) },
	"fault":       func() Executor { return NewKV(NewModelFactory(), nil) }, // without a disk that could break
	"crash-fault": func() Executor { return NewKV(NewModelFactory(), nil) },
	"crash":       func() Executor { return NewKV(NewModelFactory(), nil) }, // without a disk that could lose power
	"extent":      func() Executor { return NewExtent(NewModelExtentFactory(), nil) },
	"chunk":       func() Executor { return NewChunk(NewModelChunkFactory(), nil) },
	"index":       func() Executor { return NewIndex(NewModelIndexFactory()) },
}

// The stock profiles are honest work where it is executed, too: what has no effect is for the component to say.
func TestStockProfilesAreHonestOnTheModels(t *testing.T) {
	for _, p := range Profiles {
		t.Run(p.Name, func(t *testing.T) {
			x, g := modelExecutors[p.Suite](), NewGenerator(p)
			var s Sequence
			var stats Stats
			for n := range uint64(3000) {
				g.Fill(&s, MixSeed(1, n))
				r := x.Run(&s)
				require.NoError(t, r.Err)
				if r.Failure != nil {
					t.Fatalf("sequence %d: %+v\n%s", n, *r.Failure, &s)
				}
				stats.Add(&r.Stats)
			}
			h := stats.Honest()
			t.Logf("%+v refused %.3f of operations", h, ratio(stats.Refused, stats.Operations))
			for k, n := range stats.Idle {
				if n > 0 {
					t.Logf("  %-10s without effect %.3f of %.3f", Kind(k), ratio(n, stats.Operations), ratio(stats.Kinds[k], stats.Operations))
				}
			}
			if p.Suite != "kv" && wholeStore(p.Suite) {
				require.GreaterOrEqual(t, h.MeanOperations, 40.0)
			} else {
				require.GreaterOrEqual(t, h.MeanOperations, 60.0)
				require.LessOrEqual(t, h.NoEffectShare, 0.15)
			}
			require.GreaterOrEqual(t, h.ReadShare, 0.2)
		})
	}
}

func BenchmarkStockOnModels(b *testing.B) {
	for _, p := range Profiles {
		b.Run(p.Name, func(b *testing.B) {
			x, g := modelExecutors[p.Suite](), NewGenerator(p)
			var s Sequence
			b.ReportAllocs()
			for n := uint64(0); b.Loop(); n++ {
				g.Fill(&s, MixSeed(1, n%4096))
				x.Run(&s)
			}
		})
	}
}
