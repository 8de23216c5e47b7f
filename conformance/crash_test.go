package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/model"
)

// crashSequence parses operations of the suite crash.
func crashSequence(t *testing.T, ops string) *Sequence {
	t.Helper()
	s, err := Parse([]byte("conformance-seq 1\nsuite crash opset 4\n" + ops))
	require.NoError(t, err)
	return s
}

func TestTheEngineSurvivesEveryStateOfEveryCrash(t *testing.T) {
	x, g := NewKV(NewEngineFactory(), CrashDisks()), NewGenerator(ProfileNamed("crash"))
	var s Sequence
	var stats Stats
	for n := range uint64(150) {
		g.Fill(&s, MixSeed(5, n))
		r := x.Run(&s)
		require.NoError(t, r.Err, "sequence %d", n)
		require.Nil(t, r.Failure, "sequence %d\n%s", n, &s)
		stats.Add(&r.Stats)
	}
	c := &stats.Crash
	require.GreaterOrEqual(t, c.Crashes, stats.Sequences, "there is one in each")
	require.Greater(t, c.Certified, c.Explored*95/100)
	require.GreaterOrEqual(t, c.pendingP50(), uint64(3))
	require.Greater(t, c.Recoveries, 2*c.States, "each state is opened twice")
	require.Greater(t, c.Images, float64(c.States))
}

// forgetful is a store that has lost a shard when it is opened after something, or shows one that was deleted.
type forgetful struct {
	Factory
	opened, after int
	spoil         func(Target) error
}

func (f *forgetful) Open(d disk.Disk, c *Config) (Target, error) {
	t, err := f.Factory.Open(d, c)
	if f.opened++; err == nil && f.opened > f.after {
		err = f.spoil(t)
	}
	return t, err
}

func TestWhatACrashMayNotLeaveIsFound(t *testing.T) {
	k0 := ShardIDOf(0)
	lose := func(t Target) error { _, err := t.Delete(k0); return err }
	older := func(t Target) error { _, err := t.Put(k0, AppendValue(nil, 10, 2)); return err }
	foreign := func(t Target) error { _, err := t.Put(k0, []byte("nobody put this")); return err }
	for _, c := range []struct {
		name, ops string
		after     int // opens before the spoiled one
		spoil     func(Target) error
		want      Signature
	}{
		{"a persistent shard is lost", "put k0 len=10\nsync\ncrash\n", 1, lose, Signature{PropertyPersist, KindCrash, "value", ""}},
		{"an older value comes back", "put k0 len=10 fill=2\nput k0 len=10 fill=3\nsync\ncrash\n", 1, older, Signature{PropertyPersist, KindCrash, "value", ""}},
		{"a value that nobody put", "put k0 len=10\ncrash\n", 1, foreign, Signature{PropertyPersist, KindCrash, "value", ""}},
		{"no number explains two shards", "put k0 len=10\nput k1 len=10\ncrash in=sync at=9\n", 1,
			func(t Target) error { _, err := t.Delete(ShardIDOf(0)); return err }, Signature{PropertyPersist, KindCrash, "value", ""}},
		{"a shard is lost at the next start", "put k0 len=10\nsync\ncrash\n", 2, lose, Signature{PropertyStable, KindCrash, "value", ""}},
		{"lost when the process alone dies", "put k0 len=10\nsync\nkill\n", 1, lose, Signature{PropertyPersist, KindKill, "value", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := crashSequence(t, c.ops)
			require.Nil(t, NewKV(NewEngineFactory(), CrashDisks()).Run(s).Failure, "unspoiled it passes")
			r := NewKV(&forgetful{NewEngineFactory(), 0, c.after, c.spoil}, CrashDisks()).Run(s)
			require.NoError(t, r.Err)
			require.NotNil(t, r.Failure)
			require.Equal(t, c.want, r.Failure.Signature, "%+v", r.Failure)
		})
	}
}

