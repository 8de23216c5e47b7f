package conformance

import (
	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/model"
)

// KV executes sequences of the kv suite: goal, to find any answer of a store that its reference model would not give.
//
//	Sequence ──► op ──► Target ──► answer ─┐
//	              └───► model  ──► answer ─┴► equal? ──► failure, explained
//	             TraceDisk, under the Target ──► audit, trace
//
// Method: that of every course; EQ over every answer and over the whole state, which is listed and read.
//
// Dependencies are numbered like the mutations they belong to, from 1 since the store was formatted, over all reboots;
// refused mutations have no number. A choice counts back from the newest, modulo how many there are, so it means the same
// whatever else is taken away; with no mutation yet, wait and poll do nothing. The model is told which mutations the store
// reported persistent, always a prefix: one that is persistent before an earlier one, or no longer, is a wrong state.
//
// ErrFull is a right answer to whatever needs space, as far as SPACE says; it has no effect on either side. Too large is exactly
// what is longer than the store's MaxShard. What the store keeps of the space is checked where it is exact: after a flush, an
// open, a reclamation. Compaction, reclamation and work that was only begun change no answer; whether there is something for
// them to do is for the store to say. A call that it lacks has no effect.
//
// Blind spots: what a store does between two operations of one goroutine; where on the disk it keeps what; whether persistent
// means anything, which only a crash can show.
//
// An executor allocates nothing while the answers agree. It is used by one goroutine.
type KV struct {
	course
	factory Factory
	target  Target // nil while closed
	model   model.Store

	dirty      bool   // a mutation was accepted since the last flush or reboot
	superDirty bool   // something was accepted or recorded since the superblock was written
	empty      bool   // nothing was accepted since the last drain
	reclaims   bool   // the store has the call
	filled     filled // the first fill that ended on a full disk
	fresh      uint32 // keys that fills have used
	stores     int    // that the sequence has had
	blankSpace Space  // of the store when it was new
	live       int    // bytes of what is stored
	cache      int    // bytes of the data cache

	crashed crashing
	broken  broken
	meets   func(off, n int64) // met, bound once
	spared  bool               // nothing breaks in this run

	// Buffers reused for ever.
	value   []byte // as generated
	lent    []byte // the copy the store sees
	read    []byte
	ids     []engine.ShardID
	wantIDs []engine.ShardID
	after   engine.ShardID
}

// NewKV returns an executor that drives stores of f on disks of source. With a nil source the stores get no disk.
func NewKV(f Factory, source DiskSource) *KV {
	x := &KV{factory: f}
	x.course = course{component: x, disks: source, probes: f, order: "mutations become persistent in their order, and stay so"}
	x.meets = x.met
	return x
}

// format makes an empty store on a blank disk.
func (x *KV) format() error {
	x.stores, x.crashed.next = 0, nil
	x.whole()
	return x.formatAnew()
}

// formatAnew makes an empty store on the disk as it is.
func (x *KV) formatAnew() error {
	x.model.Reset()
	x.deps = x.deps[:0]
	x.dirty, x.superDirty, x.empty = false, false, false
	x.live, x.cache = 0, int(x.seq.Config.Get(OptCache)*x.seq.Config.Page())
	x.filled, x.fresh = filled{}, 0
	x.stores++
	x.blankSpace.Extents = 0
	if x.disk != nil {
		x.disk.FindSlots(nil)
	}
	if err := x.factory.Format(x.below(), &x.seq.Config, x.stores-1); err != nil {
		return err
	}
	if x.disk != nil {
		x.disk.FindSlots(x.factory)
	}
	return nil
}

// open opens the store that is on the disk.
func (x *KV) open() error {
	if x.broken.stuck {
		x.broken.stuck = false
		x.recover()
		return nil
	}
	if x.disk != nil {
		x.disk.Reopen()
	}
	t, err := x.factory.Open(x.below(), &x.seq.Config)
	if err != nil {
		return err
	}
	if x.spoiled {
		t = Spoil(t, SpoilByte)
	}
	x.target = t
	x.model.Limit = t.MaxShard()
	if x.blankSpace.Extents == 0 {
		x.blankSpace = t.Space()
	}
	x.keep(x.space(t))
	x.look(t)
	return nil
}

// look asks t where its appends go on.
func (x *KV) look(t Target) {
	if x.disk != nil && t != nil {
		x.disk.Look(t)
	}
}

// close closes the store cleanly: nothing is left to flush.
func (x *KV) close() error {
	t := x.target
	if t == nil {
		return nil
	}
	x.drop()
	x.dirty, x.empty = false, x.empty && !x.dirty
	return t.Close()
}

func (x *KV) drop() { x.target, x.broken.gaveUp = nil, false }

func (x *KV) inside() any { return x.target }

func (x *KV) audit() *Failure {
	return x.forgive(CheckAudit(x.target, x.disk, &x.scratch))
}

// equal compares all there is.
func (x *KV) equal() *Failure {
	x.trace.Word(uint64(len(x.model.Now())))
	if x.broken.now {
		return CheckHonest(x.target, &x.model, x.seq, &x.scratch, x.touched)
	}
	return CheckEqual(x.target, &x.model, x.seq, &x.scratch)
}

// settle tells the model what the store reports as persistent: the longest prefix.
func (x *KV) settle() {
	n := x.model.Persisted()
	for n < uint64(len(x.deps)) && x.deps[n].Persistent() {
		n++
	}
	x.model.Persist(n)
}

// stateOf returns what the model knows of mutation i+1.
func (x *KV) stateOf(i int) iosched.State { return x.model.StateOf(uint64(i) + 1) }
