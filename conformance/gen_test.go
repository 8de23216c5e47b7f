package conformance

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// goldenHashes pin what each version of the generator makes of the first 1,000 seeds of each stock profile. A change means
// another version: digests of runs can be compared only within one.
var goldenHashes = map[string]uint64{
	"kv/2": 0x53ef45ef957d65f,
}

func TestGeneratorVersionPinsItsSequences(t *testing.T) {
	for _, p := range Profiles {
		g := NewGenerator(p)
		var s Sequence
		h := uint64(0)
		for n := range uint64(1000) {
			g.Fill(&s, MixSeed(1, n))
			h = hashWord(h, s.Hash())
		}
		name := fmt.Sprintf("%s/%d", p.Name, GeneratorVersion)
		if goldenHashes[name] != h {
			t.Errorf("%s is now %#x, was %#x: the generator changed, so must its version", name, h, goldenHashes[name])
		}
	}
}

func TestFillDependsOnNothingButTheSeed(t *testing.T) {
	for _, p := range Profiles {
		used := NewGenerator(p)
		var dirty Sequence
		for n := range uint64(500) {
			seed := MixSeed(7, n)
			used.Fill(&dirty, seed*31) // another sequence before
			dirty.Origin, dirty.Fail = "x", &FailAt{}
			dirty.Comments = append(dirty.Comments, Comment{Text: "x"})
			dirty.Keys = append(dirty.Keys, KeyDecl{Key: 1})
			used.Fill(&dirty, seed)
			var fresh Sequence
			NewGenerator(p).Fill(&fresh, seed)
			require.Equal(t, fresh.String(), dirty.String(), "seed %#x", seed)
			require.Equal(t, fresh.Hash(), dirty.Hash())
		}
	}
}

func TestMixedSeedsDiffer(t *testing.T) {
	seen := map[uint64]bool{}
	for run := range uint64(50) {
		for n := range uint64(1000) {
			seed := MixSeed(run, n)
			require.False(t, seen[seed])
			seen[seed] = true
		}
	}
}

func TestGeneratedSequencesSurviveTheirText(t *testing.T) {
	for _, p := range Profiles {
		g := NewGenerator(p)
		var s Sequence
		for n := range uint64(2000) {
			g.Fill(&s, MixSeed(3, n))
			text := s.String()
			again, err := Parse([]byte(text))
			require.NoError(t, err, text)
			require.Equal(t, s.Hash(), again.Hash(), text)
			require.Equal(t, text, again.String())
		}
	}
}

func TestGeneratedArgumentsAreWithinTheirTables(t *testing.T) {
	for _, p := range Profiles {
		g := NewGenerator(p)
		var s Sequence
		for n := range uint64(20_000) {
			g.Fill(&s, MixSeed(5, n))
			require.NoError(t, s.Config.Check())
			require.NotEmpty(t, s.Ops)
			require.LessOrEqual(t, len(s.Ops), int(p.Length.Max))
			for i := range s.Ops {
				o := &s.Ops[i]
				info := o.Kind.Info()
				require.True(t, info.In(p.Suite))
				for _, a := range info.Args {
					if v := o.Get(a.Field); v > a.Max && v != a.Default {
						t.Fatalf("%s: %v=%d", o.Kind, a.Name, v)
					}
					if a.Role == RoleSize && o.Len > s.Config.ValueMax()+1 {
						t.Fatalf("value of %d bytes, at most %d and one too many", o.Len, s.Config.ValueMax())
					}
				}
			}
		}
	}
}

// shares is what a list of operations does to a plain map.
type shares struct {
	sequences, ops, noEffect, reads, short, spilling int
	bytes, puts, small, defaultShape                 int
	kinds                                            [kindCount]int
}

func (c *shares) count(s *Sequence) {
	stored := map[KeyID]bool{}
	mutations, unsynced, unflushed, unchecked, life := 0, 0, 0, 0, 0
	mutate := func() { mutations++; unsynced++; unflushed++; unchecked++; life++ }
	c.sequences++
	c.ops += len(s.Ops)
	if len(s.Ops) <= 20 {
		c.short++
	}
	d := DefaultConfig()
	same := true
	for o := range optionCount {
		same = same && (!o.Info().Geometry || s.Config.Get(o) == d.Get(o))
	}
	if same {
		c.defaultShape++
	}
	written := 0
	for _, o := range s.Ops {
		c.kinds[o.Kind]++
		effect := true
		switch o.Kind {
		case KindGet:
			effect = stored[o.Key]
			if effect {
				c.reads++
			}
		case KindPoll:
			effect = mutations > 0
		case KindList:
			effect = len(stored) > 0
		case KindPut:
			stored[o.Key] = true
			mutate()
			c.puts++
			c.bytes += int(o.Len)
			written += int(o.Len) + 88
			if o.Len < s.Config.Page()/2 {
				c.small++
			}
		case KindDelete:
			if effect = stored[o.Key]; effect {
				delete(stored, o.Key)
			}
			mutate()
			written += 88
		case KindPump:
			effect = unsynced > 0
			unsynced -= min(unsynced, int(o.Len))
		case KindWait:
			effect = int(o.Choice) < unsynced
			unsynced = min(unsynced, int(o.Choice))
		case KindSync:
			effect = unsynced > 0
			unsynced = 0
		case KindFlush:
			effect = unflushed > 0
			unsynced, unflushed = 0, 0
		case KindCheck:
			effect = unchecked > 0
			unchecked = 0
		case KindReboot:
			effect = life > 0
			unsynced, unflushed, life = 0, 0, 0
		}
		if !effect {
			c.noEffect++
		}
	}
	if written > int((s.Config.Get(OptExtents)-6)*s.Config.Get(OptExtent)*s.Config.Get(OptBlock)) {
		c.spilling++
	}
}

