package engine_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// openBackground opens an empty store with background work on a memory disk of that size.
func openBackground(t *testing.T, d disk.Disk, o engine.Options) *engine.Store {
	t.Helper()
	require.NoError(t, engine.Format(d, engine.Geometry{}))
	o.Background = true
	s, err := engine.Open(d, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			require.ErrorIs(t, err, engine.ErrClosed)
		}
	})
	return s
}

func memoryDisk(bytes int64) *disk.Memory {
	return disk.NewMemory(disk.Info{Size: bytes, LogicalBlock: 512, PhysicalBlock: 4096, PowerSafe: true})
}

// Puts of many goroutines find the disk full; then reads and deletes work, and what was deleted makes room again.
func TestAFullDiskUnderBackgroundWork(t *testing.T) {
	s := openBackground(t, memoryDisk(16<<20), engine.Options{})
	var put atomic.Uint64
	fill := func() {
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for {
					n := put.Add(1)
					if _, err := s.Put(soakID(n), versionBytes(nil, n, 1, 20_000)); err != nil {
						if !errors.Is(err, engine.ErrFull) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		group.Wait()
	}
	fill()
	ids, err := s.List(nil, 1<<20)
	require.NoError(t, err)
	first := len(ids)
	require.Greater(t, first, 300, "half of the disk is used")
	for _, id := range ids {
		_, err := s.Get(id)
		require.NoError(t, err)
	}
	for _, id := range ids {
		_, err := s.Delete(id)
		require.NoError(t, err)
	}
	require.NoError(t, s.Sync(t.Context()))
	fill()
	ids, err = s.List(nil, 1<<20)
	require.NoError(t, err)
	require.Greater(t, len(ids), first*9/10)
	require.NoError(t, s.Check(t.Context(), func(err error) { t.Error(err) }))
}

// heldDisk carries out no flush while it is held.
type heldDisk struct {
	disk.Disk
	held sync.Mutex
}

func (d *heldDisk) Submit(r *disk.Request) {
	if r.Kind == disk.Flush {
		d.held.Lock()
		defer d.held.Unlock()
	}
	d.Disk.Submit(r)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	d := &heldDisk{Disk: memoryDisk(16 << 20)}
	s := openBackground(t, d, engine.Options{})
	d.held.Lock()
	dep, err := s.Put(soakID(1), []byte("value"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Wait(ctx, dep) }()
	go func() { ended <- s.Sync(ctx) }()
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.ErrorIs(t, <-ended, context.Canceled)
	d.held.Unlock()
	require.NoError(t, s.Wait(t.Context(), dep))
	require.Equal(t, engine.Persistent, dep.State())
}

// Close comes in the midst of everything: each call ends as it should or with ErrClosed, and what was reported persistent is there.
func TestCloseInTheMidstOfCalls(t *testing.T) {
	for range 5 {
		d := memoryDisk(16 << 20)
		s := openBackground(t, d, engine.Options{MemtableEntries: 50})
		var group sync.WaitGroup
		var persistent sync.Map
		var acked atomic.Uint64
		tolerate := func(err error) bool {
			if err != nil && !errors.Is(err, engine.ErrClosed) {
				t.Error(err)
			}
			return err == nil
		}
		for w := range uint64(4) {
			group.Go(func() {
				for n := (w + 1) << 32; ; n++ {
					dep, err := s.Put(soakID(n), versionBytes(nil, n, 1, 3000))
					if !tolerate(err) || !tolerate(s.Wait(t.Context(), dep)) {
						return
					}
					persistent.Store(n, true)
					acked.Add(1)
				}
			})
		}
		group.Go(func() {
			for n := uint64(0); ; n++ {
				_, err := s.Put(soakID(n), []byte("more to flush"))
				if !tolerate(err) || !tolerate(s.Flush(t.Context())) {
					return
				}
				if _, err := s.Compact(t.Context()); !tolerate(err) {
					return
				}
			}
		})
		group.Go(func() {
			for acked.Load() < 50 {
				dep, err := s.Delete(soakID(1 << 40))
				if !tolerate(err) || !tolerate(s.Wait(t.Context(), dep)) {
					return
				}
				if _, err := s.Reclaim(t.Context()); !tolerate(err) {
					return
				}
			}
			tolerate(s.Close())
		})
		group.Wait()
		require.ErrorIs(t, s.Close(), engine.ErrClosed)
		s, err := engine.Open(d, engine.Options{})
		require.NoError(t, err)
		require.Zero(t, s.Stats().TailUnits, "nothing is to be replayed after a clean close")
		count := 0
		persistent.Range(func(n, _ any) bool {
			count++
			got, err := storedVersion(s, n.(uint64))
			require.NoError(t, err)
			require.EqualValues(t, 1, got)
			return true
		})
		require.NotZero(t, count)
		require.NoError(t, s.Check(t.Context(), func(err error) { t.Error(err) }))
	}
}

// What nobody waits for becomes persistent too.
func TestAPutThatNobodyWaitsForBecomesPersistent(t *testing.T) {
	s := openBackground(t, memoryDisk(16<<20), engine.Options{})
	dep, err := s.Put(soakID(1), []byte("value"))
	require.NoError(t, err)
	for dep.State() == engine.Pending {
	}
	require.Equal(t, engine.Persistent, dep.State())
}
