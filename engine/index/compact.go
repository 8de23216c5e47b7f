package index

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
)

// compactJob merges tables of one level into the next, slice by slice of the key range, so that it needs no more room than a
// slice and what level 0 holds: after each slice the tables of the lower level that it replaced are dead. Entries of level 0
// stay in front of equal ones below until the last slice is recorded.
//
// A table that lies in an extent under reclamation is rewritten by the same machine, into its own place in its run.
type compactJob struct {
	job
	stalled bool // there was no space for the next slice

	zero   int           // level 0: how many of the oldest runs are merged
	source Table         // a deeper level: the table that is merged, if its locator is not zero
	into   int           // index in Deep of the level merged into; -1: the source's own run
	start  chunk.ShardID // where the slice built begins
	next   chunk.ShardID // where the next one begins
	last   bool          // the slice built is the last one
	gone   []Table       // of the level merged into: replaced by out
	out    Run
	rounds [maxLevels]chunk.ShardID // where each level's next compaction goes on
}

// sliceBytes is about how much a slice writes.
const sliceBytes = maxTable

// StartCompact begins the compaction that is due. If none is and force is set, it begins one that leaves fewer runs or
// tombstones. It reports false if there is none to begin.
func (t *Tree) StartCompact(force bool) (bool, error) {
	j := &t.compact
	switch {
	case t.Compacting(), t.flush.phase != jobIdle && t.flush.full:
		return false, ErrBusy
	case j.stalled:
		j.resume()
	case j.due(t), force && j.forced(t):
		j.first()
	default:
		return false, nil
	}
	return true, nil
}

// StartMove begins to rewrite a table that lies in x, elsewhere. It reports false if there is none.
func (t *Tree) StartMove(x extent.ID) (bool, error) {
	j := &t.move
	if t.Compacting() || t.flush.phase != jobIdle && t.flush.full {
		return false, ErrBusy
	}
	for r := range t.meta.Runs() {
		for _, table := range r.Tables {
			if table.Locator.Extent == x {
				j.zero, j.source, j.into = 0, table, -1
				t.compact.stalled = t.compact.stalled && t.compact.source.Locator.IsZero() // its source may be the table
				j.first()
				return true, nil
			}
		}
	}
	return false, nil
}

// first begins with the first slice.
func (j *compactJob) first() {
	j.last, j.next = false, chunk.ShardID{}
	j.resume()
}

// resume goes on with the slice that there was no space for, so that the ones before it were not in vain. Runs of level 0 that
// came meanwhile are newer, and not part of the job.
func (j *compactJob) resume() {
	j.begin(iosched.Dependency{})
	j.stalled = false
	j.out.Tables = j.out.Tables[:0]
}

// Compact implements Index.
func (t *Tree) Compact(context.Context) (bool, error) {
	began, err := t.StartCompact(true)
	if err != nil || !began {
		return false, err
	}
	return true, t.FinishCompact()
}

// Rewrite implements Index.
func (t *Tree) Rewrite(_ context.Context, x extent.ID) (bool, error) {
	began, err := t.StartMove(x)
	if err != nil || !began {
		return false, err
	}
	return true, t.FinishCompact()
}

// FinishCompact returns when no compaction and no rewriting of a table is under way, with the error of the last one.
func (t *Tree) FinishCompact() error {
	return errors.Join(t.finish(&t.compact.job), t.finish(&t.move.job))
}

// Compacting reports whether a compaction or the rewriting of a table is under way.
func (t *Tree) Compacting() bool { return t.compact.phase != jobIdle || t.move.phase != jobIdle }

// CompactionDue reports whether the levels are out of shape.
func (t *Tree) CompactionDue() bool {
	j := compactJob{rounds: t.compact.rounds}
	return !t.Compacting() && j.due(t)
}

// due chooses what the shape of the levels asks for.
func (j *compactJob) due(t *Tree) bool {
	if len(t.meta.Zero) >= t.options.Trigger {
		return j.choose(t, len(t.meta.Zero), -1, 0)
	}
	for i := range t.meta.Deep {
		if bytes := t.meta.Deep[i].bytes(); bytes > 0 && t.levelFor(bytes) > i {
			return j.choose(t, 0, i, i+1)
		}
	}
	return false
}

// levelFor returns the index in Deep of the first level that so many bytes are not too much for. What a full flush writes goes
// there: nothing is due then, and compaction comes to an end.
func (t *Tree) levelFor(bytes int64) int {
	limit := int64(2*t.options.Trigger) * int64(t.shape.tableBytes(t.shape.TablePages))
	i := 0
	for ; i+1 < maxLevels && bytes > limit; i++ {
		limit *= int64(t.options.Fanout)
	}
	return i
}

