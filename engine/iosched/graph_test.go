package iosched

import (
	"encoding/binary"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/shardproof/shardproof/engine/disk"
)

// graph is a random dependency graph on a cacheDisk, and the truth about it: every block carries the number of its append, so
// the disk itself tells which appends have reached it and which are durable.
type graph struct {
	t       *rapid.T
	sched   *Sched
	disk    *cacheDisk
	buffers disk.Buffers
	log     hand
	nodes   []node // by number, from 1
}

// node is an append as its owner sees it.
type node struct {
	at, blocks int
	dep        Dependency
	needs      []int  // numbers of appends
	needsLog   uint64 // number of the log
	submitted  int    // blocks the disk has been given
	state      State  // as last seen
}

func newGraph(t *rapid.T) *graph {
	g := &graph{t: t, disk: newCacheDisk(96), nodes: make([]node, 1)}
	g.disk.pick = func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "next") }
	g.disk.onSubmit = g.submitted
	g.sched = New(g.disk, &g.buffers)
	g.sched.SetLimits(Limits{CoalesceBytes: rapid.IntRange(1, 6).Draw(t, "limit") * testBlock})
	return g
}

// append adds a write that depends on up to two earlier ones and perhaps on the log. It mostly goes on where one before it ended.
func (g *graph) append() {
	n := len(g.nodes)
	w := node{blocks: rapid.IntRange(1, 3).Draw(g.t, "blocks")}
	w.at = rapid.IntRange(0, 90).Draw(g.t, "at")
	if n > 1 && rapid.IntRange(0, 3).Draw(g.t, "far") > 0 {
		before := g.nodes[n-rapid.IntRange(1, min(3, n-1)).Draw(g.t, "beside")]
		w.at = min(before.at+before.blocks, 90)
	}
	var after Dependency
	for range rapid.IntRange(0, 2).Draw(g.t, "edges") {
		if n > 1 {
			k := rapid.IntRange(max(1, n-8), n-1).Draw(g.t, "on")
			w.needs = append(w.needs, k)
			after = after.And(g.nodes[k].dep)
		}
	}
	if rapid.IntRange(0, 3).Draw(g.t, "log") == 0 {
		w.needsLog = g.log.through + uint64(rapid.IntRange(0, 2).Draw(g.t, "ahead"))
		after = NewDependency(&g.log, w.needsLog).And(after)
	}
	p := g.buffers.Get(w.blocks * testBlock)
	for i := range w.blocks {
		b := p[i*testBlock : (i+1)*testBlock]
		clear(b)
		binary.LittleEndian.PutUint32(b, uint32(n))
		b[4] = byte(i)
	}
	w.dep = g.sched.Append(p, int64(w.at)*testBlock, after)
	g.nodes = append(g.nodes, w)
}

// submitted checks a block on its way to the disk: whatever crash comes now, nothing is there without what it depends on.
func (g *graph) submitted(at int, data []byte) {
	n := int(binary.LittleEndian.Uint32(data))
	w := &g.nodes[n]
	if at != w.at+int(data[4]) || int(data[4]) != w.submitted || w.submitted == w.blocks {
		g.t.Fatalf("block %d of append %d was written to block %d, %d of %d blocks were submitted", data[4], n, at, w.submitted, w.blocks)
	}
	w.submitted++
	if w.needsLog > g.log.through {
		g.t.Fatalf("append %d was issued before number %d of the log was persistent (S5)", n, w.needsLog)
	}
	for _, k := range w.needs {
		if !g.durable(k) {
			g.t.Fatalf("append %d was issued before append %d was durable (S5)", n, k)
		}
	}
	for k := 1; k < n; k++ {
		if o := &g.nodes[k]; o.at <= at && at < o.at+o.blocks && o.dep.State() == Pending {
			g.t.Fatalf("append %d was issued over the pending append %d (S6)", n, k)
		}
	}
}

// durable reports whether the disk holds append n, or what was written over it, whatever it loses.
func (g *graph) durable(n int) bool {
	w := &g.nodes[n]
	for b := w.at; b < w.at+w.blocks; b++ {
		d := g.disk.blocks[b].durable
		if d == nil || int(binary.LittleEndian.Uint32(d)) < n {
			return false
		}
	}
	return true
}

// check compares what the scheduler says of every append with what the disk knows, at this crash point.
func (g *graph) check() {
	undecided := 0
	for n := 1; n < len(g.nodes); n++ {
		w := &g.nodes[n]
		state := w.dep.State()
		switch {
		case w.state != Pending && state != w.state:
			g.t.Fatalf("append %d was %v and is %v (S8)", n, w.state, state)
		case state == Persistent && !g.durable(n):
			g.t.Fatalf("append %d is said to be persistent (S2)", n)
		case state == Failed && w.dep.Err() == nil, state != Failed && w.dep.Err() != nil:
			g.t.Fatalf("append %d is %v with error %v", n, state, w.dep.Err())
		case state == Pending && w.submitted == 0:
			undecided++
		}
		if slices.ContainsFunc(w.needs, func(k int) bool { return g.nodes[k].state == Failed }) && (w.submitted > 0 || state == Persistent) {
			g.t.Fatalf("append %d is %v, and depends on one that failed (S7)", n, state)
		}
		w.state = state
	}
	if undecided != g.sched.Waiting() {
		g.t.Fatalf("%d appends wait, not %d", undecided, g.sched.Waiting())
	}
}

func (g *graph) step() {
	switch rapid.IntRange(0, 9).Draw(g.t, "step") {
	case 0, 1, 2, 3:
		g.append()
	case 4, 5:
		g.sched.Issue()
	case 6:
		g.sched.Flush()
	case 7:
		g.log.through++
	default:
		g.sched.Reap()
	}
}

// finish does everything there is to do.
func (g *graph) finish() {
	for {
		g.log.through += 2
		g.sched.Issue()
		if g.sched.Undurable() {
			g.sched.Flush()
		}
		more := g.sched.Reap()
		g.check()
		if !more {
			return
		}
	}
}

func TestNothingIsOnTheDiskBeforeWhatItDependsOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newGraph(t)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			g.step()
			g.check()
		}
		g.finish()
		if err := g.sched.Stranded(); err != nil {
			t.Fatal(err)
		}
		for n, w := range g.nodes {
			if w.dep.State() != Persistent {
				t.Fatalf("append %d is %v in the end: the graph did not drain (S9)", n, w.dep.State())
			}
		}
		if len(g.sched.spare) != len(g.sched.batches) {
			t.Fatal("a batch was not given back")
		}
	})
}

func TestGraphsSurviveFailures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := newGraph(t)
		g.disk.fails = func(*disk.Request) bool { return rapid.IntRange(0, 9).Draw(t, "fails") == 0 }
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if g.log.err == nil && rapid.IntRange(0, 20).Draw(t, "log fails") == 0 {
				g.log.err = errBroken
			}
			g.step()
			g.check()
		}
		g.finish()
		for n, w := range g.nodes {
			if w.dep.State() == Pending {
				t.Fatalf("append %d is pending in the end", n)
			}
		}
		if len(g.sched.spare) != len(g.sched.batches) {
			t.Fatal("a batch was not given back")
		}
	})
}
