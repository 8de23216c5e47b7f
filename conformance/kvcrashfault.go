package conformance

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/faultinject"
	"github.com/shardproof/shardproof/model"
)

// What a crash leaves of a disk that breaks. Every state is opened twice:
//
//	open, broken as the disk is ──► read what can be read (HONEST) ──► close, or die ──► heal ──► open ──► read everything: PERSIST
//
// What was answered on the broken disk is what is there on the healed one, for an open makes durable what it answers from. One state in
// four is healed at once: what was broken before the crash is what counts then.
//
// Excused, and counted: where blocks are damaged when the store is opened, or writes were lost, mutations since the open before that
// had been persistent may be missing, if what is left is one prefix of them: damage to the end of a log cannot be told from a write
// that was torn. A single read that goes wrong excuses nothing. Shards may also be gone for good, if they say so; the sequence goes on with a new store then.

// atCrash is what a KV knows of its disk at a crash: every state that is looked at begins with it.
type atCrash struct {
	disk faultinject.State
	breakage
}

// crashDisk returns the disk below as one that can lose power, nil if it is not.
func (x *KV) crashDisk() *crashsim.Disk {
	if x.disk == nil {
		return nil
	}
	inner := x.disk.inner
	if f, ok := inner.(*faultinject.Disk); ok {
		inner = f.Below()
	}
	d, _ := inner.(*crashsim.Disk)
	return d
}

// rememberBroken notes how the disk is broken, for rewindBroken.
func (x *KV) rememberBroken() {
	b := &x.broken
	if b.disk == nil {
		return
	}
	b.disk.Save(&b.crash.disk)
	b.crash.breakage = b.breakage
}

// rewindBroken breaks the disk again as it was.
func (x *KV) rewindBroken() {
	b := &x.broken
	if b.disk == nil {
		return
	}
	b.disk.Restore(&b.crash.disk)
	b.seen = len(b.disk.Events())
	b.breakage = b.crash.breakage
	b.lasting, b.waiting = b.now, b.now // as far as anybody knows
	x.disk.sorts = 0
	if x.honest = b.now; b.now {
		x.disk.meets = x.meets
	}
}

// said is what a store answered on a broken disk.
type said struct {
	ids    []engine.ShardID // all that it lists
	listed bool
	shards []sight // of reads
	bytes  []byte
	bound  bool // it takes mutations: what it answers is durable
}

// sight is what a read found.
type sight struct {
	model.Shard
	found bool
}

// openBroken opens the store on a broken disk as it is, hears what it says, ends it, and heals the disk.
func (x *KV) openBroken() bool {
	b := &x.broken
	b.lost, b.excused, b.said.bound = false, b.now && b.damaged, false
	b.inexact = b.inexact || b.now
	if !b.now {
		return true
	}
	chance := mix64(x.chance() ^ x.crashDisk().Answers() ^ 0xb40)
	s := &b.said
	s.ids, s.shards, s.bytes, s.listed, s.bound = s.ids[:0], s.shards[:0], s.bytes[:0], false, false
	if chance%4 == 0 {
		x.lift()
		return true
	}
	x.stats.Crash.Recoveries++
	x.during(b.recovery)
	t, err := x.factory.Open(x.below(), &x.seq.Config)
	x.during(duringReads)
	switch {
	case err == nil:
		if !x.hear(t, chance&16 != 0) || !x.endBroken(t, chance&4 != 0) {
			return false
		}
	case !faultClass(err) && classOf(err) != classNoStore:
		return x.keep(honestFailure("open", siteOf(err), "a store opens after a crash, or says what is broken", "ok", errorText(err)))
	}
	x.noteFaults(err)
	x.die(-(chance >> 3 & 1))
	x.lift()
	return true
}

// die ends whatever store there is. Lost says what goes of what it had written without a flush; 0: the power stays on.
func (x *KV) die(lost uint64) {
	if d := x.crashDisk(); d != nil {
		if lost == 0 {
			d.Kill(0)
		} else {
			d.Cut(0)
		}
		d.PowerOff()
		d.PowerOn(lost)
	}
	x.disk.Forget()
}

