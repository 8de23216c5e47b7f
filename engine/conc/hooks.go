package conc

import (
	"context"
	"fmt"
	"time"
)

// Op is what a thread is about to do to an object.
type Op uint8

// The operations. A scheduler lets an operation go on only while it is *enabled*; one whose comment does not say when, always
// is. What is said of n is the third argument of Point; it is 0 elsewhere.
const (
	OpLock        Op = iota + 1 // enabled while nobody holds the mutex, for writing or reading
	OpTryLock                   // succeeds where Lock is enabled
	OpUnlock                    // gives the mutex back, held for writing
	OpRLock                     // enabled while nobody holds the mutex for writing
	OpTryRLock                  // succeeds where RLock is enabled
	OpRUnlock                   // gives the mutex back, held for reading
	OpCondWait                  // the thread becomes a waiter; Unlock and CondWake follow
	OpCondWake                  // enabled once a signal or broadcast has chosen this waiter; Lock follows
	OpCondSignal                // chooses one waiter, if there is one; which one is the scheduler's choice
	OpCondAll                   // a broadcast: chooses every waiter
	OpGroupAdd                  // n is added to the count
	OpGroupWait                 // enabled while the count is 0
	OpLoad                      // an atomic read
	OpStore                     // an atomic write
	OpModify                    // an atomic read and write; a compare-and-swap that fails is one that wrote nothing
	OpChanSend                  // enabled while fewer than n values, the capacity, are buffered, or the channel is closed
	OpChanTrySend               // succeeds where ChanSend is enabled; n is the capacity
	OpChanRecv                  // enabled while a value is buffered or the channel is closed; n is the capacity
	OpChanTryRecv               // succeeds where ChanRecv is enabled; n is the capacity
	OpChanClose                 // closes the channel
	OpYield                     // on no object: the thread has nothing to do until another has done something
	opEnd
)

var opNames = [opEnd]string{
	OpLock: "lock", OpTryLock: "trylock", OpUnlock: "unlock", OpRLock: "rlock", OpTryRLock: "tryrlock", OpRUnlock: "runlock",
	OpCondWait: "cond-wait", OpCondWake: "cond-wake", OpCondSignal: "cond-signal", OpCondAll: "cond-broadcast",
	OpGroupAdd: "group-add", OpGroupWait: "group-wait", OpLoad: "load", OpStore: "store", OpModify: "modify",
	OpChanSend: "chan-send", OpChanTrySend: "chan-trysend", OpChanRecv: "chan-recv",
	OpChanTryRecv: "chan-tryrecv", OpChanClose: "chan-close", OpYield: "yield",
}

func (o Op) String() string {
	if o == 0 || o >= opEnd {
		return fmt.Sprintf("Op(%d)", uint8(o))
	}
	return opNames[o]
}

// Object is the scheduler's mark on one primitive. Its zero value is an object no scheduler has seen. Only a scheduler reads
// or writes it, without further locking: one thread of an execution runs at a time.
type Object struct {
	Execution uint32 // the execution that used it last; another one that meets it has found state that leaked
	Index     uint32 // the scheduler's dense number for it within that execution
}

// Hooks is a scheduler: it takes over every goroutine that calls this package and lets one of them run at a time.
type Hooks interface {
	// Point publishes that the calling thread is about to do op on o, and returns when it shall do so at once: for an
	// operation that can block, when it is enabled. o is nil for Yield. Point may panic to end the thread.
	Point(op Op, o *Object, n int)
	// Go starts a thread that runs fn. name is what reports call it.
	Go(name string, fn func())
	// Now returns the scheduler's time.
	Now() time.Time
	// Sleep returns once the scheduler's time has moved on by d.
	Sleep(d time.Duration)
	// AfterFunc starts a thread that runs fn once the time has moved on by d. stop prevents that, and reports whether it came
	// early enough to.
	AfterFunc(d time.Duration, fn func()) (stop func() bool)
	// AfterDone starts a thread that runs fn once ctx is done. stop is as for AfterFunc. A thread that is never started for
	// that reason is neither a deadlock nor a leak.
	AfterDone(ctx context.Context, fn func()) (stop func() bool)
}

// active is the scheduler in charge, nil in production. Every call of this package tests it, and that is all it costs. A plain
// variable keeps the callers small enough to inline, and lets the race detector see who breaks C4.
var active Hooks

// Install puts h in charge, or nobody if h is nil, and returns a function that puts back what was there before. Both are called
// while no other goroutine uses this package (C4).
func Install(h Hooks) (restore func()) {
	before := active
	active = h
	return func() { active = before }
}

// point tells the scheduler in charge what comes next. It is not inlined, so that its callers are.
//
//go:noinline
func (o *Object) point(op Op, n int) { active.Point(op, o, n) }
