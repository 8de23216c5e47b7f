package iosched

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
)

// rig is a scheduler on a cacheDisk.
type rig struct {
	*testing.T
	*Sched
	disk    *cacheDisk
	buffers *disk.Buffers
}

func newRig(t *testing.T) *rig {
	d, b := newCacheDisk(1024), new(disk.Buffers)
	return &rig{t, New(d, b), d, b}
}

// add appends n blocks of the byte fill at the given block.
func (r *rig) add(at, n int, fill byte, after Dependency) Dependency {
	p := r.buffers.Get(n * testBlock)
	for i := range p {
		p[i] = fill
	}
	return r.Append(p, int64(at)*testBlock, after)
}

// drain does everything there is to do.
func (r *rig) drain() {
	for {
		r.Issue()
		if r.Undurable() {
			r.Flush()
		}
		if !r.Reap() {
			return
		}
	}
}

// hand is a watermark moved by hand.
type hand struct {
	through uint64
	err     error // of all numbers behind through
}

func (h *hand) StateOf(n uint64) State {
	switch {
	case n <= h.through:
		return Persistent
	case h.err != nil:
		return Failed
	}
	return Pending
}

func (h *hand) ErrOf(n uint64) error {
	if h.StateOf(n) == Failed {
		return h.err
	}
	return nil
}

func TestAppendWaitsUntilWhatItDependsOnIsDurable(t *testing.T) {
	r := newRig(t)
	first := r.add(8, 1, 'a', Dependency{})
	second := r.add(9, 1, 'b', first)
	require.Equal(t, 1, r.Issue())
	require.Equal(t, 1, r.Waiting())
	require.True(t, r.Reap()) // completed, not durable
	require.Zero(t, r.Issue())
	require.Equal(t, Pending, first.State())
	require.True(t, r.Flush())
	require.Zero(t, r.Issue(), "the flush is still in flight")
	require.True(t, r.Reap())
	require.Equal(t, Persistent, first.State())
	require.Equal(t, 1, r.Issue())
	require.Equal(t, Pending, second.State())
	r.drain()
	require.Equal(t, Persistent, second.State())
	require.NoError(t, r.Stranded())
}

func TestAppendWaitsForAnotherWatermark(t *testing.T) {
	r := newRig(t)
	log := new(hand)
	d := r.add(8, 1, 'a', NewDependency(log, 3).And(r.add(20, 1, 'x', Dependency{})))
	r.drain()
	require.Equal(t, 1, r.Waiting())
	require.ErrorContains(t, r.Stranded(), "append 2 of 64 bytes at 512")
	log.through = 3
	require.NoError(t, r.Stranded())
	r.drain()
	require.True(t, d.Persistent())
}

func TestWritesThatCompleteDuringAFlushAreNotCoveredByIt(t *testing.T) {
	r := newRig(t)
	r.disk.pick = func(n int) int { return n - 1 } // the newest first
	a := r.add(0, 1, 'a', Dependency{})
	r.Issue()
	b := r.add(4, 1, 'b', Dependency{})
	r.Issue()
	require.True(t, r.Reap()) // b
	require.True(t, r.Flush())
	r.disk.pick = nil
	require.True(t, r.Reap()) // a, while the flush is in flight
	require.True(t, r.Reap()) // the flush
	require.Equal(t, Pending, a.State())
	require.Equal(t, Persistent, b.State())
	require.True(t, r.Undurable())
	r.drain()
	require.Equal(t, Persistent, a.State())
	require.Equal(t, Persistent, b.State())
}

func TestNumbersAreDenseAndStayValid(t *testing.T) {
	r := newRig(t)
	for i := 1; i <= 100; i++ {
		require.Equal(t, uint64(i), r.add(i, 1, byte(i), Dependency{}).Number(r.Sched))
		if i%7 == 0 {
			r.drain()
		}
	}
	require.Equal(t, Pending, r.StateOf(99))
	r.drain()
	for n := range uint64(101) {
		require.Equal(t, Persistent, r.StateOf(n), n)
	}
	require.Equal(t, Pending, r.StateOf(101))
}

