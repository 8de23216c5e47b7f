package conformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/iosched"
)

// apply executes op on the store and on the model, and leaves both answers in got and want.
func (x *KV) apply(op *Op) {
	if x.crashed.watch != nil {
		x.crashed.watch(x.at)
	}
	if x.broken.now {
		x.during(phaseOf(op.Kind))
	}
	met := x.touched()
	if x.crashed.next != nil {
		x.interrupted(op)
	} else {
		x.plainly(op)
	}
	x.during(duringReads)
	if kinds[op.Kind].Group == GroupRead && x.broken.now && faultClass(x.got.err) && x.touched() == met {
		x.keep(taintFailure("what is asked for", x.got.err))
	}
	x.noteFaults(x.got.err)
	x.pardoned(x.got.err)
	x.look(x.target)
}

// plainly executes op without a crash in the middle of it.
func (x *KV) plainly(op *Op) {
	switch op.Kind {
	case KindGet:
		x.get(op)
	case KindPoll:
		x.poll(op)
	case KindList:
		x.list(op)
	case KindPut:
		x.put(op)
	case KindDelete:
		x.delete(op)
	case KindPump:
		x.pump(op)
	case KindWait:
		x.wait(op)
	case KindSync:
		x.sync()
	case KindFlush:
		x.flush(op)
	case KindCheck:
		x.course.audit()
	case KindReboot:
		if x.broken.now {
			x.rebootBroken()
		} else {
			x.reboot()
		}
	case KindFault:
		x.breakDisk(op)
	case KindRot:
		x.rot(op)
	case KindHeal:
		x.heal()
	case KindFormat:
		x.reformat()
	case KindLoad, KindErase:
		x.each(op)
	case KindHead:
		x.head(op)
	case KindGetRange:
		x.getRange(op)
	case KindCompact:
		x.compact(op)
	case KindReclaim:
		x.reclaim(op)
	case KindSuperblock:
		x.superblock()
	case KindScrub:
		x.scrub()
	case KindStat:
		x.stat()
	case KindFill:
		x.fill(op)
	case KindDrain:
		x.drain()
	case KindCrash, KindKill:
		x.crash(op)
	default:
		x.effect = false
	}
}

func (x *KV) get(op *Op) {
	id := x.seq.ShardID(op.Key)
	value, err := x.target.AppendShard(x.read[:0], id)
	x.got.err = err
	if err == nil {
		x.read, x.got.value = value, value
		x.stats.Reads++
	} else {
		x.effect = false
	}
	if i, found := x.model.Now().Find(id); found {
		x.want.value = x.model.Now()[i].Data
	} else {
		x.want.err = engine.ErrNotFound
	}
}

func (x *KV) list(op *Op) {
	var after *engine.ShardID
	if op.Key != NoKey {
		x.after = x.seq.ShardID(op.Key)
		after = &x.after
	}
	limit := int(op.Len)
	if limit == 0 {
		limit = math.MaxInt32
	}
	ids, err := x.target.AppendList(x.ids[:0], after, limit)
	x.got.err = err
	if err == nil {
		x.ids, x.got.ids = ids, ids
	}
	x.wantIDs, x.want.err = x.model.AppendList(x.wantIDs[:0], after, limit)
	x.want.ids = x.wantIDs
	x.effect = len(ids) > 0
}

// reformat closes the store and makes a new one on the same disk. The dependencies of the old one are asked for the last time.
func (x *KV) reformat() {
	x.effect = len(x.deps) > 0
	_ = x.shutdown() &&
		x.keep(lifeFailure("format", "a disk with an old store on it can be formatted", x.formatAnew())) &&
		x.course.open()
}

// put lends the store a copy of the value and takes it back with its bytes inverted, so that a store that keeps the buffer is
// found out; one that writes to it is found out before.
func (x *KV) put(op *Op) {
	id := x.seq.ShardID(op.Key)
	x.value = AppendValue(x.value[:0], op.Len, op.Fill)
	x.lent = append(x.lent[:0], x.value...)
	dep, err := x.target.Put(id, x.lent)
	if !bytes.Equal(x.lent, x.value) {
		x.keep(&Failure{
			Signature: Signature{Property: PropertyEqual, Field: "buffer"},
			Claim:     "put leaves the caller's buffer as it is",
			Want:      valueText(x.value), Got: valueText(x.lent),
		})
	}
	invert(x.lent)
	if x.pardoned(err) || len(x.value) <= x.model.Limit && x.full(err, len(x.value)) {
		return
	}
	old := x.sizeOf(id)
	_, x.want.err = x.model.Put(id, x.value)
	x.accept(dep, err)
	if x.want.err == nil {
		x.grow(len(x.value) - old)
	}
}

