package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine/disk"
)

// Exhaust runs every sequence of at most Ops letters, cuts the power wherever that can make a difference, on every device, and looks
// at every state this can leave.
//
//	words of letters ──► on each device ──► once undisturbed: where requests complete ──► cut there: every state, and how it goes on
//	                                                                                   └─► shorter words: cut again while that is opened
//
// A cut is made in the last letter of a word; those in the letters before it belong to shorter words. It makes a difference before a
// flush completes, since what can be kept before one is all that could be kept earlier, and more; on a device without a cache, before any
// request completes; and after the last. After words shorter than Ops the power is cut once more, in each state, at every request of
// the open that follows, and every state of that is looked at.
type Exhaust struct {
	Ops     int
	Second  bool  // the second alphabet, see Letters
	Faults  bool  // break the disk besides, see faults; on one device only. New makes executors whose disks can break
	Shard   Shard // of the words
	Workers int
	New     func() *KV // one for each worker, on disks that can lose power
	Found   func(*Sequence, *Failure)
	Stop    func() bool // asked between words; nil: never
}

// ExhaustFigures say what was run.
type ExhaustFigures struct {
	Words   uint64     // sequences of letters
	Done    uint64     // of these, in the shard
	Cuts    uint64     // power cuts, in all sequences on all devices
	Crash   CrashStats // of all of them
	Fault   FaultStats
	Fails   uint64
	Stopped bool // before the end
}

// smallest is the geometry that every word runs on: the smallest disk, a flush with every mutation.
const smallest = "options page=1 extent=48 extents=16 group=2 windowunits=4 window=16 memtable=1 table=1 cache=1 indexcache=1"

// Letters returns what words are made of. Both alphabets have puts of a small shard and of one longer than a page, of another shard
// with the same bytes, a delete, a flush and a reclamation; the first has a reboot and a superblock besides, the second a compaction and
// a process that dies.
func Letters(second bool) []Op {
	text := "put k0 len=20 fill=2\nput k0 len=1p+9 fill=3\nput k1 len=20 fill=2\ndelete k0\nflush\nreclaim\n"
	if second {
		text += "compact\nkill\n"
	} else {
		text += "reboot\nsuperblock\n"
	}
	return exhaustSequence(text).Ops
}

// exhaustSequence parses operations of a word.
func exhaustSequence(ops string) *Sequence {
	s, err := Parse(fmt.Appendf(nil, "%s %d\nsuite crash opset %d\n%s\n%s", magicWord, textVersion, Opset, smallest, ops))
	if err != nil {
		panic(err) // it is written here
	}
	return s
}

// Run runs every word.
func (e *Exhaust) Run(ctx context.Context) (ExhaustFigures, error) {
	letters := Letters(e.Second)
	var total uint64
	for n, words := 0, uint64(1); n < e.Ops; n++ {
		words *= uint64(len(letters))
		total += words
	}
	out := ExhaustFigures{Words: total}
	var (
		mu   sync.Mutex
		next atomic.Uint64
		all  sync.WaitGroup
		bad  error
	)
	for range max(1, e.Workers) {
		all.Go(func() {
			w := exhauster{all: e, x: e.New(), letters: letters}
			w.x.crashed.deep = !e.Faults
			err := w.words(ctx, &next, total)
			mu.Lock()
			defer mu.Unlock()
			out.add(&w.figures)
			bad = errors.Join(bad, err)
		})
	}
	all.Wait()
	return out, bad
}

func (f *ExhaustFigures) add(o *ExhaustFigures) {
	f.Done += o.Done
	f.Cuts += o.Cuts
	f.Crash.add(&o.Crash)
	f.Fault.add(&o.Fault)
	f.Fails += o.Fails
	f.Stopped = f.Stopped || o.Stopped
}

// exhauster runs words, one after the other.
type exhauster struct {
	all     *Exhaust
	x       *KV
	letters []Op
	figures ExhaustFigures
	seq     Sequence
	word    []Op
	done    []disk.RequestKind // requests that completed in the last letter of the word
	trails  []uint64

	// With faults.
	hits    uint64 // in the run
	cutAt   []int
	written []int64 // offsets of blocks
	slots   int     // of these, in the superblock
	reads   []span
}

