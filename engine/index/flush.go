package index

import (
	"context"
	"errors"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/iosched"
)

// flushJob writes the memtable as a run of level 0 and counts live bytes exactly: for every shard in it, the frames of the put
// it supersedes are dead from the new replay position on, and those of the new one live.
type flushJob struct {
	job
	replay     uint64 // the log position that the record will name
	before     uint64 // Tree.replay before the flush
	full       bool   // all runs are merged with the memtable into one
	tombstones int    // of the memtable
	run        Run
	delta      []int64 // change of live bytes by extent
}

// ErrBusy is returned by StartFlush and StartCompact while another of the same kind is under way.
var ErrBusy = errors.New("index: a step of that kind is under way")

// StartFlush begins a flush of what was set so far, to be recorded with the given replay position. Tables are built once after,
// the persistence of all that was set, is persistent. It reports false if there was nothing to flush: nothing set, and no log
// behind the recorded position, which may hold what became of nothing, as parts of a put that failed.
//
// Where Options.MustMerge asks for it, once the tables are to be built, the flush is a full one: it merges all runs with the
// memtable into one, without tombstones. It writes more, and leaves every extent free that held runs. It waits for the end of a
// compaction under way. With force it is full in any case, and there is something to flush if there is more than one run.
func (t *Tree) StartFlush(force bool, replay, nextMutation uint64, after iosched.Dependency) (bool, error) {
	j := &t.flush
	if j.phase != jobIdle {
		return false, ErrBusy
	}
	if t.mem.Len() == 0 && replay <= t.meta.Replay && !(force && t.several()) {
		return false, nil
	}
	t.mem, t.imm = t.imm, t.mem
	j.before, t.replay = t.replay, nextMutation
	j.tombstones, t.puts = t.imm.Len()-t.puts, 0
	j.begin(after)
	j.replay, j.full = replay, force
	return true, nil
}

// several reports whether a full flush would leave fewer runs.
func (t *Tree) several() bool {
	n := len(t.meta.Zero)
	for i := range t.meta.Deep {
		n += min(1, len(t.meta.Deep[i].Tables))
	}
	return n > 1 || len(t.meta.Zero) > 0
}

// Flushing reports whether a flush is under way.
func (t *Tree) Flushing() bool { return t.flush.phase != jobIdle }

// Flush implements Index.
func (t *Tree) Flush(context.Context) error {
	if _, err := t.StartFlush(false, t.newest, t.newest+1, iosched.Dependency{}); err != nil {
		return err
	}
	return t.FinishFlush()
}

// FinishFlush returns when no flush is under way, with the error of the last one.
func (t *Tree) FinishFlush() error { return t.finish(&t.flush.job) }

// mayBuild says whether the flush is a full one, which has to wait for the end of a compaction.
func (j *flushJob) mayBuild(t *Tree) bool {
	if t.options.MustMerge != nil && t.options.MustMerge(j.full) {
		j.full = true
	}
	if j.full && t.Compacting() {
		return false
	}
	t.compact.stalled = t.compact.stalled && !j.full
	return true
}

// build appends the tables of the new run.
func (j *flushJob) build(t *Tree) error {
	j.run.Tables = j.run.Tables[:0]
	j.delta = append(j.delta[:0], make([]int64, len(t.meta.Live))...)
	b := t.newBuilder(&j.run, 0, t.tableEntries(t.imm.Len(), true))
	if j.full {
		b.part, b.most = 1, t.tableEntries(t.mergedEntries(), false)
	}
	for at := t.imm.Seek(nil); at.Entry() != nil; at.Next() {
		e := at.Entry()
		keep, err := j.count(t, e)
		if err != nil {
			return err
		}
		switch {
		case j.full:
		case !keep:
			t.options.Probes.Hit(probeTombstoneDropped)
		default:
			if err := b.add(e); err != nil {
				return err
			}
		}
	}
	if j.full {
		t.options.Probes.Hit(probeFull)
		if err := j.mergeAll(t, &b); err != nil {
			return err
		}
	}
	dep, err := b.finish()
	if err != nil {
		return err
	}
	t.pinTables(&j.run)
	j.appended(dep)
	return nil
}

// mergeAll adds to b what memtable and runs hold together, tombstones left out.
func (j *flushJob) mergeAll(t *Tree, b *builder) error {
	m := &t.walk
	m.begin(t.reader, &t.shape)
	m.addMemtable(t.imm, nil)
	if err := m.addRecorded(&t.meta, nil); err != nil {
		return err
	}
	for {
		e, err := m.next()
		if err != nil || e == nil {
			return err
		}
		if e.Kind == Delete {
			t.options.Probes.Hit(probeTombstoneDropped)
			continue
		}
		if err := b.add(e); err != nil {
			return err
		}
	}
}

