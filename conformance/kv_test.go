package conformance

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/stretchr/testify/require"
)

// spoiledFactory spoils every store that f opens.
type spoiledFactory struct {
	Factory
	how Spoiling
}

func (f spoiledFactory) Open(d disk.Disk, c *Config) (Target, error) {
	t, err := f.Factory.Open(d, c)
	if err != nil {
		return nil, err
	}
	return Spoil(t, f.how), nil
}

// kvSequence returns sequence number n of the stock profile.
func kvSequence(n uint64) *Sequence {
	s := new(Sequence)
	NewGenerator(ProfileNamed("kv")).Fill(s, MixSeed(1, n))
	return s
}

func TestModelAgreesWithModel(t *testing.T) {
	x := NewKV(NewModelFactory(), nil)
	for n := range uint64(3000) {
		s := kvSequence(n)
		r := x.Run(s)
		require.NoError(t, r.Err)
		if r.Failure != nil {
			t.Fatalf("%+v\n%s", *r.Failure, s)
		}
	}
}

// A spoiled store that the stock profile does not find out within a few hundred sequences is a hole in the generator.
func TestTheStockProfileFindsEverySpoiling(t *testing.T) {
	for how := SpoilByte; how < spoilings; how++ {
		x := NewKV(spoiledFactory{NewModelFactory(), how}, nil)
		found := -1
		for n := 0; found < 0 && n < 300; n++ {
			if x.Run(kvSequence(uint64(n))).Failure != nil {
				found = n
			}
		}
		require.GreaterOrEqual(t, found, 0, "spoiling %d", how)
	}
}

