// Package crashsim is a disk in memory that loses power, and knows every state that this can leave behind.
//
//	engine ──► Submit ──► in flight ──► completed (volatile cache) ──► flushed: durable
//	                          └──────────────┴──► PowerOff ──► each block of each of these writes was kept, or was not
//
//	Explore ──► rewind ──► engine opens, reads ──► a block is undecided? ──► both answers are followed, one after the other
//
// After a power cut the disk does not choose an image. It keeps, for every block, the versions that it may hold, and decides
// only what somebody reads, at that moment; what nobody asks about stays undecided, through recovery, later writes and later
// cuts, so that a stale block can still rise then. Explore runs one piece of code again and again, each time with other answers,
// until all have been given (depth first, as Jaaru does with the stores of persistent memory). What is run must be deterministic,
// and see the disk only through its methods.
//
// Invariants: what a device may do
//
//	C1  A flush makes durable exactly the writes that had completed before it was submitted. Writes in flight escape it.
//	C2  A write with FUA is durable when it completes, alone; nothing else becomes so.
//	C3  While the power is on, a block reads as it was written last.
//	C4  A power cut keeps or loses every atomic unit of every write that is not durable, each independently. A block holds the newest
//	    version that was kept. No block is ever a mixture of versions.
//	C5  A failed write or flush leaves its blocks undecided for ever: no later flush covers them, only a write that is durable.
//	C6  A decision is never taken back: what was read once is read again.
//
// Invariants: what an exploration is
//
//	X1  Every concrete image belongs to exactly one leaf. A leaf's weight is the number of images that it stands for; the weights of
//	    all leaves add up to the number of all images. Explore adds them up, exactly, and fails if they do not: the certificate.
//	X2  A question about a whole unit has two answers, all its blocks match or not all do, and the second one stays a constraint on
//	    what its blocks may be found to hold later. That no mixture of versions passes the check by chance is shown for each question: the
//	    differences that the blocks make to a CRC-32C are linearly independent.
//	X3  The same answers lead to the same questions. Explore fails if they do not.
//	X4  Beyond Bounds an exploration goes on by chance, and says which share of all images its leaves stand for.
//
// Memory: eight copies of what is not durable at most (a version and what lies below it; as much again that is void by now; and both
// once more, to copy the rest to), and for each level of exploration one copy of the medium. Exploring a disk again allocates nothing.
//
// Not here: errors that a device reports for no reason (see package faultinject), what a block means, and what must hold after
// a crash: that is for who explores.
package crashsim
