package engine_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

func salvage(t *testing.T, d disk.Disk, o engine.SalvageOptions) (map[engine.ShardID]engine.Salvaged, *engine.SalvageSummary) {
	t.Helper()
	all := map[engine.ShardID]engine.Salvaged{}
	summary, err := engine.Salvage(context.Background(), readsOnly{d, t}, o, func(s *engine.Salvaged) error {
		all[s.ID] = *s
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, len(all), summary.Whole+summary.Older+summary.Lost+summary.Deleted)
	return all, summary
}

func rotSlots(t *testing.T, d *disk.Memory) {
	t.Helper()
	for _, off := range slotOffsets(t, d) {
		d.Overwrite(bytes.Repeat([]byte{0xa5}, 256), off)
	}
}

// Of an undamaged store Salvage finds every shard, with the bytes and the mutation that the store itself answers, also when no
// slot of the superblock is left.
func TestSalvageFindsEveryShardOfAnUndamagedStore(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 9))
		d := newDisk(14 + r.IntN(20))
		require.NoError(t, engine.Format(d, small))
		want := map[engine.ShardID][]byte{}
		for range 1 + r.IntN(4) {
			s := open(t, d)
			live(t, s, r, want)
			if r.IntN(3) == 0 {
				_, err := s.Reclaim(context.Background())
				require.NoError(t, err)
			}
			if r.IntN(2) == 0 {
				require.NoError(t, s.Close())
				continue
			}
			require.NoError(t, s.Sync(context.Background()))
			_, err := s.Pump(1000)
			require.NoError(t, err)
		}
		s := openReadOnly(t, d)
		for _, slots := range []bool{true, false} {
			if !slots {
				rotSlots(t, d)
				_, err := engine.Salvage(context.Background(), d, engine.SalvageOptions{}, nil)
				require.ErrorIs(t, err, engine.ErrNoStore)
			}
			found, summary := salvage(t, d, engine.SalvageOptions{ExtentBytes: 4096})
			require.Equal(t, slots, summary.Superblock)
			for id, data := range want {
				got := found[id]
				require.Equal(t, engine.SalvagedWhole, got.State, "seed %d, shard %x: %v", seed, id[:], got.Err)
				require.True(t, bytes.Equal(data, got.Data), "seed %d, shard %x", seed, id[:])
				if slots {
					info, err := s.Head(id)
					require.NoError(t, err)
					require.Equal(t, info.Mutation, got.Mutation)
				}
			}
		}
	}
}

// Whatever block rots, Salvage never says that bytes are the newest when a frame or a run names a newer mutation, and bytes are
// always those of some put of the shard.
func TestSalvageOfADamagedStoreGivesNoWrongBytes(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 3))
		d := newDisk(16)
		require.NoError(t, engine.Format(d, small))
		s := open(t, d)
		history := map[engine.ShardID][][]byte{}
		for i := range 60 {
			id := engine.ShardID{byte(r.IntN(6))}
			data := bytes.Repeat([]byte{byte(i + 1)}, 1+r.IntN(200))
			if i%11 == 0 {
				data = bytes.Repeat(data, 20)
			}
			if _, err := s.Put(id, data); err == nil {
				history[id] = append(history[id], data)
			}
			if i == 40 {
				require.NoError(t, s.Flush(context.Background()))
			}
		}
		require.NoError(t, s.Close())
		image := bytes.Clone(d.Bytes())
		states := map[engine.SalvageState]int{}
		for block := 0; block < len(image); block += 64 {
			d.Overwrite(image, 0)
			d.Overwrite(bytes.Repeat([]byte{0xa5, 0x5a}, 32), int64(block))
			found, _ := salvage(t, d, engine.SalvageOptions{})
			for id, got := range found {
				states[got.State]++
				puts := history[id]
				switch got.State {
				case engine.SalvagedWhole:
					require.True(t, bytes.Equal(puts[len(puts)-1], got.Data), "block %d, shard %x", block/64, id[:])
				case engine.SalvagedOlder:
					require.Error(t, got.Err)
					require.Less(t, got.Mutation, got.Newest)
					require.True(t, containsBytes(puts, got.Data))
				case engine.SalvagedLost:
					require.Error(t, got.Err)
					require.Nil(t, got.Data)
				}
			}
		}
		require.NotZero(t, states[engine.SalvagedWhole])
		require.NotZero(t, states[engine.SalvagedLost]+states[engine.SalvagedOlder])
	}
}

func containsBytes(all [][]byte, b []byte) bool {
	for _, a := range all {
		if bytes.Equal(a, b) {
			return true
		}
	}
	return false
}

// A shard that was deleted stays deleted, whether the tombstone lies in the log or in a run.
func TestSalvageRespectsTombstones(t *testing.T) {
	for _, flushed := range []bool{false, true} {
		d := newDisk(16)
		require.NoError(t, engine.Format(d, small))
		s := open(t, d)
		for i := range byte(4) {
			_, err := s.Put(engine.ShardID{i}, []byte{i, i})
			require.NoError(t, err)
		}
		_, err := s.Delete(engine.ShardID{2})
		require.NoError(t, err)
		if flushed {
			require.NoError(t, s.Flush(context.Background()))
		}
		require.NoError(t, s.Sync(context.Background()))
		found, summary := salvage(t, d, engine.SalvageOptions{})
		require.Equal(t, engine.SalvagedDeleted, found[engine.ShardID{2}].State)
		require.Equal(t, 3, summary.Whole)
		require.Equal(t, 1, summary.Deleted)
	}
}

func TestSalvageStopsForErrorsOfTheCaller(t *testing.T) {
	d, _ := killed(t, 3)
	calls := 0
	_, err := engine.Salvage(context.Background(), d, engine.SalvageOptions{}, func(*engine.Salvaged) error {
		calls++
		return engine.ErrFull
	})
	require.ErrorIs(t, err, engine.ErrFull)
	require.Equal(t, 1, calls)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = engine.Salvage(ctx, d, engine.SalvageOptions{}, nil)
	require.ErrorIs(t, err, context.Canceled)
	rewriteFormat(d, 0, 9)
	_, err = engine.Salvage(context.Background(), d, engine.SalvageOptions{ExtentBytes: 4096}, nil)
	require.ErrorIs(t, err, engine.ErrVersion)
}
