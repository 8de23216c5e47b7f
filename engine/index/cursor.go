package index

import (
	"sort"

	"github.com/shardproof/shardproof/engine/chunk"
)

// RunCursor walks a run in order of id. Zero it to reuse it; its page buffer stays.
type RunCursor struct {
	run   *Run
	src   Reader
	shape *Shape
	page  []byte

	table, block int
	at           int // entry in the block
	here         block
	place        chunk.Place
	entry        Entry
	valid        bool
}

// Seek puts c on the first entry of r at or behind id; nil is the beginning.
func (c *RunCursor) Seek(r *Run, src Reader, s *Shape, page []byte, id *chunk.ShardID) error {
	*c = RunCursor{run: r, src: src, shape: s, page: page}
	if id != nil {
		c.table = sort.Search(len(r.Tables), func(i int) bool { return Compare(&r.Tables[i].Last, id) >= 0 })
	}
	if c.table == len(r.Tables) {
		return nil
	}
	if id != nil {
		t := &r.Tables[c.table]
		if err := t.loadFences(src, s); err != nil {
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

// Entry returns the entry under c, nil at the end.
func (c *RunCursor) Entry() *Entry {
	if !c.valid {
		return nil
	}
	return &c.entry
}

// Next moves c to the next entry.
func (c *RunCursor) Next() error {
	c.at++
	return c.settle()
}

func (c *RunCursor) load() (err error) {
	c.here, c.place, err = c.run.Tables[c.table].block(c.src, c.shape, c.block, c.page)
	c.at = 0
	return err
}

// settle moves c to the next block while it stands behind the last entry of one, and decodes what it stands on.
func (c *RunCursor) settle() error {
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
	if err := c.here.decode(c.at, &c.entry, c.place); err != nil {
		return err
	}
	c.valid = true
	return nil
}
