package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/probe"
)

var powerCuts = flag.Int("power-cuts", 150, "`number` of power cuts of TestWhatWasReportedPersistentSurvivesThePowerCut")

// A store with background work loses its power: while many goroutines put and delete, or while it opens, after a random number of
// requests. Every call comes back with that error; one that did not would hang the test. Then the store is opened with background
// work off, in some of all states that the cut can have left:
//
//	writers, deleters ──► power cut ──► Close ──► none lost, all lost, 16 in order, 16 by chance: open, read, check ──► the next life
//
// In each of them every shard is the last version that was reported persistent, or a later one. The next life goes on in one of these
// states, with whatever of it nobody has asked for.
//
// Blind spot: that all shards agree on what was later; package conformance compares that, where one goroutine makes the order known.

const (
	durableShards   = 24
	durableWriters  = 4
	durableDeleters = 2
	durableLives    = 3 // of a disk
)

// durableLife is the life of a store until its power fails.
type durableLife struct {
	disk   *crashsim.Disk
	shards [durableShards]durableShard
	last   *engine.Store // that was opened before and nobody uses any more
	seen   *durableSeen
}

// durableSeen counts over all lives.
type durableSeen struct {
	cuts, states  int
	writes        int        // at stake at any cut
	reported, put int        // mutations reported persistent, and all
	probes        *probe.Set // of the stores until their power failed
}

// durableShard is what is known of a shard.
type durableShard struct {
	versions
	base  uint64 // the version with which the life began; 0: the shard was not there
	first uint64 // version of this life
}

// mutation is one put or delete that was accepted.
type mutation struct {
	shard   *durableShard
	version uint64
	dep     engine.Dependency
}

// durableOptions are such that memory is flushed, merged and reclaimed all the time.
func durableOptions(seed uint64) engine.Options {
	return engine.Options{
		Rand: rand.NewPCG(seed, 3), GroupBytes: 8 << 10, MemtableEntries: 30, Trigger: 2, Fanout: 2, TailBytes: 128 << 10,
		CacheBytes: 32 << 10, IndexCacheBytes: 32 << 10, FreeExtents: 50,
	}
}

// newDurable returns an empty store on a disk of a kind that seed says. The store itself is there whatever the disk promises.
func newDurable(seed uint64, lie crashsim.Lie, seen *durableSeen) (*durableLife, error) {
	info := disk.Info{Size: 2 << 20, LogicalBlock: 512, PhysicalBlock: 1024}
	number := int(seed) % len(crashsim.DeviceNames)
	if lie == crashsim.NoFlush {
		number = crashsim.Sectors // a disk without a cache has nothing to flush
	}
	l := &durableLife{seen: seen, disk: crashsim.New(crashsim.Config{
		Info: info, Device: crashsim.DeviceNumber(number, info.PhysicalBlock), Shuffle: 1 + seed, Lie: lie,
	})}
	err := engine.Format(l.disk, engine.Geometry{ExtentBytes: 32 << 10, PageBytes: 1024, WindowBytes: 64 << 10, WindowUnits: 16, Rand: rand.NewPCG(seed, 4)})
	l.disk.PowerOff()
	l.disk.PowerOn(0)
	for n := range l.shards {
		l.shards[n].first = 1
	}
	return l, errors.Join(err, l.disk.Read(make([]byte, info.Size), 0)) // what was read once is read again
}

// live opens the store and lets goroutines work on it until the power fails, after so many requests, and every one of them was told.
func (l *durableLife) live(seed uint64, requests int) error {
	l.disk.Cut(requests)
	o := durableOptions(seed)
	o.Background, o.Probes = true, l.seen.probes
	s, err := engine.Open(l.disk, o)
	if err == nil {
		if err = l.begin(s); err == nil {
			err = l.work(s, seed)
		}
		err = errors.Join(unlessPower(err), unlessPower(s.Close()))
	}
	if !l.disk.PowerOff() && err == nil {
		err = errors.New("something ended before the power did")
	}
	return unlessPower(err)
}

// begin notes what a recovered store holds: that is there from now on.
func (l *durableLife) begin(s *engine.Store) error {
	found, err := l.read(s)
	for n := range l.shards {
		if v := &l.shards[n]; err == nil {
			v.base, v.first = found[n], v.last+1
		}
	}
	return err
}

// work lets goroutines put and delete until the power fails, and asks every dependency whether it had become persistent.
func (l *durableLife) work(s *engine.Store, seed uint64) error {
	var group sync.WaitGroup
	var done [durableWriters + durableDeleters][]mutation
	var errs [len(done)]error
	for i := range done {
		group.Go(func() { done[i], errs[i] = l.mutate(s, seed<<8+uint64(i), i >= durableWriters) })
	}
	group.Wait()
	for _, all := range done {
		for _, m := range all {
			if err := m.settle(s); err != nil {
				return err
			}
			l.seen.put++
			if m.dep.Persistent() {
				l.seen.reported++
			}
		}
	}
	return errors.Join(errs[:]...)
}

// unlessPower returns err if it is anything but the power cut.
func unlessPower(err error) error {
	if errors.Is(err, crashsim.ErrPower) {
		return nil
	}
	return err
}

