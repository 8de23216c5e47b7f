package engine_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

var small = engine.Geometry{ExtentBytes: 4096, PageBytes: 128, WindowBytes: 2048, WindowUnits: 4}

func newDisk(extents int) *disk.Memory {
	return disk.NewMemory(disk.Info{Size: int64(extents) * 4096, LogicalBlock: 64, PhysicalBlock: 64, PowerSafe: true})
}

func open(t *testing.T, d disk.Disk) *engine.Store {
	t.Helper()
	s, err := engine.Open(d, engine.Options{Rand: rand.NewPCG(1, 2), GroupBytes: 512, MemtableEntries: 16, CacheBytes: 1024, IndexCacheBytes: 1024})
	require.NoError(t, err)
	return s
}

func check(t *testing.T, s *engine.Store) {
	t.Helper()
	require.NoError(t, s.Check(context.Background(), func(err error) { t.Errorf("check: %v", err) }))
}

func TestStoreAnswersAsAMapDoes(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 7))
		d := newDisk(12 + r.IntN(20))
		require.NoError(t, engine.Format(d, small))
		s := open(t, d)
		want := map[engine.ShardID][]byte{}
		for range 200 {
			id := engine.ShardID{byte(r.IntN(12))}
			switch op := r.IntN(12); {
			case op < 4:
				data := bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(400))
				_, err := s.Put(id, data)
				if errors.Is(err, engine.ErrFull) {
					continue
				}
				require.NoError(t, err)
				want[id] = data
			case op == 4:
				_, err := s.Delete(id)
				if errors.Is(err, engine.ErrFull) {
					continue
				}
				require.NoError(t, err)
				delete(want, id)
			case op == 5:
				require.NoError(t, s.Flush(context.Background()))
			case op == 6:
				_, err := s.Pump(r.IntN(4))
				require.NoError(t, err)
			case op == 7:
				require.NoError(t, s.Sync(context.Background()))
			case op == 8:
				check(t, s)
				if r.IntN(2) == 0 {
					require.NoError(t, s.Close())
				} else {
					_, err := s.Pump(1000)
					require.NoError(t, err)
				}
				s = open(t, d)
			default:
				got, err := s.Get(id)
				data, ok := want[id]
				if !ok {
					require.ErrorIs(t, err, engine.ErrNotFound)
				} else {
					require.NoError(t, err)
					require.True(t, bytes.Equal(data, got))
				}
			}
			ids, err := s.List(nil, 100)
			require.NoError(t, err)
			require.Len(t, ids, len(want))
		}
		check(t, s)
	}
}

// readCounter counts the reads of a disk.
type readCounter struct {
	*disk.Memory
	reads int
}

func (d *readCounter) Read(p []byte, off int64) error {
	d.reads++
	return d.Memory.Read(p, off)
}

func TestAColdGetIsOneReadOfTheDevice(t *testing.T) {
	d := &readCounter{Memory: newDisk(16)}
	g := small
	g.PageBytes = 512 // one of the index names all shards
	require.NoError(t, engine.Format(d, g))
	s := open(t, d)
	data := bytes.Repeat([]byte{7}, 1500) // three or four pages
	for i := range byte(3) {
		_, err := s.Put(engine.ShardID{i}, data)
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	s, err := engine.Open(d, engine.Options{})
	require.NoError(t, err)
	_, err = s.Head(engine.ShardID{0}) // reads the page of the index
	require.NoError(t, err)
	for i := range byte(3) {
		before := d.reads
		got, err := s.Get(engine.ShardID{i})
		require.NoError(t, err)
		require.Equal(t, data, got)
		require.Equal(t, 1, d.reads-before)
	}
}
