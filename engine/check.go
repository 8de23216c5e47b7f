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

// ErrInconsistent is what every finding of Check answers to, unless a device error or bad bytes explain it.
var ErrInconsistent = errors.New("inconsistent")

// Check walks everything the store refers to and reports every inconsistency: locators resolve to frames of the right identity,
// in extents with the right owner and generation, behind no write pointer; nothing overlaps; live bytes are exact; free
// extents hold nothing. It returns the context's error, ErrClosed, or nil; findings go to report alone, in a fixed order.
func (s *Store) Check(ctx context.Context, report func(error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readable(); err != nil {
		return err
	}
	c := checker{Store: s, report: report, live: make([]uint32, s.table.Len())}
	c.log()
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

func (c *checker) findf(format string, args ...any) {
	c.report(fmt.Errorf("%w: "+format, append([]any{ErrInconsistent}, args...)...))
}

// log checks the list of log extents against the table.
func (c *checker) log() {
	g := c.table.Geometry()
	first := uint64(0)
	for i, l := range c.table.Root.Log {
		e := c.table.Entry(l.Extent)
		if e.Owner != extent.Log || e.Generation != l.Generation {
			c.findf("extent %d is listed in the log in generation %d, the table has %v in generation %d", l.Extent, l.Generation, e.Owner, e.Generation)
		}
		if l.First != 0 && l.First < first {
			c.findf("first unit %d of log extent %d comes after unit %d of one before it", l.First, l.Extent, first)
		}
		first = max(first, l.First)
		if ahead := len(c.table.Root.Log) - 1 - i; ahead < c.Store.log.Ahead() && l.First != 0 {
			c.findf("log extent %d lies ahead of the log and has a first unit %d", l.Extent, l.First)
		}
	}
	if r := c.table.Root.Replay; r.Offset > g.ExtentBytes || c.table.Root.Log[0].Extent != r.Extent {
		c.findf("replay position in extent %d, the log begins in extent %d", r.Extent, c.table.Root.Log[0].Extent)
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
		c.findf("the run holds %d entries, its tables say %d", n, want)
	}
	for at := c.mem.Seek(nil); at.Entry() != nil; at.Next() {
		if e := at.Entry(); e.Mutation < c.replay.mutation || e.Mutation >= c.Store.log.NextMutation() {
			c.findf("mutation %d in the memtable, which holds %d to %d", e.Mutation, c.replay.mutation, c.Store.log.NextMutation())
		} else if e.Kind == index.Put {
			c.frameOf(e, "memtable")
		}
	}
	return nil
}

func (c *checker) ascends(id *ShardID) {
	if c.any && index.Compare(&c.seen, id) >= 0 {
		c.findf("entries of the run do not ascend at shard %x", id[:])
	}
	c.seen, c.any = *id, true
}

func (c *checker) runEntry(e *index.Entry) {
	if e.Mutation >= c.replay.mutation {
		c.findf("mutation %d in the run, which ends before %d", e.Mutation, c.replay.mutation)
	}
	switch e.Kind {
	case index.Delete:
		c.findf("tombstone of shard %x in the deepest run", e.ID[:])
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
	copied := *e
	if _, err := c.readFrame(&copied); err != nil {
		c.report(fmt.Errorf("shard %x, mutation %d in the %s: %w", e.ID[:], e.Mutation, where, err))
	}
}

// placed reports whether l lies in an extent of that owner and generation, before its end.
func (c *checker) placed(l chunk.Locator, owner extent.Owner, what string) bool {
	if int(l.Extent) >= c.table.Len() {
		c.findf("%s names extent %d of %d", what, l.Extent, c.table.Len())
		return false
	}
	e := c.table.Entry(l.Extent)
	switch {
	case e.Owner != owner:
		c.findf("%s names %v in an extent of %v, want %v", what, l, e.Owner, owner)
	case e.Generation != l.Generation:
		c.findf("%s names %v, the extent is in generation %d", what, l, e.Generation)
	case l.End() > uint64(c.shape.ExtentBytes):
		c.findf("%s names %v beyond the end of the extent", what, l)
	case owner != extent.Log && l.End() > uint64(e.Pointer):
		c.findf("%s names %v beyond the write pointer %d", what, l, e.Pointer)
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
		f, err := c.readRange(chunk.PlaceOf(l), l.Length)
		if err == nil {
			_, _, err = chunk.Decode(f, chunk.PlaceOf(l))
		}
		if err != nil {
			c.report(fmt.Errorf("copy %d of the metadata: %w", i, err))
		}
	}
	for x, n := range c.live {
		if c.meta.Live[x] != n {
			c.findf("extent %d has %d live bytes, the metadata says %d", x, n, c.meta.Live[x])
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
			c.findf("%s and %s name frames that overlap: %v and %v", a.what, b.what, a.Locator, b.Locator)
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
			c.findf("extent %d is free, with pointer %d and %d live bytes", i, e.Pointer, c.meta.Live[i])
		}
	}
	if free != c.table.FreeCount() {
		c.findf("%d extents are free, the count says %d", free, c.table.FreeCount())
	}
}