// Each shard may be an allowed one, and still no prefix explains them together.
func TestOneNumberExplainsAllShards(t *testing.T) {
	var m model.Store
	a, b := ShardIDOf(1), ShardIDOf(2)
	for _, p := range []struct {
		id   engine.ShardID
		data string
	}{{a, "a1"}, {b, "b1"}, {a, "a2"}, {b, "b2"}} {
		_, err := m.Put(p.id, []byte(p.data))
		require.NoError(t, err)
	}
	m.Persist(2)
	state := func(x, y string) (s model.State) {
		s = s.Apply(model.Mutation{Shard: model.Shard{ID: a, Data: []byte(x)}})
		return s.Apply(model.Mutation{Shard: model.Shard{ID: b, Data: []byte(y)}})
	}
	s := crashSequence(t, "poll\n")
	for _, whole := range []model.State{state("a1", "b1"), state("a2", "b1"), state("a2", "b2")} {
		require.Nil(t, CheckPersist(&m, whole, s))
	}
	f := CheckPersist(&m, state("a1", "b2"), s)
	require.NotNil(t, f)
	require.Equal(t, "prefix", f.Field)
}

// What a crash interrupts may have happened or not; what came to its end is compared.
func TestACrashInTheNextOperationWaitsForIt(t *testing.T) {
	for _, ops := range []string{
		"put k0 len=9\ncrash in=next at=0\nput k0 len=300 fill=3\nget k0\n",
		"put k0 len=9\ncrash in=next at=2\nflush\nget k0\n",
		"put k0 len=9\ncrash in=next at=1\nreboot\nget k0\n",
		"put k0 len=9\ncrash in=next at=99\nsync\nget k0\n",
		"put k0 len=9\ncrash in=next\n",
		"put k0 len=9\nsync\ncrash in=next at=1 again=2 keep=0x1/2\nput k1 len=9\nput k2 len=9\nkill in=next\ndelete k0\nlist\n",
	} {
		r := NewKV(NewEngineFactory(), CrashDisks()).Run(crashSequence(t, ops))
		require.NoError(t, r.Err, ops)
		require.Nil(t, r.Failure, ops)
		require.Positive(t, r.Stats.Crash.Crashes, ops)
	}
	lose := func(t Target) error { _, err := t.Delete(ShardIDOf(0)); return err }
	r := NewKV(&forgetful{NewEngineFactory(), 0, 1, lose}, CrashDisks()).Run(crashSequence(t, "put k0 len=9\nsync\ncrash in=next\nput k1 len=9\n"))
	require.NotNil(t, r.Failure)
	require.Equal(t, PropertyPersist, r.Failure.Property)
	require.Equal(t, 3, r.Failure.At, "where it shows is the operation that was interrupted")
	require.Equal(t, 2, r.Failure.InsteadAt, "and what is narrowed is the crash")
	require.NotNil(t, r.Failure.Instead)
}

// A failing crash is narrowed to the state that fails, and the small sequence fails alike.
func TestAFailingCrashIsNarrowedToOneState(t *testing.T) {
	// It loses k0 only where a later put was lost.
	spoil := func(t Target) error {
		if _, err := t.AppendShard(nil, ShardIDOf(2)); err == nil {
			return nil
		}
		_, err := t.Delete(ShardIDOf(0))
		return err
	}
	opens := &forgetful{NewEngineFactory(), 0, 0, spoil}
	x := NewKV(opens, CrashDisks())
	s := crashSequence(t, "put k0 len=10\nsync\nput k1 len=1p\nput k2 len=1p fill=4\ncrash in=sync\nget k0\n")
	fresh := func(s *Sequence) Result {
		opens.opened, opens.after = 0, 1
		return x.Run(s)
	}
	r := fresh(s)
	require.NotNil(t, r.Failure)
	require.NotNil(t, r.Failure.Instead)
	narrow := s.Clone()
	narrow.Ops[r.Failure.InsteadAt] = *r.Failure.Instead
	require.EqualValues(t, 1, narrow.Ops[4].Off)
	require.True(t, simpler(narrow, s))
	again := fresh(narrow)
	require.NotNil(t, again.Failure)
	require.Equal(t, r.Failure.Signature, again.Failure.Signature)
	require.Less(t, again.Stats.Crash.Recoveries, uint64(3))
}
