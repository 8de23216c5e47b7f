// Package faultinject is a disk that does what disks do when they fail: it loses writes, forgets bytes, returns errors, or does
// nothing at all. What goes wrong, where and when, is said by rules, which are data and text.
//
//	engine ──► Submit ──► a rule hits? ──► the device below: every write that was done, right, and where it belongs
//	                                          │
//	engine ◄── Read ◄── the damage above it ◄─┘     Lift: the damage is taken away, and what was below comes to light
//
// Invariants
//
//	J1  Damage is a view. The device below holds the right bytes of every write that the disk did, or says that it did; what is read
//	    goes through the damaged blocks, which lie above it. So what a power cut below may do stays what it was.
//	J2  Damage belongs to the rule that did it. Lift ends the rule and takes its damage away; after LiftAll every block reads as the
//	    device below has it.
//	J3  A write that is done ends all damage of its logical blocks, but for what it suffers itself. No damage lasts beyond that; what
//	    hits whatever was written is a rule on reads, without times.
//	J4  A write that was lost is in the device below, and the block reads as before. One that was misdirected reads as before where it
//	    belongs, and its bytes are read where it went.
//	J5  Of a failed write the device below sees nothing, the first half of its blocks rounded down, or all; of a failed flush nothing
//	    or all of it. The error is the same. A device below that has a method Poison is told of a failed flush that it does not see: it
//	    is to keep in doubt what the flush was for, whatever is flushed later.
//	J6  The same calls in the same order do the same. Flipped bits follow from Rule.Arg, garbage from that and the place.
//	J7  The device below is read only for what nothing above it replaces. Before a write it is read only if the write is lost or
//	    misdirected, if a rule for stale reads concerns it, or if its block was exchanged with another by Damage.
//	J8  A disk that never had a rule or damage adds a counter to each request: no lock, no memory.
//
// A request suffers one rule: of those that are due the one with the lowest id. All that match count it, and those that were due
// wait for the next.
//
// Damage is there to stay when the request completes, and a power cut of the device below neither takes it nor brings it back: a
// write ends the damage of its blocks for good, though the power cut may take the write, and the bytes of before a lost write stay,
// though they may not have been durable themselves. So a power cut together with damage has fewer outcomes here than in the world,
// never others that no disk has, but for one: where the write was lost, and another one ended that and was lost to a power cut, the
// block may hold the first.
//
// Memory: for each damaged block and rule some sixty bytes, and the block where its bytes do not follow from the rule; the same for
// blocks written since a rule for stale reads concerns them; and the log of what happened, as far as EventsMax. The time that a
// change of the damage takes grows with the damaged blocks.
//
// Not here: power cuts (see package crashsim), and what the bytes mean.
package faultinject
