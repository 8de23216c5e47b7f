package engine

import (
	"context"
	"fmt"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/index"
)

// Scrub reads and verifies every live byte, of shards, sorted runs and metadata, and reports what is damaged: errors that answer
// to ErrCorrupt or ErrIO and name the place, or the shard that recovery has lost. Which shards a lost block of the index names it
// cannot say; all others it verifies. It reads from the device: what memory has cached of that is forgotten first. It drops and
// changes nothing else. It returns the context's error, ErrClosed, or nil.
func (s *Store) Scrub(ctx context.Context, report func(error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readable(); err != nil {
		return err
	}
	s.pages.DrainAll()
	c := &checker{Store: s, ctx: ctx, report: report}
	s.tree.EachTable(c.scrubTable)
	for i, l := range s.extents.Root.Metadata {
		if !l.IsZero() {
			c.metadataCopy(i)
		}
	}
	each := func(e *index.Entry) error {
		c.scrubShard(e)
		return ctx.Err()
	}
	if err := c.soft(s.tree.EachReadable(each, report)); err != nil { // one block that is lost hides no other damage
		return err
	}
	return c.soft(s.tree.EachPending(each))
}

func (c *checker) scrubTable(l chunk.Locator) {
	if _, _, err := c.chunks.Get(l); err != nil {
		c.report(fmt.Errorf("table of a run: %w", err))
	}
}

func (c *checker) scrubShard(e *index.Entry) {
	if e.Kind == index.Damaged { // there is nothing left to read; Get answers this too, until the next put
		c.report(fmt.Errorf("shard %x: %w", e.ID[:], errLostUnit))
		return
	}
	if e.Locator.IsZero() {
		return
	}
	w := window{left: 1 << 62}
	if _, err := c.appendValue(nil, e, &w); err != nil {
		c.report(fmt.Errorf("shard %x: %w", e.ID[:], err))
	}
}
