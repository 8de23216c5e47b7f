package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

var (
	soakFor  = flag.Duration("soak", 0, "`time` for which writers, readers and deleters work in TestWritersReadersAndDeleters; a few thousand operations each if 0")
	soakDisk = flag.String("soak-disk", "", "block `device` for the same, whose contents are lost; a file if empty")
)

// versions are the puts and deletes of one shard, numbered from 1 in the order in which the store was told of them.
type versions struct {
	mu      sync.Mutex
	last    uint64
	deletes []uint64      // those that are deletes, of the last ones at least
	visible atomic.Uint64 // the call for it has returned
	durable atomic.Uint64 // it was waited for
}

// next calls fn with the number of the next version, and tells who reads of it once fn has returned.
func (v *versions) next(remove bool, fn func(n uint64) error) (uint64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last++
	n := v.last
	if remove {
		v.deletes = append(v.deletes, n)
	}
	err := fn(n)
	v.visible.Store(n)
	return n, err
}

// absentSince reports whether a version from floor on is a delete, or there is none before.
func (v *versions) absentSince(floor uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return floor == 0 || len(v.deletes) > 0 && v.deletes[len(v.deletes)-1] >= floor
}

func (v *versions) raiseDurable(n uint64) {
	for {
		old := v.durable.Load()
		if old >= n || v.durable.CompareAndSwap(old, n) {
			return
		}
	}
}

// versionBytes returns the value of a version of a shard: its number and bytes that follow from both.
func versionBytes(dst []byte, shard, version uint64, size int) []byte {
	dst = binary.LittleEndian.AppendUint64(dst[:0], version)
	for r := rand.NewPCG(shard, version); len(dst) < size; {
		dst = binary.LittleEndian.AppendUint64(dst, r.Uint64())
	}
	return dst
}

// versionOf returns the number of the version that value is, or why it is none.
func versionOf(scratch, value []byte, shard uint64) (uint64, error) {
	if len(value) < 8 {
		return 0, fmt.Errorf("a value of %d bytes that nobody put", len(value))
	}
	n := binary.LittleEndian.Uint64(value)
	if string(versionBytes(scratch, shard, n, len(value))) != string(value) {
		return 0, fmt.Errorf("version %d of %d bytes is not what was put", n, len(value))
	}
	return n, nil
}

// soak is writers, readers and deleters on one store.
type soak struct {
	store  *engine.Store
	shards []versions
	stop   func(done int) bool
	reads  atomic.Uint64
	writes atomic.Uint64
}

func soakID(n uint64) (id engine.ShardID) {
	binary.BigEndian.PutUint64(id[:], n*0x9e3779b97f4a7c15)
	return id
}

// mutate puts and deletes, and waits for every other mutation.
func (k *soak) mutate(seed uint64, deletes int) error {
	r := rand.New(rand.NewPCG(seed, 1))
	var value []byte
	for done := 0; !k.stop(done); done++ {
		shard := r.Uint64N(uint64(len(k.shards)))
		v := &k.shards[shard]
		remove := r.IntN(100) < deletes
		size := 8 << r.IntN(13)
		if r.IntN(200) == 0 {
			size = 1 << 20
		}
		var dep engine.Dependency
		n, err := v.next(remove, func(n uint64) (err error) {
			if remove {
				dep, err = k.store.Delete(soakID(shard))
				return err
			}
			value = versionBytes(value, shard, n, size)
			dep, err = k.store.Put(soakID(shard), value)
			return err
		})
		if err != nil {
			return fmt.Errorf("version %d of shard %d: %w", n, shard, err)
		}
		k.writes.Add(1)
		if r.IntN(2) == 0 {
			if err := k.store.Wait(context.Background(), dep); err != nil {
				return fmt.Errorf("waiting for version %d of shard %d: %w", n, shard, err)
			}
			v.raiseDurable(n)
		}
	}
	return nil
}

