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

// size draws the length of a value. Bits used of extra: 0-5 the bias, 6-23 how far off, 24-63 the number.
func (g *Generator) size() uint32 {
	s := &g.sizes
	bias := g.sizeTable[g.extra&63]
	off := g.extra >> 6
	num := g.extra >> 24
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
		_, start := g.log.next()
		n = edge - (start+s.overhead)%edge + edge*scale16(num, 4) + offEdge[off&7]
	case BiasSizeGroup:
		start, _ := g.log.next()
		n = s.group - start - s.overhead + offEdge[off&3]
	case BiasSizeExtent:
		_, start := g.log.next()
		n = s.extent - start - s.overhead + offEdge[off&3]
	case BiasSizeMax:
		if off&7 == 0 {
			g.Hits[bias]++
			return s.max + 1
		}
		n = s.max - uint32(num&1)
	}
	if n > s.max {
		return g.expSize(num)
	}
	g.Hits[bias]++
	return n
}

// offEdge is how far off an edge a size may be, the smaller the likelier; numbers below zero wrap, as the sums do.
var offEdge = [8]uint32{0, 1, ^uint32(0), 0, 2, ^uint32(1), 3, ^uint32(2)}

// expSize draws a size whose magnitude is even: as likely within 1..2 as within 512..1024.
func (g *Generator) expSize(num uint64) uint32 {
	top := scale16(num>>17, uint32(bits.Len32(g.sizes.max)))
	return min(1<<top+scale32(num, 1<<top), g.sizes.max)
}

// fillOf draws the contents of the value o puts: most have contents of their own, so that no two can be mistaken. Bits used of
// extra: 13-20, of which size used some for how far off.
func (g *Generator) fillOf(o *Op) uint32 {
	p := g.Profile
	choice := Odds(g.extra >> 13)
	if choice < p.Fills.Plain && !p.Off.Has(BiasFillPlain) {
		g.Hits[BiasFillPlain]++
		return FillZeros + uint32(choice&1)
	}
	if choice-p.Fills.Plain < p.Fills.Repeat && choice >= p.Fills.Plain && g.last.Kind == KindPut && !p.Off.Has(BiasFillRepeat) {
		g.Hits[BiasFillRepeat]++
		o.Len = g.last.Len
		return g.last.Fill
	}
	g.fill++
	return g.fill - 1
}
