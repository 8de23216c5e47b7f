package conformance

import (
	"testing"

	"github.com/shardproof/shardproof/engine"
	"github.com/stretchr/testify/require"
)

// The engine under the stock profile; the command runs a hundred times as much.
func TestEngineAgreesWithModel(t *testing.T) {
	x, again := NewKV(NewEngineFactory(), MemoryDisks()), NewKV(NewEngineFactory(), MemoryDisks())
	var stats Stats
	for n := range uint64(2000) {
		s := kvSequence(n)
		r := x.Run(s)
		require.NoError(t, r.Err)
		if r.Failure != nil {
			t.Fatalf("sequence %d: %+v\n%s", n, *r.Failure, s)
		}
		if n%50 == 0 {
			require.Nil(t, CheckDeterminism(s, r, again))
		}
		stats.Add(&r.Stats)
	}
	require.Positive(t, stats.Requests)
	hits := map[string]uint64{}
	x.AddProbes(func(name string, count uint64) { hits[name] += count })
	require.Positive(t, hits["open found nothing to replay"])
	t.Logf("%+v\n%v", stats, hits)
}

func BenchmarkEngine(b *testing.B) {
	x, g := NewKV(NewEngineFactory(), MemoryDisks()), NewGenerator(ProfileNamed("kv"))
	var s Sequence
	b.ReportAllocs()
	for n := uint64(0); b.Loop(); n++ {
		g.Fill(&s, MixSeed(1, n))
		x.Run(&s)
	}
}

func TestAnImpossibleGeometryIsNoCounterexample(t *testing.T) {
	s := parsed(t, "kv", "options extents=4096 extent=16; get k1")
	r := NewKV(NewEngineFactory(), MemoryDisks()).Run(s)
	require.ErrorIs(t, r.Err, engine.ErrGeometry)
	require.Nil(t, r.Failure)
}

// Harness and engine each know how long a value may be; they must agree, or sizes at the limit miss it.
// Sizes on an edge hang on what the generator takes for the longest value in one frame.
func TestTheGeneratorKnowsTheLongestValueOfOnePart(t *testing.T) {
	g, f, disks := NewGenerator(ProfileNamed("kv")), NewEngineFactory(), MemoryDisks()
	var s Sequence
	for n := range uint64(300) {
		g.Fill(&s, MixSeed(19, n))
		d, err := disks(&s.Config)
		require.NoError(t, err)
		require.NoError(t, f.Format(d, &s.Config, 0))
		store, err := f.Open(d, &s.Config)
		require.NoError(t, err)
		require.LessOrEqual(t, store.MaxShard(), int(s.Config.Get(OptExtents))*blockBytes(&s.Config, OptExtent), "a shard fits the disk")
		if most := int(s.Config.ValueMax()); s.Config.Get(OptPartSize) == 0 {
			require.EqualValues(t, most+frameOverhead, store.FrameBytes(most), s.String())
			require.Greater(t, store.FrameBytes(most+1), int64(most+1+frameOverhead), s.String())
		}
		require.NoError(t, store.Close())
	}
}