func TestEverySpoiledAnswerIsFound(t *testing.T) {
	cases := []struct {
		name      string
		how       Spoiling
		ops       string // lines of a sequence, with ; between them
		want      Signature
		at        int
		someWords string // of the claim or the two answers
	}{
		{"wrong byte", SpoilByte, "put k1 len=40 fill=2; get k1",
			Signature{"EQ", KindGet, "value", ""}, 1, "40 B"},
		{"wrong byte, seen at the end", SpoilByte, "put k1 len=40 fill=2",
			Signature{"EQ", KindNone, "value", ""}, 1, "k1 reads as it was put"},
		{"a byte short", SpoilShort, "put k1 len=40 fill=2; get k1",
			Signature{"EQ", KindGet, "value", ""}, 1, "39 B"},
		{"lost overwrite", SpoilLost, "put k1 len=40 fill=2; put k1 len=40 fill=3; get k1",
			Signature{"EQ", KindGet, "value", ""}, 2, "40 B"},
		{"lost delete", SpoilDelete, "put k1 len=40 fill=2; delete k1; get k1",
			Signature{"EQ", KindGet, "error", "ok"}, 2, "not found"},
		{"lost delete, seen at the end", SpoilDelete, "put k1 len=40 fill=2; delete k1",
			Signature{"EQ", KindNone, "ids", ""}, 2, "1 ids: k1"},
		{"phantom", SpoilPhantom, "get k1",
			Signature{"EQ", KindGet, "error", "ok"}, 0, "not found"},
		{"short list", SpoilList, "put k1 len=1; list",
			Signature{"EQ", KindList, "ids", ""}, 1, "1 ids: k1"},
		{"list out of order", SpoilOrder, "put k1 len=1; put k2 len=1; list limit=3",
			Signature{"EQ", KindList, "ids", ""}, 2, "2 ids:"},
		{"stale list", SpoilStale, "put k7 len=1; put k15 len=1; list limit=5",
			Signature{"EQ", KindList, "ids", ""}, 2, "k7 k15"},
		{"dependency goes back", SpoilRegress, "put k1 len=1; sync; poll",
			Signature{"EQ", KindPoll, "state", "pending"}, 2, "stay so"},
		{"persistent before its predecessor", SpoilEarly, "put k1 len=1; put k1 len=1; poll",
			Signature{"EQ", KindPoll, "state", "persistent"}, 2, "in their order"},
		{"never persistent, waited for", SpoilNever, "put k1 len=1; wait",
			Signature{"PROGRESS", KindWait, "state", "pending"}, 1, "pending"},
		{"never persistent, closed", SpoilNever, "put k1 len=1; reboot",
			Signature{"PROGRESS", KindReboot, "state", "pending"}, 1, "dep=1"},
		{"never persistent, at the end", SpoilNever, "put k1 len=1",
			Signature{"PROGRESS", KindNone, "state", "pending"}, 1, "dep=1"},
		{"failed", SpoilFailed, "put k1 len=1; poll",
			Signature{"EQ", KindPoll, "state", "failed"}, 1, "failed"},
		{"failed, waited for", SpoilFailed, "put k1 len=1; sync",
			Signature{"PROGRESS", KindSync, "state", "failed"}, 1, "failed"},
		{"failed, closed", SpoilFailed, "put k1 len=1",
			Signature{"PROGRESS", KindNone, "state", "failed"}, 1, "disk IO failed"},
		{"wait does nothing", SpoilWait, "put k1 len=1; wait",
			Signature{"PROGRESS", KindWait, "state", "pending"}, 1, "waited for"},
		{"sync does nothing", SpoilWait, "put k1 len=1; sync",
			Signature{"PROGRESS", KindSync, "state", "pending"}, 1, "waited for"},
		{"close forgets the newest", SpoilClose, "put k1 len=1; put k2 len=1; reboot",
			Signature{"PROGRESS", KindReboot, "state", "pending"}, 2, "dep=2"},
		{"close fails", SpoilReopen, "reboot",
			Signature{"EQ", KindReboot, "close", "io"}, 0, "closed"},
		{"check complains", SpoilCheck, "check",
			Signature{"AUDIT", KindCheck, "check", "corrupt-frame-trailer"}, 0, "extent 3 at 64"},
		{"check complains at the end", SpoilCheck, "",
			Signature{"AUDIT", KindNone, "check", "corrupt-frame-trailer"}, 0, "extent 3 at 64"},
		{"check cannot look", SpoilBlind, "check",
			Signature{"AUDIT", KindCheck, "error", "io"}, 0, "disk IO failed"},
		{"too small a limit", SpoilSmall, "put k1 len=1600",
			Signature{"EQ", KindPut, "error", "too-large"}, 0, "too large"},
		{"pump overshoots", SpoilPump, "pump n=2",
			Signature{"EQ", KindPump, "count", ""}, 0, "3 completed"},
		{"put keeps the buffer", SpoilBuffer, "put k1 len=40 fill=2; get k1",
			Signature{"EQ", KindGet, "value", ""}, 1, "40 B"},
		{"put scribbles", SpoilScribble, "put k1 len=40 fill=2",
			Signature{"EQ", KindPut, "buffer", ""}, 0, "as it is"},
		{"flush fails", SpoilError, "flush",
			Signature{"EQ", KindFlush, "error", "flush-went-wrong"}, 0, "went wrong"},
		{"panic", SpoilPanic, "get k1",
			Signature{"EQ", KindGet, "panic", "conformance.(*spoiled).AppendShard"}, 0, "panic: the store is spoiled"},
	}
	tested := map[Spoiling]bool{}
	for _, c := range cases {
		tested[c.how] = true
		t.Run(c.name, func(t *testing.T) {
			s := parsed(t, "kv", c.ops)
			require.Nil(t, NewKV(NewModelFactory(), nil).Run(s).Failure, "the sequence itself holds")
			x := NewKV(spoiledFactory{NewModelFactory(), c.how}, nil)
			r := x.Run(s)
			require.NotNil(t, r.Failure, "found")
			require.Equal(t, c.want, r.Failure.Signature)
			require.Equal(t, c.at, r.Failure.At)
			require.Contains(t, fmt.Sprintln(r.Failure.Claim, r.Failure.Want, r.Failure.Got), c.someWords)

			again, steps := x.Explain(s)
			require.Equal(t, r, again, "explained as run")
			require.Len(t, steps, min(c.at+1, len(s.Ops)))
			if c.at < len(s.Ops) {
				require.Equal(t, Step{Op: steps[c.at].Op, Model: r.Failure.Want, Engine: r.Failure.Got}, steps[c.at], "the last step shows it")
			}
		})
	}
	for how := SpoilByte; how < SpoilHead; how++ {
		require.True(t, tested[how], "spoiling %d has a case", how)
	}
}

