package conformance

import "math/bits"

// key draws the key of an operation, as its distance from the first. Bits used of r: 24-31 the choice, 32-47 which, 48.
func (g *Generator) key(kind Kind, r uint64) uint16 {
	off := g.Profile.Off
	pref := &g.Profile.Keys[kind]
	choice, which := uint32(uint8(r>>24)), r>>32
	hot, live := uint32(pref.Hot), uint32(pref.Live)
	if g.spread && !pref.MustLive {
		hot, live = hot/4, live/4
	}
	live += hot
	dead := live + uint32(pref.Dead)
	if n := min(g.recent.n, ringLen); choice < hot && n > 0 && !off.Has(BiasKeyHot) {
		k := g.recent.keys[scale16(which, n)]
		if !pref.MustLive || g.at[k] != 0 {
			g.Hits[BiasKeyHot]++
			return k
		}
		choice = hot
	}
	switch {
	case choice < hot:
	case choice < live:
		if g.liveLen > 0 && !off.Has(BiasKeyLive) {
			g.Hits[BiasKeyLive]++
			return g.live[scale16(which, g.liveLen)]
		}
	case choice < dead:
		if n := min(g.dead.n, ringLen); n > 0 && !off.Has(BiasKeyDead) {
			g.Hits[BiasKeyDead]++
			return g.dead.keys[scale16(which, n)]
		}
	}
	if g.pooled && r>>48&1 == 0 {
		g.Hits[BiasKeyPool]++
		return uint16(scale16(which, min(g.space, 4)))
	}
	return uint16(scale16(which, g.space))
}

// size draws the length of the value that o writes. Bits used of extra: 0-5 the bias, 6-23 how far off, 24-63 the number.
func (g *Generator) size(o *Op) uint32 {
	s := &g.sizes
	bias := g.sizeTable[g.extra&63]
	off := g.extra >> 6
	num := g.extra >> 24
	if o.Kind == KindFill {
		return g.fillLen(num)
	}
	if g.room < 0 && !g.Profile.Off.Has(BiasFits) {
		g.Hits[BiasFits]++
		return scale16(num, 25)
	}
	if bias == biasCount {
		return g.expSize(num)
	}
	var n uint32 // one that wraps below 0 is far above max
	switch bias {
	case BiasSizeZero:
	case BiasSizeOne:
		n = 1
	case BiasSizeSmall:
		n = 1 + scale16(num, s.page/2)
	case BiasSizePage:
		n = s.page*(1+scale16(num, min(4, 1+s.max/s.page))) + scale16(off, 5) - 2
	case BiasSizeFrame:
		edge := s.page
		if num>>16&1 != 0 {
			edge = s.block
		}
		_, start := g.next(o)
		n = edge - (start+s.overhead)%edge + edge*scale16(num, 4) + offEdge[off&7]
	case BiasSizeGroup:
		start, _ := g.next(o)
		n = s.group - start - s.overhead + offEdge[off&3]
	case BiasSizeExtent:
		_, start := g.next(o)
		n = s.extent - start - s.overhead + offEdge[off&3]
	case BiasSizeMax:
		switch {
		case off&7 == 0:
			g.Hits[bias]++
			return s.max + 1
		case off&7 == 1 && s.most > 0 && !g.Profile.Off.Has(BiasSizeTooLong):
			g.Hits[BiasSizeTooLong]++
			return s.disk + uint32(off>>3&1)
		}
		n = s.max - uint32(num&1)
	case BiasSizeParts:
		n = s.part*(1+scale16(num, 3)) + offEdge[off&7] - s.overhead*(uint32(off>>3)&1) + s.block*scale16(num>>16, 5)*(uint32(off>>4)&1)
		if n > s.part-s.overhead && n <= s.most && int64(n) < g.room {
			g.Hits[bias]++
			return n
		}
		return g.expSize(num)
	}
	if n > s.max {
		return g.expSize(num)
	}
	g.Hits[bias]++
	return n
}

// next returns where in its unit and where in its extent the frame that o writes would begin.
func (g *Generator) next(o *Op) (inUnit, inExtent uint32) {
	if g.logged {
		return g.log.next()
	}
	return 0, g.tails[o.Which]
}

// fillLen draws the length of the values that fill the disk, and then keeps to it: long enough that a hundred are mostly too
// many.
func (g *Generator) fillLen(num uint64) uint32 {
	if g.fullLen == 0 {
		g.fullLen = min(max(g.expSize(num), uint32(g.roomAll/48)), g.sizes.max)
	}
	return g.fullLen
}

