package conformance

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// concealing makes engines that say a shard is not there where they cannot read it.
type concealing struct{ Factory }

func (f concealing) Open(d disk.Disk, c *Config) (Target, error) {
	t, err := f.Factory.Open(d, c)
	if err != nil {
		return nil, err
	}
	return concealingStore{t}, nil
}

type concealingStore struct{ Target }

func (t concealingStore) AppendShard(dst []byte, id engine.ShardID) ([]byte, error) {
	p, err := t.Target.AppendShard(dst, id)
	if errors.Is(err, engine.ErrCorrupt) {
		err = engine.ErrNotFound
	}
	return p, err
}

func rotting(t *testing.T, ops string) *Sequence {
	s, err := Parse([]byte("conformance-seq 1\nsuite fault opset 7\n" + ops))
	require.NoError(t, err)
	return s
}

func TestEveryBlockRotsAndNothingIsHidden(t *testing.T) {
	x := NewKV(NewEngineFactory(), FaultDisks())
	for _, do := range RotNames {
		for _, then := range ThenNames {
			s := rotting(t, fmt.Sprintf("load k0 n=20 len=700\nflush\nput k1 len=90\nrot do=%s then=%s times=255 how=3\nget k0\nput k3\nreboot\n", do, then))
			r := x.Run(s)
			require.NoError(t, r.Err)
			require.Nil(t, r.Failure, "%s, %s: %v", do, then, r.Failure)
			require.Greater(t, r.Stats.Fault.Ordered, uint64(20))
			require.Equal(t, r.Stats.Fault.Ordered, r.Stats.Fault.Masked+r.Stats.Fault.Reported+r.Stats.Fault.Repaired+r.Stats.Fault.Unreachable)
			if then == ThenNames[0] {
				require.NotZero(t, r.Stats.Fault.Reported, do)
			}
		}
	}
}

// A store that hides one block of many is found out, and the counterexample names the block.
func TestTheBlockThatAStoreHidesIsNamed(t *testing.T) {
	x := NewKV(concealing{NewEngineFactory()}, FaultDisks())
	s := rotting(t, "load k0 n=9\nput k40 len=3000\nflush\ndelete k2\nput k41\nrot do=flip times=255 how=2\nget k40\nput k3\n")
	r := x.Run(s)
	require.NotNil(t, r.Failure)
	require.Equal(t, PropertyHonest, r.Failure.Property)
	require.Equal(t, 5, r.Failure.InsteadAt)
	one := s.Clone()
	one.Ops[5] = *r.Failure.Instead
	require.Zero(t, one.Ops[5].Fill)
	again := x.Run(one)
	require.NotNil(t, again.Failure)
	require.Equal(t, r.Failure.Signature, again.Failure.Signature)

	small, stats := (&Reducer{Exec: x}).Reduce(s)
	require.True(t, stats.Minimal)
	require.Len(t, small.Ops, 2, "%s", small)
	require.Equal(t, KindRot, small.Ops[1].Kind)
	require.Zero(t, small.Ops[1].Fill)
}
