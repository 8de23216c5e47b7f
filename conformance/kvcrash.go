package conformance

import (
	"context"
	"fmt"

	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/model"
)

// What happens at a crash. The store is interrupted, and the disk is left with all that the crash may have kept of it. Then, in
// every state that a store can tell apart (see package crashsim):
//
//	open ──► read everything: PERSIST ──► put, sync ──► end in one of four ways ──► open ──► read everything: STABLE
//
// What is put goes where the log was torn; what it leaves undecided may rise again only then. At last the sequence itself goes on in
// one state, with whatever of it is still undecided.

// crashing is what a KV needs at a crash. The buffers are reused for ever.
type crashing struct {
	before, after dump
	visit         crashsim.Visit
	next          *Op // the crash that the next operation meets
	nextAt        int
	watch         func(op int) // called before each operation; nil: nobody watches
	trails        func(uint64) // called with the answers of each state, if they fit; nil: nobody wants them
	opened        bool         // what again was to interrupt came to its end
	deep          bool         // what the second open asks about is followed too
	ends          bool         // the first crash ends the sequence, once every state is looked at
	coarse        bool         // only the state in which a sequence goes on is looked at
	course        int          // which of the courses is taken
	how           int          // in which of the ways below the state under exploration ends
	lost          uint64       // what is lost then of what is undecided
}

// dump is all that a store holds.
type dump struct {
	ids    []engine.ShardID
	bytes  []byte
	shards model.State
}

// Coarse makes x look at one state of each crash, the one in which its sequence goes on, as suites do that draw one. It is for
// measuring what looking at all of them costs.
func (x *KV) Coarse() *KV {
	x.crashed.coarse = true
	return x
}

// The bounds of an exploration. Beyond them a crash is looked at by chance, and the report says so.
const (
	leavesMax    = 2048
	leavesChance = 64
	plainOneIn   = 100
)

// crash lets the store die at a request of some step, looks at what that may leave, and opens what it has left. A crash in what comes
// next waits for that, if anything comes.
func (x *KV) crash(op *Op) {
	d := x.crashDisk()
	if d == nil {
		x.effect = false
		return
	}
	if op.Which == interruptNext && x.at+1 < len(x.seq.Ops) {
		x.crashed.next, x.crashed.nextAt = op, x.at
		return
	}
	x.settle()
	x.interrupt(op, d)
	x.aftermath(op, x.at, d)
}

// interruptNext is the place of "next" in InterruptNames.
const interruptNext = 1

// interrupted executes op, in the middle of which the store dies. What a step or a mutation answers is compared if it came to its end;
// else nothing is known of it. Whatever else op is comes after the crash.
func (x *KV) interrupted(op *Op) {
	crash, at, d := x.crashed.next, x.crashed.nextAt, x.crashDisk()
	x.crashed.next = nil
	x.settle()
	x.arm(crash, d)
	fits := interruptible(op.Kind)
	if fits {
		x.plainly(op)
		x.noteFaults(x.got.err)
		x.pardoned(x.got.err)
	}
	if d.PowerOff() {
		x.got, x.want, x.failure = answer{}, answer{}, nil
	}
	if x.failure == nil {
		x.settle()
	}
	x.gone()
	got, want := x.got, x.want
	x.aftermath(crash, at, d)
	if x.over {
		return
	}
	if x.got, x.want = got, want; x.failure == nil && !fits {
		x.plainly(op)
	}
}

// interruptible reports whether the store may die in the middle of an operation of that kind: it is one step or mutation, or several of
// one sort.
func interruptible(k Kind) bool {
	switch k {
	case KindReboot, KindFormat, KindFill, KindDrain, KindCheck, KindScrub, KindStat, KindCrash, KindKill, KindRot:
		return false
	}
	return true
}