// A rate counts only if the work is honest: long enough, and mostly to some effect.
func TestStockMixIsHonestWork(t *testing.T) {
	for _, p := range Profiles {
		g := NewGenerator(p)
		var s Sequence
		var c shares
		for n := range uint64(20_000) {
			g.Fill(&s, MixSeed(11, n))
			c.count(&s)
		}
		of := func(n, all int) float64 { return float64(n) / float64(all) }
		mean := of(c.ops, c.sequences)
		t.Logf("%s: mean %.1f operations, short %.2f, no effect %.3f, reads %.3f, default geometry %.3f, small values %.3f, "+
			"mean value %.0f B, more than the disk holds %.4f", p.Name, mean, of(c.short, c.sequences), of(c.noEffect, c.ops),
			of(c.reads, c.ops), of(c.defaultShape, c.sequences), of(c.small, c.puts), of(c.bytes, c.puts), of(c.spilling, c.sequences))
		for k, n := range c.kinds {
			if n > 0 {
				t.Logf("  %-8s %.3f", Kind(k), of(n, c.ops))
			}
		}
		between := func(what string, v, lo, hi float64) {
			if v < lo || v > hi {
				t.Errorf("%s: %s is %.3f, want %v..%v", p.Name, what, v, lo, hi)
			}
		}
		between("mean length", mean, 60, 66)
		between("share of short sequences", of(c.short, c.sequences), 0.3, 0.4)
		between("share without effect", of(c.noEffect, c.ops), 0, 0.12)
		between("share of reads that return bytes", of(c.reads, c.ops), 0.25, 0.5)
		between("share of default geometry", of(c.defaultShape, c.sequences), 0.45, 0.6)
		between("share of small values", of(c.small, c.puts), 0.4, 0.6)
		between("share of sequences larger than the disk", of(c.spilling, c.sequences), 0, 0.01)
	}
}

func TestEveryBiasFiresAndCanBeSwitchedOff(t *testing.T) {
	for _, stock := range Profiles {
		g := NewGenerator(stock)
		var s Sequence
		for n := range uint64(2000) {
			g.Fill(&s, MixSeed(13, n))
		}
		for b := range biasCount {
			if g.Hits[b] == 0 {
				t.Errorf("%s: %s never took effect", stock.Name, b)
			}
			p := *stock
			p.Off = p.Off.With(b)
			off := NewGenerator(&p)
			for n := range uint64(300) {
				off.Fill(&s, MixSeed(13, n))
			}
			if off.Hits[b] != 0 {
				t.Errorf("%s: %s took effect though it is off", stock.Name, b)
			}
		}
		if diff := cmp.Diff(len(g.Hits.Names()), int(biasCount)); diff != "" {
			t.Errorf("two biases of one name: %s", diff)
		}
	}
}

func TestFillDoesNotAllocate(t *testing.T) {
	g := NewGenerator(Profiles[0])
	s := Sequence{Ops: make([]Op, 0, Profiles[0].Length.Max)}
	n := uint64(0)
	require.Zero(t, testing.AllocsPerRun(2000, func() { g.Fill(&s, MixSeed(17, n)); n++ }))
}

func BenchmarkFill(b *testing.B) {
	for _, p := range Profiles {
		b.Run(p.Name, func(b *testing.B) {
			g := NewGenerator(p)
			var s Sequence
			b.ReportAllocs()
			ops := 0
			for n := 0; b.Loop(); n++ {
				g.Fill(&s, MixSeed(1, uint64(n)))
				ops += len(s.Ops)
			}
			b.ReportMetric(float64(ops)/float64(b.N), "ops/seq")
		})
	}
}

func BenchmarkAppendValue(b *testing.B) {
	var v []byte
	for b.Loop() {
		v = AppendValue(v[:0], 200, 5)
	}
	b.SetBytes(200)
}

func TestProfilePrintsEveryPartOfItself(t *testing.T) {
	p := *ProfileNamed("kv")
	text := p.String()
	for name, change := range map[string]func(*Profile){
		"off":     func(p *Profile) { p.Off = p.Off.With(BiasFits) },
		"weights": func(p *Profile) { p.Weights[KindSync]++ },
		"phases":  func(p *Profile) { p.Phases = p.Phases[1:] },
		"length":  func(p *Profile) { p.Length.Tail++ },
		"keys":    func(p *Profile) { p.Keys[KindGet].Dead++ },
		"sizes":   func(p *Profile) { p.Sizes = p.Sizes[1:] },
		"frame":   func(p *Profile) { p.UnitHeader++ },
		"fit":     func(p *Profile) { p.FillShare++ },
	} {
		other := p
		change(&other)
		if other.String() == text {
			t.Errorf("%s is not printed", name)
		}
	}
}
