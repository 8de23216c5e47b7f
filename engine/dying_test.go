package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/faultinject"
)

var deaths = flag.Int("deaths", 6, "`number` of deaths of each kind in TestADiskThatDiesLeavesNobodyWaiting, each further on")

// A disk fails from some request on, for good, while goroutines put, delete, wait and take steps on a store with background work:
//
//	16 writers, waiters, readers ──► request n fails, and all after it ──► everybody is told ──► reads ──► Close ──► healed ──► Open
//
//	X1  Every call returns: with success, or with an error that answers to ErrReadOnly or ErrIO. One that did not would hang the
//	    test.
//	X2  No mutation stays pending: it is persistent, or it has failed, and who waits for it is told the same.
//	X3  From when it knows of the failure until Close has returned the store asks for no more than dyingMost writes and flushes.
//	X4  What the store has answered it goes on to answer, from memory or from the disk: a read fails only if the disk fails it.
//	X5  Once the disk is healed, all that was reported persistent is there, and nothing that was not put.
//
// Blind spots: reads after the failure are not bounded, for readers go on as long as they are asked to; what a request that never
// completes does.

const (
	dyingShards  = 48
	dyingBase    = 64 // shards that nobody changes
	dyingWriters = 16
	dyingWindow  = 16 // units in flight
)

// dyingInFlight bounds the requests that are on their way when the store gets to know that one has failed: the units of a window, a
// slot and a flush, and as much again for tables, metadata and copies, whose neighbours go in one request.
const dyingInFlight = 2 * (dyingWindow + 2)

// dyingMost bounds the writes and flushes that the store asks for after that: those of a repair that is tried four times, for no
// flush succeeds meanwhile. Each time it writes a slot of the superblock, here of one page, and flushes, and one of the two fails.
// While the repair waits for the store's lock, puts may fill the window.
const dyingMost = dyingWindow + 4*2

// dyingDisk counts what is asked of it after the first failure. An error number that says so makes the device gone.
type dyingDisk struct {
	*faultinject.Disk
	flying atomic.Int64 // writes and flushes
	known  atomic.Bool  // that one has failed
	before atomic.Int64 // flying at that moment
	after  atomic.Int64 // writes and flushes from then on
	reads  atomic.Int64 // in all
}

func (d *dyingDisk) Read(p []byte, off int64) error {
	d.reads.Add(1)
	return d.Disk.Read(p, off)
}

func (d *dyingDisk) Submit(r *disk.Request) {
	d.flying.Add(1)
	if d.known.Load() {
		d.after.Add(1)
	}
	d.Disk.Submit(r)
}

func (d *dyingDisk) Reap(wait bool) *disk.Request {
	r := d.Disk.Reap(wait)
	if r == nil {
		return nil
	}
	if flying := d.flying.Add(-1); r.Err != nil && !d.known.Swap(true) {
		d.before.Store(flying)
	}
	if errors.Is(r.Err, syscall.ENODEV) {
		r.Err = fmt.Errorf("%w: %w", disk.ErrGone, r.Err)
	}
	return r
}

// dying is a store whose disk will die.
type dying struct {
	t      *testing.T
	disk   *dyingDisk
	store  *engine.Store
	shards [dyingShards]versions
	reads  bool // they fail too
	over   atomic.Bool
	waits  sync.WaitGroup
	seen   *dyingSeen
}

// dyingSeen counts over all deaths.
type dyingSeen struct {
	puts, told, failed, persistent atomic.Int64 // mutations, calls that were told, dependencies by how they ended
	cached, read, unread           int          // answers after the death: without a read, with one, and none
	before, most                   int64        // writes and flushes on their way at the first failure, and after it
}

func dyingOptions() engine.Options {
	o := durableOptions(1)
	o.CacheBytes, o.IndexCacheBytes, o.FreeExtents = 4<<20, 4<<20, 0
	return o
}

// baseValue is the value of a shard that nobody changes.
func baseValue(n uint64) []byte { return versionBytes(nil, dyingShards+n, 1, 100<<(n%6)) }