func TestExecutorGoesOnAfterAFailure(t *testing.T) {
	x := NewKV(NewModelFactory(), nil)
	s := parsed(t, "kv", "put k1 len=40 fill=2; get k1")
	want := x.Run(s)
	require.Nil(t, want.Failure)
	r := x.RunSpoiled(s)
	require.NotNil(t, r.Failure)
	require.Equal(t, PropertyEqual, r.Failure.Property)
	require.Equal(t, want, x.Run(s))
}

func TestExplainShowsBothAnswers(t *testing.T) {
	s := parsed(t, "kv", "put k1 len=40 fill=2; poll; sync; poll; get k2; list; get k1")
	_, steps := NewKV(spoiledFactory{NewModelFactory(), SpoilByte}, nil).Explain(s)
	require.Len(t, steps, len(s.Ops))
	require.Equal(t, []Step{
		{Op: "put     k1 len=40 fill=2", Model: "ok dep=1", Engine: "ok dep=1"},
		{Op: "poll", Model: "pending", Engine: "pending"},
		{Op: "sync", Model: "ok, persistent", Engine: "ok, persistent"},
		{Op: "poll", Model: "persistent", Engine: "persistent"},
		{Op: "get     k2", Model: "not found", Engine: "not found"},
		{Op: "list", Model: "1 ids: k1", Engine: "1 ids: k1"},
	}, steps[:6])
	last := steps[len(steps)-1]
	require.Regexp(t, `^40 B [0-9a-f]{4}…$`, last.Model)
	require.Regexp(t, `^40 B [0-9a-f]{4}…$`, last.Engine)
	require.NotEqual(t, last.Model, last.Engine)
}

// The calls of the second alphabet, and SPACE.
func TestEverySpoiledStepIsFound(t *testing.T) {
	tested := map[Spoiling]bool{}
	fits := "fill len=2p; drain; fill len=2p"
	for _, c := range []struct {
		name string
		how  Spoiling
		ops  string
		want Signature
		at   int
	}{
		{"a byte too many, after a flush", SpoilLive, "put k1 len=40; flush", Signature{"SPACE", KindFlush, "live", "too-many"}, 1},
		{"a byte too many, after a reboot", SpoilLive, "put k1 len=40; reboot", Signature{"SPACE", KindReboot, "live", "too-many"}, 1},
		{"more than there is", SpoilFree, "stat", Signature{"SPACE", KindStat, "free", "too-many"}, 0},
		{"nothing counts", SpoilDead, "put k1 len=40; flush", Signature{"SPACE", KindFlush, "live", "too-few"}, 1},
		{"refused too early", SpoilFull, "fill len=1", Signature{"SPACE", KindFill, "full", "too-early"}, 0},
		{"less fits again", SpoilLeak, fits, Signature{"SPACE", KindFill, "fit", "fewer"}, 2},
		{"a reclamation that frees nothing", SpoilIdle, "put k1; reclaim", Signature{"SPACE", KindReclaim, "released", "none"}, 1},
		{"a drain that frees nothing", SpoilIdle, "put k1; drain", Signature{"SPACE", KindDrain, "released", "none"}, 1},
		{"extents stay taken", SpoilTaken, fits, Signature{"SPACE", KindDrain, "free", "too-few"}, 1},
		{"a drain without end", SpoilEndless, "put k1; drain", Signature{"PROGRESS", KindDrain, "drain", "endless"}, 1},
		{"a flush finds no space", SpoilStuck, "fill len=2p; flush", Signature{"EQ", KindFlush, "error", "full"}, 1},
		{"a drain finds no space", SpoilStuck, "fill len=2p; drain", Signature{"SPACE", KindDrain, "flush", "full"}, 1},
		{"size", SpoilHead, "put k1 len=40; head k1", Signature{"EQ", KindHead, "count", ""}, 1},
		{"range", SpoilRange, "put k1 len=40 fill=2; getrange k1 off=3 len=4", Signature{"EQ", KindGetRange, "value", ""}, 1},
		{"range to the end", SpoilRange, "put k1 len=40 fill=2; getrange k1 off=39 len=4", Signature{"EQ", KindGetRange, "value", ""}, 1},
		{"compaction", SpoilMerge, "put k1 len=40 fill=2; compact; get k1", Signature{"EQ", KindGet, "error", "not-found"}, 2},
		{"reclamation", SpoilMove, "put k1 len=40 fill=2; put k1 len=40 fill=3; reclaim; get k1", Signature{"EQ", KindGet, "value", ""}, 3},
		{"scrub", SpoilScrub, "scrub", Signature{"AUDIT", KindScrub, "check", "corrupt-payload"}, 0},
		{"start", SpoilStart, "flush start=1", Signature{"EQ", KindFlush, "error", "io"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := parsed(t, "kv", c.ops)
			tested[c.how] = true
			require.Nil(t, NewKV(NewModelFactory(), nil).Run(s).Failure)
			r := NewKV(spoiledFactory{NewModelFactory(), c.how}, nil).Run(s)
			require.NotNil(t, r.Failure)
			require.Equal(t, c.want, r.Failure.Signature, r.Failure.Claim)
			require.Equal(t, c.at, r.Failure.At)
		})
	}
	for how := SpoilHead; how < spoilings; how++ {
		require.True(t, tested[how], "spoiling %d has a case", how)
	}
}

