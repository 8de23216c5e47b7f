// Package bugs holds the seeded bugs: faults that are put into a copy of the source, one at a time, to see whether the suite
// finds them. A bug is a file of edits, never code: it is applied to a copy that the compiler reads through -overlay, so that
// neither the tree nor a release binary ever holds one.
//
//	<id>.edit ──Parse──► Edit ──Apply──► edited copies + overlay.json ──go build──► a command with the bug in it
//	                                                                                  │
//	                         Outcome ◄──judge── report, replayed message ◄──run───────┘
//
// Invariants
//
//	B1  Every find matches exactly once; an edit that no longer applies is an error, never a bug that was not found.
//	B2  No file of the source tree is written.
//	B3  A bug counts as found only by a property it names, within the budget, without a corpus, and with a counterexample
//	    that is small and that the printed command shows again.
//
// Not checked here: whether the bug is worth finding. Its note says what it stands for.
package bugs
