package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// suiteToy runs sequences of one suite only.
type suiteToy struct {
	toy
	name string
}

func (t *suiteToy) Run(s *Sequence) Result {
	r := t.toy.Run(s)
	if s.Suite != t.name {
		r.Failure = &Failure{Signature: Signature{Property: "EQ"}, Claim: "the executor of its suite runs a sequence"}
	}
	r.Stats = Stats{Sequences: 1, Operations: uint64(len(s.Ops))}
	return r
}

func (t *suiteToy) AddProbes(add func(string, uint64)) {
	add(t.name, uint64(t.runs))
	add("any", uint64(t.runs))
}

func toyParts() (parts []Suite) {
	for _, p := range Profiles {
		parts = append(parts, Suite{
			Profile: p.Name, Name: p.Suite, GeneratorVersion: GeneratorVersion,
			NewGenerator: func() Filler { return NewGenerator(p) },
			NewExecutor:  func() (Executor, error) { return &suiteToy{name: p.Suite}, nil },
		})
	}
	return parts
}

func TestAMixSharesSequencesOutByTheirSeeds(t *testing.T) {
	m := MixOf("all", toyParts(), MixShares)
	var counts = map[string]int{}
	var s, again Sequence
	g := m.NewGenerator()
	const n = 8000
	for i := range uint64(n) {
		seed := MixSeed(2, i)
		g.Fill(&s, seed)
		counts[s.Suite]++
		m.NewGenerator().Fill(&again, seed)
		require.Equal(t, s.Hash(), again.Hash())
		if i > 200 {
			continue
		}
		NewGenerator(ProfileNamed(s.Suite)).Fill(&again, seed)
		require.Equal(t, again.Hash(), s.Hash(), "a part draws what it draws alone")
	}
	sum := 0
	for _, share := range MixShares {
		sum += share.Share
	}
	require.Equal(t, mixParts, sum)
	for _, share := range MixShares {
		require.InDelta(t, n*share.Share/mixParts, counts[share.Profile], n/50, share.Profile)
	}
}

func TestAMixRunsEachSequenceWhereItBelongs(t *testing.T) {
	report := func(workers int) *Report {
		rep, err := Run(t.Context(), RunConfig{Suite: MixOf("all", toyParts(), MixShares), Seed: 5, Sequences: 500, Workers: workers})
		require.NoError(t, err)
		return rep
	}
	one, two := report(1), report(2)
	require.Empty(t, one.Failures)
	require.Equal(t, one.TraceDigest, two.TraceDigest)
	require.Equal(t, one.Probes, two.Probes)
	var sum uint64
	for _, s := range Suites {
		require.Positive(t, one.Probes[s].Count)
		sum += one.Probes[s].Count
	}
	require.Equal(t, sum, one.Probes["any"].Count, "equal probes of two parts are added")
}

func TestAMixExecutesTheFilesOfItsParts(t *testing.T) {
	m := MixOf("all", toyParts()[:1], MixShares)
	require.True(t, m.Executes("kv"))
	require.False(t, m.Executes("chunk"))
	x, err := m.NewExecutor()
	require.NoError(t, err)
	require.Error(t, x.Run(&Sequence{Suite: "chunk"}).Err)
	require.NoError(t, x.Close())
}
