package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// killed returns a disk on which a store was killed after it had put keys 0 to n-1 one by one, each durable before the next,
// and the same disk as it was before the last of them.
func killed(t *testing.T, n int) (d *disk.Memory, value func(i int) []byte) {
	t.Helper()
	d = newDisk(16)
	require.NoError(t, engine.Format(d, small))
	s := open(t, d)
	value = func(i int) []byte { return bytes.Repeat([]byte{byte(i + 1)}, 200) }
	for i := range n {
		_, err := s.Put(engine.ShardID{byte(i)}, value(i))
		require.NoError(t, err)
		require.NoError(t, s.Sync(context.Background()))
	}
	_, err := s.Pump(100)
	require.NoError(t, err)
	return d, value
}

// find returns where p lies on d.
func find(t *testing.T, d *disk.Memory, p []byte) int64 {
	t.Helper()
	at := bytes.Index(d.Bytes(), p)
	require.GreaterOrEqual(t, at, 0)
	return int64(at)
}

// onlyCorrupt checks that of the six keys lost alone answers "corrupt", and every other one exactly.
func onlyCorrupt(t *testing.T, s *engine.Store, lost int, value func(int) []byte) {
	t.Helper()
	for i := range 6 {
		got, err := s.Get(engine.ShardID{byte(i)})
		if i == lost {
			require.ErrorIs(t, err, engine.ErrCorrupt)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, value(i), got)
	}
}

// A unit of the log that later units attest is damage, not the log's end: its key answers "corrupt", and every other key, also
// those of later units, answers exactly.
func TestDamagedUnitOfAnUncleanLogCostsItsKeysAlone(t *testing.T) {
	for lost := range 4 {
		t.Run(fmt.Sprintf("unit %d", lost), func(t *testing.T) {
			d, value := killed(t, 6)
			d.Overwrite([]byte{0xff, 0xfe}, find(t, d, value(lost)))
			s := open(t, d)
			onlyCorrupt(t, s, lost, value)
			ids, err := s.List(nil, 10)
			require.NoError(t, err)
			require.Len(t, ids, 6, "a damaged shard may exist, so it is listed")
			require.NoError(t, s.Close())

			s = open(t, d)
			_, err = s.Get(engine.ShardID{byte(lost)})
			require.ErrorIs(t, err, engine.ErrCorrupt, "a flush does not forget damage")
			_, err = s.Put(engine.ShardID{byte(lost)}, []byte("new"))
			require.NoError(t, err)
			got, err := s.Get(engine.ShardID{byte(lost)})
			require.NoError(t, err)
			require.Equal(t, "new", string(got))
			require.NoError(t, s.Close())
		})
	}
}

// On a disk with larger physical blocks than the store was formatted for, units begin inside them: what attests a damaged one is
// found there too.
func TestDamageIsFoundWhereTheDiskHasLargerBlocks(t *testing.T) {
	for lost := range 4 {
		old, value := killed(t, 6)
		old.Overwrite([]byte{0xff, 0xfe}, find(t, old, value(lost)))
		info := old.Info()
		info.PhysicalBlock = 4096
		d := disk.NewMemory(info)
		d.Overwrite(old.Bytes(), 0)
		s := open(t, d)
		onlyCorrupt(t, s, lost, value)
	}
}

// The last acknowledged unit has nobody to attest it: this is a declared limit. The log ends before it.
func TestDamageOfTheLastUnitReadsAsTornTail(t *testing.T) {
	d, value := killed(t, 6)
	d.Overwrite([]byte{0xff, 0xfe}, find(t, d, value(5)))
	s := open(t, d)
	_, err := s.Get(engine.ShardID{5})
	require.ErrorIs(t, err, engine.ErrNotFound)
	got, err := s.Get(engine.ShardID{4})
	require.NoError(t, err)
	require.Equal(t, value(4), got)
	check(t, s)
	require.NoError(t, s.Close())
}

// Two adjacent units lost: nobody knows which keys they held. The store is read-only and never answers wrongly.
func TestAdjacentDamagedUnitsMakeTheStoreReadOnly(t *testing.T) {
	d, value := killed(t, 6)
	d.Overwrite([]byte{0xff, 0xfe}, find(t, d, value(2)))
	d.Overwrite([]byte{0xff, 0xfe}, find(t, d, value(3)))
	before := bytes.Clone(d.Bytes())
	s := open(t, d)
	for i := range 6 {
		_, err := s.Get(engine.ShardID{byte(i)})
		require.ErrorIs(t, err, engine.ErrCorrupt)
	}
	_, err := s.Put(engine.ShardID{9}, nil)
	require.ErrorIs(t, err, engine.ErrReadOnly)
	require.ErrorIs(t, s.Close(), engine.ErrReadOnly)
	require.True(t, bytes.Equal(before, d.Bytes()), "nothing was written")
}

// Whatever a single block of the disk turns into, no answer is wrong: bytes are right or an error is typed, and what exists is
// never "not found", but for the declared tail limit.
func TestNoBlockWhoseLossGoesUnnoticed(t *testing.T) {
	for _, clean := range []bool{false, true} {
		d, value := killed(t, 6)
		if clean {
			s := open(t, d)
			require.NoError(t, s.Close())
		}
		image := bytes.Clone(d.Bytes())
		for block := 0; block < len(image); block += 64 {
			for name, rot := range map[string][]byte{"zeros": make([]byte, 64), "garbage": bytes.Repeat([]byte{0xa5, 0x5a}, 32)} {
				d.Overwrite(image, 0)
				d.Overwrite(rot, int64(block))
				s, err := engine.Open(d, engine.Options{Rand: rand.NewPCG(1, 2), GroupBytes: 512, CacheBytes: 1024, IndexCacheBytes: 1024})
				if err != nil {
					t.Fatalf("block %d of %s: open: %v", block/64, name, err)
				}
				for i := range 6 {
					got, err := s.Get(engine.ShardID{byte(i)})
					switch {
					case err == nil && bytes.Equal(got, value(i)), errors.Is(err, engine.ErrCorrupt):
					case errors.Is(err, engine.ErrNotFound) && i == 5 && !clean: // the declared limit
					default:
						t.Fatalf("block %d of %s: key %d: %d bytes, %v", block/64, name, i, len(got), err)
					}
				}
			}
		}
	}
}
