package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/shardproof/shardproof/engine/bufcache"
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
)

// ErrInconsistent is what every finding of Check answers to, unless a device error or bad bytes explain it. It is an
// *Inconsistency then.
var ErrInconsistent = index.ErrInconsistent

// Inconsistency is a rule that the store's own records break.
type Inconsistency = index.Inconsistency

// The rules of Check.
const (
	ruleLogList    = "the log lists extents that are its own"
	ruleLogOrder   = "log extents begin with ascending units, up to the head"
	ruleReplay     = "the log begins at the replay position"
	rulePlace      = "what is named lies inside an extent, before its pointer"
	ruleOwner      = "what is named lies in an extent of its owner"
	ruleGeneration = "what is named lies in the extent's present generation"
	ruleLive       = "live bytes are exact"
	ruleOverlap    = "frames do not overlap"
	ruleFree       = "a free extent is empty"
	ruleTable      = "the table of extents agrees with itself"
	ruleParts      = "the memtable knows the parts that a final frame names"
	ruleWindow     = "the log in flight fits its window"
	ruleCache      = "what is cached is found, and once"
	rulePins       = "an extent is pinned by what the memtables name and by tables not recorded yet"
)

// Check walks everything the store refers to and reports every inconsistency: locators resolve to frames of the right identity,
// in extents with the right owner and generation, behind no write pointer; nothing overlaps; live bytes and pins are exact;
// free extents hold nothing; caches, log and table agree with themselves. It returns the context's error, ErrClosed, or nil;
// findings go to report alone, in a fixed order.
func (s *Store) Check(ctx context.Context, report func(error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readable(); err != nil {
		return err
	}
	c := &s.check
	*c = checker{Store: s, ctx: ctx, report: report, live: append(c.live[:0], make([]int64, s.extents.Len())...), spans: c.spans[:0]}
	c.logList()
	if err := s.tree.Check(ctx, report); err != nil {
		return err
	}
	if err := c.shards(); err != nil {
		return err
	}
	c.tables()
	c.metadata()
	c.liveBytes()
	c.overlaps()
	c.freeExtents()
	c.pins()
	c.caches()
	s.log.Check(func(err error) { c.findf(ruleWindow, "%v", err) })
	return s.extents.Check(ctx, func(err error) { c.findf(ruleTable, "%v", err) })
}

// checker is one Check under way.
type checker struct {
	*Store
	ctx    context.Context
	report func(error)
	live   []int64 // live bytes counted, of what the recorded runs name; at the end, pins
	spans  []span  // every frame referred to
}

// span is a frame and what refers to it.
type span struct {
	chunk.Locator
	what string
}

func (c *checker) findf(rule, format string, args ...any) {
	c.report(&Inconsistency{Rule: rule, Detail: fmt.Sprintf(format, args...)})
}

// caches checks that pages of shards and of the index are found.
func (c *checker) caches() {
	for _, pages := range [...]*bufcache.Cache{c.pages, c.indexPages} {
		pages.Check(func(err error) { c.findf(ruleCache, "%v", err) })
	}
}

// logList checks the list of log extents against the table.
func (c *checker) logList() {
	x := c.extents
	first := uint64(0)
	for i, l := range x.Root.Log {
		e := x.Entry(l.Extent)
		if e.Owner != extent.Log || e.Generation != l.Generation {
			c.findf(ruleLogList, "extent %d is listed in the log in generation %d, the table has %v in generation %d", l.Extent, l.Generation, e.Owner, e.Generation)
		}
		if l.First != 0 && l.First < first {
			c.findf(ruleLogOrder, "first unit %d of log extent %d comes after unit %d of one before it", l.First, l.Extent, first)
		}
		first = max(first, l.First)
		if ahead := len(x.Root.Log) - 1 - i; ahead < c.log.Ahead() && l.First != 0 {
			c.findf(ruleLogOrder, "log extent %d lies ahead of the log and has a first unit %d", l.Extent, l.First)
		}
	}
	if r := x.Root.Replay; r.Offset > x.Geometry().ExtentBytes || x.Root.Log[0].Extent != r.Extent {
		c.findf(ruleReplay, "replay position in extent %d, the log begins in extent %d", r.Extent, x.Root.Log[0].Extent)
	}
}

// shards checks the frames of every shard: those that answer now, and those that the recorded runs count as live.
func (c *checker) shards() error {
	count := func(e *index.Entry, recorded bool) error {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		c.shard(e, recorded)
		return nil
	}
	if err := c.tree.EachRecorded(func(e *index.Entry) error { return count(e, true) }); err != nil {
		return c.soft(err)
	}
	return c.soft(c.tree.EachPending(func(e *index.Entry) error { return count(e, false) }))
}

// soft reports what is wrong with the disk and returns what ends the check.
func (c *checker) soft(err error) error {
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrIO) {
		c.report(err)
		return nil
	}
	return err
}

// shard checks the frames of e, and counts them as live if e is what the recorded runs say.
func (c *checker) shard(e *index.Entry, recorded bool) {
	if e.Locator.IsZero() {
		return
	}
	entry := *e
	if !c.placed(entry.Locator, "an entry", extent.Log, extent.Copies) {
		return
	}
	if recorded {
		c.live[entry.Locator.Extent] += int64(entry.Locator.Length)
	}
	c.spans = append(c.spans, span{entry.Locator, "an entry"})
	h, payload, err := c.frame(entry.Locator)
	if err == nil && (h.ID != entry.ID || h.Mutation != entry.Mutation || (h.Parts > 1) != (entry.Kind == index.PutParts)) {
		err = entry.Locator.Place().Corrupt("identity of a referenced frame")
	}
	if err != nil {
		c.report(fmt.Errorf("shard %x, mutation %d: %w", entry.ID[:], entry.Mutation, err))
		return
	}
	if entry.Kind == index.PutParts {
		c.partFrames(&entry, &h, payload, recorded)
	}
}