func TestNeighboursShareARequest(t *testing.T) {
	type write struct{ off, n int }
	for _, c := range []struct {
		name   string
		limit  int // blocks
		at     [][2]int
		want   []write // blocks
		reason string
	}{
		{"in a row", 100, [][2]int{{5, 1}, {6, 2}, {8, 1}}, []write{{5, 4}}, "each begins where the one before ends"},
		{"a gap", 100, [][2]int{{5, 1}, {7, 1}}, []write{{5, 1}, {7, 1}}, "block 6 is not theirs"},
		{"two extents in turns", 100, [][2]int{{5, 1}, {50, 1}, {6, 1}, {51, 1}}, []write{{5, 2}, {50, 2}}, "a neighbour may lie a few appends back"},
		{"limit", 3, [][2]int{{5, 1}, {6, 1}, {7, 1}, {8, 1}}, []write{{5, 3}, {8, 1}}, "a request holds three blocks"},
		{"larger than the limit", 3, [][2]int{{5, 4}, {9, 1}}, []write{{5, 4}, {9, 1}}, "a single write goes as it is"},
		{"limit in the middle", 4, [][2]int{{5, 2}, {7, 3}, {10, 1}}, []write{{5, 2}, {7, 4}}, "the second does not fit, the third joins the second"},
		{"descending", 100, [][2]int{{6, 1}, {5, 1}}, []write{{6, 1}, {5, 1}}, "appends ascend, so nobody looks for this"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.SetLimits(Limits{CoalesceBytes: c.limit * testBlock})
			for i, w := range c.at {
				r.add(w[0], w[1], byte('a'+i), Dependency{})
			}
			require.Equal(t, len(c.want), r.Issue(), c.reason)
			require.Equal(t, len(c.want), r.Writes())
			var got []write
			for _, w := range r.disk.writes {
				got = append(got, write{w.off / testBlock, w.n / testBlock})
			}
			require.Equal(t, c.want, got, c.reason)
			r.drain()
			for i, w := range c.at {
				for b := w[0]; b < w[0]+w[1]; b++ {
					require.Equal(t, bytes.Repeat([]byte{byte('a' + i)}, testBlock), r.disk.blocks[b].durable, "block %d", b)
				}
			}
		})
	}
}

func TestNeighboursThatDependOnEachOtherDoNotShareARequest(t *testing.T) {
	r := newRig(t)
	r.add(6, 1, 'b', r.add(5, 1, 'a', Dependency{}))
	require.Equal(t, 1, r.Issue())
	r.drain()
	require.Len(t, r.disk.writes, 2)
}

func TestWritesAreIssuedInTheOrderOfAppend(t *testing.T) {
	r := newRig(t)
	log := new(hand)
	r.add(30, 1, 'a', NewDependency(log, 1))
	r.add(20, 1, 'b', Dependency{})
	r.add(10, 1, 'c', Dependency{})
	require.Equal(t, 2, r.Issue())
	log.through = 1
	r.add(40, 1, 'd', Dependency{})
	require.Equal(t, 2, r.Issue())
	var got []int
	for _, w := range r.disk.writes {
		got = append(got, w.off/testBlock)
	}
	require.Equal(t, []int{20, 10, 30, 40}, got)
}

func TestOverlappingAppendsReachTheDiskOneAfterTheOther(t *testing.T) {
	r := newRig(t)
	log := new(hand)
	r.add(5, 2, 'a', NewDependency(log, 1))
	r.add(6, 2, 'b', Dependency{})
	require.Zero(t, r.Issue(), "the later one waits behind the earlier one")
	log.through = 1
	require.Equal(t, 1, r.Issue())
	require.True(t, r.Reap())
	require.Zero(t, r.Issue(), "completed is not enough")
	r.drain()
	require.Equal(t, byte('a'), r.disk.blocks[5].durable[0])
	require.Equal(t, byte('b'), r.disk.blocks[6].durable[0])
}

func TestPendingBytesAreReadFromMemory(t *testing.T) {
	r := newRig(t)
	log := new(hand)
	wait := NewDependency(log, 1)
	r.add(4, 1, 'a', Dependency{})
	r.add(5, 1, 'b', Dependency{})
	r.add(6, 1, 'c', wait)
	r.add(5, 1, 'd', wait)
	see := func(at, n int, want string) {
		t.Helper()
		p := bytes.Repeat([]byte{'-'}, n)
		r.Overlay(p, int64(at))
		require.Equal(t, want, string(p))
	}
	for range 2 { // before and after the joint buffer
		require.Equal(t, "aa", string(r.Bytes(5*testBlock-2, 2)))
		require.Equal(t, "d", string(r.Bytes(5*testBlock, 1)))
		require.Nil(t, r.Bytes(5*testBlock-1, 2), "two writes")
		require.Nil(t, r.Bytes(7*testBlock-1, 2), "beyond the last one")
		require.Nil(t, r.Bytes(100*testBlock, 1))
		require.Len(t, r.Bytes(5*testBlock, testBlock), testBlock, "a whole block")
		see(4*testBlock-2, 3, "--a")
		see(5*testBlock-1, 2, "ad")
		see(6*testBlock-1, testBlock+3, "d"+string(bytes.Repeat([]byte{'c'}, testBlock))+"--")
		require.LessOrEqual(t, r.Issue(), 1)
	}
	log.through = 1
	r.drain()
	require.Nil(t, r.Bytes(5*testBlock, 1), "durable: the disk has it")
	see(5*testBlock, 1, "-")
}

