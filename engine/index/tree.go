package index

import (
	"context"
	"errors"
	"slices"

	"github.com/shardproof/shardproof/engine/bufcache"
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/engine/probe"
)

// Index is this floor as the floor above sees it: the newest mutation of every shard. Tree is one, and so is the reference
// model.
type Index interface {
	// Set makes e the newest mutation of its shard. Mutation numbers ascend from call to call.
	Set(e *Entry) error
	// Get returns the newest mutation of id; false if it has none or was deleted. Errors: ErrCorrupt, ErrIO.
	Get(id chunk.ShardID) (Entry, bool, error)
	// AppendEntries appends to dst the entries of up to limit shards that exist, in order, behind *after, or from the
	// beginning if after is nil. They are of one moment.
	AppendEntries(dst []Entry, after *chunk.ShardID, limit int) ([]Entry, error)
	// Move makes to the locator of id's entry if the entry is still the one of that mutation at from, and reports whether it
	// was.
	Move(id chunk.ShardID, mutation uint64, from, to chunk.Locator) (bool, error)
	// Flush writes what was set since the last Flush into a sorted run and records the run; it returns when that is
	// persistent. Compact merges runs, one step, and reports whether there was one to take.
	Flush(ctx context.Context) error
	Compact(ctx context.Context) (bool, error)
	// Rewrite writes a table that lies in x again, elsewhere if nobody appends to x, so that x can be released once none is left.
	// It reports whether there was one.
	Rewrite(ctx context.Context, x extent.ID) (bool, error)
	// Check reports every inconsistency.
	Check(ctx context.Context, report func(error)) error
}

// Recorder keeps the state of an Index across opens: metadata in two copies and a root, in the engine.
type Recorder interface {
	// Record makes m the recorded state once after is persistent. The dependency covers that. m is not kept. One record is
	// under way at a time.
	Record(m *Metadata, after iosched.Dependency) (iosched.Dependency, error)
}

// Options are the choices of one Open.
type Options struct {
	Geometry   *extent.Geometry
	TablePages int             // blocks of a table; 0: as many as fit
	FilterBits int             // bits a key in filters; 0: none
	Trigger    int             // runs of level 0 that make a compaction due; 0: 4
	Fanout     int             // how many times as large as the one above a level may get; 0: 8
	Cache      *bufcache.Cache // of index pages; nil: none
	Probes     *probe.Set

	// Await returns when dep is persistent, or Abandon was called, or why dep will never be persistent. Flush and Compact call it.
	Await func(dep iosched.Dependency) error
	// Parts returns the locators of the other parts of the put whose final frame is at l. Live bytes count them.
	Parts func(l chunk.Locator) ([]chunk.Locator, error)
	// Hold and Drop are told of every entry that a memtable takes in and lets go: what it names must not be released meanwhile.
	// Either may be nil.
	Hold, Drop func(e *Entry)
	// Pin and Unpin keep an extent from being released while it holds tables that are not recorded yet. Either may be nil.
	Pin, Unpin func(x extent.ID)

	// MustMerge is asked when the tables of a flush are to be built whether it has to be a full one, and told if it is one
	// already. nil: never.
	MustMerge func(full bool) bool
	// MayGrow is told, when the tables of a slice are to be built, how many entries runs will hold at most for a while beside
	// those that they hold now; 0 if they are to be moved only. May be nil.
	MayGrow func(entries int)

	// Reuse is a Tree that nobody uses any more, whose memory the new one takes over.
	Reuse *Tree
}

