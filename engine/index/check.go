package index

import (
	"context"
	"errors"
	"fmt"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/fault"
)

// ErrInconsistent is what every finding of Check answers to, unless a device error or bad bytes explain it. It is an
// *Inconsistency then.
var ErrInconsistent = errors.New("inconsistent")

// Inconsistency is a rule that records of the store break.
type Inconsistency struct {
	Rule   string // the rule, in a few fixed words
	Detail string // which records break it, with their values
}

func (i *Inconsistency) Error() string { return "inconsistent: " + i.Rule + ": " + i.Detail }

// Is reports whether target is ErrInconsistent.
func (i *Inconsistency) Is(target error) bool { return target == ErrInconsistent }

// The rules of Check.
const (
	ruleRunCount = "tables hold as many entries as they say"
	ruleRange    = "entries of a table lie in its range, and fences begin blocks"
	ruleMutation = "memtable and runs divide at the replay position"
	ruleOrder    = "entries of a run ascend"
	ruleLevels   = "the highest entry of a shard is its newest"
	ruleBottom   = "the deepest level holds no tombstone"
)

// Check implements Index.
func (t *Tree) Check(ctx context.Context, report func(error)) error {
	findf := func(rule, format string, args ...any) { report(&Inconsistency{rule, fmt.Sprintf(format, args...)}) }
	for r := range t.meta.Runs() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.checkRun(r, findf); err != nil {
			if !errors.Is(err, fault.ErrCorrupt) && !errors.Is(err, fault.ErrIO) {
				return err
			}
			report(err)
		}
	}
	for at := t.mem.Seek(nil); at.Entry() != nil; at.Next() {
		if e := at.Entry(); !e.Moved && e.Mutation < t.replay {
			findf(ruleMutation, "mutation %d in the memtable, which begins with %d", e.Mutation, t.replay)
		}
	}
	return t.checkLevels(findf)
}

// checkRun reads a whole run.
func (t *Tree) checkRun(r *Run, findf func(rule, format string, args ...any)) error {
	m := &t.merge
	m.begin(t.reader, &t.shape)
	if err := m.addRun(r, nil); err != nil {
		return err
	}
	c := &m.runs[0]
	var before chunk.ShardID
	n, in, table := 0, 0, 0
	for e := c.current(); e != nil; e = c.current() {
		if c.table != table {
			if in != int(r.Tables[table].Entries) {
				findf(ruleRunCount, "table %v holds %d entries and says %d", r.Tables[table].Locator, in, r.Tables[table].Entries)
			}
			table, in = c.table, 0
		}
		if n > 0 && Compare(&before, &e.ID) >= 0 {
			findf(ruleOrder, "shard %x comes after %x", e.ID[:], before[:])
		}
		if here := &r.Tables[c.table]; Compare(&e.ID, &here.First) < 0 || Compare(&e.ID, &here.Last) > 0 {
			findf(ruleRange, "shard %x in the table of %x to %x", e.ID[:], here.First[:], here.Last[:])
		}
		if e.Mutation >= t.replay && t.imm.Len() == 0 {
			findf(ruleMutation, "mutation %d in a run, the memtable begins with %d", e.Mutation, t.replay)
		}
		before = e.ID
		n, in = n+1, in+1
		if err := c.next(); err != nil {
			return err
		}
	}
	if want := r.Entries(); n != want {
		findf(ruleRunCount, "a run holds %d entries and says %d", n, want)
	}
	return nil
}

// checkLevels walks all runs together: of one shard the newest mutation lies highest. The others may lie in any order while a
// compaction of level 0 has got half way.
func (t *Tree) checkLevels(findf func(rule, format string, args ...any)) error {
	m := &t.merge
	err := t.mergeRecorded(m)
	for err == nil {
		e := m.peek()
		if e == nil {
			break
		}
		id, newest := e.ID, e.Mutation
		deepest := len(m.runs) - 1
		for i := range m.runs {
			if c := m.runs[i].current(); c != nil && c.ID == id {
				if c.Mutation > newest {
					findf(ruleLevels, "mutation %d of shard %x is hidden by mutation %d", c.Mutation, id[:], newest)
				}
				if i == deepest && i >= len(t.meta.Zero) && c.Kind == Delete {
					findf(ruleBottom, "tombstone of shard %x", id[:])
				}
			}
		}
		_, err = m.next()
	}
	if errors.Is(err, fault.ErrCorrupt) || errors.Is(err, fault.ErrIO) {
		return nil // reported with its run
	}
	return err
}

// mergeRecorded puts m before the first shard of the recorded runs.
func (t *Tree) mergeRecorded(m *merge) error {
	m.begin(t.reader, &t.shape)
	return m.addRecorded(&t.meta, nil)
}

// EachRecorded calls fn for the newest entry of every shard in the recorded runs, in order, until fn fails. fn may look up
// nothing in the index.
func (t *Tree) EachRecorded(fn func(e *Entry) error) error {
	m := &t.walk
	if err := t.mergeRecorded(m); err != nil {
		return err
	}
	for {
		e, err := m.next()
		if err != nil || e == nil {
			return err
		}
		if err := fn(e); err != nil {
			return err
		}
	}
}

// EachReadable does what EachRecorded does, as far as that goes where blocks cannot be read: each is reported to lost, with an
// error that names it, and the walk goes on behind it. What a lost block may supersede is passed over: nobody knows whether it is
// still there, let alone where (I5).
func (t *Tree) EachReadable(fn func(e *Entry) error, lost func(error)) error {
	m := &t.walk
	doubt := false
	m.begin(t.reader, &t.shape)
	m.lost = func(err error) { doubt = true; lost(err) }
	if err := m.addRecorded(&t.meta, nil); err != nil {
		return err
	}
	for {
		e, err := m.next()
		if err != nil || e == nil {
			return err
		}
		if doubt {
			if again, err := t.findRecorded(&e.ID); err != nil || again == nil || again.Mutation != e.Mutation {
				continue
			}
		}
		if err := fn(e); err != nil {
			return err
		}
	}
}

// EachPending calls fn for every entry of the memtables, until fn fails.
func (t *Tree) EachPending(fn func(e *Entry) error) error {
	for _, m := range [...]*Memtable{t.mem, t.imm} {
		for at := m.Seek(nil); at.Entry() != nil; at.Next() {
			if err := fn(at.Entry()); err != nil {
				return err
			}
		}
	}
	return nil
}

// EachHeld calls fn for every entry that Options.Hold was told of and Options.Drop was not: those of the memtables, and those that
// newer ones took the place of. fn may change locators in them, and sees to what is held then.
func (t *Tree) EachHeld(fn func(e *Entry)) {
	t.mem.each(fn)
	t.imm.each(fn)
}

// EachUnrecorded calls fn for the place of every table that is written, and pinned, and not recorded yet.
func (t *Tree) EachUnrecorded(fn func(l chunk.Locator)) {
	each := func(j *job, run *Run) {
		for i := range run.Tables {
			if j.built() {
				fn(run.Tables[i].Locator)
			}
		}
	}
	each(&t.flush.job, &t.flush.run)
	each(&t.compact.job, &t.compact.out)
	each(&t.move.job, &t.move.out)
}

// EachTable calls fn for the place of every recorded table.
func (t *Tree) EachTable(fn func(l chunk.Locator)) {
	for r := range t.meta.Runs() {
		for j := range r.Tables {
			fn(r.Tables[j].Locator)
		}
	}
}
