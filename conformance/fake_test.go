package conformance

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// fakeStore is a suite whose sequences mean nothing and whose executor fails where it is told to: what the runner does with
// results can be tested without a store.
type fakeStore struct {
	breaks  func(s *Sequence) *Failure // nil: nothing fails
	drifts  bool                       // the trace depends on which executor runs a sequence
	panics  Kind                       // running this kind panics
	hangs   Kind                       // running this kind takes two seconds
	honest  bool                       // a lie is not noticed
	made    atomic.Int32
	flaky   bool // breaks only every other time
	probing string
}

func (f *fakeStore) suite() Suite {
	return Suite{
		Profile: "kv", Name: "kv", GeneratorVersion: 9,
		NewGenerator: func() Filler { return fakeFiller{} },
		NewExecutor: func() (Executor, error) {
			return &fakeExecutor{f: f, id: int(f.made.Add(1))}, nil
		},
		Reduce: cutTail,
	}
}

// fakeFiller draws a few operations.
type fakeFiller struct{}

func (fakeFiller) Fill(dst *Sequence, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	dst.Suite, dst.Config, dst.Origin, dst.Fail = "kv", DefaultConfig(), "", nil
	dst.Ops = dst.Ops[:0]
	for range 4 + r.IntN(20) {
		op := NewOp(Kind(1 + r.IntN(int(KindReboot))))
		if op.Kind.Info().arg(RoleKey) != nil {
			op.Key = KeyID(r.IntN(50))
		}
		if op.Kind == KindPut {
			op.Len = uint32(r.IntN(300))
		}
		dst.Ops = append(dst.Ops, op)
	}
}

type fakeExecutor struct {
	f    *fakeStore
	id   int
	runs int
}

func (e *fakeExecutor) Run(s *Sequence) Result {
	e.runs++
	for i := range s.Ops {
		switch {
		case s.Ops[i].Kind == e.f.panics && e.f.panics != KindNone:
			panic(fmt.Sprintf("extent %d is not mine", i))
		case s.Ops[i].Kind == e.f.hangs && e.f.hangs != KindNone:
			time.Sleep(2 * time.Second)
		}
	}
	h := fnv.New64a()
	h.Write(s.AppendText(nil))
	r := Result{Trace: h.Sum64(), Stats: Stats{Sequences: 1, Operations: uint64(len(s.Ops))}}
	if e.f.drifts {
		r.Trace += uint64(e.id)
	}
	if e.f.breaks != nil && (!e.f.flaky || e.runs%2 == 1) {
		r.Failure = e.f.breaks(s)
	}
	return r
}

func (e *fakeExecutor) Explain(s *Sequence) (Result, []Step) {
	r := e.Run(s)
	steps := make([]Step, len(s.Ops))
	for i := range steps {
		steps[i] = Step{Model: "ok", Engine: "ok"}
	}
	if f := r.Failure; f != nil && f.At < len(steps) {
		steps[f.At] = Step{Model: f.Want, Engine: f.Got}
	}
	return r, steps
}

func (e *fakeExecutor) RunSpoiled(s *Sequence) Result {
	r := e.Run(s)
	if !e.f.honest {
		r.Failure = &Failure{Signature: Signature{Property: "EQ", Kind: KindGet, Field: "value"}}
	}
	return r
}

func (e *fakeExecutor) AddProbes(add func(string, uint64)) {
	if e.f.probing != "" {
		add(e.f.probing, uint64(e.runs))
	}
}

func (e *fakeExecutor) Close() error { return nil }

// cutTail is the simplest reducer: it drops what follows the failing operation, then single operations before it.
func cutTail(s *Sequence, t ReduceTask) (*Sequence, ReduceFigures) {
	small, runs := s.Clone(), 0
	for i := len(small.Ops) - 1; i >= 0 && !t.Stop(); i-- {
		try := small.Clone()
		try.Ops = append(try.Ops[:i], try.Ops[i+1:]...)
		runs++
		if r := t.Execs[0].Run(try); r.Failure != nil && r.Failure.Signature == t.Want {
			small = try
		}
	}
	return small, ReduceFigures{Runs: runs}
}

// longPut fails at a put of at least n bytes after a delete.
func longPut(n uint32) func(*Sequence) *Failure {
	return func(s *Sequence) *Failure {
		deleted := false
		for i, op := range s.Ops {
			deleted = deleted || op.Kind == KindDelete
			if deleted && op.Kind == KindPut && op.Len >= n {
				return &Failure{
					Signature: Signature{Property: "EQ", Kind: KindPut, Field: "error"}, At: i,
					Claim: fmt.Sprintf("put k%d succeeds", op.Key), Want: "ok", Got: "ErrFull",
				}
			}
		}
		return nil
	}
}
