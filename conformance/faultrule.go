package conformance

import "github.com/shardproof/shardproof/faultinject"

// FaultNames are the ways in which `fault` breaks the disk, by Op.Which. Some hit requests to come, some a block at once.
var FaultNames = []string{
	"read", "write", "flush", // the request fails
	"space",     // a write finds no space
	"strayread", // a read is of elsewhere
	"gone",      // every request fails
	"readonly",  // every write and flush fails

	"unreadable", "flip", "zero", "garbage", "swap", // a block, at once

	"lost",   // a write is answered and never lands
	"astray", // a write lands elsewhere
	"stale",  // a read is of what was there before
	"short",  // half of the request is done, and it fails
	"delay",  // the answer comes after those of others
}

// Places in FaultNames: of a write that fails, and of the first and the last that hit a block at once.
const (
	failedWrite = 1
	firstDamage = 7
	lastDamage  = 11
)

// ruleOf returns what op asks for. What breaks without a word spares the superblock: two slots of a page that are wrong in silence
// are more than it can bear.
func (x *KV) ruleOf(op *Op) faultinject.Rule {
	r := faultinject.Rule{Nth: 1 + int(op.Len), Times: 1 + int(op.Fill)}
	effects := [...]faultinject.Effect{faultinject.None, faultinject.Part, faultinject.All}
	switch FaultNames[op.Which] {
	case "read":
		r.Do, r.On, r.From = faultinject.Fail, faultinject.Read, x.sparesSlots()
	case "write":
		r.Do, r.On, r.Effect = faultinject.Fail, faultinject.Write, effects[op.Choice%3]
	case "flush":
		r.Do, r.On, r.Effect = faultinject.Fail, faultinject.Flush, effects[op.Choice%3]
	case "space":
		r.Do, r.On = faultinject.Full, faultinject.Write
	case "lost":
		r.Do, r.From, r.Times = faultinject.Lose, x.dataBegins(), 1
	case "astray":
		r.Do, r.From, r.Times, r.Arg = faultinject.Misdirect, x.dataBegins(), 1, op.Choice
	case "strayread":
		r.Do, r.On, r.From, r.Times, r.Arg = faultinject.Misdirect, faultinject.Read, x.sparesSlots(), 1, op.Choice
	case "stale":
		r.Do, r.From, r.Times = faultinject.Stale, x.dataBegins(), 1
	case "short":
		r.Do, r.From = faultinject.Short, x.sparesSlots()
	case "delay":
		r.Do, r.Effect, r.Arg = faultinject.Delay, effects[2*(op.Choice%2)], 1+op.Choice/2%8
	case "gone":
		r.Do, r.Times = faultinject.Gone, 0
	case "readonly":
		r.Do, r.Times = faultinject.ReadOnly, 0
	case "unreadable":
		r.Do = faultinject.Fail
	case "flip":
		r.Do, r.Arg = faultinject.Flip, 1+op.Choice<<16|op.Choice%4
	case "zero":
		r.Do = faultinject.Zero
	case "garbage":
		r.Do, r.Arg = faultinject.Garbage, op.Choice
	case "swap":
		r.Do = faultinject.Swap
	}
	return r
}

// sparesSlots returns where reads that go wrong begin: behind the superblock if there is something else that may be wrong with it, for
// two bad slots of a page at once, of which one is not known to be unreadable, may be all that had the newest version.
func (x *KV) sparesSlots() int64 {
	if x.broken.slot || x.broken.reads {
		return x.dataBegins()
	}
	x.broken.reads = true
	return 0
}

// dataBegins returns where the superblock ends, as far as that is known.
func (x *KV) dataBegins() int64 { return x.disk.writes.slotsEnd() }

// writtenBlock returns the n-th block that holds anything but zeros, modulo how many there are; of those behind the superblock, if it is
// to be spared. One slot of it at a time may be damaged: each page must keep two; see sparesSlots.
func (x *KV) writtenBlock(n uint32, spareSlots bool) (int64, bool) {
	b, off := &x.broken, int64(0)
	if b.slot || b.reads || spareSlots {
		off = x.dataBegins()
	}
	if x.listWritten(off); len(b.written) == 0 {
		return 0, false
	}
	found := b.written[int(n)%len(b.written)]
	b.slot = b.slot || found < x.dataBegins()
	return found, true
}

// listWritten lists the blocks from off on that hold anything but zeros.
func (x *KV) listWritten(off int64) {
	b, size := &x.broken, x.disk.info.LogicalBlock
	if len(b.block) != size {
		b.block = make([]byte, size)
	}
	b.written = b.written[:0]
	for ; off < x.disk.info.Size; off += int64(size) {
		if x.peek(b.block, off) && !allZero(b.block) {
			b.written = append(b.written, off)
		}
	}
}

// peek reads what is written at off, without deciding what a crash has left open.
func (x *KV) peek(p []byte, off int64) bool {
	if d := x.crashDisk(); d != nil {
		d.Peek(p, off)
		return true
	}
	return x.broken.disk.Below().Read(p, off) == nil
}

// note notes what op breaks.
func (b *breakage) note(op *Op) {
	switch FaultNames[op.Which] {
	case "unreadable", "flip", "zero", "garbage", "swap", "lost", "astray":
		b.damaged = true
	case "strayread", "stale":
		b.misread = true
		b.unread++
	case "read", "short", "gone":
		b.unread++
	}
	b.damaged = b.damaged || b.misread && b.unread > 1
}
