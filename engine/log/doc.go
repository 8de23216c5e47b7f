// Package log is the one log of a store: every put and delete, in order, threaded through extents.
//
//	Append ──► open unit ──Seal──► in flight ──completed──► covered by a flush ──► durable
//	             (group commit)        │                                              │
//	                                   └── at most a window of them                   └── Dependency = unit number
//
//	Restart: a request has failed ──► units in memory get new places and the next epoch ──► Issue
//	Recover: replay position ──► unit ──► unit ──► first invalid one: torn tail, or damage?
//
// A unit is one device write: a group of frames, or one large one. It starts on a physical block boundary and shares no block
// with another, so tearing it touches nobody else.
//
// Invariants, with their names in the durability protocol
//
//	L1  (P1) Units are numbered densely. The next one starts at the block after the last or, if it does not fit, at the start
//	    of the next listed extent. Its place is fixed when it is opened; a Restart alone gives it another, and Moved tells which.
//	    An extent that holds units of a failed epoch only is not listed.
//	L2  (P2) No unit is opened in an extent whose owner and generation are not relied on.
//	L3  (P3) No unit is issued further than a window, in bytes and units, beyond the durable prefix. None is opened there either,
//	    but for those that a Restart has laid out anew.
//	L4  (P4) Unit n is durable once units up to n have all completed before the submission of a flush that succeeded. A put or
//	    delete is persistent once its final unit is durable; the dependency is that one number.
//	L5  (P5) What was issued before a failed write or flush and is not durable is never reported persistent: units beyond the
//	    durable prefix are issued again, in an epoch that is relied on and in extents of which nothing had been issued.
//	L6  (P6) Recovery accepts unit n only with the place, generation and number that it must have, and with exactly the root's
//	    epoch from the resume number on, a smaller one below. Below the resume number no position is guessed.
//	L7  (P9) The first invalid unit is damage if something attests that it was durable: the resume number, the root, or a later
//	    unit within twice the window. Then its keys come from the directory in the unit after it. Otherwise the log ends there.
//	    Where the root says that the store was closed, the log ends where the root says, and nobody looks for anything behind it.
//	L8  (P10) A frame before the replay position, outside the log or beyond its end is never applied.
//	L9  A block that cannot be read holds no valid unit, where an interrupted write may leave such a block. Elsewhere it ends
//	    recovery, for the log's end must not be taken from a device that may read again.
//
// Not here: what the frames mean. Callers hold the store's lock, except for StateOf and ErrOf.
package log
