package conformance

import (
	"slices"

	"github.com/shardproof/shardproof/engine/disk"
)

// Every fault in every word: a request that fails, the first, the second, and so on until the word runs untouched; and damage to every
// block that is read later. After each the power is cut at every place in the last letter that can make a difference, every state is
// opened on the broken disk and again on the healed one; once nothing is cut, and the store is closed and opened as the disk is.
//
//	[fault nth=0,1,2,...] letter letter ... [crash at=...] letter
//	letter ... [fault block=...] letter ... [crash at=...] letter
//	letter letter ... [fault block=...] [crash]

// exhaustedFault is a way in which every request, or every block, is made to fail.
type exhaustedFault struct {
	name   string
	times  uint32 // one less than how often
	manner uint64
}

// Requests that fail: with no effect, half of it and all of it; once, and often enough for what is read next to fail too.
var exhaustedRules = []exhaustedFault{
	{"read", 0, 0}, {"read", 3, 0}, {"write", 0, 0}, {"write", 0, 1}, {"write", 0, 2}, {"flush", 0, 0}, {"flush", 0, 2}, {"space", 0, 0},
	{"strayread", 0, 3}, {"gone", 0, 0}, {"readonly", 0, 0}, {"lost", 0, 0}, {"astray", 0, 40}, {"stale", 0, 0}, {"short", 0, 0}, {"delay", 0, 5},
}

// Damage to a block. Which bits are flipped is drawn from the manner: several, so that some hit what a checksum of its own covers.
var exhaustedDamage = []exhaustedFault{{"unreadable", 0, 0}, {"flip", 0, 0}, {"flip", 0, 4}, {"flip", 0, 15}, {"zero", 0, 0}, {"garbage", 0, 1}, {"swap", 0, 0}}

// op returns the operation that asks for f: at the request behind nth others, or in that block.
func (f *exhaustedFault) op(n uint32) Op {
	o := NewOp(KindFault)
	o.Which = uint8(slices.Index(FaultNames, f.name))
	o.Fill, o.Choice = f.times, f.manner
	if o.Which >= firstDamage && o.Which <= lastDamage {
		o.Off = n
	} else {
		o.Len = n
	}
	return o
}

// faults breaks the disk in every way, everywhere in the word.
func (w *exhauster) faults() error {
	for i := range exhaustedRules {
		if err := w.everyRequest(&exhaustedRules[i]); err != nil {
			return err
		}
	}
	for at := range len(w.word) + 1 {
		if err := w.everyBlock(at); err != nil {
			return err
		}
	}
	return nil
}

// everyRequest lets f hit one request after the other, until nothing is hit any more.
func (w *exhauster) everyRequest(f *exhaustedFault) error {
	for nth := uint32(0); ; nth++ {
		breaks := f.op(nth)
		hit, err := w.uncut(breaks, 0)
		if err != nil {
			return err
		}
		for _, at := range w.places() {
			more, err := w.cutBroken(breaks, 0, at)
			if err != nil {
				return err
			}
			hit = hit || more
		}
		if !hit {
			return nil
		}
	}
}

// everyBlock damages, behind letter at of the word, each block that is read later. What the next letter does not read may as well be
// damaged behind that, unless it is the last.
func (w *exhauster) everyBlock(at int) error {
	w.written, w.reads = w.written[:0], w.reads[:0]
	if _, err := w.uncut(NewOp(KindPoll), at); err != nil {
		return err
	}
	places := append([]int(nil), w.places()...)
	if at > len(w.word)-1 {
		places = []int{0}
	}
	for i := 0; i < len(places) && at >= len(w.word)-1; i++ {
		if _, err := w.cutBroken(NewOp(KindPoll), at, places[i]); err != nil {
			return err
		}
	}
	block := int64(w.seq.Config.Get(OptBlock))
	for n, off := range w.written {
		if !slices.ContainsFunc(w.reads, func(r span) bool { return r.off < off+block && off < r.off+r.n }) {
			continue
		}
		for i := range exhaustedDamage {
			f, n := &exhaustedDamage[i], n
			if f.name == "swap" { // it spares the superblock, and counts without
				if n -= w.slots; n < 0 {
					continue
				}
			}
			breaks := f.op(uint32(n))
			if _, err := w.uncut(breaks, at); err != nil {
				return err
			}
			for _, place := range places {
				if _, err := w.cutBroken(breaks, at, place); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// span is n bytes at off.
type span struct{ off, n int64 }

// places returns where a cut in the last letter makes a difference, by how many requests of it have completed.
func (w *exhauster) places() []int {
	w.cutAt = w.cutAt[:0]
	for i, k := range w.done {
		if k == disk.Flush {
			w.cutAt = append(w.cutAt, i)
		}
	}
	w.cutAt = append(w.cutAt, len(w.done))
	return w.cutAt
}

// uncut runs the word with the disk broken behind letter at, closes and opens the store, and notes the requests that complete in the last
// letter. It reports whether something was hit. With an operation that breaks nothing it notes what was written and what is read.
func (w *exhauster) uncut(breaks Op, at int) (hit bool, err error) {
	w.done = w.done[:0]
	last := len(w.word) - 1
	if at <= last {
		last++ // behind what breaks the disk
	}
	w.observe(at, breaks.Kind == KindPoll, func(op int) func(disk.RequestKind) {
		if op != last {
			return nil
		}
		return func(k disk.RequestKind) { w.done = append(w.done, k) }
	})
	w.seq.Ops = append(append(append(w.seq.Ops[:0], w.word[:at]...), breaks), w.word[at:]...)
	w.seq.Ops = append(w.seq.Ops, NewOp(KindReboot))
	return w.runBroken()
}

// cutBroken does the same with a crash in the last letter when so many requests of it have completed, or behind it.
func (w *exhauster) cutBroken(breaks Op, at, place int) (hit bool, err error) {
	last := len(w.word) - 1
	w.observe(at, breaks.Kind == KindPoll, nil)
	w.seq.Ops = append(w.seq.Ops[:0], w.word[:min(at, last)]...)
	if at <= last {
		w.seq.Ops = append(append(w.seq.Ops, breaks), w.word[at:last]...)
		crash := w.crash(place)
		w.seq.Ops = append(w.seq.Ops, crash)
		if crash.Which == interruptNext {
			w.seq.Ops = append(w.seq.Ops, w.word[last])
		}
	} else {
		w.seq.Ops = append(w.seq.Ops, w.word[last], breaks, NewOp(KindCrash))
	}
	w.figures.Cuts++
	w.x.crashed.ends = true
	hit, err = w.runBroken()
	w.x.crashed.ends = false
	return hit, err
}

// observe listens to requests that complete, as listener says for each operation, and notes, if asked to, what is written when operation
// at comes, and what is read from then on.
func (w *exhauster) observe(at int, note bool, listener func(op int) func(disk.RequestKind)) {
	w.x.crashed.watch = func(op int) {
		if listener != nil {
			w.x.crashDisk().Listen(listener(op))
		}
		if note && op > at+1 && at < len(w.word)-1 {
			w.x.disk.meets = nil
		}
		if note && op == at {
			w.x.disk.meets = func(off, n int64) { w.reads = append(w.reads, span{off, n}) }
			w.x.listWritten(0)
			w.written = append(w.written[:0], w.x.broken.written...)
			w.slots, _ = slices.BinarySearch(w.written, w.x.dataBegins())
		}
	}
}

// runBroken runs the sequence, and reports whether a fault hit something.
func (w *exhauster) runBroken() (hit bool, err error) {
	w.hits = 0
	err = w.run()
	w.x.crashed.watch = nil
	return w.hits > 0, err
}