// lackingTarget has no call beyond what a plain key-value store has.
type lackingTarget struct{ Target }

type lackingFactory struct{ Factory }

func (f lackingFactory) Open(d disk.Disk, c *Config) (Target, error) {
	t, err := f.Factory.Open(d, c)
	return lackingTarget{t}, err
}

func (lackingTarget) Head(engine.ShardID) (int64, error) { return 0, errors.ErrUnsupported }
func (lackingTarget) AppendRange([]byte, engine.ShardID, int64, int64) ([]byte, error) {
	return nil, errors.ErrUnsupported
}
func (lackingTarget) Compact(context.Context) (bool, error)    { return false, errors.ErrUnsupported }
func (lackingTarget) Reclaim(context.Context) (bool, error)    { return false, errors.ErrUnsupported }
func (lackingTarget) FlushSuperblock(context.Context) error    { return errors.ErrUnsupported }
func (lackingTarget) Scrub(context.Context, func(error)) error { return errors.ErrUnsupported }
func (lackingTarget) Start(Work) error                         { return errors.ErrUnsupported }
func (lackingTarget) Space() Space                             { return UnknownSpace }
func (lackingTarget) FrameBytes(int) int64                     { return -1 }

func TestCallsThatAStoreLacksHaveNoEffect(t *testing.T) {
	x := NewKV(lackingFactory{NewModelFactory()}, nil)
	r := x.Run(parsed(t, "kv", "head k0; getrange k0; compact; reclaim; superblock; scrub; flush start=1; stat"))
	require.Nil(t, r.Failure)
	require.EqualValues(t, 8, r.Stats.NoEffect)
	for n := range uint64(500) {
		s := kvSequence(n)
		if r := x.Run(s); r.Failure != nil {
			t.Fatalf("%+v\n%s", *r.Failure, s)
		}
	}
}

func TestHalfOfTheSequencesOutgrowTheCache(t *testing.T) {
	x := NewKV(NewModelFactory(), nil)
	var stats Stats
	for n := range uint64(2000) {
		r := x.Run(kvSequence(n))
		stats.Add(&r.Stats)
	}
	h := stats.Honest()
	require.Greater(t, h.AboveCacheShare, 0.5)
	require.GreaterOrEqual(t, h.MeanOperations, 60.0)
	require.LessOrEqual(t, h.NoEffectShare, 0.15)
	require.GreaterOrEqual(t, h.ReadShare, 0.2)
}

// fullFactory makes stores that refuse every mutation for want of space.
type fullFactory struct{ Factory }

type fullTarget struct{ Target }