// Tree is a log-structured merge tree over Chunks.
//
//	Set ──► mem ──StartFlush──► imm ──► level 0, a run each flush ──compaction──► level 1 ──► level 2 ...
//	Get: mem, imm, level 0 newest first, level 1, ...; the first that knows the shard answers
//
// Flush and compaction are step machines: StartFlush and StartCompact begin one of each, Advance moves them as far as
// persistent dependencies allow, so that other calls fall between their steps. Both end with a Record; only one record is under
// way at a time. Callers hold the lock of whoever owns the Tree.
type Tree struct {
	options  Options
	recorder Recorder
	chunks   chunk.Chunks
	reader   reader
	shape    Shape

	mem, imm *Memtable // imm is what a flush writes; empty while none is under way
	replay   uint64    // mutations before this number are in runs, or in imm
	newest   uint64    // the newest mutation set
	puts     int       // entries of mem that a merge of everything would keep

	meta      Metadata // as recorded last
	totals    totals   // of meta
	draft     Metadata // what the record under way will make of it
	recording bool
	slices    uint64 // of compaction, recorded

	failed  error // of jobs, since the last Advance
	flush   flushJob
	compact compactJob
	move    compactJob // of one table

	merge   merge
	walk    merge   // of EachRecorded: other calls use merge meanwhile
	page    []byte  // empty, with room for a page
	found   Entry   // what find found
	entries []Entry // of the table under construction
}

// Open returns the index that meta describes, empty if meta is nil. replay is the number of the first mutation it does not hold.
func Open(c chunk.Chunks, r Recorder, meta *Metadata, replay uint64, o Options) *Tree {
	if o.Trigger <= 0 {
		o.Trigger = 4
	}
	if o.Fanout < 2 {
		o.Fanout = 8
	}
	t := o.Reuse
	if t == nil {
		t = &Tree{mem: new(Memtable), imm: new(Memtable)}
	}
	o.Reuse = nil
	t.mem.Reset()
	t.imm.Reset()
	*t = Tree{
		options: o, recorder: r, chunks: c, reader: reader{c, o.Cache}, shape: ShapeOf(o.Geometry, o.TablePages, o.FilterBits),
		mem: t.mem, imm: t.imm, replay: replay, newest: max(replay, 1) - 1, meta: t.meta, draft: t.draft, merge: t.merge, walk: t.walk, entries: t.entries[:0],
		flush: flushJob{delta: t.flush.delta}, page: t.page,
	}
	if cap(t.page) < int(t.shape.PageBytes) {
		t.page = make([]byte, 0, t.shape.PageBytes)
	}
	if meta == nil {
		t.meta.Reset(int(o.Geometry.Extents))
	} else {
		t.meta.CopyFrom(meta)
	}
	t.totals = t.shape.totalsOf(&t.meta)
	return t
}

// Metadata returns the state recorded last. It is valid until the next Advance.
func (t *Tree) Metadata() *Metadata { return &t.meta }

// Shape returns the sizes that tables are built with.
func (t *Tree) Shape() *Shape { return &t.shape }

// Pending returns how many shards were set and are in no recorded run yet.
func (t *Tree) Pending() int { return t.mem.Len() + t.imm.Len() }

// Filling returns how many shards the memtable that the next flush will write holds.
func (t *Tree) Filling() int { return t.mem.Len() }

// Flushing returns how many shards, and how many deletions among them, the flush under way writes.
func (t *Tree) FlushingEntries() (shards, tombstones int) { return t.imm.Len(), t.flush.tombstones }

// Set implements Index.
func (t *Tree) Set(e *Entry) error {
	t.newest = max(t.newest, e.Mutation)
	t.set(e)
	return nil
}

func (t *Tree) set(e *Entry) {
	if t.options.Hold != nil {
		t.options.Hold(e)
	}
	if old := t.mem.Get(&e.ID); old != nil {
		t.puts -= kept(old)
		t.supersede(old)
	}
	t.puts += kept(e)
	t.mem.Set(e)
}

// supersede lets go of an entry of the memtable, which a newer one takes the place of. Until the newer one is durable a crash may
// bring the older one back; its final frame is in the log then, but its other parts may lie where nothing recorded counts them. So
// these stay held until a record does.
func (t *Tree) supersede(old *Entry) {
	switch {
	case t.options.Drop == nil:
	case old.Kind == PutParts:
		t.mem.over = append(t.mem.over, *old)
	default:
		t.options.Drop(old)
	}
}

// kept returns 1 if a merge of everything keeps e, else 0.
func kept(e *Entry) int {
	if e.Kind == Delete || e.Moved {
		return 0 // what was moved is in a run already
	}
	return 1
}

