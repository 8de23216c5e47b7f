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

// readsOnly is a disk that fails the test when anything but a read is asked of it.
type readsOnly struct {
	disk.Disk
	t *testing.T
}

func (d readsOnly) Submit(r *disk.Request) {
	d.t.Errorf("%v at %d of a disk that is only read", r.Kind, r.Off)
	d.Disk.Submit(r)
}

func openReadOnly(t *testing.T, d disk.Disk) *engine.Store {
	t.Helper()
	s, err := engine.Open(readsOnly{d, t}, engine.Options{Rand: rand.NewPCG(1, 2), GroupBytes: 512, CacheBytes: 1024, IndexCacheBytes: 1024, ReadOnly: true})
	require.NoError(t, err)
	return s
}

// requireShards requires that exactly those shards are answered, in every way that there is to read.
func requireShards(t *testing.T, s *engine.Store, want map[engine.ShardID][]byte) {
	t.Helper()
	ids, err := s.List(nil, 1000)
	require.NoError(t, err)
	require.Len(t, ids, len(want))
	for _, id := range ids {
		got, err := s.Get(id)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want[id], got), "shard %x", id[:])
		info, err := s.Head(id)
		require.NoError(t, err)
		require.EqualValues(t, len(want[id]), info.Size)
		part, err := s.GetRange(nil, id, 1, 3)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(want[id][min(1, len(want[id])):], part))
	}
	check(t, s)
	require.NoError(t, s.Scrub(context.Background(), func(err error) { t.Errorf("scrub: %v", err) }))
}

// requireRefusals requires that whatever would change the store is refused.
func requireRefusals(t *testing.T, s *engine.Store) {
	t.Helper()
	ctx := context.Background()
	for name, call := range map[string]func() error{
		"put":              func() error { _, err := s.Put(engine.ShardID{1}, []byte("new")); return err },
		"delete":           func() error { _, err := s.Delete(engine.ShardID{1}); return err },
		"flush":            func() error { return s.Flush(ctx) },
		"compact":          func() error { _, err := s.Compact(ctx); return err },
		"reclaim":          func() error { _, err := s.Reclaim(ctx); return err },
		"flush superblock": func() error { return s.FlushSuperblock(ctx) },
		"pump":             func() error { _, err := s.Pump(1); return err },
		"start a flush":    func() error { _, err := s.Start(engine.StepFlush); return err },
		"start a merge":    func() error { _, err := s.Start(engine.StepCompact); return err },
		"start to reclaim": func() error { _, err := s.Start(engine.StepReclaim); return err },
		"start a root":     func() error { _, err := s.Start(engine.StepSuperblock); return err },
	} {
		require.ErrorIs(t, call(), engine.ErrReadOnly, name)
	}
	require.ErrorIs(t, s.Stats().ReadOnly, engine.ErrReadOnly)
}

// A store opened to be read gives the answers of any other Open, after clean closes and with a log to replay, and the disk gets
// no request but reads.
func TestAReadOnlyOpenAnswersAndWritesNothing(t *testing.T) {
	replayed, clean := 0, 0
	for seed := range uint64(120) {
		r := rand.New(rand.NewPCG(seed, 5))
		d := newDisk(14 + r.IntN(20))
		require.NoError(t, engine.Format(d, small))
		want := map[engine.ShardID][]byte{}
		for range 1 + r.IntN(3) {
			s := open(t, d)
			live(t, s, r, want)
			if r.IntN(2) == 0 {
				require.NoError(t, s.Close())
			} else {
				require.NoError(t, s.Sync(context.Background()))
				_, err := s.Pump(1000)
				require.NoError(t, err)
			}
		}
		before := bytes.Clone(d.Bytes())
		s := openReadOnly(t, d)
		if s.Stats().TailUnits > 0 {
			replayed++
		} else {
			clean++
		}
		requireShards(t, s, want)
		requireRefusals(t, s)
		require.NoError(t, s.Close())
		require.True(t, bytes.Equal(before, d.Bytes()))

		s = open(t, d)
		requireShards(t, s, want)
		require.NoError(t, s.Close())
	}
	require.NotZero(t, replayed)
	require.NotZero(t, clean)
}

// live puts and deletes some shards, of up to three extents, and notes what is there afterwards.
func live(t *testing.T, s *engine.Store, r *rand.Rand, want map[engine.ShardID][]byte) {
	t.Helper()
	for range 40 {
		id := engine.ShardID{byte(r.IntN(10))}
		var err error
		data := bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(300))
		if r.IntN(20) == 0 {
			data = bytes.Repeat(data, 20)
		}
		switch r.IntN(6) {
		case 0:
			_, err = s.Delete(id)
			data = nil
			if err == nil {
				delete(want, id)
			}
		case 1:
			require.NoError(t, s.Flush(context.Background()))
			continue
		default:
			if _, err = s.Put(id, data); err == nil {
				want[id] = data
			}
		}
		if err != nil {
			require.ErrorIs(t, err, engine.ErrFull)
		}
	}
}

// What damage hides, it hides from a reader too.
func TestAReadOnlyOpenOfALogThatLostUnitsAnswersCorrupt(t *testing.T) {
	d, value := killed(t, 6)
	d.Overwrite([]byte{0xff, 0xfe}, find(t, d, value(2)))
	d.Overwrite([]byte{0xff, 0xfe}, find(t, d, value(3)))
	s := openReadOnly(t, d)
	_, err := s.Get(engine.ShardID{1})
	require.ErrorIs(t, err, engine.ErrCorrupt)
	require.ErrorIs(t, s.Check(context.Background(), func(error) {}), engine.ErrCorrupt)
	_, err = s.Put(engine.ShardID{1}, nil)
	require.ErrorIs(t, err, engine.ErrReadOnly)
	require.NoError(t, s.Close())
}

// A disk that is read-only itself serves a store that is opened to be read, and no other.
func TestADiskOpenedReadOnlyServesReaders(t *testing.T) {
	name := t.TempDir() + "/store"
	d, err := disk.OpenFile(name, disk.FileOptions{Size: 4 << 20})
	require.NoError(t, err)
	require.NoError(t, engine.Format(d, engine.Geometry{}))
	s := open(t, d)
	_, err = s.Put(engine.ShardID{1}, []byte("here"))
	require.NoError(t, err)
	require.NoError(t, s.Sync(context.Background()))

	_, err = disk.OpenFile(name, disk.FileOptions{ReadOnly: true})
	require.ErrorIs(t, err, engine.ErrBusy)
	require.NoError(t, d.Close())

	d, err = disk.OpenFile(name, disk.FileOptions{ReadOnly: true})
	require.NoError(t, err)
	defer d.Close()
	_, err = engine.Open(d, engine.Options{})
	require.ErrorIs(t, err, disk.ErrReadOnly)
	s = openReadOnly(t, d)
	requireShards(t, s, map[engine.ShardID][]byte{{1}: []byte("here")})
	require.NoError(t, s.Close())
}

// A reader has no background work: nothing would be left for it to do.
func TestAReadOnlyOpenStartsNoBackgroundWork(t *testing.T) {
	d, value := killed(t, 3)
	before := bytes.Clone(d.Bytes())
	s, err := engine.Open(readsOnly{d, t}, engine.Options{ReadOnly: true, Background: true})
	require.NoError(t, err)
	requireShards(t, s, map[engine.ShardID][]byte{{0}: value(0), {1}: value(1), {2}: value(2)})
	requireRefusals(t, s)
	require.NoError(t, s.Sync(context.Background()))
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Close(), engine.ErrClosed)
	require.True(t, bytes.Equal(before, d.Bytes()))
}