// partFrames checks the other parts of a put.
func (c *checker) partFrames(e *index.Entry, final *chunk.Header, payload []byte, recorded bool) {
	parts, _, err := c.decodeParts(final, payload, e.Locator.Place())
	if err != nil {
		c.report(err)
		return
	}
	if held := c.Store.parts[e.Locator]; !recorded && !slices.Equal(held, parts) {
		c.findf(ruleParts, "the final frame at %v names parts at %v, held are those at %v", e.Locator, parts, held)
	}
	for i, l := range parts {
		if !c.placed(l, "a final frame", extent.Log, extent.Copies) {
			continue
		}
		if recorded {
			c.live[l.Extent] += int64(l.Length)
		}
		c.spans = append(c.spans, span{l, "a final frame"})
		w := window{left: 1 << 62}
		if _, err := c.appendPart(nil, final, i, l, &w); err != nil {
			c.report(fmt.Errorf("shard %x, part %d: %w", e.ID[:], i, err))
		}
	}
}

// placed reports whether l lies in an extent of one of those owners and of its generation, before its write pointer or, for the
// log, in its memory.
func (c *checker) placed(l chunk.Locator, what string, owners ...extent.Owner) bool {
	x := c.extents
	if int(l.Extent) >= x.Len() {
		c.findf(rulePlace, "%s names extent %d of %d", what, l.Extent, x.Len())
		return false
	}
	e := x.Entry(l.Extent)
	switch {
	case !slices.Contains(owners, e.Owner):
		c.findf(ruleOwner, "%s names %v in an extent of %v, want %v", what, l, e.Owner, owners)
	case e.Generation != l.Generation:
		c.findf(ruleGeneration, "%s names %v, the extent is in generation %d", what, l, e.Generation)
	case l.End() > uint64(x.Geometry().ExtentBytes):
		c.findf(rulePlace, "%s names %v beyond the end of the extent", what, l)
	case l.End() > uint64(e.Pointer) && c.log.Bytes(l) == nil:
		c.findf(rulePlace, "%s names %v beyond the write pointer %d", what, l, e.Pointer)
	default:
		return true
	}
	return false
}

// tables checks the places of the tables.
func (c *checker) tables() {
	c.tree.EachTable(func(l chunk.Locator) {
		if c.placed(l, "the metadata", extent.Runs, extent.Levels) {
			c.live[l.Extent] += int64(l.Length)
			c.spans = append(c.spans, span{l, "the metadata"})
		}
	})
}

// metadata checks the two copies of the record that the root names.
func (c *checker) metadata() {
	for i, l := range c.extents.Root.Metadata {
		if l.IsZero() || !c.placed(l, "the root", [...]extent.Owner{extent.Metadata, extent.Metadata2}[i]) {
			continue
		}
		c.spans = append(c.spans, span{l, "the root"})
		c.metadataCopy(i)
	}
}

// metadataCopy checks what copy i of the metadata holds.
func (c *checker) metadataCopy(i int) {
	if _, err := c.Store.metadataCopy(i); err != nil {
		c.report(fmt.Errorf("copy %d of the metadata: %w", i, err))
	}
}

func (c *checker) liveBytes() {
	for x, n := range c.tree.Metadata().Live {
		if int64(n) != c.live[x] {
			c.findf(ruleLive, "extent %d has %d live bytes, the metadata says %d", x, c.live[x], n)
		}
	}
}

// overlaps checks that no two frames share bytes. One frame may be named twice: by a recorded run and by what replaces it there.
func (c *checker) overlaps() {
	slices.SortFunc(c.spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.Extent, b.Extent), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Length, b.Length))
	})
	for i := 1; i < len(c.spans); i++ {
		a, b := &c.spans[i-1], &c.spans[i]
		if a.Extent == b.Extent && a.End() > uint64(b.Offset) && a.Locator != b.Locator {
			c.findf(ruleOverlap, "%s and %s name frames that overlap: %v and %v", a.what, b.what, a.Locator, b.Locator)
		}
	}
}

// freeExtents checks that nothing refers to what is free.
func (c *checker) freeExtents() {
	for i, n := range c.tree.Metadata().Live {
		x := extent.ID(i)
		switch free := c.extents.Entry(x).Owner == extent.Free; {
		case free && (n != 0 || c.listed(x) || c.holdsMetadata(x)):
			c.findf(ruleFree, "extent %d is free, with %d live bytes", i, n)
		case free && c.extents.Appending(x): // it would land in the next life of x
			c.findf(ruleFree, "extent %d is free, with something appended to it that is not durable yet", i)
		}
	}
}

// pins checks that what is to be kept is pinned, and nothing else: an extent with a pin too many is never released.
func (c *checker) pins() {
	clear(c.live)
	count := func(x extent.ID) { c.live[x]++ }
	c.tree.EachHeld(func(e *index.Entry) { c.eachPin(e, count) })
	c.tree.EachUnrecorded(func(l chunk.Locator) { count(l.Extent) })
	for i, n := range c.live {
		if got := c.extents.Pins(extent.ID(i)); int64(got) != n {
			c.findf(rulePins, "extent %d has %d pins, want %d", i, got, n)
		}
	}
}
