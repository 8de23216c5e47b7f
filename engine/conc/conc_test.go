package conc_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/conc"
)

// programs are bodies with a claim; each runs without a scheduler and under many schedules.
var programs = []struct {
	name string
	body func() (held bool) // whether the claim held
	// What exploration must find in at least one of the schedules; neither for a correct program.
	breaks, sticks bool
}{
	{name: "a mutex makes increments atomic", body: func() bool {
		var m conc.Mutex
		n := 0
		together(3, func(int) {
			m.Lock()
			was := n
			conc.Yield()
			n = was + 1
			m.Unlock()
		})
		return n == 3
	}},
	{name: "a load and a store lose an update", breaks: true, body: func() bool {
		var n conc.Int64
		together(2, func(int) { n.Store(n.Load() + 1) })
		return n.Load() == 2
	}},
	{name: "adding is atomic", body: func() bool {
		var a conc.Int32
		var b conc.Int64
		var c conc.Uint32
		var d conc.Uint64
		together(3, func(int) { a.Add(1); b.Add(1); c.Add(1); d.Add(1) })
		return a.Load() == 3 && b.Load() == 3 && c.Load() == 3 && d.Load() == 3
	}},
	{name: "one compare-and-swap wins", body: func() bool {
		var flag conc.Bool
		var p conc.Pointer[int]
		var wins, firsts conc.Int32
		together(3, func(i int) {
			if flag.CompareAndSwap(false, true) {
				wins.Add(1)
			}
			if p.CompareAndSwap(nil, &i) {
				firsts.Add(1)
			}
		})
		return wins.Load() == 1 && firsts.Load() == 1 && p.Swap(nil) != nil && flag.Swap(false)
	}},
	{name: "two mutexes in two orders deadlock", sticks: true, body: func() bool {
		var a, b conc.Mutex
		together(2, func(i int) {
			first, second := &a, &b
			if i == 1 {
				first, second = &b, &a
			}
			first.Lock()
			defer first.Unlock()
			second.Lock()
			defer second.Unlock()
		})
		return true
	}},
	{name: "trying both mutexes does not deadlock", body: func() bool {
		var a, b conc.Mutex
		var both conc.Int32
		together(2, func(i int) {
			first, second := &a, &b
			if i == 1 {
				first, second = &b, &a
			}
			for {
				first.Lock()
				if second.TryLock() {
					both.Add(1)
					second.Unlock()
					first.Unlock()
					return
				}
				first.Unlock()
				conc.Yield()
			}
		})
		return both.Load() == 2
	}},
	{name: "readers exclude the writer only", body: func() bool {
		var m conc.RWMutex
		var inside conc.Int32
		ok := true
		together(4, func(i int) {
			if i == 0 {
				m.Lock()
				ok = ok && inside.Load() == 0
				m.Unlock()
				return
			}
			if i == 1 && !m.TryRLock() {
				return
			}
			if i != 1 {
				m.RLock()
			}
			inside.Add(1)
			inside.Add(-1)
			m.RUnlock()
		})
		return ok
	}},
	{name: "a bounded buffer on a condition variable hands over everything", body: func() bool {
		return boundedBuffer((*conc.Cond).Broadcast)
	}},
	{name: "signalling one of two kinds of waiters gets stuck", sticks: true, body: func() bool {
		return boundedBuffer((*conc.Cond).Signal)
	}},
	{name: "a channel keeps its order and ends", body: func() bool {
		c := conc.NewChan[int](2)
		ok, got := true, 0
		together(2, func(i int) {
			if i == 0 {
				for v := range 5 {
					if !c.TrySend(v) {
						c.Send(v)
					}
				}
				c.Close()
				return
			}
			for {
				v, more := c.TryRecv()
				if !more {
					v, more = c.Recv()
				}
				if !more {
					return
				}
				ok = ok && v == got
				got++
			}
		})
		return ok && got == 5
	}},
	{name: "once happens once, and everyone waits for it", body: func() bool {
		var once conc.Once
		var times, seen conc.Int32
		together(3, func(int) {
			once.Do(func() { times.Add(1) })
			seen.Add(times.Load())
		})
		return times.Load() == 1 && seen.Load() == 3
	}},
	{name: "a timer that was stopped early does not fire", body: func() bool {
		var fired conc.Int32
		stop := conc.AfterFunc(time.Hour, func() { fired.Add(1) })
		before := conc.Now()
		conc.Sleep(time.Millisecond)
		return stop() && conc.Now().Sub(before) >= time.Millisecond && fired.Load() == 0
	}},
	{name: "a waiter with a time limit wakes", body: func() bool {
		var m conc.Mutex
		c := conc.NewCond(&m)
		late := false
		conc.AfterFunc(time.Millisecond, func() {
			m.Lock()
			late = true
			m.Unlock()
			c.Broadcast()
		})
		m.Lock()
		for !late {
			c.Wait()
		}
		m.Unlock()
		return late
	}},
	{name: "a waiter whose context ends wakes", body: func() bool {
		var m conc.Mutex
		c := conc.NewCond(&m)
		ctx, cancel := context.WithCancel(context.Background())
		stop := conc.AfterDone(ctx, func() {
			m.Lock() // so that the waiter is not between its test and its wait
			c.Broadcast()
			m.Unlock()
		})
		together(2, func(i int) {
			if i == 0 {
				cancel()
				return
			}
			m.Lock()
			for ctx.Err() == nil {
				c.Wait()
			}
			m.Unlock()
		})
		stop()
		never := conc.AfterDone(context.Background(), func() { panic("this context never ends") })
		return ctx.Err() != nil && never()
	}},
	{name: "a pool hands out one value to one thread", body: func() bool {
		pool := conc.Pool[conc.Int32]{New: func() *conc.Int32 { return new(conc.Int32) }, Max: 1}
		var shared conc.Int32
		together(3, func(int) {
			v := pool.Get()
			if v.Add(1) != 1 {
				shared.Add(1)
			}
			v.Add(-1)
			pool.Put(v)
		})
		return shared.Load() == 0
	}},
}