// Get implements Index.
func (t *Tree) Get(id chunk.ShardID) (Entry, bool, error) {
	e, err := t.find(&id)
	if e == nil || err != nil || e.Kind == Delete {
		return Entry{}, false, err
	}
	return *e, true, nil
}

// Find returns the newest mutation of id, tombstones included, nil if there is none. It is valid until the next call.
func (t *Tree) Find(id *chunk.ShardID) (*Entry, error) { return t.find(id) }

func (t *Tree) find(id *chunk.ShardID) (*Entry, error) {
	if e := t.mem.Get(id); e != nil {
		return e, nil
	}
	if e := t.imm.Get(id); e != nil {
		return e, nil
	}
	return t.findRecorded(id)
}

// findRecorded looks for id in the recorded runs, newest first.
func (t *Tree) findRecorded(id *chunk.ShardID) (*Entry, error) {
	for r := range t.meta.Runs() {
		found, err := t.reader.find(r, &t.shape, t.page, id, &t.found)
		if err != nil {
			return nil, err
		}
		if found {
			return &t.found, nil
		}
	}
	return nil, nil
}

// AppendEntries implements Index.
func (t *Tree) AppendEntries(dst []Entry, after *chunk.ShardID, limit int) ([]Entry, error) {
	m := &t.merge
	if err := t.mergeAll(m, after); err != nil {
		return dst, err
	}
	start := len(dst)
	for len(dst)-start < limit {
		e, err := m.next()
		if err != nil {
			return dst[:start], err
		}
		if e == nil {
			break
		}
		if e.Kind != Delete && (after == nil || e.ID != *after) {
			dst = append(dst, *e)
		}
	}
	return dst, nil
}

// mergeAll puts m before the first shard at or behind id.
func (t *Tree) mergeAll(m *merge, id *chunk.ShardID) error {
	m.begin(t.reader, &t.shape)
	m.addMemtable(t.mem, id)
	m.addMemtable(t.imm, id)
	return m.addRecorded(&t.meta, id)
}

// Move implements Index: a compare-and-swap. The moved entry keeps its mutation number; a put since then wins.
func (t *Tree) Move(id chunk.ShardID, mutation uint64, from, to chunk.Locator) (bool, error) {
	e, err := t.find(&id)
	if err != nil || e == nil || e.Mutation != mutation || e.Locator != from {
		return false, err
	}
	moved := *e
	moved.Locator, moved.Moved = to, true
	t.set(&moved)
	return true, nil
}

// MoveBack undoes a Move whose copy was lost: from is the locator of the entry of that mutation again, if that is still the one at to.
// It reports whether it was. The copy, and so the entry, is in no run, and none that holds it is under way.
func (t *Tree) MoveBack(id chunk.ShardID, mutation uint64, from, to chunk.Locator) bool {
	e := t.mem.Get(&id)
	if e == nil || e.Mutation != mutation || e.Locator != to {
		return false
	}
	lost := *e
	e.Locator = from
	held := slices.IndexFunc(t.mem.over, func(old Entry) bool { return old.Locator == from })
	switch {
	case held >= 0: // since it was superseded
		t.mem.over = slices.Delete(t.mem.over, held, held+1)
	case t.options.Hold != nil:
		t.options.Hold(e)
	}
	if t.options.Drop != nil {
		t.options.Drop(&lost)
	}
	return true
}

// Advance moves flush and compaction as far as persistent dependencies allow. An error ends the job it belongs to; what it
// appended is garbage then, and the index is as if the job had not begun.
func (t *Tree) Advance() error {
	before := t.failed
	t.failed = nil
	return errors.Join(before, t.advance(&t.flush), t.advance(&t.compact), t.advance(&t.move))
}

// advanceAll is Advance for those who wait for one job: failures are told by the job, and noted for the next Advance.
func (t *Tree) advanceAll() { t.failed = errors.Join(t.failed, t.Advance()) }

// Busy reports whether a flush or a compaction is under way.
func (t *Tree) Busy() bool { return t.Flushing() || t.Compacting() }
