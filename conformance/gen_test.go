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
	"kv/9":          0xc81bc978a0bebe54,
	"extent/9":      0x8f5dceb363b78bed,
	"chunk/9":       0x34ab4c19841fd0cc,
	"index/9":       0xcc37241584c5bbc8,
	"fault/9":       0x2a5db6c51a47a958,
	"crash-fault/9": 0xb59cb70c9d70a293,
	"crash/9":       0x94204c241324bcd0,
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
		for n := range uint64(20_000 / inShort(10)) {
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
					if most := limitsOf(&s.Config, p); a.Role == RoleSize && o.Len > max(most.max+1, most.most) && (p.PartsShare == 0 || o.Len > most.disk+1) {
						t.Fatalf("value of %d bytes, at most %d or %d", o.Len, most.max+1, most.most)
					}
					if v := o.Get(a.Field); v != a.Default {
						require.True(t, a.in(p.Suite), "%s has no %s", p.Suite, a.Name)
					}
				}
			}
		}
	}
}

// shares is what a list of operations does to a plain map, or to a plain count where there are no keys.
type shares struct {
	sequences, ops, noEffect, reads, short, spilling int
	bytes, puts, small, large, defaultShape, filled  int
	kinds                                            [kindCount]int
}

func (c *shares) count(s *Sequence) {
	stored := map[KeyID]bool{}
	chunks := 0
	met := [needCount]bool{}
	unsynced := 0
	mutate := func() {
		unsynced++
		for _, n := range []Need{NeedMutation, NeedUnsynced, NeedUnflushed, NeedUnchecked, NeedReopen, NeedGarbage} {
			met[n] = true
		}
	}
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
	written, filled := 0, false
	for _, o := range s.Ops {
		c.kinds[o.Kind]++
		info := o.Kind.Info()
		met[NeedNothing], met[NeedUnsynced] = true, unsynced > 0
		met[NeedLive] = chunks > 0 || stored[o.Key] || info.arg(RoleAfter) != nil && len(stored) > 0
		effect := met[info.Needs]
		for n := range needCount {
			if info.Settles>>n&1 != 0 {
				met[n] = false
			}
		}
		if info.Settles>>NeedUnsynced&1 != 0 {
			unsynced = 0
		}
		switch o.Kind {
		case KindGet, KindGetRange, KindHead, KindRead, KindGetChunk, KindLookup:
			if effect {
				c.reads++
			}
		case KindPut, KindInsert, KindAppend, KindPutChunk:
			if o.Key != NoKey {
				stored[o.Key] = true
			} else {
				chunks++
			}
			mutate()
			c.puts++
			c.bytes += int(o.Len)
			if int64(o.Len) < logBytes(&s.Config) {
				written += int(o.Len) + 88
			}
			if o.Len < s.Config.Page()/2 {
				c.small++
			}
			if o.Len > s.Config.ValueMax()+1 && o.Len < limitsOf(&s.Config, ProfileNamed("kv")).disk {
				c.large++
			}
		case KindDelete, KindRemove:
			delete(stored, o.Key)
			mutate()
			written += 88
		case KindForget:
			chunks = max(0, chunks-1)
			mutate()
		case KindPump:
			unsynced -= min(unsynced, int(o.Len))
		case KindWait:
			effect = int(o.Choice) < unsynced
			unsynced = min(unsynced, int(o.Choice))
		case KindFlush, KindReboot:
			met[NeedRuns] = met[NeedMutation]
		case KindPin:
			met[NeedPinned] = true
		case KindFill:
			filled = true
		case KindDrain:
			clear(stored)
			chunks, written = 0, 0
		}
		if !effect {
			c.noEffect++
		}
	}
	if filled {
		c.filled++
	} else if int64(written) > logBytes(&s.Config) {
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
			"mean value %.0f B, longer than an extent %.4f, more than the disk holds %.4f, filled %.4f", p.Name, mean,
			of(c.short, c.sequences), of(c.noEffect, c.ops), of(c.reads, c.ops), of(c.defaultShape, c.sequences),
			of(c.small, c.puts), of(c.bytes, c.puts), of(c.large, c.puts), of(c.spilling, c.sequences), of(c.filled, c.sequences))
		for k, n := range c.kinds {
			if n > 0 {
				t.Logf("  %-10s %.3f", Kind(k), of(n, c.ops))
			}
		}
		between := func(what string, v, lo, hi float64) {
			if v < lo || v > hi {
				t.Errorf("%s: %s is %.3f, want %v..%v", p.Name, what, v, lo, hi)
			}
		}
		if p.Suite != "kv" && wholeStore(p.Suite) { // each operation of it is work for many
			between("mean length", mean, 40, 44)
		} else {
			between("mean length", mean, 60, 66)
			between("share of short sequences", of(c.short, c.sequences), 0.3, 0.4)
		}
		between("share without effect", of(c.noEffect, c.ops), 0, 0.12)
		between("share of reads that return bytes", of(c.reads, c.ops), 0.22, 0.5)
		if len(p.Base) == 0 {
			between("share of default geometry", of(c.defaultShape, c.sequences), 0.45, 0.6)
		}
		if p.Suite == "kv" {
			between("share of small values", of(c.small, c.puts), 0.4, 0.6)
			between("share of values longer than an extent", of(c.large, c.puts), 0.001, 0.02)
			between("share of sequences larger than the disk", of(c.spilling, c.sequences), 0, 0.1)
			between("share of sequences that fill the disk", of(c.filled, c.sequences), 0.01, 0.05)
		}
		for k := KindNone + 1; k < kindCount; k++ {
			if k.Info().In(p.Suite) && c.kinds[k] == 0 {
				t.Errorf("%s: there is no %v", p.Name, k)
			}
		}
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
			if can := stock.Can(b); (g.Hits[b] > 0) != can {
				t.Errorf("%s: %s took effect %d times, it can: %v", stock.Name, b, g.Hits[b], can)
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
	for _, p := range Profiles {
		g := NewGenerator(p)
		s := Sequence{Ops: make([]Op, 0, p.Length.Max)}
		n := uint64(0)
		require.Zero(t, testing.AllocsPerRun(2000, func() { g.Fill(&s, MixSeed(17, n)); n++ }), p.Name)
	}
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
