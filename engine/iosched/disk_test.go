package iosched

import (
	"errors"
	"slices"

	"github.com/shardproof/shardproof/engine/disk"
)

// cacheDisk is a disk with a volatile cache that completes requests in any order its user likes. It knows by itself, from D1
// and D2 alone, what is durable.
type cacheDisk struct {
	blocks   []block
	flight   []request
	pick     func(n int) int            // which of n requests in flight completes next; nil: the oldest
	fails    func(r *disk.Request) bool // whether it fails; nil: none does
	onSubmit func(at int, data []byte)  // sees every block as it is submitted
	writes   []struct{ off, n int }     // every write submitted
}

const testBlock = 64

// block is one block of a cacheDisk.
type block struct {
	durable []byte
	cached  [][]byte // completed and not flushed, oldest first
}

type request struct {
	*disk.Request
	covers []int // a flush: how many cached versions each block had when it was submitted
}

var errBroken = errors.New("the disk is broken")

func newCacheDisk(blocks int) *cacheDisk { return &cacheDisk{blocks: make([]block, blocks)} }

func (d *cacheDisk) Info() disk.Info {
	return disk.Info{Size: int64(len(d.blocks)) * testBlock, LogicalBlock: testBlock, PhysicalBlock: testBlock}
}

func (d *cacheDisk) Read(p []byte, off int64) error {
	for i := 0; i < len(p); i += testBlock {
		b := &d.blocks[(int(off)+i)/testBlock]
		at := b.durable
		if n := len(b.cached); n > 0 {
			at = b.cached[n-1]
		}
		clear(p[i : i+testBlock])
		copy(p[i:], at)
	}
	return nil
}

func (d *cacheDisk) Submit(r *disk.Request) {
	q := request{Request: r}
	if r.Kind == disk.Flush {
		for i := range d.blocks {
			q.covers = append(q.covers, len(d.blocks[i].cached))
		}
	} else {
		d.writes = append(d.writes, struct{ off, n int }{int(r.Off), len(r.Data)})
		for i := 0; i < len(r.Data) && d.onSubmit != nil; i += testBlock {
			d.onSubmit((int(r.Off)+i)/testBlock, r.Data[i:i+testBlock])
		}
	}
	d.flight = append(d.flight, q)
}

func (d *cacheDisk) Reap(bool) *disk.Request {
	if len(d.flight) == 0 {
		return nil
	}
	i := 0
	if d.pick != nil {
		i = d.pick(len(d.flight))
	}
	q := d.flight[i]
	d.flight = slices.Delete(d.flight, i, i+1)
	q.Err = nil
	switch {
	case d.fails != nil && d.fails(q.Request):
		q.Err = errBroken
	case q.Kind == disk.Write:
		for i := 0; i < len(q.Data); i += testBlock {
			b := &d.blocks[(int(q.Off)+i)/testBlock]
			b.cached = append(b.cached, slices.Clone(q.Data[i:i+testBlock]))
		}
	default:
		d.flushed(&q)
	}
	return q.Request
}

// flushed makes durable what the flush covers. At most one flush is in flight, so the versions it covers are still the first.
func (d *cacheDisk) flushed(q *request) {
	for i := range d.blocks {
		b := &d.blocks[i]
		if n := q.covers[i]; n > 0 {
			b.durable = b.cached[n-1]
			b.cached = slices.Clone(b.cached[n:])
		}
	}
}

func (d *cacheDisk) Close() error { return nil }
