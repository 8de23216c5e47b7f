// Package conc is the only place the engine gets concurrency and time from: locks, condition variables, atomics, channels,
// goroutines, clocks. In production each is the one of the standard library; under test a scheduler may take them all over.
//
//	engine ──► conc.Mutex, Cond, Int64, Chan, Go, ... ──► sync, sync/atomic, time           no scheduler: one pointer is tested
//	                         │
//	                         └──► Hooks.Point(op, object, n) ──► the same, where it cannot block     a scheduler is in charge
//
// A scheduler sees each operation before it happens, with the object it is about. It holds the thread back until it wants that
// operation to be next; what it publishes for every thread is all that strategies, reductions and timelines are made of.
//
// Invariants
//
//	C1  Every operation that another thread could notice is announced by one Point before it happens, and nothing of it has
//	    happened at that time. Between two points a thread is alone.
//	C2  What follows a Point never blocks. Blocking is the scheduler's alone, so "no operation is enabled" is a deadlock.
//	C3  The operations seen since an object was at rest (not held, not waited for, count zero, nothing buffered) determine
//	    its state, and with it what is enabled and how each Try ends. A scheduler needs to ask no object anything.
//	C4  A scheduler comes and goes only while every object is at rest and no other goroutine is in this package.
//	C5  The real primitive still does its work under a scheduler: the race detector sees the edges that Go promises.
//	C6  Counter is the exception to C1: no control may flow from what it holds.
//
// Left out on purpose: channels without a buffer and select. A thread that waits for one of several things waits on a Cond for
// the state that they change; AfterFunc and AfterDone change it for a time limit or a context.
//
// Not checked here: that the engine uses nothing else (the lint test in package engine), lock order, data races.
package conc