// newDying returns an open store with background work whose base is in its caches.
func newDying(t *testing.T, rule faultinject.Rule, seen *dyingSeen) *dying {
	t.Helper()
	m := disk.NewMemory(disk.Info{Size: 8 << 20, LogicalBlock: 512, PhysicalBlock: 512, PowerSafe: true})
	g := engine.Geometry{
		ExtentBytes: 64 << 10, PageBytes: 1024, WindowBytes: 64 << 10, WindowUnits: dyingWindow,
		SuperPageBytes: 8 << 10, // one page
	}
	require.NoError(t, engine.Format(m, g))
	s, err := engine.Open(m, dyingOptions())
	require.NoError(t, err)
	for n := range uint64(dyingBase) {
		_, err := s.Put(soakID(dyingShards+n), baseValue(n))
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	y := &dying{t: t, disk: &dyingDisk{Disk: faultinject.New(m)}, seen: seen}
	y.reads = rule.On == 0 && (rule.Do == faultinject.Fail || rule.Do == faultinject.Gone)
	o := dyingOptions()
	o.Background = true
	y.store, err = engine.Open(y.disk, o)
	require.NoError(t, err)
	for n := range uint64(dyingBase) {
		got, err := y.store.Get(soakID(dyingShards + n))
		require.NoError(t, err)
		require.Equal(t, baseValue(n), got)
	}
	y.disk.Add(rule)
	return y
}

// change is a mutation that was accepted: version n of the shard of v.
type change struct {
	engine.Dependency
	v *versions
	n uint64
}

// typed reports whether err is one that a dead disk explains; ended whether the store goes on no more.
func (y *dying) typed(what string, err error) (ended bool) {
	switch {
	case errors.Is(err, engine.ErrReadOnly):
		y.seen.told.Add(1)
		return true
	case errors.Is(err, engine.ErrIO), errors.Is(err, engine.ErrFull):
		return false
	}
	y.t.Errorf("%s: %v", what, err)
	return true
}

// mutate makes one change.
func (y *dying) mutate(r *rand.Rand) (change, error) {
	shard := r.Uint64N(dyingShards)
	v := &y.shards[shard]
	v.mu.Lock()
	defer v.mu.Unlock()
	var dep engine.Dependency
	var err error
	n, remove := v.last+1, r.IntN(5) == 0
	if remove {
		dep, err = y.store.Delete(soakID(shard))
	} else {
		dep, err = y.store.Put(soakID(shard), versionBytes(nil, shard, n, 8<<r.IntN(11)))
	}
	if err != nil {
		return change{}, err
	}
	y.seen.puts.Add(1)
	if v.last = n; remove {
		v.deletes = append(v.deletes, n)
	}
	v.visible.Store(n)
	return change{dep, v, n}, nil
}

// write changes shards and takes steps until the store is read-only.
func (y *dying) write(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 5))
	ctx := context.Background()
	var made []change
	for ended := false; !ended; {
		what := "put or delete"
		c, err := y.mutate(r)
		if err == nil {
			made = append(made, c)
			what, err = y.step(ctx, r.IntN(20), c)
		}
		ended = err != nil && y.typed(what, err)
	}
	for _, c := range made {
		switch c.State() {
		case engine.Failed:
			y.seen.failed.Add(1)
		case engine.Persistent:
			y.seen.persistent.Add(1)
			c.v.raiseDurable(c.n)
		default:
			y.t.Error("a mutation is pending on a disk that is dead")
		}
	}
}

// step waits for c, or does what more there is to do.
func (y *dying) step(ctx context.Context, choice int, c change) (what string, err error) {
	switch choice {
	case 0:
		return "sync", y.store.Sync(ctx)
	case 1:
		return "flush", y.store.Flush(ctx)
	case 2:
		_, err = y.store.Compact(ctx)
		return "compact", err
	case 3:
		_, err = y.store.Reclaim(ctx)
		return "reclaim", err
	case 4:
		return "flush of the superblock", y.store.FlushSuperblock(ctx)
	case 5, 6, 7, 8:
		y.waits.Go(func() {
			if err := y.wait(ctx, c); err != nil {
				y.typed("wait", err)
			}
		})
		return "", nil
	}
	return "wait", y.wait(ctx, c)
}

// wait waits for c, and holds the answer against what has become of it.
func (y *dying) wait(ctx context.Context, c change) error {
	err := y.store.Wait(ctx, c.Dependency)
	if err == nil && c.State() != engine.Persistent || err != nil && c.State() != engine.Failed {
		y.t.Errorf("wait: %v, and the dependency is %v", err, c.State())
	}
	return err
}

// read asks for shards until everybody has been told.
func (y *dying) read(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 6))
	for !y.over.Load() {
		shard := r.Uint64N(dyingShards)
		floor := y.shards[shard].visible.Load()
		value, err := y.store.Get(soakID(shard))
		y.answer(shard, floor, ^uint64(0), value, err)
	}
}

// answer holds an answer against the versions from floor to most, and reports whether there was one.
func (y *dying) answer(shard, floor, most uint64, value []byte, err error) bool {
	y.t.Helper()
	switch {
	case err == nil:
		n, err := versionOf(nil, value, shard)
		if err != nil || n < floor || n > most {
			y.t.Errorf("shard %d: version %d, %v; want %d to %d", shard, n, err, floor, most)
		}
	case errors.Is(err, engine.ErrNotFound):
		if !y.shards[shard].absentSince(floor) {
			y.t.Errorf("shard %d is not found, version %d was there and no delete came since", shard, floor)
		}
	case y.reads && errors.Is(err, engine.ErrIO):
		return false
	default:
		y.t.Errorf("shard %d: %v", shard, err)
	}
	return true
}

