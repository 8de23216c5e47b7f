package conc

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Op is what a thread is about to do to an object.
type Op uint8

// The operations. "Enabled" says when a scheduler may let the operation go on; those without the word always may. A
// scheduler knows from the operations alone what state an object is in (C3), the outcome of every Try included.
const (
	Lock        Op = iota + 1 // enabled while nobody holds the mutex, for writing or reading
	TryLock                   // succeeds where Lock is enabled
	Unlock                    //
	RLock                     // enabled while nobody holds the mutex for writing
	TryRLock                  // succeeds where RLock is enabled
	RUnlock                   //
	CondWait                  // the thread becomes a waiter; Unlock and CondWake follow
	CondWake                  // enabled once a signal or broadcast has chosen this waiter; Lock follows
	CondSignal                // chooses one waiter, if there is one
	CondBcast                 // chooses all waiters
	GroupAdd                  // n is added to the count
	GroupWait                 // enabled while the count is 0
	Load                      // an atomic read
	Store                     // an atomic write
	Modify                    // an atomic read and write; whether a compare-and-swap will write is not known yet
	ChanMake                  // a channel of capacity n, at least 1, comes into being
	ChanSend                  // enabled while fewer than n values, the capacity, are buffered, or the channel is closed
	ChanTrySend               // succeeds where ChanSend is enabled
	ChanRecv                  // enabled while a value is buffered or the channel is closed
	ChanTryRecv               // succeeds where ChanRecv is enabled
	ChanClose                 //
	Yield                     // on no object: the thread has nothing to do until another has done something
	opEnd
)

var opNames = [opEnd]string{
	Lock: "lock", TryLock: "trylock", Unlock: "unlock", RLock: "rlock", TryRLock: "tryrlock", RUnlock: "runlock",
	CondWait: "cond-wait", CondWake: "cond-wake", CondSignal: "cond-signal", CondBcast: "cond-broadcast",
	GroupAdd: "group-add", GroupWait: "group-wait", Load: "load", Store: "store", Modify: "modify",
	ChanMake: "chan-make", ChanSend: "chan-send", ChanTrySend: "chan-trysend", ChanRecv: "chan-recv",
	ChanTryRecv: "chan-tryrecv", ChanClose: "chan-close", Yield: "yield",
}

func (o Op) String() string {
	if o == 0 || o >= opEnd {
		return fmt.Sprintf("Op(%d)", uint8(o))
	}
	return opNames[o]
}

// Object is the scheduler's mark on one primitive. Its zero value is an object no scheduler has seen. Only a scheduler writes
// it, and it may do so without further locking, for only one thread of an execution runs at a time.
type Object struct {
	Execution uint32 // the execution that used it last; another one that meets it has found state that leaked
	Index     uint32 // the scheduler's dense number for it within that execution
}

// Hooks is a scheduler: it takes over every goroutine that calls this package and lets one of them run at a time.
type Hooks interface {
	// Point publishes that the calling thread is about to do op on o, and returns when it shall do so at once: for an
	// operation that can block, when it is enabled. n is what the comment on op says, else 0; o is nil for Yield. Point may
	// panic to end the thread.
	Point(op Op, o *Object, n int)
	// Go starts a thread that runs fn. name is what reports call it.
	Go(name string, fn func())
	// Now returns the scheduler's time.
	Now() time.Time
	// Sleep returns once the scheduler's time has moved on by d.
	Sleep(d time.Duration)
	// AfterFunc starts a thread running fn once the time has moved on by d. stop reports whether it came early enough to
	// prevent that.
	AfterFunc(d time.Duration, fn func()) (stop func() bool)
}

// active is the scheduler in charge, nil in production. Every call of this package tests it, and that is all it costs.
var active atomic.Pointer[Hooks]

// Install puts h in charge, or nobody if h is nil, and returns a function that puts back what was there before. It may be
// called only while no other goroutine uses this package, and no primitive is held or waited for (C5).
func Install(h Hooks) (restore func()) {
	var next *Hooks
	if h != nil {
		next = &h
	}
	before := active.Swap(next)
	return func() { active.Store(before) }
}

// point is what every primitive calls where a scheduler is in charge. It is apart so that callers stay small enough to inline.
//
//go:noinline
func (o *Object) point(op Op, n int) {
	if h := active.Load(); h != nil {
		(*h).Point(op, o, n)
	}
}
