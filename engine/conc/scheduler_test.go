package conc_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/shardproof/shardproof/engine/conc"
)

// toy is a scheduler of the simplest kind: it picks among the enabled threads at random. It is here to show that Hooks carries
// one: it keeps the state of every object from the operations alone (C3), and panics where the seam breaks its word.
type toy struct {
	rng     *rand.Rand
	threads []*thread
	running *thread
	objects map[*conc.Object]*object
	now     time.Time
	trace   []string
}

type thread struct {
	name   string
	next   func() (struct{}, bool)
	yield  func(struct{}) bool
	op     conc.Op // what it will do next; 0: begin
	obj    *conc.Object
	n      int
	until  time.Time // not enabled before; the zero Time is no limit
	waits  *conc.Object
	ctx    context.Context // begins once it is done; nil: no such condition
	done   bool
	called bool // a stopped timer: never runs
}

type object struct {
	held, readers, count, buffered int
	closed                         bool
}

// explore runs body once under a toy seeded with seed. It returns the trace, and whether the threads ended; if not they are
// stuck for good, and abandoned: a real scheduler would end them.
func explore(seed uint64, body func()) (trace []string, ended bool) {
	s := &toy{rng: rand.New(rand.NewPCG(seed, 0)), objects: map[*conc.Object]*object{}, now: time.Unix(0, 0)}
	restore := conc.Install(s)
	defer restore()
	s.Go("main", body)
	for {
		alive, enabled := 0, []*thread(nil)
		for _, t := range s.threads {
			if !t.done {
				if t.ctx == nil || t.ctx.Err() != nil {
					alive++
				}
				if s.enabled(t) {
					enabled = append(enabled, t)
				}
			}
		}
		switch {
		case alive == 0:
			return s.trace, true
		case len(enabled) == 0 && !s.advance():
			return s.trace, false
		case len(enabled) > 0:
			s.run(enabled[s.rng.IntN(len(enabled))])
		}
	}
}

func (s *toy) run(t *thread) {
	s.running = t
	s.trace = append(s.trace, fmt.Sprint(t.name, " ", t.op))
	s.apply(t)
	if _, more := t.next(); !more {
		t.done = true
	}
}

// advance moves the time to where the next sleeper wakes.
func (s *toy) advance() bool {
	var first time.Time
	for _, t := range s.threads {
		if !t.done && t.until.After(s.now) && (first.IsZero() || t.until.Before(first)) {
			first = t.until
		}
	}
	if first.IsZero() {
		return false
	}
	s.now = first
	return true
}

func (s *toy) state(o *conc.Object) *object {
	if s.objects[o] == nil {
		s.objects[o] = &object{}
	}
	return s.objects[o]
}

func (s *toy) enabled(t *thread) bool {
	if t.until.After(s.now) || (t.ctx != nil && t.ctx.Err() == nil) {
		return false
	}
	o := s.state(t.obj)
	switch t.op {
	case conc.OpLock:
		return o.held == 0 && o.readers == 0
	case conc.OpRLock:
		return o.held == 0
	case conc.OpCondWake:
		return t.waits == nil
	case conc.OpGroupWait:
		return o.count == 0
	case conc.OpChanSend:
		return o.closed || o.buffered < t.n
	case conc.OpChanRecv:
		return o.closed || o.buffered > 0
	}
	return true
}

// apply changes the state of t's object as its operation is about to.
func (s *toy) apply(t *thread) {
	o := s.state(t.obj)
	switch t.op {
	case conc.OpLock:
		o.held++
	case conc.OpTryLock:
		if o.held == 0 && o.readers == 0 {
			o.held++
		}
	case conc.OpUnlock:
		o.held--
	case conc.OpRLock:
		o.readers++
	case conc.OpTryRLock:
		if o.held == 0 {
			o.readers++
		}
	case conc.OpRUnlock:
		o.readers--
	case conc.OpCondWait:
		t.waits = t.obj
	case conc.OpCondSignal, conc.OpCondAll:
		s.wake(t.obj, t.op == conc.OpCondAll)
	case conc.OpGroupAdd:
		o.count += t.n
	case conc.OpChanSend:
		o.buffered++
	case conc.OpChanTrySend:
		if o.buffered < t.n {
			o.buffered++
		}
	case conc.OpChanRecv, conc.OpChanTryRecv:
		o.buffered = max(0, o.buffered-1)
	case conc.OpChanClose:
		o.closed = true
	}
}

func (s *toy) wake(cond *conc.Object, all bool) {
	var waiters []*thread
	for _, t := range s.threads {
		if t.waits == cond {
			waiters = append(waiters, t)
		}
	}
	for len(waiters) > 0 {
		i := s.rng.IntN(len(waiters))
		waiters[i].waits = nil
		waiters = append(waiters[:i], waiters[i+1:]...)
		if !all {
			return
		}
	}
}

func (s *toy) Point(op conc.Op, o *conc.Object, n int) {
	t := s.running
	t.op, t.obj, t.n = op, o, n
	t.yield(struct{}{})
}

func (s *toy) Go(name string, fn func()) { s.start(name, s.now, fn) }

func (s *toy) start(name string, at time.Time, fn func()) *thread {
	t := &thread{name: name, until: at}
	t.next, _ = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		if !t.called {
			t.called = true
			fn()
		}
	})
	s.threads = append(s.threads, t)
	return t
}

func (s *toy) Now() time.Time { return s.now }

func (s *toy) Sleep(d time.Duration) {
	s.running.until = s.now.Add(d)
	s.Point(conc.OpYield, nil, 0)
}

func (s *toy) AfterFunc(d time.Duration, fn func()) func() bool {
	return s.start("timer", s.now.Add(d), fn).stop
}

func (s *toy) AfterDone(ctx context.Context, fn func()) func() bool {
	t := s.start("done", s.now, fn)
	t.ctx = ctx
	return t.stop
}

// stop keeps t from beginning.
func (t *thread) stop() bool {
	early := !t.called
	t.called = true
	return early
}
