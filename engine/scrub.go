package engine

import (
	"context"
	"fmt"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/index"
)

// Scrub reads and verifies every live byte, of shards, sorted runs and metadata, and reports what is damaged: errors that answer
// to ErrCorrupt or ErrIO and name the place. It drops and changes nothing. It returns the context's error, ErrClosed, or nil.
func (s *Store) Scrub(ctx context.Context, report func(error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readable(); err != nil {
		return err
	}
	c := &checker{Store: s, ctx: ctx, report: report}
	s.tree.EachTable(func(l chunk.Locator) { c.scrubFrame(l, "table of a run") })
	for i, l := range s.extents.Root.Metadata {
		if !l.IsZero() {
			c.scrubFrame(l, fmt.Sprintf("copy %d of the metadata", i))
		}
	}
	each := func(e *index.Entry) error {
		c.scrubShard(e)
		return ctx.Err()
	}
	if err := c.soft(s.tree.EachRecorded(each)); err != nil {
		return err
	}
	return c.soft(s.tree.EachPending(each))
}

func (c *checker) scrubFrame(l chunk.Locator, what string) {
	if _, _, err := c.chunks.Get(l); err != nil {
		c.report(fmt.Errorf("%s: %w", what, err))
	}
}

func (c *checker) scrubShard(e *index.Entry) {
	if e.Locator.IsZero() {
		return
	}
	w := window{left: 1 << 62}
	if _, err := c.appendValue(nil, e, &w); err != nil {
		c.report(fmt.Errorf("shard %x: %w", e.ID[:], err))
	}
}