// hear asks the store for all that there may be. In every other state it is asked for each shard first, and then what it lists: what has
// been listed is in the cache of the index.
func (x *KV) hear(t Target, listFirst bool) bool {
	ids := crashIDs(&x.model, nil)
	if listFirst {
		return x.hearList(t) && x.hearShards(t, append(ids, x.broken.said.ids...)) && x.hearBound(t)
	}
	return x.hearShards(t, ids) && x.hearList(t) && x.hearBound(t)
}

// hearBound asks whether the store takes mutations.
func (x *KV) hearBound(t Target) bool {
	x.broken.said.bound = t.FlushSuperblock(context.Background()) == nil
	return true
}

// hearList asks which shards there are.
func (x *KV) hearList(t Target) bool {
	s := &x.broken.said
	ids, err := t.AppendList(s.ids[:0], nil, countMax)
	if err != nil && !faultClass(err) {
		return x.keep(honestFailure("error", siteOf(err), "a store lists its shards, or says what is broken", "ids", errorText(err)))
	}
	if s.listed = err == nil; s.listed {
		s.ids = ids
	}
	return true
}

// hearShards reads shards.
func (x *KV) hearShards(t Target, ids []engine.ShardID) bool {
	s := &x.broken.said
	for _, id := range ids {
		start := len(s.bytes)
		bytes, err := t.AppendShard(s.bytes, id)
		switch {
		case err == nil:
			s.bytes = bytes
			s.shards = append(s.shards, sight{model.Shard{ID: id, Data: bytes[start:len(bytes):len(bytes)]}, true})
		case errors.Is(err, engine.ErrNotFound):
			s.shards = append(s.shards, sight{model.Shard{ID: id}, false})
		case !faultClass(err):
			return x.keep(honestFailure("error", siteOf(err), keyText(id, x.seq)+" can be read, or the store says what is broken", "bytes", errorText(err)))
		}
	}
	return true
}

// endBroken closes t, or leaves that to come.
func (x *KV) endBroken(t Target, cleanly bool) bool {
	if !cleanly {
		return true
	}
	if err := t.Close(); err != nil && !faultClass(err) {
		return x.keep(honestFailure("close", siteOf(err), "a store can be closed, or says what is broken", "ok", errorText(err)))
	}
	return true
}

// agrees reports whether what was said on the broken disk is what is there on the healed one. A shard that was listed but could not be
// read may be there or not.
func (x *KV) agrees(got model.State) bool {
	s := &x.broken.said
	if !s.bound {
		return true
	}
	for i := range got {
		if s.listed && !slices.Contains(s.ids, got[i].ID) {
			return x.keep(honestFailure("ids", "", "what a store did not list on a broken disk is not there when it is whole", "not found", keyText(got[i].ID, x.seq)))
		}
	}
	for i := range s.shards {
		said := &s.shards[i]
		value, found := valueOf(got, said.ID)
		if found != said.found || !bytes.Equal(value, said.Data) {
			return x.keep(honestFailure("value", "", "what a store answered on a broken disk is there when it is whole: "+keyText(said.ID, x.seq),
				outcomeText(said.Data, said.found), outcomeText(value, found)))
		}
	}
	return true
}

// explained returns after how many mutations the store held got, and reports whether a crash may leave that (PERSIST).
func (x *KV) explained(got model.State) (n uint64, ok bool) {
	if n, ok = x.model.Explain(got); ok || !x.broken.excused {
		return n, ok
	}
	if n, ok = x.model.Excuse(got); ok {
		x.stats.Fault.Excused++
	}
	return n, ok
}

// excusedLoss reports whether err, of a shard on a healed disk, tells of a loss to damage that the open before has met.
func (x *KV) excusedLoss(err error) bool {
	x.broken.lost = x.broken.excused && classOf(err) == classCorrupt
	return x.broken.lost
}

// lostDigest is the digest of a state in which shards are gone for good.
const lostDigest = 0x1057

// startAnew puts a new store in the place of one that has lost shards.
func (x *KV) startAnew() {
	x.stats.Fault.Excused++
	x.die(0)
	x.drop()
	if x.keep(lifeFailure("format", "a disk with an old store on it can be formatted", x.formatAnew())) {
		x.course.open()
	}
}
