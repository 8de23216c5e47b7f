package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
)

// ErrInconsistent is what every finding of Check answers to, unless a device error or bad bytes explain it. It is an
// *Inconsistency then.
var ErrInconsistent = errors.New("inconsistent")

// Inconsistency is a rule that the store's own records break.
type Inconsistency struct {
	Rule   string // the rule, in a few fixed words
	Detail string // which records break it, with their values
}

func (i *Inconsistency) Error() string { return "inconsistent: " + i.Rule + ": " + i.Detail }

// Is reports whether target is ErrInconsistent.
func (i *Inconsistency) Is(target error) bool { return target == ErrInconsistent }

// The rules of Check.
const (
	ruleLogList    = "the log lists extents that are its own"
	ruleLogOrder   = "log extents begin with ascending units, up to the head"
	ruleReplay     = "the log begins at the replay position"
	ruleRunCount   = "tables hold as many entries as they say"
	ruleMutation   = "memtable and run divide at the replay position"
	ruleOrder      = "entries of a run ascend"
	ruleTombstone  = "the deepest run holds no tombstone"
	rulePlace      = "what is named lies inside an extent, before its pointer"
	ruleOwner      = "what is named lies in an extent of its owner"
	ruleGeneration = "what is named lies in the extent's present generation"
	ruleLive       = "live bytes are exact"
	ruleOverlap    = "frames do not overlap"
	ruleFree       = "a free extent is empty"
	ruleFreeCount  = "the count of free extents is right"
)