// forced chooses what leaves fewer runs: the highest that is not empty goes into the next one.
func (j *compactJob) forced(t *Tree) bool {
	below := func(from int) int {
		for i := from; i < len(t.meta.Deep); i++ {
			if len(t.meta.Deep[i].Tables) > 0 {
				return i
			}
		}
		return -1
	}
	first := below(0)
	if n := len(t.meta.Zero); n > 0 {
		return j.choose(t, n, -1, max(first, 0))
	}
	if first < 0 {
		return false
	}
	second := below(first + 1)
	return second >= 0 && j.choose(t, 0, first, second)
}

// choose sets what is merged into what: so many runs of level 0, or the next table of a deeper level.
func (j *compactJob) choose(t *Tree, zero, from, into int) bool {
	j.zero, j.into, j.source = zero, into, Table{}
	if from >= 0 {
		tables := t.meta.Deep[from].Tables
		i := slices.IndexFunc(tables, func(table Table) bool { return Compare(&table.First, &j.rounds[from]) > 0 })
		j.source = tables[max(i, 0)]
		j.rounds[from] = j.source.First
	}
	return true
}

// mayBuild says that nothing but what the job waits for keeps it from its next slice. Until the last one is recorded, entries of
// what is merged may be in two places.
func (j *compactJob) mayBuild(t *Tree) bool {
	if t.options.MayGrow != nil {
		t.options.MayGrow(j.twice(t))
	}
	return true
}

// twice returns how many entries there will be two of at most.
func (j *compactJob) twice(t *Tree) int {
	if j.into < 0 {
		return 0
	}
	n := int(j.source.Entries)
	for i := range j.zero {
		n += t.meta.Zero[len(t.meta.Zero)-1-i].Entries()
	}
	return n
}

// build appends the tables of one slice.
func (j *compactJob) build(t *Tree) error {
	for len(t.meta.Deep) <= j.into {
		t.meta.Deep = appendRun(t.meta.Deep)
	}
	m := &t.merge
	m.begin(t.reader, &t.shape)
	start := j.next
	if err := j.addSources(t, m, &start); err != nil {
		return err
	}
	b := t.newBuilder(&j.out, 1, j.tableEntries(t))
	written := 0
	next, last := j.next, true
	for e := m.peek(); e != nil; e = m.peek() {
		if written >= sliceLimit(t) && j.mayCut(t, &e.ID) {
			next, last = e.ID, false
			break
		}
		e, err := m.next()
		if err != nil {
			return err
		}
		if e.Kind == Delete && j.into >= 0 && !t.deeperHolds(j.into+1, &e.ID) {
			t.options.Probes.Hit(probeTombstoneDropped)
			continue
		}
		written += entryBytes
		if err := b.add(e); err != nil {
			return err
		}
	}
	dep, err := b.finish()
	if err != nil {
		return err
	}
	j.start, j.next, j.last = start, next, last
	j.findGone(t, &start)
	if more := j.moreTables(); more > t.room() {
		j.next = start
		return fmt.Errorf("%w: %d tables more than the metadata can name", extent.ErrFull, more-t.room())
	}
	t.pinTables(&j.out)
	j.appended(dep)
	return nil
}

// tableEntries returns how many entries a table that is built gets. One that is only written elsewhere stays one table, however
// large level 0 had to make it, so that the metadata, be it full, can name it where it lies next.
func (j *compactJob) tableEntries(t *Tree) int {
	if j.into < 0 {
		return int(j.source.Entries)
	}
	return t.tableEntries(t.meta.Entries(), false)
}

// sliceLimit returns about how many bytes of entries a slice may have.
func sliceLimit(t *Tree) int {
	return min(sliceBytes, t.shape.ExtentEntries()*entryBytes)
}

// addSources adds what is merged to m, from start on, newest first.
func (j *compactJob) addSources(t *Tree, m *merge, start *chunk.ShardID) error {
	if !j.source.Locator.IsZero() {
		if err := m.addRun(&Run{Tables: []Table{j.source}}, start); err != nil {
			return err
		}
	}
	for i := len(t.meta.Zero) - j.zero; i < len(t.meta.Zero); i++ {
		if err := m.addRun(&t.meta.Zero[i], start); err != nil {
			return err
		}
	}
	if j.into < 0 {
		return nil
	}
	return m.addRun(j.target(t), start)
}

