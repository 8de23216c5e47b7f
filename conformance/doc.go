// Package conformance drives a storage engine beside its reference model and tells every difference in a few lines.
//
//	profile, seed ──Generator──┐                         ┌──► model  ──► answer ─┐
//	corpus .seq   ──Parse──────┼──► Sequence ──Executor──┤                       ├──► equal? ──► Result: trace, Failure
//	fuzz, rapid   ─────────────┘                         └──► Target ──► answer ─┘                    │
//	                                                              │                                   │
//	                                                          TraceDisk ──► disk                      │
//	                                                                                                  ▼
//	Report ◄── verdict ◄── digests, probes, canary, audit ◄── Run: workers, shards ◄──── signature ──► Reducer ──► .seq
//
// Read in this order: op, kind, config (what a test case is), optext (its text), profile and gen (where it comes from), target
// and kv (what executes it), property (what must hold), reduce (how it becomes small), runner, worker and judge (how many make a
// verdict), report and message (what is said about it). Package bugs tests the tester.
//
// Invariants
//
//	R1  A sequence is data and complete: what it does depends on nothing outside it. The sequence of a number is a function of
//	    profile, run seed and number, and its trace hash of the sequence and the engine.
//	R2  What a run reports does not depend on how many workers or shards it had: sums, minima and sets are all it keeps.
//	R3  Unknown is never a pass: a number not reached, a due probe at zero, a silent canary, a trace that differs when run again
//	    and a choice that no longer applies are all inconclusive.
//	R4  The command that a failure prints, run again, prints the same failure.
//	R5  A failure keeps its signature from the run through the reducer to the file; two signatures are never mixed.
//	R6  A field of a report whose feature does not exist is absent, never a made-up zero.
//
// How it fails: a broken property is a counterexample, a harness that cannot work says so with a verdict of its own, and a
// panic of the store under test is a failure like any other.
//
// Not checked here: crashes, faulty disks and concurrent callers; whether the model is right, which people must read.
package conformance
