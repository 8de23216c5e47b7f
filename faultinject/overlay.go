package faultinject

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sort"
)

// layer is the damage of one logical block by one rule.
type layer struct {
	block int64 // its number
	rule  int
	kind  kind
	arg   uint64 // see kind
	bytes []byte // of kept; never changed
}

// kind is what a layer does to what lies below it: flipped changes it, all others replace it.
type kind uint8

const (
	pristine kind = iota // nothing: the block is what the device below has
	dead                 // cannot be read; arg is the error number
	flipped              // some bits are wrong; arg is that of the rule
	zeros
	noise // arg is that of the rule
	kept  // the bytes of the layer
	other // the bytes that the device below has for block arg
)

// overlay is all damage, sorted by block, of a block the older one first. Of one rule a block has one layer, its newest. An
// overlay is never changed: what changes it makes another one, so that readers need no lock.
type overlay []layer

// within returns the layers of the blocks [from, to).
func (o overlay) within(from, to int64) overlay {
	i := sort.Search(len(o), func(i int) bool { return o[i].block >= from })
	n := sort.Search(len(o)-i, func(n int) bool { return o[i+n].block >= to })
	return o[i : i+n]
}

// with returns o and more above it.
func (o overlay) with(more overlay) overlay {
	if len(more) == 0 {
		return o
	}
	all := slices.Concat(o, more)
	slices.SortStableFunc(all, func(a, b layer) int { return cmp.Compare(a.block, b.block) })
	out := all[:0]
	for i := range all {
		if !all[i:].again() {
			out = append(out, all[i])
		}
	}
	return out
}

// again reports whether a newer layer is of the same block and rule as the first.
func (o overlay) again() bool {
	for i := 1; i < len(o) && o[i].block == o[0].block; i++ {
		if o[i].rule == o[0].rule {
			return true
		}
	}
	return false
}

// without returns o without the blocks [from, to).
func (o overlay) without(from, to int64) overlay {
	if len(o.within(from, to)) == 0 {
		return o
	}
	return o.where(func(l *layer) bool { return l.block < from || l.block >= to })
}

// freed returns o with those layers of kind other that some of more stand for replaced by these.
func (o overlay) freed(more overlay) overlay {
	if len(more) == 0 {
		return o
	}
	out := slices.Clone(o)
	for i := range out {
		for _, l := range more {
			if out[i].kind == other && out[i].block == l.block && out[i].rule == l.rule {
				out[i] = l
			}
		}
	}
	return out
}

// lifted returns o without what rule did.
func (o overlay) lifted(rule int) overlay {
	return o.where(func(l *layer) bool { return l.rule != rule })
}

// where returns the layers of o that stay.
func (o overlay) where(stays func(*layer) bool) (out overlay) {
	for i := range o {
		if stays(&o[i]) {
			out = append(out, o[i])
		}
	}
	return out
}

// picture is what a block is made of: one layer that says it all, and above it some that flip bits.
type picture struct {
	whole layer
	flips overlay
	last  layer // flips too, after them; pristine: does not
}

// pictureOf returns that of block b as it lies there.
func (o overlay) pictureOf(b int64) picture {
	stack := o.within(b, b+1)
	for i := len(stack) - 1; i >= 0; i-- {
		if stack[i].kind != flipped {
			return picture{whole: stack[i], flips: stack[i+1:]}
		}
	}
	return picture{whole: layer{block: b}, flips: stack}
}

// flip changes p as the layers above the whole one say.
func (x *picture) flip(p []byte) {
	for i := range x.flips {
		flipBits(p, x.flips[i].arg)
	}
	if x.last.kind == flipped {
		flipBits(p, x.last.arg)
	}
}

// flipEdge is how many bytes at each end of a block a few flipped bits hit as often as all of it: headers and trailers lie there.
const flipEdge = 64

// flipBits flips as many bits of a block as arg says, no two of them the same: an odd step goes round all of a power of two.
func flipBits(p []byte, arg uint64) {
	h := mix(arg >> 16)
	n := max(arg&0xffff, 1)
	if n <= flipEdge && len(p) > 2*flipEdge {
		switch h >> 30 % 4 {
		case 0:
			p = p[:flipEdge]
		case 1:
			p = p[len(p)-flipEdge:]
		}
	}
	bits := uint64(len(p)) * 8
	step := h>>32 | 1
	for i := range min(n, bits) {
		bit := (h + i*step) % bits
		p[bit/8] ^= 1 << (bit % 8)
	}
}

// fillNoise fills p with the noise of block b.
func fillNoise(p []byte, arg uint64, b int64) {
	h := mix(mix(arg) ^ uint64(b))
	for i := 0; i < len(p); i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], mix(h+uint64(i)))
		copy(p[i:], word[:])
	}
}

// mix is the finalizer of SplitMix64, with its increment.
func mix(h uint64) uint64 {
	h += 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