// target returns the tables that the job may replace: those of the level merged into that the source overlaps, all of them if
// the source is level 0.
func (j *compactJob) target(t *Tree) *Run {
	r := &t.meta.Deep[j.into]
	if j.source.Locator.IsZero() {
		return r
	}
	from := r.tableOf(&j.source.First)
	to := from
	for to < len(r.Tables) && Compare(&r.Tables[to].First, &j.source.Last) <= 0 {
		to++
	}
	return &Run{Tables: r.Tables[from:to]}
}

// mayCut reports whether a slice may end before id: not inside a table of the level merged into.
func (j *compactJob) mayCut(t *Tree, id *chunk.ShardID) bool {
	if j.into < 0 {
		return false
	}
	r := &t.meta.Deep[j.into]
	i := r.tableOf(id)
	return i == len(r.Tables) || Compare(&r.Tables[i].First, id) >= 0
}

// findGone notes which tables of the level merged into the slice from start on has replaced.
func (j *compactJob) findGone(t *Tree, start *chunk.ShardID) {
	j.gone = j.gone[:0]
	if j.into < 0 {
		return
	}
	for _, table := range j.target(t).Tables {
		if Compare(&table.First, start) >= 0 && (j.last || Compare(&table.First, &j.next) < 0) {
			j.gone = append(j.gone, table)
		}
	}
}

// deeperHolds reports whether a level from Deep[i] on may hold id.
func (t *Tree) deeperHolds(i int, id *chunk.ShardID) bool {
	for ; i < len(t.meta.Deep); i++ {
		r := &t.meta.Deep[i]
		if n := r.tableOf(id); n < len(r.Tables) && Compare(&r.Tables[n].First, id) <= 0 {
			return true
		}
	}
	return false
}

// moreTables returns how many tables more there are once the slice is recorded; the runs of level 0 are left out.
func (j *compactJob) moreTables() int {
	n := len(j.out.Tables) - len(j.gone)
	if j.last && !j.source.Locator.IsZero() {
		n--
	}
	return n
}

// record makes the slice part of the recorded state.
func (j *compactJob) record(t *Tree) error {
	d := &t.draft
	d.CopyFrom(&t.meta)
	switch {
	case j.into < 0:
		d.replace(j.source.Locator, j.out.Tables)
	default:
		for len(d.Deep) <= j.into {
			d.Deep = appendRun(d.Deep)
		}
		for i := range j.gone {
			d.drop(j.gone[i].Locator)
		}
		d.Deep[j.into].insert(j.out.Tables)
		if j.last && !j.source.Locator.IsZero() {
			d.drop(j.source.Locator)
		}
		if j.last {
			for range j.zero {
				d.addLive(&d.Zero[len(d.Zero)-1], -1)
				d.Zero = d.Zero[:len(d.Zero)-1]
			}
		}
	}
	d.addLive(&j.out, +1)
	return t.submit(&j.job)
}

// drop takes the table at l out of its run, and its bytes out of the live ones.
func (m *Metadata) drop(l chunk.Locator) { m.replace(l, nil) }

// replace puts tables in the place of the one at l, whose bytes are live no more.
func (m *Metadata) replace(l chunk.Locator, tables []Table) {
	for r := range m.Runs() {
		if n := slices.IndexFunc(r.Tables, func(t Table) bool { return t.Locator == l }); n >= 0 {
			r.Tables = slices.Replace(r.Tables, n, n+1, tables...)
			m.Live[l.Extent] -= l.Length
			return
		}
	}
	panic("index: a table that was merged is not there")
}

// insert adds tables, which overlap none of r, at their place.
func (r *Run) insert(tables []Table) {
	if len(tables) > 0 {
		r.Tables = slices.Insert(r.Tables, r.tableOf(&tables[0].First), tables...)
	}
}

// settle goes on with the next slice, or ends the job.
func (j *compactJob) settle(t *Tree) {
	t.settle()
	t.unpinTables(&j.out)
	t.options.Probes.Hit(probeCompacted)
	if j.into >= 0 {
		t.slices++
	}
	if j.last {
		j.end(nil)
	} else {
		t.options.Probes.Hit(probeSlice)
		j.begin(iosched.Dependency{})
	}
	j.out.Tables = j.out.Tables[:0]
}

func (j *compactJob) abort(t *Tree, err error) {
	if j.built() {
		t.unpinTables(&j.out)
		j.next = j.start
	}
	j.end(err)
	j.stalled = errors.Is(err, extent.ErrFull) && j.into >= 0
}
