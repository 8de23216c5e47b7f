package conformance

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

func TestExplainShowsWhatChangedAtEachStep(t *testing.T) {
	free, log := ExtentStat{"free", 1, 0, -1}, ExtentStat{"log", 1, 128, 40}
	super := ExtentStat{"superblock", 1, 4096, -1}
	at := func(memtable int64, extents ...ExtentStat) *Description {
		return &Description{extents, []Figure{{"memtable", memtable}, {"epoch", 1}}}
	}
	moved := log
	moved.Generation, moved.Owner, moved.Pointer, moved.Live = 2, "free", 0, 0
	steps := []Step{
		{Op: "put     k0 len=40", Model: "ok dep=1", Engine: "ok dep=1", Before: at(0, super, free, free), After: at(1, super, log, free)},
		{Op: "get     k0", Model: "40 B", Engine: "40 B", After: at(1, super, log, free)},
		{Op: "reclaim", Model: "ok", Engine: "nothing to do", After: at(1, super, moved, free)},
	}
	want := `     0  a store that was just formatted
           memtable 0
           epoch 1
           |  0 superblock.1 4096  2 free
       1  put     k0 len=40   model ok dep=1   engine ok dep=1
         ~ memtable 0 -> 1
         ~ extent 1  free -> log  pointer 0 -> 128  live -1 -> 40
           |  0 superblock.1 4096  1 log.1 40/128  1 free
       2  get     k0          model 40 B       engine 40 B
  >>   3  reclaim             model ok         engine nothing to do
         ~ extent 1  log -> free  generation 1 -> 2  pointer 128 -> 0  live 40 -> 0
           |  0 superblock.1 4096  2 free
  >> EQ: every answer equals the model's
     model ok
     store nothing to do
`
	f := &Failure{Signature: Signature{"EQ", KindReclaim, "count", ""}, At: 2, Claim: "every answer equals the model's", Want: "ok", Got: "nothing to do"}
	if got := ExplainText(steps, f); got != want {
		t.Errorf("-want +got:\n%s", cmp.Diff(want, got))
	}
}

func TestExplainDescribesTheStoreAfterEveryStep(t *testing.T) {
	s := parsed(t, "kv", "put k0 len=40; flush; reboot; drain")
	for name, f := range map[string]Factory{"model": NewModelFactory(), "engine": NewEngineFactory()} {
		x := NewKV(f, MemoryDisks())
		plain := x.Run(s)
		r, steps := x.Explain(s)
		require.Nil(t, r.Failure)
		require.Equal(t, plain.Trace, r.Trace, "looking changes nothing")
		require.Len(t, steps, 4, name)
		require.NotNil(t, steps[0].Before, name)
		for i := range steps {
			require.NotNil(t, steps[i].After, name)
		}
		require.NotEmpty(t, changes(steps[0].Before, steps[0].After), name)
	}
}