// aftermath looks at what a crash has left, and opens what it goes on with.
func (x *KV) aftermath(op *Op, at int, d *crashsim.Disk) {
	if x.failure != nil {
		return
	}
	x.stats.Crash.Crashes++
	d.PowerOn(op.Choice)
	x.broken.recovery = duringRecovery
	if op.Fill > 0 {
		x.during(duringRecovery)
		x.cutAgain(op, d)
		x.broken.recovery = duringSecond
	}
	x.rememberBroken()
	if r, rewinds := x.factory.(Rewinder); rewinds {
		r.Remember()
	}
	if (op.Kind == KindCrash || op.Fill > 0) && !x.crashed.coarse {
		x.disk.quiet = true
		ok := x.explore(op, at, d)
		if x.disk.quiet = false; !ok {
			return
		}
	}
	if x.over = x.crashed.ends && op.Kind == KindCrash; x.over {
		return
	}
	x.rewind()
	x.recover()
}

// cutAgain opens the store in one state that the crash can have left, and cuts the power in the middle of that. If only the process had
// died, what recovery shows is still in the cache of the disk.
func (x *KV) cutAgain(op *Op, d *crashsim.Disk) {
	d.Cut(int(op.Fill) - 1)
	_, err := x.factory.Open(x.below(), &x.seq.Config)
	x.crashed.opened = !d.PowerOff()
	x.noteFaults(err)
	if x.crashed.opened && err != nil && !(x.broken.now && (faultClass(err) || classOf(err) == classNoStore)) {
		x.keep(persistFailure("open", siteOf(err), "a store can be opened after a crash", "ok", errorText(err)))
	}
	x.disk.Forget()
	d.PowerOn(0)
}

// interrupt begins a step of the store, and ends the store in the middle of it.
func (x *KV) interrupt(op *Op, d *crashsim.Disk) {
	step := InterruptNames[op.Which]
	x.arm(op, d)
	x.during(interruptPhases[op.Which])
	err := x.begin(step)
	if !d.PowerOff() { // it came to its end
		x.ended(step, err)
	}
	x.settle()
	x.gone()
}

// arm lets the store die when as many requests have completed as op says.
func (x *KV) arm(op *Op, d *crashsim.Disk) {
	if op.Kind == KindKill {
		d.Kill(int(op.Len))
	} else {
		d.Cut(int(op.Len))
	}
}

// begin takes the step.
func (x *KV) begin(step string) error {
	ctx := context.Background()
	switch step {
	case "sync":
		return x.target.Sync(ctx)
	case "flush":
		return x.target.Flush(ctx)
	case "compact":
		_, err := x.target.Compact(ctx)
		return err
	case "reclaim":
		_, err := x.target.Reclaim(ctx)
		return err
	case "superblock":
		return x.target.FlushSuperblock(ctx)
	case "close":
		return x.target.Close()
	}
	return nil
}

// ended judges a step that the crash came too late for.
func (x *KV) ended(step string, err error) {
	if !x.tolerable(err) && !(x.broken.now && faultClass(err)) {
		x.keep(lifeFailure("error", step+" does its work", err))
	}
	if step == "close" && err == nil {
		x.keep(CheckProgress(x.deps))
	}
}

// gone forgets the store: it is dead.
func (x *KV) gone() {
	x.disk.Forget()
	x.drop()
}

// explore looks at every state that the crash can have left, or at the one that op says, and reports whether all was well.
func (x *KV) explore(op *Op, at int, d *crashsim.Disk) bool {
	s := &x.stats.Crash
	if x.crashed.visit == nil {
		x.crashed.visit = x.leaf
	}
	x.crashed.course = 0
	if op.Off != 0 {
		return x.tryOne(op.Choice, d)
	}
	writes, _ := d.Undecided()
	s.Explored++
	s.Pending[min(writes, pendingMax)]++
	s.PendingMax = max(s.PendingMax, uint64(writes))
	found, err := d.Explore(crashsim.Bounds{Leaves: leavesMax, Samples: leavesChance, Plain: plainOneIn, Seed: x.chance()}, x.crashed.visit)
	x.disk.Forget()
	s.States += uint64(found.Leaves)
	s.Images += found.Images
	switch {
	case err != nil && x.failure == nil:
		x.fault = fmt.Errorf("operation %d: %w", x.at+1, err)
		return false
	case found.Found && found.Fits && op.Fill == 0:
		one := *op
		one.Choice, one.Off = found.Lost, 1
		x.failure.Instead, x.failure.InsteadAt = &one, at
	case found.Whole:
		s.Certified++
	case !found.Found:
		s.noteShare(found.Share)
	}
	x.trace.Word(uint64(found.Runs)<<32 | uint64(found.Leaves))
	return !found.Found
}

