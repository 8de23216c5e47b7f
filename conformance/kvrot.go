package conformance

import (
	"context"
	"errors"
	"slices"

	"github.com/shardproof/shardproof/engine"
)

// What rots while a store is closed. One fault in a sequence hits one block; but every block that a store has written is read by some
// code that nothing else goes through, and a store opens in microseconds. So many blocks are damaged after the same few operations, each
// in a copy of the disk of its own:
//
//	close ──► damage ──► open ──► a step ──► read everything: HONEST ──► heal ──► go on, read everything: HEAL
//	  │                                                                                       for each block
//	  └─► open

// rot closes the store, lets blocks rot one at a time, and opens it again.
func (x *KV) rot(op *Op) {
	b := &x.broken
	if b.disk == nil || b.now {
		x.effect = false
		return
	}
	if !x.shutdown() {
		return
	}
	if !x.spared && !b.stuck && !x.rotEach(op) {
		return
	}
	x.course.open()
}

// rotEach damages one block after the other, and reports whether all was well. If it was not, the damage to that block alone shows it.
func (x *KV) rotEach(op *Op) bool {
	b, inner, at := &x.broken, x.disk.inner, x.at
	x.listRot(op)
	r, rewinds := x.factory.(Rewinder)
	if rewinds {
		r.Remember()
	}
	inexact, noted := b.inexact, x.disk.edges
	x.disk.edges = nil
	ok := true
	for i := range min(int(op.Fill)+1, len(b.written)) {
		one := *op
		one.Off, one.Fill = uint32((int(op.Off)+i)%len(b.written)), 0
		b.sheet.lay(inner)
		x.disk.inner = &b.sheet
		if ok = x.rotOne(&one, b.written[one.Off]); !ok {
			x.failure.Instead, x.failure.InsteadAt = &one, at
			break
		}
		x.disk.inner, b.inexact = inner, inexact
		x.disk.Forget()
		x.drop()
		if rewinds {
			r.Return()
		}
	}
	x.disk.edges = noted
	return ok
}

// listRot lists the blocks that may rot: first those that a write began or ended with.
func (x *KV) listRot(op *Op) {
	b, size, from := &x.broken, int64(x.disk.info.LogicalBlock), int64(0)
	if RotNames[op.Which] == "swap" {
		from = x.dataBegins()
	}
	x.listWritten(from)
	edge := func(off int64) int {
		if b.edges.has(off / size) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(b.written, func(a, b int64) int { return edge(a) - edge(b) })
}

// rotOne opens the store while the block at off is damaged, asks it for everything, and once more when the disk is whole again.
func (x *KV) rotOne(op *Op, off int64) bool {
	fault, block := *op, int64(x.disk.info.LogicalBlock)
	fault.Len = 0
	pair := RotNames[op.Which] == "pair"
	if fault.Which += firstDamage; pair {
		fault.Which = firstDamage
	}
	r := x.ruleOf(&fault)
	x.inject(&fault, r, faultEntry{way: fault.Which, off: off, n: block})
	if other := x.pairOf(off); pair && other < x.disk.info.Size {
		x.inject(&fault, r, faultEntry{way: fault.Which, off: other, n: block})
	}
	defer func() {
		if x.broken.now {
			x.lift()
		}
	}()
	opened, err := x.openRotten()
	if then := ThenNames[op.Len]; opened && op.Len > 0 {
		opened, err = x.takeRotten(then)
	}
	if x.failure != nil || !opened {
		x.noteFaults(err)
		return x.failure == nil
	}
	if op.Choice%2 == 0 {
		x.keep(x.equalTold())
	} else {
		x.keep(x.confess())
	}
	return x.failure == nil && x.healRotten()
}

// pairOf returns the block that is unreadable together with the one at off.
func (x *KV) pairOf(off int64) int64 {
	slots := x.disk.writes.slots
	at := slices.IndexFunc(slots, func(s Slot) bool { return s.Off <= off && off < s.Off+s.Size })
	for i := 1; at >= 0 && i < len(slots); i++ {
		if s := &slots[(at+i)%len(slots)]; s.Page == slots[at].Page {
			return s.Off + off - slots[at].Off
		}
	}
	return off + int64(x.disk.info.LogicalBlock)
}

// openRotten opens the store on the damaged disk, and reports whether it can be opened.
func (x *KV) openRotten() (bool, error) {
	x.during(duringOpen)
	x.disk.Reopen()
	t, err := x.factory.Open(x.below(), &x.seq.Config)
	x.during(duringReads)
	switch {
	case err == nil:
		x.target = t
		x.look(t)
	case !faultClass(err) && classOf(err) != classNoStore:
		x.keep(honestFailure("open", siteOf(err), "a store that was closed cleanly opens, or says what is broken", "ok", errorText(err)))
	}
	return err == nil, err
}

// takeRotten takes a step on the damaged disk.
func (x *KV) takeRotten(step string) (opened bool, err error) {
	switch step {
	case "reboot":
		x.during(duringClose)
		err = x.target.Close()
		if x.during(duringReads); err == nil {
			return x.openRotten()
		}
	case "repair":
		err = x.repairRotten()
	default:
		x.during(interruptPhases[slices.Index(InterruptNames, step)])
		err = x.begin(step)
		x.during(duringReads)
	}
	if !x.tolerable(err) && !faultClass(err) {
		x.keep(honestFailure("step", siteOf(err), step+" does its work, or says what is broken", "ok", errorText(err)))
	}
	return step != "reboot", err
}

// repairRotten puts a shard as it is and writes the superblock while one write fails: what was under way is written again elsewhere.
func (x *KV) repairRotten() error {
	if now := x.model.Now(); len(now) > 0 {
		x.lent = append(x.lent[:0], now[0].Data...)
		if _, err := x.target.Put(now[0].ID, x.lent); err != nil {
			return err
		}
	}
	fails := NewOp(KindFault)
	fails.Which = failedWrite
	x.inject(&fails, x.ruleOf(&fails), faultEntry{way: fails.Which})
	x.during(duringSwitch)
	defer x.during(duringReads)
	return x.target.FlushSuperblock(context.Background())
}

// healRotten makes the disk whole again: the store goes on, and so does the one that is opened next, and all is there (HEAL). One that
// has given up is left alone.
func (x *KV) healRotten() bool {
	x.lift()
	err := x.target.Sync(context.Background())
	if err == nil {
		err = x.target.FlushSuperblock(context.Background())
	}
	switch {
	case errors.Is(err, engine.ErrReadOnly), classOf(err) == classFull:
		return true
	case err != nil && !errors.Is(err, errors.ErrUnsupported):
		return x.keep(healFailure("sync", siteOf(err), "a store goes on once its disk is whole again", "ok", errorText(err)))
	}
	if !x.keep(x.equal()) {
		return false
	}
	if err := x.target.Close(); err != nil {
		return classOf(err) == classFull || x.keep(lifeFailure("close", "a store can be closed once its disk is whole again", err))
	}
	x.disk.Reopen()
	t, err := x.factory.Open(x.below(), &x.seq.Config)
	if err != nil {
		return x.keep(healFailure("open", siteOf(err), "a store that was closed cleanly can be opened once its disk is whole again", "ok", errorText(err)))
	}
	x.target = t
	x.look(t)
	return x.keep(x.equal())
}
