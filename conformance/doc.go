// Package conformance drives a storage engine beside its reference model and tells every difference in a few lines.
//
//	profile, seed ──Generator──┐                         ┌──► model  ──► answer ─┐
//	corpus .seq   ──Parse──────┼──► Sequence ──Executor──┤                       ├──► equal? ──► Result: trace, Failure
//	fuzz, rapid   ─────────────┘                         └──► target ──► answer ─┘                    │
//	                                                              │                                   │
//	                                                          TraceDisk ──► disk                      │
//	                                                                                                  ▼
//	Report ◄── verdict ◄── digests, probes, canary, audit ◄── Run: workers, shards ◄──── signature ──► Reducer ──► .seq
//
// There is a suite for the whole store, kv, one for each of its floors, extent, chunk and index, and one for the whole store on a disk
// that loses power, crash, that breaks, fault, and that does both, crash-fault. Each has kinds of operations, a profile that draws them
// and an executor; the profile all is a mix of the others. Exhaust needs no generator: it runs every short sequence, with a crash
// everywhere, or a fault and a crash.
//
// Read in this order: op, kind, kindtable, config (what a test case is), optext (its text), profile, profiles, gen, mix and fuzz (where
// it comes from), target, course, kv, kvspace, kvcrash, kvfault, kvrot and kvcrashfault (what executes it), extent, chunk and index (the
// same for the floors), property, space, persist and honest (what must hold), faultledger (what became of each fault), reduce (how it
// becomes small), runner, worker, judge and cells (how many make a verdict), report, message and explain (what is said about it).
// Package bugs tests the tester.
//
// Invariants of the data: what a test case is
//
//	D1  Every sequence is valid: what an operation is about is chosen among what there is, and where there is nothing it does
//	    nothing. So any part of a sequence is one, and any bytes read as one or are refused with the place.
//	D2  A sequence has one text. Parsing gives it again, and nothing unknown is skipped.
//	D3  Numbers and names of kinds, words, fills, options and keys mean the same for ever. A file names the first version of the
//	    alphabet that has all it uses, and is refused where it uses more than that.
//	D4  What a table does not say is not said twice: parsing, printing, drawing and reducing know roles, not kinds.
//	D5  A sequence is a function of generator version, profile and seed; nothing is carried over, and nothing is allocated.
//	D6  A profile is data. Each departure from even draws is a bias with a name, a switch and a counter.
//	D7  A stock profile is honest work: at least 60 operations in the mean, at most 15 % without effect, at least 20 % reads that
//	    return bytes; half of the sequences of kv store more than the cache holds.
//
// Invariants of the run
//
//	R1  A sequence is complete: what it does depends on nothing outside it. The sequence of a number is a function of profile, run
//	    seed and number, and its trace hash of the sequence and the engine.
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
// Not checked here: concurrent callers; whether the model is right, which people must read.
package conformance
