package bufcache

import (
	"math/bits"
	"slices"

	"github.com/shardproof/shardproof/engine/extent"
)

// index finds pages by key: a hash table with open addressing and linear probing, never more than half full. A cell holds the
// number of a page plus 1, 0 if it is empty; the keys are in the pages.
type index struct {
	cells []int32 // a power of two
	shift int     // of a hash, to the number of a cell
}

// reset makes the index empty, for up to that many pages.
func (x *index) reset(pages int) {
	width := bits.Len(uint(2*pages - 1))
	x.shift = 64 - width
	x.cells = slices.Grow(x.cells[:0], 1<<width)[:1<<width]
	clear(x.cells)
}

// hash spreads keys: neighbouring pages and generations differ in few low bits, and a product carries those upwards.
func hash(k extent.Place) uint64 {
	h := (uint64(k.Extent)<<32 | uint64(k.Offset)) * 0x9e3779b97f4a7c15
	h ^= uint64(k.Generation) * 0xd1b54a32d192ed03
	h ^= h >> 32
	return h * 0x9e3779b97f4a7c15
}

// find returns the number of the page with that key, -1 if there is none.
func (x *index) find(pages []page, k extent.Place) int {
	for c := hash(k) >> x.shift; ; c = (c + 1) & uint64(len(x.cells)-1) {
		i := x.cells[c] - 1
		if i < 0 || pages[i].key == k {
			return int(i)
		}
	}
}

// add enters page i, whose key is not there.
func (x *index) add(pages []page, i int) {
	c := hash(pages[i].key) >> x.shift
	for x.cells[c] != 0 {
		c = (c + 1) & uint64(len(x.cells)-1)
	}
	x.cells[c] = int32(i) + 1
}

// remove takes page i out, and moves pages behind it forward so that no search ends early at the hole.
func (x *index) remove(pages []page, i int) {
	mask := uint64(len(x.cells) - 1)
	hole := hash(pages[i].key) >> x.shift
	for x.cells[hole] != int32(i)+1 {
		hole = (hole + 1) & mask
	}
	for c := (hole + 1) & mask; x.cells[c] != 0; c = (c + 1) & mask {
		home := hash(pages[x.cells[c]-1].key) >> x.shift
		if (c-home)&mask >= (c-hole)&mask {
			x.cells[hole] = x.cells[c]
			hole = c
		}
	}
	x.cells[hole] = 0
}
