package index

import (
	"fmt"

	"github.com/shardproof/shardproof/engine/chunk"
)

// runCursor walks a run in order of id.
type runCursor struct {
	run   *Run
	r     reader
	shape *Shape
	page  []byte      // empty, with room for a page
	lost  func(error) // is told of blocks that cannot be read, which are passed over; nil: the first one is an error

	table, block int
	at           int // entry in the block
	here         block
	entry        Entry
	valid        bool
}

// seek puts c on the first entry of run at or behind id; nil is the beginning. page is for c to use.
func (c *runCursor) seek(run *Run, r reader, s *Shape, page []byte, id *chunk.ShardID) error {
	*c = runCursor{run: run, r: r, shape: s, page: page[:0], lost: c.lost, table: run.tableOf(id)}
	if c.table == len(run.Tables) {
		return nil
	}
	if id != nil {
		t := &run.Tables[c.table]
		if err := t.loadFences(r, s); err != nil {
			return err
		}
		c.block = t.blockOf(id)
	}
	if err := c.load(); err != nil {
		return err
	}
	if id != nil {
		c.at = c.here.search(id)
	}
	return c.settle()
}

// current returns the entry under c, nil at the end.
func (c *runCursor) current() *Entry {
	if !c.valid {
		return nil
	}
	return &c.entry
}

// next moves c to the next entry.
func (c *runCursor) next() error {
	c.at++
	return c.settle()
}

func (c *runCursor) load() (err error) {
	c.at = 0
	c.here, err = c.r.block(c.page, &c.run.Tables[c.table], c.shape, c.block)
	if err != nil && c.lost != nil {
		c.lost(fmt.Errorf("block %d of a table: %w", c.block, err))
		c.here, err = noBlock, nil
	}
	return err
}

// noBlock stands for a block that is passed over: it has no entries.
var noBlock = make(block, blockHeaderBytes)

// settle moves c to the next block while it stands behind the last entry of one, and decodes what it stands on.
func (c *runCursor) settle() error {
	c.valid = false
	for c.at >= c.here.len() {
		c.block++
		if c.block >= int(c.run.Tables[c.table].Blocks) {
			c.table, c.block = c.table+1, 0
		}
		if c.table >= len(c.run.Tables) {
			return nil
		}
		if err := c.load(); err != nil {
			return err
		}
	}
	if err := c.here.decode(c.at, &c.entry, c.shape, c.run.Tables[c.table].Locator.Place()); err != nil {
		return err
	}
	c.valid = true
	return nil
}