func (f fullFactory) Open(d disk.Disk, c *Config) (Target, error) {
	t, err := f.Factory.Open(d, c)
	return fullTarget{t}, err
}

func (fullTarget) Put(engine.ShardID, []byte) (engine.Dependency, error) {
	return engine.Dependency{}, engine.ErrFull
}

// Space is full but for the reserve.
func (f fullTarget) Space() Space {
	s := f.Target.Space()
	s.FreeExtents = s.Reserve
	return s
}

func (fullTarget) Delete(engine.ShardID) (engine.Dependency, error) {
	return engine.Dependency{}, engine.ErrFull
}

func TestFullIsARightAnswerWithoutEffect(t *testing.T) {
	x := NewKV(fullFactory{NewModelFactory()}, nil)
	r := x.Run(parsed(t, "kv", "put k1 len=40 fill=2; delete k1; get k1; poll; reboot"))
	require.Nil(t, r.Failure)
	require.EqualValues(t, 2, r.Stats.Refused)
	require.EqualValues(t, 4, r.Stats.NoEffect)

	r = x.Run(parsed(t, "kv", "put k1 len=1048576 fill=2"))
	require.NotNil(t, r.Failure, "what could never be stored is too large, not a matter of space")
	require.Equal(t, Signature{"EQ", KindPut, "error", "full"}, r.Failure.Signature)
}

func TestTraceDependsOnAnswersAndOperations(t *testing.T) {
	x := NewKV(NewModelFactory(), nil)
	a, b := parsed(t, "kv", "put k1 len=40 fill=2"), parsed(t, "kv", "put k1 len=40 fill=3")
	require.NotEqual(t, x.Run(a).Trace, x.Run(b).Trace, "another value")
	require.Equal(t, x.Run(a).Trace, x.Run(a).Trace)
	require.Equal(t, x.Run(a).Trace, NewKV(NewModelFactory(), nil).Run(a).Trace, "another executor")
	spoiled := NewKV(spoiledFactory{NewModelFactory(), SpoilByte}, nil)
	s := parsed(t, "kv", "put k1 len=40 fill=2; get k1")
	require.NotEqual(t, x.Run(s).Trace, spoiled.Run(s).Trace, "another answer")
}

// unsteady is an executor whose second run differs from its first.
type unsteady struct {
	Executor
	runs uint64
}

func (u *unsteady) Run(s *Sequence) Result {
	r := u.Executor.Run(s)
	u.runs++
	r.Trace += u.runs
	return r
}

func TestDeterminismIsChecked(t *testing.T) {
	s := kvSequence(1)
	x := NewKV(NewModelFactory(), nil)
	require.Nil(t, CheckDeterminism(s, x.Run(s), NewKV(NewModelFactory(), nil)))

	u := &unsteady{Executor: x}
	f := CheckDeterminism(s, u.Run(s), u)
	require.NotNil(t, f)
	require.Equal(t, PropertyDeterminism, f.Property)

	require.NotNil(t, CheckDeterminism(s, x.Run(s), NewKV(spoiledFactory{NewModelFactory(), SpoilByte}, nil)))
}

func TestAgreementAllocatesNothing(t *testing.T) {
	x, g := NewKV(NewModelFactory(), nil), NewGenerator(ProfileNamed("kv"))
	var s Sequence
	n := uint64(0)
	next := func() {
		g.Fill(&s, MixSeed(1, n%500))
		x.Run(&s)
		n++
	}
	for range 500 {
		next()
	}
	require.Zero(t, testing.AllocsPerRun(500, next))
}

// BenchmarkHarness is what a sequence of the stock profile costs without an engine: generated, executed on two models, compared.
func BenchmarkHarness(b *testing.B) {
	x, g := NewKV(NewModelFactory(), nil), NewGenerator(ProfileNamed("kv"))
	var s Sequence
	var ops uint64
	b.ReportAllocs()
	for n := uint64(0); b.Loop(); n++ {
		g.Fill(&s, MixSeed(1, n))
		r := x.Run(&s)
		ops += r.Stats.Operations
	}
	b.ReportMetric(float64(ops)/float64(b.N), "ops/seq")
}
