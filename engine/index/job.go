package index

import (
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
)

// job is what a flush and a compaction have in common: a machine of steps, each of which waits for a dependency.
//
//	begin ──► build: tables are appended ──► record, one job at a time ──► settle ──► idle, or begin with the next slice
//
// A step that fails ends the job; the index is then as if it had not begun.
type job struct {
	phase jobPhase
	wait  iosched.Dependency // what the next step waits for
	err   error              // why the last one failed
}

// jobPhase is which step comes next.
type jobPhase uint8

const (
	jobIdle   jobPhase = iota
	jobBuild           // once what is built from is persistent: the tables
	jobRecord          // once the tables are persistent, and no other record is under way: the record
	jobSettle          // once the record is persistent: it is the state
)

func (j *job) begin(after iosched.Dependency)  { *j = job{phase: jobBuild, wait: after} }
func (j *job) appended(dep iosched.Dependency) { j.phase, j.wait = jobRecord, dep }
func (j *job) end(err error)                   { *j = job{err: err} }

// built reports whether tables of the job exist that are not recorded.
func (j *job) built() bool { return j.phase == jobRecord || j.phase == jobSettle }

func (j *job) self() *job { return j }

// steps are what one kind of job does.
type steps interface {
	self() *job
	mayBuild(t *Tree) bool // whether no other job has to end first
	build(t *Tree) error
	record(t *Tree) error
	settle(t *Tree)
	abort(t *Tree, err error)
}

// advance moves a job as far as persistent dependencies allow. A job that fails ends.
func (t *Tree) advance(s steps) error {
	j := s.self()
	for j.phase != jobIdle && j.wait.Persistent() {
		var err error
		switch j.phase {
		case jobBuild:
			if !s.mayBuild(t) {
				return nil
			}
			err = s.build(t)
		case jobRecord:
			if t.recording {
				return nil
			}
			err = s.record(t)
		case jobSettle:
			s.settle(t)
		}
		if err != nil {
			s.abort(t, err)
			return err
		}
	}
	return nil
}

// Abandon ends every job with err: nothing that it was building becomes durable, and the index is as if it had not begun. If recorded,
// the record under way will be relied on all the same, and the job that waits for it goes on.
func (t *Tree) Abandon(err error, recorded bool) {
	for _, s := range [...]steps{&t.flush, &t.compact, &t.move} {
		switch s.self().phase {
		case jobIdle:
			continue
		case jobSettle:
			if recorded {
				continue
			}
			t.recording = false
		}
		s.abort(t, err)
	}
}

// finish waits for a job to end and returns the error of the last one.
func (t *Tree) finish(j *job) error {
	t.advanceAll()
	for j.phase != jobIdle {
		if err := t.options.Await(t.waitOf(j)); err != nil {
			return err
		}
		t.advanceAll()
	}
	err := j.err
	j.err = nil
	return err
}

// waitOf returns what a job waits for: its own dependency, or, if that is persistent, that of the job that has to come first.
func (t *Tree) waitOf(j *job) iosched.Dependency {
	switch {
	case !j.wait.Persistent():
	case j.phase == jobRecord && t.recording:
		for _, other := range [...]*job{&t.flush.job, &t.compact.job, &t.move.job} {
			if other.phase == jobSettle {
				return other.wait
			}
		}
	case j == &t.flush.job && t.compact.phase != jobIdle: // it is to be a full one
		return t.waitOf(&t.compact.job)
	case j == &t.flush.job && t.move.phase != jobIdle:
		return t.waitOf(&t.move.job)
	}
	return j.wait
}

// submit records draft as the record of j; no other is under way.
func (t *Tree) submit(j *job) error {
	dep, err := t.recorder.Record(&t.draft, iosched.Dependency{})
	t.recording = err == nil
	j.phase, j.wait = jobSettle, dep
	return err
}

// settle makes the draft the recorded state.
func (t *Tree) settle() {
	t.recording = false
	t.meta, t.draft = t.draft, t.meta
	t.totals = t.shape.totalsOf(&t.meta)
}

// pinTables keeps the extents of tables that nobody has recorded yet from being released; unpinTables ends that.
func (t *Tree) pinTables(r *Run)   { eachExtent(r, t.options.Pin) }
func (t *Tree) unpinTables(r *Run) { eachExtent(r, t.options.Unpin) }

func eachExtent(r *Run, fn func(x extent.ID)) {
	if fn == nil {
		return
	}
	for i := range r.Tables {
		fn(r.Tables[i].Locator.Extent)
	}
}