// together runs fn(0) to fn(n-1) in goroutines and waits for them.
func together(n int, fn func(i int)) {
	var g conc.WaitGroup
	for i := range n {
		g.Go(string(rune('a'+i)), func() { fn(i) })
	}
	g.Wait()
}

// boundedBuffer lets two producers and two consumers share a buffer of one and one condition variable.
func boundedBuffer(wake func(*conc.Cond)) bool {
	var m conc.Mutex
	c := conc.NewCond(&m)
	buffered, taken := 0, 0
	move := func(from, by int) {
		m.Lock()
		for buffered != from {
			c.Wait()
		}
		buffered += by
		if by < 0 {
			taken++
		}
		wake(c)
		m.Unlock()
	}
	together(4, func(i int) {
		for range 2 {
			move(i%2, 1-2*(i%2))
		}
	})
	return taken == 4 && buffered == 0
}

func TestPrimitivesWorkWithoutAScheduler(t *testing.T) {
	for _, p := range programs {
		if p.breaks || p.sticks {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			for range 50 {
				require.True(t, p.body())
			}
		})
	}
}

func TestSchedulerFindsWhatIsThereAndNothingElse(t *testing.T) {
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			broke, stuck := 0, 0
			for seed := range uint64(300) {
				held := false
				_, ended := explore(seed, func() { held = p.body() })
				switch {
				case !ended:
					stuck++
				case !held:
					broke++
				}
			}
			require.Equal(t, p.breaks, broke > 0, "%d of 300 schedules broke the claim", broke)
			require.Equal(t, p.sticks, stuck > 0, "%d of 300 schedules got stuck", stuck)
		})
	}
}

func TestSameSeedGivesTheSameTrace(t *testing.T) {
	for _, p := range programs {
		one, _ := explore(7, func() { p.body() })
		two, _ := explore(7, func() { p.body() })
		require.Equal(t, one, two, p.name)
	}
}

func TestEveryOperationIsOnePoint(t *testing.T) {
	var m conc.Mutex
	c := conc.NewCond(&m)
	trace, ended := explore(1, func() {
		m.Lock()
		c.Signal()
		m.Unlock()
		conc.Yield()
	})
	require.True(t, ended)
	require.Equal(t, []string{"main Op(0)", "main lock", "main cond-signal", "main unlock", "main yield"}, trace)
}

func TestCounterIsNoPoint(t *testing.T) {
	var n conc.Counter
	trace, _ := explore(1, func() { n.Add(2); n.Add(3) })
	require.Len(t, trace, 1, "only the thread's beginning")
	require.EqualValues(t, 5, n.Value())
	n.Reset()
	require.Zero(t, n.Value())
}

func TestPoolIsLastInFirstOutAndBounded(t *testing.T) {
	made := 0
	p := conc.Pool[int]{New: func() *int { made++; return new(int) }, Max: 2}
	a, b, c := p.Get(), p.Get(), p.Get()
	p.Put(a)
	p.Put(b)
	p.Put(c) // one too many
	require.Same(t, b, p.Get())
	require.Same(t, a, p.Get())
	p.Get()
	require.Equal(t, 4, made)
}

func TestChanWithoutABufferIsRefused(t *testing.T) {
	require.Panics(t, func() { conc.NewChan[int](0) })
}

func TestInstallPutsBackWhatWasThere(t *testing.T) {
	var calls atomic.Int32
	outer := conc.Install(counting{&calls})
	inner := conc.Install(nil)
	conc.Yield()
	inner()
	conc.Yield()
	outer()
	conc.Yield()
	require.EqualValues(t, 1, calls.Load())
}

// counting counts points and does nothing else.
type counting struct{ calls *atomic.Int32 }

func (c counting) Point(conc.Op, *conc.Object, int)            { c.calls.Add(1) }
func (c counting) Go(string, func())                           {}
func (c counting) Now() time.Time                              { return time.Time{} }
func (c counting) Sleep(time.Duration)                         {}
func (c counting) AfterFunc(time.Duration, func()) func() bool { return nil }

func (c counting) AfterDone(context.Context, func()) func() bool { return nil }
