package conformance

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/corpus"
)

// Fuzzing finds its way into branches of the engine that a generator knows nothing of. What fails is printed as a sequence,
// reduced: that, not the bytes, is what goes into an issue and into the corpus.

// fuzzSuite runs sequences of a suite, seeded with the corpus and with generated ones.
func fuzzSuite(f *testing.F, suite string, x Executor) {
	for _, s := range fuzzSeeds(f, suite) {
		f.Add(AppendFuzz(nil, s))
	}
	f.Add([]byte{})
	var s Sequence
	f.Fuzz(func(t *testing.T, b []byte) {
		DecodeFuzz(&s, suite, b)
		r := x.Run(&s)
		require.NoError(t, r.Err, s.String())
		if r.Failure != nil {
			t.Fatal(ReducedText(x, &s, r.Failure))
		}
	})
}

// fuzzSeeds returns the sequences of the corpus of a suite and twenty of its stock profile.
func fuzzSeeds(t testing.TB, suite string) (all []*Sequence) {
	for _, file := range corpus.Files() {
		s, err := Parse(file.Text)
		require.NoError(t, err, file.Name)
		if s.Suite == suite {
			all = append(all, s)
		}
	}
	g := NewGenerator(ProfileNamed(suite))
	for n := range uint64(20) {
		s := new(Sequence)
		g.Fill(s, MixSeed(1, n))
		all = append(all, s)
	}
	return all
}

func FuzzKV(f *testing.F)    { fuzzSuite(f, "kv", NewKV(NewEngineFactory(), MemoryDisks())) }
func FuzzFault(f *testing.F) { fuzzSuite(f, "fault", NewKV(NewEngineFactory(), FaultDisks())) }
func FuzzCrashFault(f *testing.F) {
	fuzzSuite(f, "crash-fault", NewKV(NewEngineFactory(), CrashFaultDisks()))
}
func FuzzCrash(f *testing.F)  { fuzzSuite(f, "crash", NewKV(NewEngineFactory(), CrashDisks())) }
func FuzzExtent(f *testing.F) { fuzzSuite(f, "extent", NewExtent(NewExtentFactory(), MemoryDisks())) }
func FuzzChunk(f *testing.F)  { fuzzSuite(f, "chunk", NewChunk(NewChunkFactory(), MemoryDisks())) }
func FuzzIndex(f *testing.F)  { fuzzSuite(f, "index", NewIndex(NewIndexFactory())) }

// requireValid wants s to be what a file of its suite may hold.
func requireValid(t *testing.T, s *Sequence) {
	t.Helper()
	require.NoError(t, s.Config.Check())
	for o := range optionCount {
		if !slices.Contains(options[o].Suites, s.Suite) {
			require.Equal(t, options[o].Default, s.Config.Get(o), "%s", options[o].Name)
		}
	}
	for i := range s.Ops {
		info := s.Ops[i].Kind.Info()
		require.True(t, info.In(s.Suite))
		require.NotEmpty(t, info.Name)
	}
	again, err := Parse([]byte(s.String()))
	require.NoError(t, err, s.String())
	require.Equal(t, s.Ops, append([]Op{}, again.Ops...))
	require.Equal(t, s.Config, again.Config)
}

// FuzzDecodeFuzz wants any bytes to be a sequence that a file may hold, and its bytes to be that sequence.
func FuzzDecodeFuzz(f *testing.F) {
	for i, suite := range Suites {
		for _, s := range fuzzSeeds(f, suite) {
			f.Add(AppendFuzz(nil, s), uint8(i))
		}
		f.Add([]byte{}, uint8(i))
	}
	f.Fuzz(func(t *testing.T, b []byte, suite uint8) {
		s := Sequence{Ops: []Op{}}
		DecodeFuzz(&s, Suites[int(suite)%len(Suites)], b)
		requireValid(t, &s)
		again := Sequence{Ops: []Op{}}
		DecodeFuzz(&again, s.Suite, AppendFuzz(nil, &s))
		require.Equal(t, s, again)
	})
}

// fits reports whether the bytes of s say all that s says.
func fits(s *Sequence) bool {
	c := s.Config
	for o := range optionCount {
		if draw := options[o].Draw; draw != nil && !slices.Contains(draw, c.Get(o)) {
			return false
		}
	}
	for i := range s.Ops {
		args := s.Ops[i].Kind.Info().Args
		for a := range args {
			v := s.Ops[i].Get(args[a].Field)
			back := args[a].toFuzz(v, uint64(s.firstKey())) & (1<<(8*args[a].fuzzBytes()) - 1)
			if args[a].fromFuzz(back, uint64(s.firstKey())) != v {
				return false
			}
		}
	}
	return len(s.Ops) <= fuzzOpsMax && len(s.Keys) == 0
}

func TestGeneratedSequencesSurviveTheirBytes(t *testing.T) {
	for _, p := range Profiles {
		g := NewGenerator(p)
		var s, again Sequence
		fitting := 0
		for n := range uint64(1000) {
			g.Fill(&s, MixSeed(3, n))
			DecodeFuzz(&again, p.Suite, AppendFuzz(nil, &s))
			require.Len(t, again.Ops, min(len(s.Ops), fuzzOpsMax))
			if fits(&s) {
				fitting++
				require.Equal(t, s.String(), again.String())
			}
		}
		require.Greater(t, fitting, 700, "%s: most do; the others use keys further apart than a byte counts", p.Name)
	}
}

// The kinds' arguments fit the bytes that an operation has.
func TestEveryKindHasRoomForItsArguments(t *testing.T) {
	for k := KindNone + 1; k < kindCount; k++ {
		for _, suite := range k.Info().Suites {
			n := 1
			for i := range k.Info().Args {
				if a := &k.Info().Args[i]; a.in(suite) {
					n += a.fuzzBytes()
				}
			}
			require.LessOrEqual(t, n, fuzzOpBytes, "%v", k)
		}
	}
	require.Len(t, FillNames, 0x10000-fuzzNamedFills)
}
