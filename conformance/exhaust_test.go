package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine/disk"
)

// exhaust runs every word of that many letters on the engine, on disks of source.
func exhaust(t *testing.T, e Exhaust, source func() DiskSource) ExhaustFigures {
	t.Helper()
	e.New = func() *KV { return NewKV(NewEngineFactory(), source()) }
	f, err := e.Run(t.Context())
	require.NoError(t, err)
	return f
}

func TestEveryShortSequenceSurvivesEveryCrash(t *testing.T) {
	for _, second := range []bool{false, true} {
		f := exhaust(t, Exhaust{Ops: 2, Second: second, Workers: 2}, CrashDisks)
		require.EqualValues(t, 8+64, f.Words)
		require.Equal(t, f.Words, f.Done)
		require.Zero(t, f.Fails)
		require.Equal(t, f.Crash.Explored, f.Crash.Certified)
		require.Greater(t, f.Crash.States, f.Cuts, "crashes leave more than one state")
		require.Greater(t, f.Crash.Images, 10*float64(f.Crash.States), "and each state stands for many images")
	}
}

func TestShardsOfWordsAreAllWords(t *testing.T) {
	whole := exhaust(t, Exhaust{Ops: 2}, CrashDisks)
	var parts ExhaustFigures
	for i := range uint64(3) {
		f := exhaust(t, Exhaust{Ops: 2, Shard: Shard{i, 3}}, CrashDisks)
		parts.add(&f)
	}
	require.Equal(t, whole.Done, parts.Done)
	require.Equal(t, whole.Cuts, parts.Cuts)
	require.Equal(t, whole.Crash.States, parts.Crash.States)
}

// On a disk that lies the shortest words fail.
func TestExhaustFindsADiskThatLies(t *testing.T) {
	lying := func() DiskSource {
		return func(c *Config) (disk.Disk, error) {
			info := DiskInfo(c)
			return crashsim.New(crashsim.Config{Info: info, Device: crashsim.DeviceNumber(int(c.Get(OptDevice)), info.PhysicalBlock), Lie: crashsim.NoFlush}), nil
		}
	}
	found := map[string]int{}
	f := exhaust(t, Exhaust{Ops: 1, Found: func(s *Sequence, f *Failure) {
		found[f.Property]++
		requireValid(t, s)
	}}, lying)
	require.Positive(t, f.Fails)
	require.Positive(t, found[PropertyPersist])
}

// An exhaustion that is stopped says so.
func TestExhaustCanBeStopped(t *testing.T) {
	asked := 0
	f := exhaust(t, Exhaust{Ops: 2, Stop: func() bool { asked++; return asked > 5 }}, CrashDisks)
	require.True(t, f.Stopped)
	require.EqualValues(t, 5, f.Done)
}

// A word is worth its runs only if its letters do something: on a disk too small every put would be refused.
func TestEveryLetterHasAnEffect(t *testing.T) {
	for _, second := range []bool{false, true} {
		s := exhaustSequence("put k0 len=20 fill=2\ndelete k0\n")
		for _, o := range Letters(second) {
			s.Ops = append(s.Ops, NewOp(KindPut), o)
			s.Ops[len(s.Ops)-2].Key = 0
		}
		r := NewKV(NewEngineFactory(), CrashDisks()).Run(s)
		require.Nil(t, r.Failure)
		require.Zero(t, r.Stats.Refused)
		for _, o := range Letters(second) {
			if o.Kind != KindReclaim { // there is nothing to gain so soon
				require.Less(t, r.Stats.Idle[o.Kind], r.Stats.Kinds[o.Kind], "%v does nothing", o.Kind)
			}
		}
	}
}

// Faults alone are no failure; every one of them is met, and so is the power cut after it.
func TestEveryFaultInEveryShortSequence(t *testing.T) {
	for _, second := range []bool{false, true} {
		f := exhaust(t, Exhaust{Ops: 2, Second: second, Faults: true, Workers: 2, Shard: Shard{13, 18}}, CrashFaultDisks)
		require.EqualValues(t, 4, f.Done)
		require.Zero(t, f.Fails)
		require.Equal(t, f.Crash.Explored, f.Crash.Certified)
		for way, phases := range f.Fault.Cells[:len(FaultNames)] {
			hits := uint64(0)
			for _, n := range phases {
				hits += n
			}
			require.Positive(t, hits, FaultNames[way])
		}
	}
}
