package conformance

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/crashsim"
)

// Disks that lie. A store that relies on a promise which its disk breaks has to be found out, or the suite would not notice one that
// forgets to ask for it either: a flush that is not sent and one that does nothing are the same to a disk.
//
//	N1  a flush makes nothing durable
//	N2  FUA is ignored
//	N3  a flush passes over one write
//	N4  a logical block is torn
//
// The engine sends no FUA, and no unit of it is believed that fails its checksum, so it lives with N2 and N4; two small stores that
// rely on these promises stand in for it.

// lyingCase is a store on disks of one kind.
type lyingCase struct {
	store     string
	executor  func(DiskSource) Executor
	block     uint32         // bytes of a logical block, and of a page; 0: as they are drawn
	sequences uint64         // that it passes on an honest disk; a fifth of them on one whose lie does not concern it
	torn      uint64         // that it passes where blocks are torn, which makes many states
	deceived  []crashsim.Lie // found out by these
}

var lyingCases = []lyingCase{
	{"the engine", func(d DiskSource) Executor { return NewKV(NewEngineFactory(), d) }, 0, 200, 10,
		[]crashsim.Lie{crashsim.NoFlush, crashsim.Reordered}},
	{"a log that trusts FUA", func(d DiskSource) Executor { return NewKV(&blockLogs{trust: trust{fua: true, torn: true}}, d) }, 512, 2000, 10,
		[]crashsim.Lie{crashsim.NoFUA}},
	{"a log that trusts blocks", func(d DiskSource) Executor { return NewKV(new(blockLogs), d) }, 4096, 2000, 10,
		[]crashsim.Lie{crashsim.NoFlush, crashsim.Reordered, crashsim.Torn}},
}

var lieNames = []string{"honest", "N1 no flush", "N2 no FUA", "N3 reordered", "N4 torn"}

// inBlocksOf gives a sequence a small disk of blocks, and pages, of so many bytes, two of them in a physical one on most.
func inBlocksOf(bytes uint32, s *Sequence) {
	drawn := s.Config
	s.Config = DefaultConfig()
	for _, o := range []Option{OptDevice, OptSeed, OptReorder} {
		s.Config.Set(o, drawn.Get(o))
	}
	s.Config.Set(OptBlock, bytes)
	s.Config.Set(OptPage, 1)
	s.Config.Set(OptPhysical, min(2, drawn.Get(OptPhysical)))
	s.Config.Set(OptExtent, 16)
	s.Config.Set(OptExtents, 11)
}

func TestAStoreIsFoundOutByTheLieThatItBelieves(t *testing.T) {
	for _, c := range lyingCases {
		for lie := crashsim.Honest; int(lie) < len(lieNames); lie++ {
			t.Run(c.store+"/"+lieNames[lie], func(t *testing.T) { c.try(t, lie) })
		}
	}
}

// try runs sequences of the stock profile on disks with that lie, until one fails if one is to.
func (c *lyingCase) try(t *testing.T, lie crashsim.Lie) {
	deceived := slices.Contains(c.deceived, lie)
	sequences := c.sequences
	switch lie {
	case crashsim.Honest:
		sequences /= uint64(inShort(20))
	case crashsim.Torn:
		sequences = c.torn
	default:
		sequences /= 5
	}
	x, g := c.executor(lyingDisks(lie)), NewGenerator(ProfileNamed("crash"))
	var s Sequence
	var stats Stats
	began := CPUTime()
	for n := range sequences {
		g.Fill(&s, MixSeed(1, n))
		if c.block != 0 {
			inBlocksOf(c.block, &s)
		}
		r := x.Run(&s)
		require.NoError(t, r.Err)
		stats.Add(&r.Stats)
		if r.Failure == nil {
			continue
		}
		t.Logf("found out by sequence %d, after %d crashes and %d states: %v of processor time", n, stats.Crash.Crashes, stats.Crash.States, CPUTime()-began)
		t.Logf("%s: %s, not %s", r.Failure.Claim, r.Failure.Got, r.Failure.Want)
		require.True(t, deceived, "%+v\n%s", *r.Failure, &s)
		require.Contains(t, []string{PropertyPersist, PropertyStable, PropertyAudit}, r.Failure.Property, "%+v", *r.Failure)
		return
	}
	t.Logf("%d sequences, %d crashes, %d states: %v of processor time", sequences, stats.Crash.Crashes, stats.Crash.States, CPUTime()-began)
	require.False(t, deceived, "nothing was found in %d sequences", sequences)
	require.Greater(t, stats.Crash.States, 2*stats.Crash.Crashes, "crashes leave something at stake")
}