// sizeOf returns the bytes of the shard the model has under id, 0 if it has none.
func (x *KV) sizeOf(id engine.ShardID) int {
	if i, found := x.model.Now().Find(id); found {
		return len(x.model.Now()[i].Data)
	}
	return 0
}

// grow notes that so many more bytes are stored, and whether they outgrow the cache.
func (x *KV) grow(by int) {
	if x.live += by; x.live > x.cache {
		x.stats.AboveCache = 1
	}
}

// invert flips every bit of p.
func invert(p []byte) {
	for ; len(p) >= 8; p = p[8:] {
		binary.NativeEndian.PutUint64(p, ^binary.NativeEndian.Uint64(p))
	}
	for i := range p {
		p[i] = ^p[i]
	}
}

func (x *KV) delete(op *Op) {
	id := x.seq.ShardID(op.Key)
	dep, err := x.target.Delete(id)
	if x.pardoned(err) || x.refused(err) {
		return
	}
	i, found := x.model.Now().Find(id)
	if found {
		x.live -= len(x.model.Now()[i].Data)
	}
	_, x.want.err = x.model.Delete(id)
	x.accept(dep, err)
	x.effect = found
}

// full reports whether err says that there is no space left for a value of that many bytes, and makes that the right answer if
// it is one.
func (x *KV) full(err error, value int) bool {
	return x.refused(err) && x.keep(CheckFull(x.target, value)) || x.failure != nil
}

// lacking reports whether err says that the store does not have the call, and makes that the right answer.
func (x *KV) lacking(err error) bool {
	if err == nil || !errors.Is(err, errors.ErrUnsupported) {
		return false
	}
	x.got, x.want = answer{err: err}, answer{err: err}
	x.effect = false
	return true
}

// accept notes the answer to a mutation.
func (x *KV) accept(dep engine.Dependency, err error) {
	x.got.err = err
	if err != nil || x.want.err != nil {
		x.effect = false
		return
	}
	x.keep(x.final())
	x.deps = append(x.deps, dep)
	x.got.count, x.want.count = len(x.deps), int(x.model.Mutations())
	x.dirty, x.superDirty, x.empty = true, true, false
}

// chosen returns the index of the dependency that op means.
func (x *KV) chosen(op *Op) (int, bool) { return x.back(op.Choice, len(x.deps)) }

// poll asks for the state of one dependency, and of it together with the newest: as mutations become persistent in order, the
// two are as persistent as the newest is.
func (x *KV) poll(op *Op) {
	i, ok := x.chosen(op)
	if !ok {
		return
	}
	newest := len(x.deps) - 1
	x.got.state = x.deps[i].State()
	x.got.joint = x.deps[i].And(x.deps[newest]).State()
	x.settle()
	x.want.state, x.want.joint = x.stateOf(i), x.stateOf(newest)
	if x.failedState(x.got.state) {
		x.want.state = x.got.state
	}
	if x.failedState(x.got.joint) {
		x.want.joint = x.got.joint
	}
}

func (x *KV) wait(op *Op) {
	if i, ok := x.chosen(op); ok {
		x.settle()
		x.effect = x.stateOf(i) != iosched.Persistent
		x.got.err = x.target.Wait(context.Background(), x.deps[i])
		x.waited(i)
	}
}

func (x *KV) sync() {
	x.settle()
	newest := len(x.deps) - 1
	x.effect = newest >= 0 && x.stateOf(newest) != iosched.Persistent
	x.got.err = x.target.Sync(context.Background())
	if newest >= 0 {
		x.waited(newest)
	}
}

// waited notes the state of mutation i+1 after a wait for it: persistent means that all before it are, too.
func (x *KV) waited(i int) {
	x.settle()
	x.got.state, x.want.state = x.stateOf(i), iosched.Persistent
	if x.got.state == iosched.Pending && x.deps[i].State() == iosched.Failed {
		x.got.state = iosched.Failed
	}
}

func (x *KV) flush(op *Op) {
	x.effect = x.dirty
	if op.Which != 0 {
		x.start(WorkFlush)
		return
	}
	x.got.err = x.target.Flush(context.Background())
	x.settle()
	x.flushed(x.got.err)
}

// flushed notes the outcome of a flush: what was recorded is exact.
func (x *KV) flushed(err error) {
	if err != nil {
		return
	}
	x.dirty, x.superDirty = false, true
	x.keep(x.space(x.target))
}

func (x *KV) pump(op *Op) {
	n := int(op.Len)
	x.got.count, x.got.err = x.target.Pump(n)
	x.want.count = max(0, min(x.got.count, n))
	x.effect = x.got.count > 0
	x.settle()
}
