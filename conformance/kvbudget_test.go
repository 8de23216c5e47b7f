package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// sulking are the engine's stores, but that every put fails as if the disk did.
type sulking struct{ Factory }

type sulkingStore struct{ Target }

func (f sulking) Open(d disk.Disk, c *Config) (Target, error) {
	t, err := f.Factory.Open(d, c)
	return sulkingStore{t}, err
}

func (sulkingStore) Put(engine.ShardID, []byte) (engine.Dependency, error) {
	return engine.Dependency{}, engine.ErrIO
}

func TestWhatABrokenDiskExcusesIsNoExcuseOnAWholeOne(t *testing.T) {
	for suite, disks := range map[string]func() DiskSource{"fault": FaultDisks, "crash-fault": CrashFaultDisks} {
		s := parsed(t, suite, "fault do=gone; put k0")
		x := NewKV(sulking{NewEngineFactory()}, disks())
		r, steps := x.Explain(s)
		require.NotNil(t, r.Failure)
		require.Equal(t, Signature{"EQ", KindPut, "error", "io"}, r.Failure.Signature)
		require.Equal(t, r.Failure.Signature, x.Run(s).Failure.Signature)
		require.Len(t, steps, 2)
		require.Nil(t, NewKV(NewEngineFactory(), disks()).Run(s).Failure)
	}
}