// words runs the words that are left.
func (w *exhauster) words(ctx context.Context, next *atomic.Uint64, total uint64) error {
	w.seq = *exhaustSequence("")
	for {
		n := w.all.Shard.number(next.Add(1) - 1)
		if n >= total {
			return nil
		}
		if ctx.Err() != nil || w.all.Stop != nil && w.all.Stop() {
			w.figures.Stopped = true
			return nil
		}
		w.spell(n)
		if err := w.everywhere(); err != nil {
			return fmt.Errorf("%w\n%s", err, &w.seq)
		}
		w.figures.Done++
	}
}

// everywhere runs the word on every device, or breaks the first one.
func (w *exhauster) everywhere() error {
	if w.all.Faults {
		w.seq.Suite = "crash-fault"
		return w.faults()
	}
	for device := range uint32(len(crashsim.DeviceNames)) {
		w.seq.Config.Set(OptDevice, device)
		if err := w.cuts(); err != nil {
			return err
		}
	}
	return nil
}

// spell makes the word of number n: shorter ones first, each length in the order of the letters.
func (w *exhauster) spell(n uint64) {
	k := uint64(len(w.letters))
	length, words := 1, k
	for n >= words {
		n -= words
		words *= k
		length++
	}
	w.word = w.word[:0]
	for range length {
		words /= k
		w.word = append(w.word, w.letters[n/words])
		n %= words
	}
}

// cuts runs the word undisturbed, and then with a cut at every place in its last letter.
func (w *exhauster) cuts() error {
	if err := w.undisturbed(); err != nil {
		return err
	}
	through := w.seq.Config.Get(OptDevice) == crashsim.WriteThrough
	for at := 0; at <= len(w.done); at++ {
		if at < len(w.done) && w.done[at] != disk.Flush && !through {
			continue
		}
		if err := w.cut(w.crash(at)); err != nil {
			return err
		}
	}
	return nil
}

// undisturbed runs the word and notes the requests that complete in its last letter.
func (w *exhauster) undisturbed() error {
	w.done = w.done[:0]
	last := len(w.word) - 1
	note := func(k disk.RequestKind) { w.done = append(w.done, k) }
	w.x.crashed.watch = func(op int) {
		listener := note
		if op != last {
			listener = nil
		}
		w.x.crashDisk().Listen(listener)
	}
	w.seq.Ops = append(append(w.seq.Ops[:0], w.word...), Op{Kind: KindPoll, Key: NoKey}) // which ends the last letter
	err := w.run()
	w.x.crashed.watch = nil
	return err
}

// crash returns the crash that comes when so many requests of the last letter have completed.
func (w *exhauster) crash(at int) Op {
	o := NewOp(KindCrash)
	o.Which, o.Len = interruptNext, uint32(at)
	switch w.word[len(w.word)-1].Kind {
	case KindReboot:
		o.Which = interruptClose
	case KindKill:
		o.Which = 0
	}
	return o
}

// interruptClose is the place of "close" in InterruptNames.
const interruptClose = 7

// cut runs the word with a crash in its last letter, and for short words with another one in every open after it.
func (w *exhauster) cut(crash Op) error {
	twice := len(w.word) < w.all.Ops
	w.trails = w.trails[:0]
	if twice {
		w.x.crashed.trails = func(lost uint64) { w.trails = append(w.trails, lost) }
	}
	err := w.with(crash)
	w.x.crashed.trails = nil
	if err != nil || !twice {
		return err
	}
	trails := append([]uint64(nil), w.trails...)
	for _, lost := range trails {
		for again := uint32(1); ; again++ {
			o := crash
			o.Choice, o.Fill = lost, again
			if err := w.with(o); err != nil {
				return err
			}
			if w.x.crashed.opened {
				break
			}
		}
	}
	return nil
}

// with runs the word with a crash before its last letter, or in its place.
func (w *exhauster) with(crash Op) error {
	last := len(w.word) - 1
	w.seq.Ops = append(append(w.seq.Ops[:0], w.word[:last]...), crash)
	if crash.Which == interruptNext {
		w.seq.Ops = append(w.seq.Ops, w.word[last])
	}
	w.figures.Cuts++
	return w.run()
}

// run runs the sequence. A failure is told, and is no error.
func (w *exhauster) run() error {
	r := w.x.course.Run(&w.seq) // on a whole disk it is run without faults
	w.figures.Crash.add(&r.Stats.Crash)
	w.figures.Fault.add(&r.Stats.Fault)
	w.hits = r.Stats.Fault.Cells.sum()
	if r.Failure != nil {
		w.figures.Fails++
		if w.all.Found != nil {
			w.all.Found(w.seq.Clone(), r.Failure)
		}
	}
	return r.Err
}