// read reads, and wants what was there when it began or came since.
func (k *soak) read(seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 2))
	var value, scratch []byte
	for done := 0; !k.stop(done); done++ {
		shard := r.Uint64N(uint64(len(k.shards)))
		v := &k.shards[shard]
		floor := max(v.visible.Load(), v.durable.Load())
		var err error
		value, err = k.store.AppendShard(value[:0], soakID(shard))
		k.reads.Add(1)
		if errors.Is(err, engine.ErrNotFound) {
			if !v.absentSince(floor) {
				return fmt.Errorf("shard %d is not found, version %d was there and no delete came since", shard, floor)
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("shard %d: %w", shard, err)
		}
		n, err := versionOf(scratch, value, shard)
		if err != nil {
			return fmt.Errorf("shard %d: %w", shard, err)
		}
		if n < floor {
			return fmt.Errorf("version %d of shard %d is read, version %d was there before", n, shard, floor)
		}
	}
	return nil
}

// Each value is unique; a reader gets one that some put wrote, and none older than what was there when it began. Afterwards the
// store is consistent, and holds what was put last, also when it is opened again; nothing that it started is left.
func TestWritersReadersAndDeleters(t *testing.T) {
	before := runtime.NumGoroutine()
	d := soakOn(t)
	o := engine.Options{Background: true, CacheBytes: 4 << 20, IndexCacheBytes: 4 << 20}
	s, err := engine.Open(d, o)
	require.NoError(t, err)
	k := &soak{store: s, shards: make([]versions, 512), stop: func(done int) bool { return done == 1000 }}
	unwatch := func() {}
	if *soakFor > 0 {
		end := time.Now().Add(*soakFor)
		k.stop = func(int) bool { return !time.Now().Before(end) }
		unwatch = k.watch(t, end)
	}
	var group sync.WaitGroup
	errs := make(chan error, 64)
	run := func(n int, fn func(seed uint64) error) {
		for i := range n {
			group.Go(func() {
				if err := fn(uint64(i)); err != nil {
					errs <- err
				}
			})
		}
	}
	run(16, func(seed uint64) error { return k.mutate(seed, 0) })
	run(16, k.read)
	run(4, func(seed uint64) error { return k.mutate(100+seed, 100) })
	group.Wait()
	unwatch()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	t.Logf("%d mutations, %d reads, %+v", k.writes.Load(), k.reads.Load(), s.Space())
	require.NoError(t, s.Check(t.Context(), func(err error) { t.Error(err) }))
	require.NoError(t, s.Close())
	s, err = engine.Open(d, o)
	require.NoError(t, err)
	k.store = s
	k.stop = func(done int) bool { return done == 5000 }
	require.NoError(t, k.read(7))
	require.NoError(t, s.Check(t.Context(), func(err error) { t.Error(err) }))
	require.NoError(t, s.Close())
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// soakOn returns a formatted disk.
func soakOn(t *testing.T) disk.Disk {
	t.Helper()
	var d disk.Disk
	var err error
	if *soakDisk != "" {
		d, err = disk.OpenDevice(*soakDisk, disk.DeviceOptions{})
	} else {
		d, err = disk.OpenFile(filepath.Join(t.TempDir(), "store"), disk.FileOptions{Size: 256 << 20, Sparse: true})
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	require.NoError(t, engine.Format(d, engine.Geometry{ExtentBytes: 4 << 20}))
	return d
}

// watch logs, ten times until the end, what the process takes.
func (k *soak) watch(t *testing.T, end time.Time) (stop func()) {
	step := time.Until(end) / 10
	ticker := time.NewTicker(step)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				status, _ := os.ReadFile("/proc/self/statm")
				var all, resident int
				_, _ = fmt.Sscan(string(status), &all, &resident)
				t.Logf("%d mutations, %d reads; heap %d MiB, resident %d MiB, %d goroutines, %d extents free", k.writes.Load(), k.reads.Load(),
					m.HeapInuse>>20, resident*os.Getpagesize()>>20, runtime.NumGoroutine(), k.store.Space().Free)
			}
		}
	}()
	return func() { ticker.Stop(); close(done); <-ended }
}