// answers asks for every shard, alone: nothing has changed since anybody was told.
func (y *dying) answers() {
	y.t.Helper()
	get := func(id engine.ShardID) ([]byte, bool, error) {
		before := y.disk.reads.Load()
		value, err := y.store.Get(id)
		return value, y.disk.reads.Load() > before, err
	}
	count := func(answered, read bool) {
		switch {
		case !answered && !read:
			y.t.Error("a read fails that asked nothing of the disk")
		case !answered:
			y.seen.unread++
		case read:
			y.seen.read++
		default:
			y.seen.cached++
		}
	}
	for shard := range uint64(dyingShards) {
		last := y.shards[shard].visible.Load()
		value, read, err := get(soakID(shard))
		count(y.answer(shard, last, last, value, err), read)
	}
	for n := range uint64(dyingBase) {
		value, read, err := get(soakID(dyingShards + n))
		if err == nil && string(value) != string(baseValue(n)) || err != nil && !(y.reads && errors.Is(err, engine.ErrIO)) {
			y.t.Errorf("shard %d of those that nobody changes: %d bytes, %v", n, len(value), err)
		}
		count(err == nil, read)
	}
}

// refuses requires of every call that changes anything that it says why not, and asks nothing of the disk.
func (y *dying) refuses() {
	y.t.Helper()
	ctx, before := context.Background(), y.disk.after.Load()
	_, put := y.store.Put(soakID(0), nil)
	_, remove := y.store.Delete(soakID(0))
	_, compact := y.store.Compact(ctx)
	_, reclaim := y.store.Reclaim(ctx)
	_, pump := y.store.Pump(1)
	flush, super := y.store.Flush(ctx), y.store.FlushSuperblock(ctx)
	for i, err := range []error{put, remove, compact, reclaim, pump, flush, super, y.store.Close()} {
		if !errors.Is(err, engine.ErrReadOnly) || !errors.Is(err, engine.ErrIO) {
			y.t.Errorf("call %d of a store whose disk is dead: %v", i, err)
		}
	}
	if n := y.disk.after.Load() - before; n != 0 {
		y.t.Errorf("a store that is read-only asks for %d writes and flushes", n)
	}
	if _, err := y.store.Get(soakID(0)); !errors.Is(err, engine.ErrClosed) {
		y.t.Errorf("get from a closed store: %v", err)
	}
}

// healed opens the store on the disk as it was written.
func (y *dying) healed() {
	y.t.Helper()
	y.disk.LiftAll()
	y.reads = false
	var err error
	y.store, err = engine.Open(y.disk, dyingOptions())
	require.NoError(y.t, err)
	for shard := range uint64(dyingShards) {
		v := &y.shards[shard]
		value, err := y.store.Get(soakID(shard))
		y.answer(shard, v.durable.Load(), v.last, value, err)
	}
	for n := range uint64(dyingBase) {
		value, err := y.store.Get(soakID(dyingShards + n))
		require.NoError(y.t, err)
		require.Equal(y.t, baseValue(n), value)
	}
	check(y.t, y.store)
	require.NoError(y.t, y.store.Close())
}

// die does all of it.
func (y *dying) die() {
	y.t.Helper()
	var writers, readers sync.WaitGroup
	for n := range uint64(dyingWriters) {
		writers.Go(func() { y.write(n) })
	}
	for n := range uint64(4) {
		readers.Go(func() { y.read(n) })
	}
	writers.Wait()
	y.waits.Wait()
	y.over.Store(true)
	readers.Wait()
	y.answers()
	y.refuses()
	before, after := y.disk.before.Load(), y.disk.after.Load()
	if before > dyingInFlight || after > dyingMost {
		y.t.Errorf("%d writes and flushes were on their way when one failed, at most %d can be; %d came after, at most %d are needed",
			before, dyingInFlight, after, dyingMost)
	}
	y.seen.before, y.seen.most = max(y.seen.before, before), max(y.seen.most, after)
	y.healed()
}

func TestADiskThatDiesLeavesNobodyWaiting(t *testing.T) {
	for _, text := range []string{
		"fail write", "fail write effect=part", "fail write effect=all", "fail flush", "fail flush effect=all", "fail write,flush",
		"fail", "gone", "gone errno=ENODEV", "readonly", "full",
	} {
		t.Run(text, func(t *testing.T) {
			rule, err := faultinject.ParseRule(text)
			require.NoError(t, err)
			seen := &dyingSeen{}
			for i := range *deaths {
				rule.Nth = 1 + i*(i+1)*3
				newDying(t, rule, seen).die()
				if t.Failed() {
					t.Fatalf("from request %d on", rule.Nth)
				}
			}
			t.Logf("%d mutations, %d persistent, %d failed; %d calls were told; at most %d writes and flushes on their way and %d after; "+
				"%d answers without a read, %d with one, %d none", seen.puts.Load(), seen.persistent.Load(), seen.failed.Load(),
				seen.told.Load(), seen.before, seen.most, seen.cached, seen.read, seen.unread)
			require.Positive(t, seen.told.Load())
			require.Positive(t, seen.cached)
		})
	}
}