// tryOne looks at one state that the crash can have left: first the way it goes on in when it is one of many, then all others, so that a
// sequence that is reduced to that state does not depend on chance.
func (x *KV) tryOne(lost uint64, d *crashsim.Disk) bool {
	ok := true
	for x.crashed.course = 0; ok && x.crashed.course < courses; x.crashed.course++ {
		_, ok = d.Try(lost, x.crashed.visit)
		x.disk.Forget()
	}
	return ok
}

// chance returns a number for what is drawn. It does not depend on the operations before, so that reducing keeps it.
func (x *KV) chance() uint64 { return mix64(uint64(x.seq.Config.Get(OptSeed)) << 32) }

// leaf is one state: it is opened, read, and goes on.
func (x *KV) leaf(again bool) (digest uint64, ok bool) {
	x.rewind()
	x.disk.Forget()
	t, _, ok := x.recovered("a store can be opened after a power cut")
	if !ok {
		return lostDigest, x.broken.lost
	}
	if x.crashed.trails != nil && !again {
		if lost, fits := x.crashDisk().Trail(); fits {
			x.crashed.trails(lost)
		}
	}
	digest = x.crashed.before.digest()
	x.trace.Word(digest)
	if !again {
		x.chooseCourse()
	}
	return digest, x.goOn(t)
}

// rewind makes what the next store draws by chance what the one before drew after the same crash.
func (x *KV) rewind() {
	x.rewindBroken()
	if r, rewinds := x.factory.(Rewinder); rewinds {
		r.Return()
	}
}

// openAfter opens the store after a crash.
func (x *KV) openAfter(claim string) (Target, bool) {
	x.stats.Crash.Recoveries++
	t, err := x.factory.Open(x.below(), &x.seq.Config)
	if err != nil {
		return nil, x.keep(persistFailure("open", siteOf(err), claim, "ok", errorText(err)))
	}
	return t, true
}

// readAll makes d all that t holds.
func (x *KV) readAll(t Target, d *dump) bool {
	var err error
	d.shards, d.bytes = d.shards[:0], d.bytes[:0]
	if d.ids, err = t.AppendList(d.ids[:0], nil, countMax); err != nil {
		return x.keep(persistFailure("error", siteOf(err), "a recovered store lists its shards", "ids", errorText(err)))
	}
	for _, id := range d.ids {
		start := len(d.bytes)
		if d.bytes, err = t.AppendShard(d.bytes, id); err != nil {
			if x.excusedLoss(err) {
				return false
			}
			return x.keep(persistFailure("error", siteOf(err), "a recovered store can read what it lists", keyText(id, x.seq), errorText(err)))
		}
		d.shards = append(d.shards, model.Shard{ID: id, Data: d.bytes[start:]})
	}
	return true
}

// digest returns a hash of all.
func (d *dump) digest() uint64 {
	var t Trace
	for i := range d.shards {
		t.Bytes(d.shards[i].ID[:])
		t.Bytes(d.shards[i].Data)
	}
	return t.Sum()
}

// recovered opens the store after a crash, and reads all that it has. It returns it, and after how many mutations the model was the
// same (PERSIST).
func (x *KV) recovered(claim string) (t Target, n uint64, ok bool) {
	got := &x.crashed.before
	if !x.openBroken() {
		return nil, 0, false
	}
	if t, ok = x.openAfter(claim); !ok || !x.readAll(t, got) {
		return t, 0, false
	}
	if n, ok = x.explained(got.shards); !ok {
		x.keep(CheckPersist(&x.model, got.shards, x.seq))
	}
	return t, n, ok && x.agrees(got.shards)
}

