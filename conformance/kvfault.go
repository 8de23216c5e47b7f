package conformance

import (
	"context"
	"errors"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/faultinject"
)

// What happens on a disk that breaks. From a fault on the disk is broken, until it is healed:
//
//	fault ──► broken: every answer is right, or a typed error (HONEST) ──► heal ──► the store goes on, exactly (HEAL)
//	                         │
//	                         └─► reboot: closed and opened as it is; what cannot be opened is healed first
//
// A failed mutation has changed nothing that shows. One request that fails, or reads something else, shows in no answer at all: the
// disk is whole again by the time it is tried anew. If the store gave up, or could not be closed, what the next open finds is one
// prefix of the mutations, with all in it that was reported persistent, as after a crash. Healing brings back all that was ever
// written, so nothing may be missing then: what a broken disk made a store drop is found out.

// broken is what a KV knows of a disk that breaks.
type broken struct {
	disk *faultinject.Disk // nil: it does not break
	breakage
	met      uint64 // how often faults met requests and reads
	inexact  bool   // something was hit since the store was made: what could not be looked up counts as live for ever
	stuck    bool   // the store could not be closed for want of space; see KV.stuck
	excused  bool   // blocks were damaged when the store was opened
	lost     bool   // shards, for good
	lasting  bool   // something is broken that stays so: a block, or the whole device
	waiting  bool   // something may hit a request yet
	gaveUp   bool   // the store said that it takes no mutations any more
	before   int    // events by the time the disk was whole
	crash    atCrash
	said     said
	block    []byte     // scratch
	written  []int64    // scratch: offsets of the blocks that were written
	edges    edges      // of the writes
	sheet    sheet      // see rot
	seen     int        // events that were looked at
	phase    faultPhase // of the store
	recovery faultPhase // of the next open after a crash
	ledger   []faultEntry
}

// breakage is how a disk is broken.
type breakage struct {
	now     bool // something was broken since it was whole
	slot    bool // of the superblock is damaged
	reads   bool // of the superblock may go wrong
	damaged bool // blocks are, or writes were lost, or a read may go wrong and be wrong once more when it is tried again
	misread bool // a read may be of something else
	unread  int  // ways in which reads may go wrong
}

// whole forgets all faults: the disk is new.
func (x *KV) whole() {
	b := &x.broken
	*b = broken{block: b.block, written: b.written, ledger: b.ledger[:0], crash: b.crash, said: b.said, edges: b.edges, sheet: b.sheet}
	x.honest, x.model.Recall = false, false
	if x.disk != nil {
		b.disk, _ = x.disk.inner.(*faultinject.Disk)
		x.model.Recall = b.disk != nil && x.crashDisk() != nil
		if b.disk != nil {
			b.edges.reset(x.disk.info.Size / int64(x.disk.info.LogicalBlock))
			x.disk.edges = &b.edges
		}
	}
}

// breakDisk breaks the disk.
func (x *KV) breakDisk(op *Op) {
	b := &x.broken
	if b.disk == nil || x.spared {
		x.effect = false
		return
	}
	e := faultEntry{way: op.Which}
	r := x.ruleOf(op)
	if op.Which >= firstDamage && op.Which <= lastDamage {
		off, ok := x.writtenBlock(op.Off, r.Do == faultinject.Swap)
		if !ok {
			x.effect = false
			return
		}
		e.off, e.n = off, int64(x.disk.info.LogicalBlock)
	}
	x.inject(op, r, e)
}

// inject lets the disk break as r says, e.n bytes at e.off of it or requests to come.
func (x *KV) inject(op *Op, r faultinject.Rule, e faultEntry) {
	b := &x.broken
	if !b.now {
		b.before = len(b.disk.Events())
		x.disk.sorts = 0
	}
	if e.n == 0 {
		e.rule = b.disk.Add(r)
	} else {
		if r.Do == faultinject.Swap { // with the one behind it
			e.n = min(2*e.n, x.disk.info.Size-e.off)
		}
		e.fired, e.rule = true, b.disk.Damage(r, e.off, e.n)
	}
	b.now, x.honest, x.disk.meets = true, true, x.meets
	b.note(op)
	b.waiting = b.waiting || e.n == 0
	b.lasting = b.lasting || r.Times == 0 || op.Which >= firstDamage
	b.ledger = append(b.ledger, e)
	x.stats.Fault.Ordered++
}

// pardoned reports whether err is an answer that a store may give on a broken disk, and makes it the right one.
func (x *KV) pardoned(err error) bool {
	if !x.broken.now || !faultClass(err) {
		return false
	}
	if x.failure != nil || !x.keep(x.single(err)) {
		return false
	}
	x.broken.gaveUp = x.broken.gaveUp || errors.Is(err, engine.ErrReadOnly)
	x.got, x.want = answer{err: err}, answer{err: err}
	x.effect = true // it has met the fault
	return true
}

// single complains about err if one request was hit and no more: reading again, or writing elsewhere, masks that (HEAL). Want of space
// is another matter, for writing elsewhere takes some.
func (x *KV) single(err error) *Failure {
	b := &x.broken
	if b.lasting || len(b.disk.Events())-b.before > 1 || classOf(err) == classFull && !errors.Is(err, engine.ErrIO) {
		return nil
	}
	return healFailure("single", siteOf(err), "one request that fails, or reads something else, shows in no answer", "ok", errorText(err))
}