func TestAFailedRequestFailsEverythingNotDurable(t *testing.T) {
	for _, kind := range []disk.RequestKind{disk.Write, disk.Flush} {
		t.Run(kind.String(), func(t *testing.T) {
			r := newRig(t)
			safe := r.add(1, 1, 's', Dependency{})
			r.drain()
			a := r.add(2, 1, 'a', Dependency{})
			joined := r.add(3, 1, 'b', Dependency{})
			later := r.add(4, 1, 'c', a.And(joined))
			alone := r.add(8, 1, 'd', Dependency{})
			r.disk.fails = func(q *disk.Request) bool { return q.Kind == kind }
			r.drain()
			after := r.add(9, 1, 'e', safe)
			require.Equal(t, Persistent, safe.State())
			for _, d := range []Dependency{a, joined, later, alone, after} {
				require.Equal(t, Failed, d.State())
				require.ErrorIs(t, d.Err(), errBroken)
			}
			require.Zero(t, r.Waiting())
			require.Len(t, r.failures, 1)
			require.Empty(t, r.appends)
			r.disk.fails = nil
			r.drain()
			require.Equal(t, Failed, later.State(), "final")
			require.Len(t, r.spare, len(r.batches), "every batch came back")
		})
	}
}

func TestWhatDependsOnSomethingFailedFailsAndIsNeverIssued(t *testing.T) {
	r := newRig(t)
	log := new(hand)
	bad := errors.New("the log is broken")
	early := r.add(1, 1, 'a', NewDependency(log, 1))
	middle := r.add(2, 1, 'b', Dependency{})
	last := r.add(3, 1, 'c', early.And(NewDependency(new(hand), 0)))
	log.err = bad
	late := r.add(4, 1, 'd', NewDependency(log, 1))
	require.Equal(t, Failed, late.State(), "known at once")
	r.drain()
	for _, d := range []Dependency{early, last, late} {
		require.Equal(t, Failed, d.State())
		require.ErrorIs(t, d.Err(), bad)
	}
	require.Equal(t, Persistent, middle.State())
	require.NoError(t, middle.Err())
	require.NoError(t, r.Err(), "the epoch goes on")
	require.Len(t, r.disk.writes, 1)
}

func TestAppendMayNotDependOnOneToCome(t *testing.T) {
	r := newRig(t)
	require.Panics(t, func() { r.add(1, 1, 'a', NewDependency(r.Sched, 1)) })
}

func TestAppendsAndSubmittedWritesShareFlushes(t *testing.T) {
	r := newRig(t)
	var w Write
	r.Submit(&w, make([]byte, testBlock), 0)
	d := r.add(4, 1, 'a', Dependency{})
	r.Issue()
	require.Equal(t, 2, r.Writes())
	require.True(t, r.Reap())
	require.True(t, r.Reap())
	require.True(t, r.Undurable())
	r.Flush()
	require.False(t, r.Undurable())
	require.False(t, r.Idle())
	r.Reap()
	require.True(t, r.Idle())
	require.True(t, r.Durable(&w))
	require.True(t, d.Persistent())
	require.Panics(t, func() {
		r.Submit(&w, make([]byte, testBlock), 0)
		r.add(0, 1, 'a', Dependency{})
		r.Issue()
	}, "S1")
}

func TestAppendDoesNotAllocateOnceGrown(t *testing.T) {
	d := disk.NewMemory(disk.Info{Size: 1 << 20, LogicalBlock: 512, PhysicalBlock: 512})
	var buffers disk.Buffers
	s := New(d, &buffers)
	work := func() {
		s.Reset(d, &buffers)
		var last Dependency
		for i := range 40 {
			after := Dependency{}
			if i%5 == 4 {
				after = last
			}
			last = s.Append(buffers.Get(512), int64(i)*512, after)
			if i%8 == 7 {
				s.Issue()
			}
		}
		for s.Waiting() > 0 || !s.Idle() || s.Undurable() {
			s.Issue()
			for s.Reap() {
			}
			s.Flush()
			s.Reap()
		}
		if !last.Persistent() {
			panic("not persistent")
		}
	}
	work()
	require.Zero(t, testing.AllocsPerRun(20, work))
}

func BenchmarkAppend(b *testing.B) {
	for _, n := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("waiting=%d", n), func(b *testing.B) {
			d := disk.NewMemory(disk.Info{Size: 1 << 20, LogicalBlock: 512, PhysicalBlock: 512})
			var buffers disk.Buffers
			s := New(d, &buffers)
			b.ReportAllocs()
			for i := 0; i < b.N; i += n {
				for j := range n {
					s.Append(buffers.Get(512), int64(j)*1024, Dependency{})
				}
				s.Issue()
				for s.Reap() {
				}
				s.Flush()
				s.Reap()
			}
		})
	}
}

func TestAnExtentIsAppendedToUntilItsBytesAreDurable(t *testing.T) {
	r := newRig(t)
	gate := &hand{}
	r.add(4, 2, 1, NewDependency(gate, 1))
	appending := func() bool { return r.Appending(4*testBlock, 4*testBlock) }
	require.True(t, appending(), "it waits")
	require.False(t, r.Appending(6*testBlock, 4*testBlock), "it ends before")
	gate.through = 1
	r.Issue()
	require.True(t, appending(), "it is on its way")
	require.True(t, r.Reap())
	require.True(t, appending(), "a cache has it")
	r.drain()
	require.False(t, appending())
}
