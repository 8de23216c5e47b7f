package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// powerDisk is a disk with a volatile cache: a power cut keeps, block by block at random, what no flush covered. If it is not
// power-safe, a write that the cut interrupts may besides leave one of its physical blocks unreadable.
type powerDisk struct {
	info   disk.Info
	media  []byte
	torn   map[int64]bool  // offsets of the physical blocks of media that cannot be read until all of one is written
	cached []*disk.Request // completed, not flushed, oldest first
	flying []*disk.Request
	random *rand.Rand
	left   int // requests until the power goes
}

var errPower = errors.New("power cut")

func (d *powerDisk) Info() disk.Info { return d.info }
func (d *powerDisk) Close() error    { return nil }

func (d *powerDisk) Read(p []byte, off int64) error {
	for b := range d.torn {
		replaced := slices.ContainsFunc(d.cached, func(w *disk.Request) bool { return slices.Contains(d.wholeBlocks(w), b) })
		if off < b+int64(d.info.PhysicalBlock) && b < off+int64(len(p)) && !replaced {
			return errTorn
		}
	}
	copy(p, d.media[off:])
	for _, r := range d.cached {
		overlay(p, off, r)
	}
	return nil
}

// wholeBlocks returns the offsets of the physical blocks that w covers wholly.
func (d *powerDisk) wholeBlocks(w *disk.Request) (all []int64) {
	block := int64(d.info.PhysicalBlock)
	for b := (w.Off + block - 1) / block * block; b+block <= w.Off+int64(len(w.Data)); b += block {
		all = append(all, b)
	}
	return all
}

func overlay(p []byte, off int64, r *disk.Request) {
	from, to := max(off, r.Off), min(off+int64(len(p)), r.Off+int64(len(r.Data)))
	if from < to {
		copy(p[from-off:to-off], r.Data[from-r.Off:])
	}
}

func (d *powerDisk) Submit(r *disk.Request) {
	c := *r
	c.Data = append([]byte(nil), r.Data...)
	if r.Kind == disk.Flush {
		c.Tag = uint64(len(d.cached))
	}
	d.flying = append(d.flying, r, &c)
}

func (d *powerDisk) Reap(bool) *disk.Request {
	if len(d.flying) == 0 {
		return nil
	}
	if d.left--; d.left <= 0 {
		panic(errPower)
	}
	i := d.random.IntN(len(d.flying)/2) * 2
	r, c := d.flying[i], d.flying[i+1]
	d.flying = append(d.flying[:i], d.flying[i+2:]...)
	if r.Kind == disk.Flush {
		for _, w := range d.cached[:c.Tag] {
			copy(d.media[w.Off:], w.Data)
			d.mend(d.wholeBlocks(w))
		}
		d.cached = d.cached[c.Tag:]
	} else {
		d.cached = append(d.cached, c)
	}
	return r
}

// cut loses, block by block, some of what no flush covered.
func (d *powerDisk) cut() {
	block := d.info.LogicalBlock
	all := d.cached
	for i := 1; i < len(d.flying); i += 2 {
		if d.flying[i].Kind == disk.Write {
			all = append(all, d.flying[i])
		}
	}
	mood := d.random.IntN(5)
	for _, w := range all {
		kept := 0
		for b := 0; b < len(w.Data); b += block {
			if d.random.IntN(4) < mood {
				copy(d.media[w.Off+int64(b):], w.Data[b:b+block])
				kept++
			}
		}
		if kept*block == len(w.Data) {
			d.mend(d.wholeBlocks(w))
		}
		if !d.info.PowerSafe && d.random.IntN(2) == 0 {
			at := w.Off + int64(d.random.IntN(len(w.Data)))
			d.torn[at-at%int64(d.info.PhysicalBlock)] = true
		}
	}
	d.cached, d.flying = nil, nil
}

// mend makes blocks readable.
func (d *powerDisk) mend(blocks []int64) {
	for _, b := range blocks {
		delete(d.torn, b)
	}
}

// life is a store with what must, and what may, be in it.
type life struct {
	t       *testing.T
	disk    *powerDisk
	store   *engine.Store
	states  []map[engine.ShardID]string // after each mutation, from the last one known to be durable on
	deps    []engine.Dependency         // of states[1:]
	trace   []string
	options engine.Options
}

func (l *life) logf(format string, a ...any) { l.trace = append(l.trace, fmt.Sprintf(format, a...)) }

func (l *life) must(err error) {
	if err != nil && !errors.Is(err, engine.ErrFull) {
		panic(err)
	}
}