// final complains about a mutation that is accepted by a store that has given up (HONEST).
func (x *KV) final() *Failure {
	if !x.broken.gaveUp {
		return nil
	}
	return honestFailure("given-up", "", "a store that has given up takes no mutation until it is opened again", "store is read-only", "ok")
}

// faultClass reports whether err is of those that tell of a broken disk.
func faultClass(err error) bool {
	switch classOf(err) {
	case classIO, classCorrupt, classReadOnly, classFull:
		return true
	}
	return false
}

// forgive returns f, a complaint of the store about itself, unless the disk is broken: then complaining is right. Live bytes may be
// too many from the first fault on, for a flush that cannot look up what a mutation supersedes counts both.
func (x *KV) forgive(f *Failure) *Failure {
	switch {
	case f == nil:
		return nil
	case x.broken.now && (x.scratch.refusal == nil || faultClass(x.scratch.refusal)), x.broken.inexact && f.Site == "live-bytes-are-exact":
		return CheckRequests(x.disk)
	}
	return f
}

// space is SPACE as far as it can be asked for after a fault.
func (x *KV) space(t Target) *Failure {
	x.noteFaults(x.got.err)
	f := CheckSpace(t, &x.model)
	if f != nil && x.broken.inexact && f.Site == "too-many" {
		return nil
	}
	return f
}

// confess is HONEST to the last: before the disk is whole again the store is asked for all it has, for what it hides while something
// cannot be read may well be there afterwards. Where all that is broken are blocks a scrub comes first, and what that finds nothing
// wrong with can be read.
func (x *KV) confess() *Failure {
	if x.broken.waiting {
		return x.equalTold()
	}
	if f := CheckScrub(x.target, nil, &x.scratch); f != nil {
		x.noteFaults(engine.ErrCorrupt) // the scrub has told
		return x.equalTold()
	}
	f := CheckEqual(x.target, &x.model, x.seq, &x.scratch)
	if f != nil {
		f.Property, f.Claim = PropertyHonest, "where a scrub finds nothing wrong, "+f.Claim
	}
	return f
}

// equalTold compares all there is, and notes what the store told of the faults.
func (x *KV) equalTold() *Failure {
	f := x.equal()
	x.noteFaults(x.scratch.told)
	return f
}

// lift makes the disk whole again, with all that was on it.
func (x *KV) lift() {
	b := &x.broken
	if !x.disk.quiet {
		x.closeLedger()
	}
	b.disk.LiftAll()
	b.breakage, x.honest = breakage{}, false
	b.lasting, b.waiting = false, false
	x.disk.meets = nil
}

// heal makes the disk whole again: the store goes on, or is opened again if it has given up, and has all that it should (HEAL).
func (x *KV) heal() {
	if !x.broken.now {
		x.effect = false
		return
	}
	if !x.keep(x.confess()) {
		return
	}
	x.noteFaults(x.got.err)
	x.lift()
	err := x.target.Sync(context.Background())
	if err == nil {
		err = x.target.FlushSuperblock(context.Background()) // which writes in any case
	}
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	x.settle()
	switch {
	case errors.Is(err, engine.ErrReadOnly):
		x.stats.Fault.Reopened++
		x.reopen()
	case err != nil:
		x.keep(healFailure("sync", siteOf(err), "a store goes on once its disk is whole again", "ok", errorText(err)))
	}
	if x.failure == nil {
		x.keep(x.equal())
	}
}

// reopen opens a store that has given up; what it finds is one prefix of the mutations.
func (x *KV) reopen() {
	if x.target != nil {
		_ = x.target.Close() // it has given up
	}
	x.die(0)
	x.drop()
	x.recover()
}

// stuck reports whether err is that a store has not the space to be closed, though faults have made it lose some: what failed steps have
// written, and what could not be looked up, counts as used. The disk is whole, and all that was put is there.
func (x *KV) stuck(err error) bool {
	x.broken.stuck = x.broken.inexact && errors.Is(err, engine.ErrFull)
	if x.broken.stuck {
		x.stats.Fault.Stuck++
		x.die(0)
	}
	return x.broken.stuck
}

// rebootBroken closes and opens the store on a broken disk. What cannot be closed, or opened, on it can be once it is whole.
func (x *KV) rebootBroken() {
	x.during(duringClose)
	err := x.component.close()
	x.during(duringOpen)
	if faultClass(err) {
		if !x.keep(x.single(err)) {
			return
		}
		x.die(0)
		x.noteFaults(err)
		x.lift()
		x.recover()
		x.got, x.want = answer{}, answer{}
		return
	}
	if !x.keep(lifeFailure("close", "a store can be closed", err)) {
		return
	}
	x.settle()
	if !x.keep(CheckProgress(x.deps)) {
		return
	}
	x.disk.Reopen()
	t, err := x.factory.Open(x.below(), &x.seq.Config)
	switch {
	case err == nil:
		x.target = t
		x.look(t)
	case faultClass(err) || classOf(err) == classNoStore:
		x.noteFaults(err)
		x.die(0)
		x.lift()
		x.course.open()
	default:
		x.keep(lifeFailure("open", "a store that was closed cleanly opens, or says what is broken", err))
	}
}

// failedState reports whether a dependency may be in that state because of a fault.
func (x *KV) failedState(s iosched.State) bool { return x.broken.disk != nil && s == engine.Failed }