// The ways in which a state goes on after a put.
const (
	endCleanly = iota
	endKilled
	endCutAll  // the power fails, and all is lost that may be
	endCutSome // the power fails, and some of it is lost
	endCount   = iota
)

// ends are the ways by how often they are taken: a clean end takes as long as all the rest.
var ends = [...]int{endCleanly, endKilled, endKilled, endKilled, endCutAll, endCutAll, endCutSome, endCutSome}

// courses is how many ways of going on chooseCourse knows: one by chance, then every end with all that is undecided kept, lost, and some
// of it.
const courses = 1 + 3*endCount

// chooseCourse chooses the end of a state, and what is lost of what is still undecided then.
func (x *KV) chooseCourse() {
	c := &x.crashed
	if n := c.course - 1; n >= 0 {
		c.how, c.lost = n%endCount, [...]uint64{0, ^uint64(0), x.chance()}[n/endCount]
		return
	}
	c.lost = mix64(x.chance() ^ x.crashDisk().Answers())
	c.how = ends[c.lost%uint64(len(ends))]
}

// goOn puts a shard where the log was torn, ends the store in one of some ways, and opens it again: what was there is there. What is
// still undecided by then goes one of its ways, drawn by chance; all of them if x is to look deep.
func (x *KV) goOn(t Target) bool {
	if !x.crashed.deep {
		x.crashDisk().GoOn(x.crashed.lost)
	}
	x.look(t)
	x.broken.excused = false // all that there is was read, on a whole disk
	id, put := x.seq.ShardID(NoKey-1), false
	page := uint64(x.seq.Config.Page())
	x.value = AppendValue(x.value[:0], uint32(x.chance()%(2*page)), FillMax-1)
	dep, err := t.Put(id, x.value)
	switch {
	case classOf(err) == classFull:
	case err != nil:
		return x.keep(lifeFailure("put", "a recovered store takes a shard", err))
	default:
		put = true
		if err = t.Wait(context.Background(), dep); err != nil {
			return x.keep(lifeFailure("wait", "what was put after a recovery becomes persistent", err))
		}
	}
	want := x.crashed.before.shards
	if put {
		want = want.Apply(model.Mutation{Shard: model.Shard{ID: id, Data: x.value}})
		x.crashed.before.shards = want
	}
	if x.look(t); !x.keep(CheckRequests(x.disk)) || !x.end(t, x.crashed.how) {
		return false
	}
	t, ok := x.openAfter("a store that was recovered can be opened again")
	if !ok || !x.readAll(t, &x.crashed.after) {
		return false
	}
	return x.keep(CheckStable(want, x.crashed.after.shards, x.seq))
}

// end ends t in that way.
func (x *KV) end(t Target, how int) bool {
	d, lost := x.crashDisk(), ^uint64(0)
	if how == endCutSome {
		lost = x.crashed.lost
	}
	switch how {
	case endCleanly:
		if !x.keep(x.forgive(CheckAudit(t, x.disk, &x.scratch))) {
			return false
		}
		if err := t.Close(); err != nil {
			return x.keep(lifeFailure("close", "a recovered store can be closed", err))
		}
	case endKilled:
		d.Kill(0)
	default:
		d.Cut(0)
	}
	if how != endCleanly {
		d.PowerOff()
		d.PowerOn(lost)
	}
	x.disk.Forget()
	return true
}

// recover opens what the crash left, and lets the model be that.
func (x *KV) recover() {
	t, n, ok := x.recovered("a store can be opened after a crash")
	x.target = t
	if x.broken.lost {
		x.startAnew()
	}
	if !ok {
		return
	}
	if n < x.model.Persisted() {
		x.model.Lose(n)
	}
	x.model.Crash(n)
	x.model.Settle()
	x.deps = append(x.deps[:0], make([]engine.Dependency, n)...) // all of these are persistent now, and their store is gone
	x.dirty, x.superDirty, x.empty = true, true, false
	x.live = 0
	for i := range x.crashed.before.shards {
		x.live += len(x.crashed.before.shards[i].Data)
	}
	x.got.count, x.want.count = int(n), int(n)
}