// Check walks everything the store refers to and reports every inconsistency: locators resolve to frames of the right identity,
// in extents with the right owner and generation, behind no write pointer; nothing overlaps; live bytes are exact; free
// extents hold nothing. It returns the context's error, ErrClosed, or nil; findings go to report alone, in a fixed order.
func (s *Store) Check(ctx context.Context, report func(error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readable(); err != nil {
		return err
	}
	c := &s.check
	*c = checker{Store: s, report: report, live: index.EmptyLive(c.live, s.table.Geometry()), spans: c.spans[:0]}
	c.logList()
	if err := c.entries(ctx); err != nil {
		return err
	}
	c.tables()
	c.metadata()
	c.overlaps()
	c.extents()
	return nil
}

// checker is one Check under way.
type checker struct {
	*Store
	report func(error)
	live   []uint32 // live bytes counted, of what the run names
	spans  []span   // every frame referred to
	seen   ShardID
	any    bool
}

// span is a frame and what refers to it.
type span struct {
	chunk.Locator
	what string
}

func (c *checker) findf(rule, format string, args ...any) {
	c.report(&Inconsistency{rule, fmt.Sprintf(format, args...)})
}

// logList checks the list of log extents against the table.
func (c *checker) logList() {
	g := c.table.Geometry()
	first := uint64(0)
	for i, l := range c.table.Root.Log {
		e := c.table.Entry(l.Extent)
		if e.Owner != extent.Log || e.Generation != l.Generation {
			c.findf(ruleLogList, "extent %d is listed in the log in generation %d, the table has %v in generation %d", l.Extent, l.Generation, e.Owner, e.Generation)
		}
		if l.First != 0 && l.First < first {
			c.findf(ruleLogOrder, "first unit %d of log extent %d comes after unit %d of one before it", l.First, l.Extent, first)
		}
		first = max(first, l.First)
		if ahead := len(c.table.Root.Log) - 1 - i; ahead < c.log.Ahead() && l.First != 0 {
			c.findf(ruleLogOrder, "log extent %d lies ahead of the log and has a first unit %d", l.Extent, l.First)
		}
	}
	if r := c.table.Root.Replay; r.Offset > g.ExtentBytes || c.table.Root.Log[0].Extent != r.Extent {
		c.findf(ruleReplay, "replay position in extent %d, the log begins in extent %d", r.Extent, c.table.Root.Log[0].Extent)
	}
}

// entries checks every entry of memtable and run, and the frame behind it.
func (c *checker) entries(ctx context.Context) error {
	var cur index.RunCursor
	if err := cur.Seek(&c.meta.Run, &c.reader, &c.shape, c.page, nil); err != nil {
		c.report(err)
		return nil
	}
	n := 0
	for e := cur.Entry(); e != nil; e = cur.Entry() {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.ascends(&e.ID)
		c.runEntry(e)
		n++
		if err := cur.Next(); err != nil {
			c.report(err)
			return nil
		}
	}
	if want := c.meta.Run.Entries(); n != want {
		c.findf(ruleRunCount, "the run holds %d entries, its tables say %d", n, want)
	}
	for at := c.mem.Seek(nil); at.Entry() != nil; at.Next() {
		if e := at.Entry(); e.Mutation < c.replay.mutation || e.Mutation >= c.log.NextMutation() {
			c.findf(ruleMutation, "mutation %d in the memtable, which holds %d to %d", e.Mutation, c.replay.mutation, c.log.NextMutation())
		} else if e.Kind == index.Put {
			c.frameOf(e, "memtable")
		}
	}
	return nil
}

func (c *checker) ascends(id *ShardID) {
	if c.any && index.Compare(&c.seen, id) >= 0 {
		c.findf(ruleOrder, "entries of the run do not ascend at shard %x", id[:])
	}
	c.seen, c.any = *id, true
}

func (c *checker) runEntry(e *index.Entry) {
	if e.Mutation >= c.replay.mutation {
		c.findf(ruleMutation, "mutation %d in the run, which ends before %d", e.Mutation, c.replay.mutation)
	}
	switch e.Kind {
	case index.Delete:
		c.findf(ruleTombstone, "tombstone of shard %x in the deepest run", e.ID[:])
	case index.Put:
		if int(e.Locator.Extent) < len(c.live) {
			c.live[e.Locator.Extent] += e.Locator.Length
		}
		c.frameOf(e, "run")
	}
}

// frameOf checks the place of the frame that e names, and reads it unless a newer mutation hides it.
func (c *checker) frameOf(e *index.Entry, where string) {
	if !c.placed(e.Locator, extent.Log, where) {
		return
	}
	if where == "run" && c.mem.Get(&e.ID) != nil {
		return
	}
	c.spans = append(c.spans, span{e.Locator, where})
	if _, err := c.readFrame(e); err != nil {
		c.report(fmt.Errorf("shard %x, mutation %d in the %s: %w", e.ID[:], e.Mutation, where, err))
	}
}

// placed reports whether l lies in an extent of that owner and generation, before its end.
func (c *checker) placed(l chunk.Locator, owner extent.Owner, what string) bool {
	if int(l.Extent) >= c.table.Len() {
		c.findf(rulePlace, "%s names extent %d of %d", what, l.Extent, c.table.Len())
		return false
	}
	e := c.table.Entry(l.Extent)
	switch {
	case e.Owner != owner:
		c.findf(ruleOwner, "%s names %v in an extent of %v, want %v", what, l, e.Owner, owner)
	case e.Generation != l.Generation:
		c.findf(ruleGeneration, "%s names %v, the extent is in generation %d", what, l, e.Generation)
	case l.End() > uint64(c.shape.ExtentBytes):
		c.findf(rulePlace, "%s names %v beyond the end of the extent", what, l)
	case owner != extent.Log && l.End() > uint64(e.Pointer):
		c.findf(rulePlace, "%s names %v beyond the write pointer %d", what, l, e.Pointer)
	default:
		return true
	}
	return false
}

// tables checks the places of the run's tables.
func (c *checker) tables() {
	for i := range c.meta.Run.Tables {
		l := c.meta.Run.Tables[i].Locator
		if c.placed(l, extent.Runs, "metadata") {
			c.live[l.Extent] += l.Length
			c.spans = append(c.spans, span{l, "metadata"})
		}
	}
}

// metadata checks the two copies of the record that the root names.
func (c *checker) metadata() {
	for i, l := range c.table.Root.Metadata {
		if l.IsZero() || !c.placed(l, extent.Metadata, "root") {
			continue
		}
		c.spans = append(c.spans, span{l, "root"})
		f, err := c.reader.ReadRange(l.Place(), l.Length)
		if err == nil {
			_, _, err = chunk.Decode(f, l.Place())
		}
		if err != nil {
			c.report(fmt.Errorf("copy %d of the metadata: %w", i, err))
		}
	}
	for x, n := range c.live {
		if c.meta.Live[x] != n {
			c.findf(ruleLive, "extent %d has %d live bytes, the metadata says %d", x, n, c.meta.Live[x])
		}
	}
}

// overlaps checks that no two frames share bytes.
func (c *checker) overlaps() {
	slices.SortFunc(c.spans, func(a, b span) int {
		if a.Extent != b.Extent {
			return int(a.Extent) - int(b.Extent)
		}
		return int(a.Offset) - int(b.Offset)
	})
	for i := 1; i < len(c.spans); i++ {
		a, b := &c.spans[i-1], &c.spans[i]
		if a.Extent == b.Extent && a.End() > uint64(b.Offset) {
			c.findf(ruleOverlap, "%s and %s name frames that overlap: %v and %v", a.what, b.what, a.Locator, b.Locator)
		}
	}
}

// extents checks that what is free is empty and that the count of free extents is right.
func (c *checker) extents() {
	free := 0
	for i := range c.table.Len() {
		e := c.table.Entry(extent.ID(i))
		if e.Owner != extent.Free {
			continue
		}
		free++
		if e.Pointer != 0 || c.meta.Live[i] != 0 || c.inUse(extent.ID(i)) {
			c.findf(ruleFree, "extent %d is free, with pointer %d and %d live bytes", i, e.Pointer, c.meta.Live[i])
		}
	}
	if free != c.table.FreeCount() {
		c.findf(ruleFreeCount, "%d extents are free, the count says %d", free, c.table.FreeCount())
	}
}