// mutate puts, or deletes, until that fails, which only the power cut may bring about; it waits for some of them.
func (l *durableLife) mutate(s *engine.Store, seed uint64, remove bool) (done []mutation, err error) {
	r := rand.New(rand.NewPCG(seed, 1))
	rarely := 1 + r.IntN(20)
	var value []byte
	for {
		n := r.Uint64N(durableShards)
		m := mutation{shard: &l.shards[n]}
		size := 8 << r.IntN(11)
		m.version, err = m.shard.next(remove, func(version uint64) (err error) {
			if remove {
				m.dep, err = s.Delete(soakID(n))
				return err
			}
			value = versionBytes(value, n, version, size)
			m.dep, err = s.Put(soakID(n), value)
			return err
		})
		if err == nil {
			done = append(done, m)
			if remove || r.IntN(rarely) == 0 {
				err = s.Wait(context.Background(), m.dep)
			}
		}
		if err != nil {
			return done, unlessPower(err)
		}
	}
}

// settle notes whether m was reported persistent, and wants a wait for it to say the same.
func (m *mutation) settle(s *engine.Store) error {
	err := s.Wait(context.Background(), m.dep)
	if persistent := m.dep.Persistent(); persistent != (err == nil) {
		return fmt.Errorf("a wait for what is persistent (%v) answers %v", persistent, err)
	}
	if err == nil {
		m.shard.raiseDurable(m.version)
	}
	return nil
}

// recovered opens the store and returns what it holds of each shard, or why that cannot be.
func (l *durableLife) recovered(seed uint64) (found [durableShards]uint64, err error) {
	o := durableOptions(seed)
	o.Reuse, l.last = l.last, nil
	s, err := engine.Open(l.disk, o)
	if err != nil {
		return found, fmt.Errorf("open after a power cut: %w", err)
	}
	l.last = s
	if found, err = l.read(s); err != nil {
		return found, err
	}
	var complaint error
	err = s.Check(context.Background(), func(err error) { complaint = errors.Join(complaint, err) })
	return found, errors.Join(err, complaint)
}

// read returns which version of each shard s holds, or why that cannot be.
func (l *durableLife) read(s *engine.Store) (found [durableShards]uint64, err error) {
	for n := range found {
		if found[n], err = storedVersion(s, uint64(n)); err == nil {
			err = l.shards[n].allows(found[n])
		}
		if err != nil {
			return found, fmt.Errorf("shard %d: %w", n, err)
		}
	}
	return found, nil
}

// allows returns why a power cut cannot have left that version, 0 if the shard is not there.
func (v *durableShard) allows(version uint64) error {
	floor := v.durable.Load()
	began := floor < v.first // nothing of this life was reported: the shard may be what it was
	if began {
		floor = v.first
	}
	switch {
	case began && version == v.base:
	case version == 0 && v.absentSince(floor):
	case version >= floor && version <= v.last:
	default:
		return fmt.Errorf("version %d (0: not found), %d was reported persistent, life began with %d and %d was the first of it", version,
			v.durable.Load(), v.base, v.first)
	}
	return nil
}

// crash lets the store live until its power fails, and looks at states that this can leave; seed says which, and in which it goes on.
func (l *durableLife) crash(seed uint64) error {
	r := rand.New(rand.NewPCG(seed, 5))
	requests := r.IntN(1000)
	if r.IntN(4) == 0 {
		requests = r.IntN(20) // few are completed while a store opens
	}
	if err := l.live(seed, requests); err != nil {
		return err
	}
	goesOn := r.Uint64() & r.Uint64()
	l.disk.PowerOn(goesOn)
	writes, _ := l.disk.Undecided()
	l.seen.cuts++
	l.seen.writes += writes
	var failure error
	look := func(bool) (digest uint64, goOn bool) {
		found, err := l.recovered(seed)
		failure = err
		for _, version := range found {
			digest = digest*0x9e3779b97f4a7c15 + version
		}
		return digest, err == nil
	}
	for _, lost := range []uint64{0, ^uint64(0)} {
		if l.disk.Try(lost, look); failure != nil {
			return failure
		}
	}
	x, err := l.disk.Explore(crashsim.Bounds{Leaves: 16, Samples: 16, Seed: seed, Plain: 16}, look)
	if err = errors.Join(failure, err); err != nil {
		return err
	}
	l.seen.states += x.Leaves
	return nil
}

// crashes lets disks lose their power so many times, and returns the first thing that was not as it should be.
func crashes(cuts int, lie crashsim.Lie) (seen durableSeen, err error) {
	seen.probes = probe.NewSet()
	var l *durableLife
	for cut := range uint64(cuts) {
		if cut%durableLives == 0 {
			if l, err = newDurable(cut/durableLives, lie, &seen); err != nil {
				return seen, err
			}
		}
		if err := l.crash(cut); err != nil {
			return seen, fmt.Errorf("power cut %d: %w", cut, err)
		}
	}
	return seen, nil
}

func TestWhatWasReportedPersistentSurvivesThePowerCut(t *testing.T) {
	before := runtime.NumGoroutine()
	seen, err := crashes(*powerCuts, crashsim.Honest)
	require.NoError(t, err)
	t.Logf("%+v", seen)
	for name, hits := range seen.probes.All() {
		t.Logf("%8d %s", hits, name)
	}
	require.Greater(t, seen.states, 3*seen.cuts, "something was at stake")
	require.Greater(t, seen.reported, seen.put/2, "much was reported persistent")
	require.Less(t, seen.reported, seen.put, "not all was")
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}

// A disk whose flush does nothing is what a store sees that forgets to flush: then the test above has to fail.
func TestAFlushThatDoesNothingIsNoticed(t *testing.T) {
	seen, err := crashes(*powerCuts, crashsim.NoFlush)
	require.Error(t, err)
	t.Logf("at power cut %d: %v", seen.cuts, err)
}