// mutate applies one random mutation to store and states.
func (l *life) mutate(n int) {
	id := engine.ShardID{byte(l.disk.random.IntN(4))}
	next := maps.Clone(l.states[len(l.states)-1])
	var dep engine.Dependency
	var err error
	value := fmt.Sprintf("%d:%0*d", n, 1+l.disk.random.IntN(300), n)
	next[id] = value
	// The outcome of a call that the power cut interrupts is open: the state counts before the call returns.
	l.states = append(l.states, next)
	if l.disk.random.IntN(5) == 0 {
		delete(next, id)
		l.logf("delete %x", id[0])
		dep, err = l.store.Delete(id)
	} else {
		l.logf("put %x %d", id[0], len(value))
		dep, err = l.store.Put(id, []byte(value))
	}
	if errors.Is(err, engine.ErrFull) {
		l.states = l.states[:len(l.states)-1]
		return
	}
	l.must(err)
	l.deps = append(l.deps, dep)
}

// run lives until the power goes.
func (l *life) run() {
	defer func() {
		if r := recover(); r != nil && r != any(errPower) {
			panic(r)
		}
	}()
	ctx := context.Background()
	s, err := engine.Open(l.disk, l.options)
	l.must(err)
	l.store = s
	l.adopt()
	for n := range 60 {
		switch l.disk.random.IntN(8) {
		default:
			l.mutate(len(l.trace)*100 + n)
		case 0:
			l.logf("flush")
			l.must(s.Flush(ctx))
		case 1:
			l.logf("sync")
			l.must(s.Sync(ctx))
		case 2, 3:
			l.logf("pump")
			_, err := s.Pump(l.disk.random.IntN(5))
			l.must(err)
		}
		l.forget()
	}
	l.logf("close")
	l.must(s.Close())
	l.forget()
	require.Empty(l.t, l.deps)
}

// forget drops the states that durable mutations have made impossible.
func (l *life) forget() {
	for len(l.deps) > 0 && l.deps[0].Persistent() {
		l.deps, l.states = l.deps[1:], l.states[1:]
	}
}

// adopt finds out which of the possible states the store has recovered.
func (l *life) adopt() {
	ctx := context.Background()
	got := map[engine.ShardID]string{}
	for i := range byte(4) {
		b, err := l.store.Get(engine.ShardID{i})
		if err == nil {
			got[engine.ShardID{i}] = string(b)
		} else if !errors.Is(err, engine.ErrNotFound) {
			l.t.Fatalf("get %d: %v\n%v", i, err, l.trace)
		}
	}
	for i := len(l.states) - 1; i >= 0; i-- {
		if maps.Equal(l.states[i], got) {
			l.logf("recovered %d of %d", i, len(l.states)-1)
			l.states, l.deps = l.states[i:i+1], nil
			l.must(l.store.Check(ctx, func(err error) { l.t.Errorf("check: %v\n%v", err, l.trace) }))
			return
		}
	}
	l.t.Fatalf("recovered a state that never was, or one older than what was durable:\n%v", l.trace)
}

func TestWhatWasPersistentSurvivesPowerCuts(t *testing.T) {
	surviveCuts(t, func(r *rand.Rand) (disk.Info, engine.Geometry) { return newDisk(12 + r.IntN(12)).Info(), small })
}

// A physical block that an interrupted write left unreadable is nobody else's: what was persistent survives, and the block, where
// it is written again, is written whole.
func TestWhatWasPersistentSurvivesUnreadableBlocks(t *testing.T) {
	surviveCuts(t, func(r *rand.Rand) (disk.Info, engine.Geometry) {
		info, g := newDisk(12+r.IntN(12)).Info(), small
		info.PowerSafe, info.PhysicalBlock = false, 64<<r.IntN(3)
		g.PageBytes = 64 << r.IntN(4)
		return info, g
	})
}

// surviveCuts lives through many power cuts, on disks as draw draws them.
func surviveCuts(t *testing.T, draw func(r *rand.Rand) (disk.Info, engine.Geometry)) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 11))
		info, g := draw(r)
		d := &powerDisk{info: info, torn: map[int64]bool{}, random: r, left: 1 << 30}
		d.media = make([]byte, d.info.Size)
		require.NoError(t, engine.Format(d, g))
		l := &life{t: t, disk: d, states: []map[engine.ShardID]string{{}}}
		l.options = engine.Options{Rand: rand.NewPCG(seed, 2), GroupBytes: 64 << r.IntN(4), MemtableEntries: 1 << r.IntN(6), CacheBytes: 128 << r.IntN(6), IndexCacheBytes: 128 << r.IntN(6)}
		for range 12 {
			d.left = 1 + r.IntN(80)
			l.run()
			d.cut()
			l.logf("CUT")
			l.store = nil
		}
	}
}