// rangeFrom draws where in a value to begin to read. Bits used of extra: 0-2 which, 6-8 how far off, 16-63 the number.
func (g *Generator) rangeFrom(o *Op) uint32 {
	n, page := g.lengthRead(o), g.sizes.page
	off := uint32(0)
	if g.Profile.Off.Has(BiasRange) {
		return scale32(g.extra>>16, n+1)
	}
	g.Hits[BiasRange]++
	switch g.extra & 7 {
	case 0, 1:
	case 2:
		off = n - 1
	case 3:
		off = n
	case 4:
		off = n + 1
	case 5:
		off = page*scale16(g.extra>>16, n/page+2) + offEdge[g.extra>>6&7]
	default:
		off = scale32(g.extra>>16, n)
	}
	if off > n+1 {
		return 0
	}
	return off
}

// rangeLen draws how much to read from o.Off on. Bits used of extra: 3-5 which, 9-11 how far off, 32-63 the number.
func (g *Generator) rangeLen(o *Op) uint32 {
	n, page := g.lengthRead(o), g.sizes.page
	rest := n - min(n, o.Off)
	var size uint32
	switch g.extra >> 3 & 7 {
	case 0:
		size = rest
	case 1:
		size = rest + 1
	case 2:
		size = rest - min(rest, 1)
	case 3:
		size = 1
	case 4: // to an edge of a page
		size = page - o.Off%page + page*scale16(g.extra>>32, 2) + offEdge[g.extra>>9&7]
	case 5:
		size = page * scale16(g.extra>>32, 3)
	default:
		size = 1 + scale32(g.extra>>32, rest)
	}
	return min(size, ValueBytesMax)
}

// lengthRead returns the bytes of the value that o reads, as far as the operations tell.
func (g *Generator) lengthRead(o *Op) uint32 {
	if o.Key != NoKey {
		if k := uint16(o.Key - g.base); g.at[k] != 0 {
			return g.lens[k]
		}
		return g.sizes.page
	}
	return g.lens[(g.appends-1-uint32(o.Choice))%pickRing]
}

// pickRing is how many appends back the generator knows their lengths; as many as a pick is drawn from.
const pickRing = 64

// offEdge is how far off an edge a size may be, the smaller the likelier; numbers below zero wrap, as the sums do.
var offEdge = [8]uint32{0, 1, ^uint32(0), 0, 2, ^uint32(1), 3, ^uint32(2)}

// expSize draws a size whose magnitude is even: as likely within 1..2 as within 512..1024.
func (g *Generator) expSize(num uint64) uint32 {
	top := scale16(num>>17, uint32(bits.Len32(g.sizes.max)))
	return min(1<<top+scale32(num, 1<<top), g.sizes.max)
}

// fillOf draws the contents of the value o writes: most have contents of their own, so that no two can be mistaken. Bits used of
// extra: 13-20, of which size used some for how far off.
func (g *Generator) fillOf(o *Op) uint32 {
	p := g.Profile
	choice := uint32(Odds(g.extra >> 13))
	took := func(odds Odds, b Bias) bool {
		if choice >= uint32(odds) {
			choice -= uint32(odds)
			return false
		}
		if choice = 256; p.Off.Has(b) { // neither this nor what comes after
			return false
		}
		return true
	}
	f := &p.Fills
	fill := uint32(0)
	bias := BiasFillPlain
	switch {
	case took(f.Plain, BiasFillPlain):
		fill = FillZeros + uint32(g.extra>>13&1)
	case took(f.Repeat, BiasFillRepeat) && g.last.Kind == o.Kind:
		bias, fill = BiasFillRepeat, g.last.Fill
		o.Len = g.last.Len
	case took(f.Prefix, BiasFillPrefix) && g.last.Kind == o.Kind:
		bias, fill = BiasFillPrefix, g.last.Fill
	case took(f.Magic, BiasFillMagic):
		bias, fill = BiasFillMagic, FillMagic
	case took(f.Frames, BiasFillFrames):
		bias, fill = BiasFillFrames, FillFrames
	case took(f.Places, BiasFillPlaces):
		bias, fill = BiasFillPlaces, FillLocators
	default:
		g.fill++
		return g.fill - 1
	}
	g.Hits[bias]++
	return fill
}