// count notes what e makes live and dead, and reports whether e must be in the run: a tombstone of a shard that no run holds
// need not.
func (j *flushJob) count(t *Tree, e *Entry) (keep bool, err error) {
	old, err := t.findRecorded(&e.ID)
	if err != nil {
		// Nobody knows what e supersedes. It counts as live for ever: space is lost, nothing else.
		old, err = nil, nil
		keep = true
	}
	if old != nil {
		if err := j.countFrames(t, old, -1); err != nil {
			return false, err
		}
	}
	if err := j.countFrames(t, e, +1); err != nil {
		return false, err
	}
	return keep || old != nil || e.Kind != Delete, nil
}

// countFrames adds sign times the bytes of the frames of e.
func (j *flushJob) countFrames(t *Tree, e *Entry, sign int64) error {
	if !e.Kind.hasLocator() {
		return nil
	}
	j.delta[e.Locator.Extent] += sign * int64(e.Locator.Length)
	if e.Kind != PutParts {
		return nil
	}
	parts, err := t.options.Parts(e.Locator)
	if err != nil {
		if sign < 0 {
			return nil // unreadable: its parts count as live
		}
		return err
	}
	for _, p := range parts {
		j.delta[p.Extent] += sign * int64(p.Length)
	}
	return nil
}

func (j *flushJob) record(t *Tree) error {
	d := &t.draft
	d.CopyFrom(&t.meta)
	d.Replay = j.replay
	if j.full {
		for r := range d.Runs() {
			d.addLive(r, -1)
		}
		d.Zero, d.Deep = d.Zero[:0], appendRun(d.Deep[:0])
		level := t.levelFor(j.run.bytes())
		for len(d.Deep) <= level {
			d.Deep = appendRun(d.Deep)
		}
		d.Deep[level].Tables = append(d.Deep[level].Tables, j.run.Tables...)
		d.addLive(&j.run, +1)
	} else if len(j.run.Tables) > 0 {
		d.Zero = appendRun(d.Zero)
		copy(d.Zero[1:], d.Zero[:len(d.Zero)-1])
		d.Zero[0] = Run{Tables: append([]Table(nil), j.run.Tables...)}
		d.addLive(&j.run, +1)
	}
	for x, n := range j.delta {
		d.Live[x] = uint32(int64(d.Live[x]) + n)
	}
	return t.submit(&j.job)
}

// addLive adds sign times the bytes of the tables of run to the live bytes.
func (m *Metadata) addLive(run *Run, sign int) {
	for i := range run.Tables {
		l := run.Tables[i].Locator
		m.Live[l.Extent] = uint32(int(m.Live[l.Extent]) + sign*int(l.Length))
	}
}

func (j *flushJob) settle(t *Tree) {
	t.settle()
	t.unpinTables(&j.run)
	if t.options.Drop != nil {
		t.imm.each(t.options.Drop)
	}
	t.imm.Reset()
	j.end(nil)
}

// abort puts what was to be flushed back into the memtable, beneath what has been set since.
func (j *flushJob) abort(t *Tree, err error) {
	if j.built() {
		t.unpinTables(&j.run)
	}
	for at := t.imm.Seek(nil); at.Entry() != nil; at.Next() {
		e := at.Entry()
		if t.mem.Get(&e.ID) == nil {
			t.mem.Set(e)
			t.puts += kept(e)
		} else {
			t.supersede(e)
		}
	}
	t.mem.over = append(t.mem.over, t.imm.over...)
	t.imm.Reset()
	t.replay = j.before
	j.end(err)
}

// builder cuts ascending entries into tables and appends those.
type builder struct {
	tree *Tree
	part uint16 // 0: level 0; 1: a deeper one
	most int    // entries of a table
	run  *Run
	dep  iosched.Dependency
}

// newBuilder returns a builder of run. Of one that ended with an error nothing is left.
func (t *Tree) newBuilder(run *Run, part uint16, most int) builder {
	t.entries = t.entries[:0]
	return builder{tree: t, part: part, most: most, run: run}
}

// add takes e into the run.
func (b *builder) add(e *Entry) error {
	t := b.tree
	if len(t.entries) >= b.most {
		if err := b.cut(); err != nil {
			return err
		}
	}
	t.entries = append(t.entries, *e)
	return nil
}

// cut appends a table of the entries so far.
func (b *builder) cut() error {
	t := b.tree
	table := t.shape.newTable(t.entries)
	h := chunk.Header{Kind: chunk.Run, Part: b.part, Parts: 2}
	l, dep, err := t.chunks.Append(&h, t.shape.payloadBytes(table.Blocks, table.Filters), iosched.Dependency{}, func(p []byte, at chunk.Place) {
		t.shape.encode(p, &table, t.entries, at)
	})
	t.entries = t.entries[:0]
	if err != nil {
		return err
	}
	table.Locator = l
	b.run.Tables = append(b.run.Tables, table)
	b.dep = b.dep.And(dep)
	if len(b.run.Tables) > 1 {
		t.options.Probes.Hit(probeSeveralTables)
	}
	return nil
}

// finish appends what is left, and returns the dependency that covers all tables.
func (b *builder) finish() (iosched.Dependency, error) {
	if len(b.tree.entries) > 0 {
		if err := b.cut(); err != nil {
			return iosched.Dependency{}, err
		}
	}
	return b.dep, nil
}
