package engine_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/faultinject"
)

// One request of a store does not come back, and whoever waits gives up. Then the store is read and written as if nothing were, until
// either the request is done after all or the process dies with it:
//
//	put, flush, ... ──► request n is stalled ──► contexts are done ──► reads, puts ──► it completes ──► Wait, Close, Open: everything
//	                                                                       └────────► copy of the disk ──► Open: what was acknowledged
//
// n is 1, 2, 3, ... until a life is not disturbed any more; the request has had its effect by then, or not. Buffers are the caller's
// again as soon as Put returns, and are overwritten.

// stallDisk tells when a request is stalled.
type stallDisk struct {
	*faultinject.Disk
	stalled func()
}

func (d stallDisk) Submit(r *disk.Request) {
	d.Disk.Submit(r)
	if len(d.Events()) > 0 {
		d.stalled()
	}
}

// stalledLife is one life of a store.
type stalledLife struct {
	t     *testing.T
	below *disk.Memory
	disk  *faultinject.Disk
	store *engine.Store
	ctx   context.Context // done once a request is stalled
	deps  []engine.Dependency
	acked []bool
	steps sync.WaitGroup // under way
}

const stalledShards = 6

func stalledValue(n int) []byte { return versionBytes(nil, uint64(n), 1, 700*(n+1)) }

// newStalled opens a store on a disk that will stall request n.
func newStalled(t *testing.T, rule faultinject.Rule) *stalledLife {
	m := disk.NewMemory(disk.Info{Size: 1 << 20, LogicalBlock: 512, PhysicalBlock: 512, PowerSafe: true})
	require.NoError(t, engine.Format(m, engine.Geometry{ExtentBytes: 32 << 10, PageBytes: 1024, WindowBytes: 64 << 10, WindowUnits: 16}))
	ctx, cancel := context.WithCancel(t.Context())
	l := &stalledLife{t: t, below: m, disk: faultinject.New(m), ctx: ctx}
	o := durableOptions(1)
	o.Background, o.FreeExtents = true, 0
	var err error
	l.store, err = engine.Open(stallDisk{l.disk, cancel}, o)
	require.NoError(t, err)
	l.disk.Add(rule)
	return l
}

// put puts the next shard and waits for it.
func (l *stalledLife) put() {
	n := len(l.deps)
	value := stalledValue(n)
	dep, err := l.store.Put(soakID(uint64(n)), value)
	require.NoError(l.t, err)
	clear(value)
	err = l.store.Wait(l.ctx, dep)
	if err != nil {
		require.ErrorIs(l.t, err, context.Canceled)
	}
	l.deps, l.acked = append(l.deps, dep), append(l.acked, err == nil)
}

// live puts, and takes every step there is; one that has begun comes to its end only when its requests do.
func (l *stalledLife) live() {
	for range stalledShards / 2 {
		l.put()
		l.step(l.store.Flush)
	}
	l.step(func(ctx context.Context) error { _, err := l.store.Compact(ctx); return err })
	l.step(func(ctx context.Context) error { _, err := l.store.Reclaim(ctx); return err })
	l.step(l.store.FlushSuperblock)
	for len(l.deps) < stalledShards {
		l.put()
	}
}

// step takes a step, and waits for its end or for the stall.
func (l *stalledLife) step(take func(ctx context.Context) error) {
	done := make(chan struct{})
	l.steps.Go(func() {
		defer close(done)
		if err := take(l.ctx); err != nil {
			assert.ErrorIs(l.t, err, context.Canceled)
		}
	})
	select {
	case <-done:
	case <-l.ctx.Done():
	}
}

// reads wants every shard that was put.
func (l *stalledLife) reads(s *engine.Store) {
	for n := range l.deps {
		value, err := s.Get(soakID(uint64(n)))
		require.NoError(l.t, err)
		require.Equal(l.t, stalledValue(n), value)
	}
}

// dies copies the disk as it is, and wants what was acknowledged to be there; what was not may be.
func (l *stalledLife) dies() {
	after := disk.NewMemory(l.below.Info())
	p := make([]byte, l.below.Info().Size)
	require.NoError(l.t, l.below.Read(p, 0))
	after.Submit(&disk.Request{Kind: disk.Write, Data: p})
	require.NoError(l.t, after.Reap(true).Err)
	s, err := engine.Open(after, durableOptions(2))
	require.NoError(l.t, err)
	for n, acked := range l.acked {
		value, err := s.Get(soakID(uint64(n)))
		if acked || err == nil {
			require.NoError(l.t, err)
			require.Equal(l.t, stalledValue(n), value)
		} else {
			require.ErrorIs(l.t, err, engine.ErrNotFound)
		}
	}
	require.NoError(l.t, s.Close())
}

// goesOn lets the request complete, and wants everything.
func (l *stalledLife) goesOn() {
	l.disk.LiftAll()
	l.steps.Wait()
	for _, dep := range l.deps {
		require.NoError(l.t, l.store.Wait(l.t.Context(), dep))
	}
	l.reads(l.store)
	require.NoError(l.t, l.store.Close())
	s, err := engine.Open(l.below, durableOptions(3))
	require.NoError(l.t, err)
	l.reads(s)
	require.NoError(l.t, s.Close())
}

func TestARequestThatDoesNotComeBackCostsNothing(t *testing.T) {
	for _, effect := range []faultinject.Effect{faultinject.None, faultinject.All} {
		for _, on := range []faultinject.Target{faultinject.Write, faultinject.Flush} {
			lives := 0
			for stalled := true; stalled; lives++ {
				l := newStalled(t, faultinject.Rule{Do: faultinject.Stall, On: on, Effect: effect, Nth: 1 + lives, Times: 1})
				l.live()
				stalled = len(l.disk.Events()) > 0
				l.reads(l.store)
				l.dies()
				l.goesOn()
			}
			t.Logf("%v, effect %v: %d requests stalled", on, effect, lives-1)
			require.Greater(t, lives, 4)
		}
	}
}
