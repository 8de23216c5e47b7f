package conformance

import (
	"math/bits"
	"math/rand/v2"
	"slices"
)

// GeneratorVersion goes up whenever any seed of any profile gives another sequence than before; a test pins a hash.
const GeneratorVersion = 9

// MixSeed returns the seed of sequence number n of a run. It depends on nothing else, so any number of workers, shards and
// machines generate the same set.
func MixSeed(runSeed, n uint64) uint64 { return mix64(mix64(runSeed) ^ n) }

// FreshKey is the first of the keys that `fill` puts; the generator leaves them to it.
const FreshKey KeyID = 0xe000

const (
	spaceMax = 1000 // keys a sequence knows
	ringLen  = 8    // keys used last
)

// Generator writes sequences. It is for one goroutine; what it carries from one sequence to the next are only counters.
type Generator struct {
	Profile *Profile
	Hits    BiasHits

	pcg       rand.PCG
	sizeTable [64]Bias // biasCount: exponential
	kindTable [128]Kind
	extra     uint64 // bits of the operation's second draw that were not used yet

	// The sequence so far, as far as its operations tell. Reset by begin.
	sizes   sizeLimits
	base    KeyID  // number of the first key the sequence knows
	space   uint32 // how many it knows
	pooled  bool
	spread  bool
	met     needs  // what the next operation would find
	undone  uint32 // mutations that were not waited for; NeedUnsynced is met if there are any
	lifeAt  int    // index of the reboot that begins the last life; operations after it read
	all     []Op   // of the sequence, those that are not written yet included
	index   int    // of the operation being written
	born    int    // index of the operation behind the last format
	from    int    // index of the operation to be repeated next
	anew    uint32 // how many may be repeated still
	room    int64  // bytes that may still be written before values become small
	log     logGuess
	fill    uint32 // the next fill of its own
	last    Op     // the last write
	pins    uint32
	appends uint32 // that were drawn

	roomAll   int64     // room at the beginning
	liveBytes int64     // of frames of what is stored
	tails     [3]uint32 // by owner: where appends go on, outside the log
	full      [4]int    // operations that fill and drain, in turn; -1: none
	fullStep  int
	crashAt   int  // the operation that is a crash in any case; -1: none
	beside    bool // of the operations before it are steps that are begun
	fullLen   uint32
	drawn     uint64              // kinds with a weight
	timings   [kindCount][]Timing // by what came before
	args      [kindCount][]*Arg   // those that the suite has
	logged    bool                // what is written goes through the log

	live    [spaceMax]uint16 // stored keys, less base, in no order
	liveLen uint32
	at      [spaceMax]uint16 // 1 + place in live; 0: not stored
	lens    [spaceMax]uint32 // of stored values, in bytes
	recent  ring
	dead    ring
}

// ring holds the last keys of a sort.
type ring struct {
	keys [ringLen]uint16
	n    uint32
}

func (r *ring) add(k uint16) { r.keys[r.n%ringLen] = k; r.n++ }

// sizeLimits are the edges of one geometry, in bytes.
type sizeLimits struct {
	block, physical, page, group, extent uint32
	max                                  uint32 // the longest value that fits an extent
	part                                 uint32 // the longest part of a value
	most                                 uint32 // the longest value
	disk                                 uint32 // all there is
	overhead                             uint32 // what a frame adds to a value
}

func limitsOf(c *Config, p *Profile) sizeLimits {
	s := sizeLimits{
		block:    c.Get(OptBlock),
		physical: c.Get(OptPhysical) * c.Get(OptBlock),
		page:     c.Page(),
		group:    c.Get(OptGroup) * c.Get(OptBlock),
		extent:   c.Get(OptExtent) * c.Get(OptBlock),
		overhead: p.FrameHeader + p.FrameTrailer,
	}
	s.max = s.extent - s.overhead
	if wholeStore(p.Suite) {
		s.max = c.ValueMax()
	}
	s.disk = s.extent * c.Get(OptExtents)
	s.part, s.most = s.max, uint32(logBytes(c)*int64(p.PartsShare)/100)
	if b := c.Get(OptPartSize) * s.block; b > 0 {
		s.part = min(s.part, b)
	}
	return s
}

// logBytes returns the bytes of a disk that values may fill: all but superblock, index, metadata and what must stay ready.
func logBytes(c *Config) int64 {
	const overheadExtents = 6
	return int64(c.Get(OptExtents)-overheadExtents) * int64(c.Get(OptExtent)*c.Get(OptBlock))
}

// NewGenerator returns a generator of profile p.
func NewGenerator(p *Profile) *Generator {
	g := &Generator{Profile: p}
	for i := range g.sizeTable {
		g.sizeTable[i] = biasCount
	}
	g.logged = wholeStore(p.Suite)
	for k := range kinds {
		for i := range kinds[k].Args {
			if a := &kinds[k].Args[i]; a.in(p.Suite) {
				g.args[k] = append(g.args[k], a)
			}
		}
	}
	for _, t := range p.Timings {
		if !p.Off.Has(t.Bias) {
			g.timings[t.After] = append(g.timings[t.After], t)
		}
	}
	i := 0
	for _, s := range p.Sizes {
		for range s.Share {
			if !p.Off.Has(s.Bias) {
				g.sizeTable[i] = s.Bias
			}
			i++
		}
	}
	return g
}

// Fill makes dst the sequence of seed. It is a function of GeneratorVersion, the profile and the seed: not of what dst held, of
// earlier calls, nor of the machine. It allocates nothing once dst has held a sequence of Profile.Length.Max operations.
func (g *Generator) Fill(dst *Sequence, seed uint64) {
	p := g.Profile
	g.pcg.Seed(seed, 0x5eed0f5a9d9a4f21)
	dst.Suite, dst.Origin, dst.Fail = p.Suite, "", nil
	dst.Keys, dst.Comments = dst.Keys[:0], dst.Comments[:0]
	g.beside = p.Beside > 0 && g.coin(BiasBeside, p.Beside)
	g.drawConfig(&dst.Config)
	g.begin(&dst.Config)

	n := g.drawLength()
	if cap(dst.Ops) < n {
		dst.Ops = make([]Op, 0, p.Length.Max)
	}
	dst.Ops = dst.Ops[:n]
	g.lifeAt = n
	if g.coin(BiasLastLife, p.LastLife) && n > 8 {
		g.lifeAt = n - 2 - int(g.below(uint32(n/4)))
	}
	g.planFull(n)
	g.crashAt = -1
	if p.AtStake > 0 {
		g.crashAt = n - 1 - int(g.below(uint32(1+n/2)))
	}
	g.all, g.anew, g.born, g.from = dst.Ops, 0, 0, 0
	g.fillOps(dst.Ops)
}

// planFull chooses where in n operations the disk is filled and the store drained.
func (g *Generator) planFull(n int) {
	g.full, g.fullStep, g.fullLen = [4]int{-1, -1, -1, -1}, 0, 0
	if !g.coin(BiasFull, g.Profile.Full) || n < 8 {
		return
	}
	g.Hits[BiasFull]++
	g.full[0] = int(g.below(uint32(n / 2)))
	for i := 1; i < len(g.full); i++ {
		g.full[i] = g.full[i-1] + 1
		if i&1 == 1 { // what a full disk still lets one do
			g.full[i] += int(g.below(8))
		}
	}
}

// fillOps draws the manner of the sequence and writes it, phase by phase.
func (g *Generator) fillOps(ops []Op) {
	p := g.Profile
	r := g.pcg.Uint64()
	manner := Odds(r)
	switch {
	case manner < p.Swarm && !p.Off.Has(BiasSwarm):
		g.Hits[BiasSwarm]++
		w := p.swarm(r>>8, g.pcg.Uint64())
		g.setWeights(&w)
	case manner-p.Swarm < p.Phased && manner >= p.Swarm && !p.Off.Has(BiasPhases):
		g.Hits[BiasPhases]++
		g.fillPhases(ops)
		return
	default:
		g.setWeights(&p.Weights)
	}
	g.fillStretch(ops, 0)
}

// swarm returns weights of which each kind has kept about half, times 1 to 4.
func (p *Profile) swarm(keep, boost uint64) Weights {
	w := p.Weights
	for k := range w {
		if keep>>k&1 == 0 {
			w[k] = 0
		}
	}
	for _, k := range p.Kept {
		w[k] = p.Weights[k]
	}
	for k := range w {
		w[k] = uint8(min(uint32(w[k])*(2+uint32(boost>>(2*k&63)&3))/3, 255))
	}
	return w
}

func (g *Generator) fillPhases(ops []Op) {
	phases := g.Profile.Phases
	var total uint32
	for i := range phases {
		total += uint32(phases[i].Share)
	}
	rounds := 1 + g.below(1+uint32(len(ops))/96) // a long sequence may go through the phases more than once
	start, passed := 0, uint32(0)
	for range rounds {
		for i := range phases {
			passed += uint32(phases[i].Share)
			end := int(uint64(len(ops)) * uint64(passed) / uint64(total*rounds))
			if end > start {
				g.setWeights(&phases[i].Weights)
				g.fillStretch(ops[start:end], start)
			}
			start = end
		}
	}
}

// setWeights spreads the kinds over kindTable in proportion to w. Every kind with a weight gets a place.
func (g *Generator) setWeights(w *Weights) {
	var total uint32
	for _, v := range w {
		total += uint32(v)
	}
	pos, sum := uint32(0), uint32(0)
	g.drawn = 0
	for k, v := range w {
		if v == 0 {
			continue
		}
		g.drawn |= 1 << k
		sum += uint32(v)
		end := max(sum*uint32(len(g.kindTable))/total, pos+1)
		for ; pos < end && pos < uint32(len(g.kindTable)); pos++ {
			g.kindTable[pos] = Kind(k)
		}
	}
}

// fillStretch writes ops, the first of which has index first in the sequence.
func (g *Generator) fillStretch(ops []Op, first int) {
	prev := KindNone
	for i := range ops {
		g.index = first + i
		if g.anew > 0 && g.index < g.lifeAt && g.index != g.crashAt && g.again(&ops[i]) {
			g.note(&ops[i])
			prev = ops[i].Kind
			continue
		}
		r := g.pcg.Uint64()
		kind := g.kind(prev, r, g.index)
		g.write(&ops[i], kind, r)
		if g.isBeside(g.index) && kinds[kind].begins() {
			ops[i].Which = 1
		}
		g.note(&ops[i])
		prev = kind
	}
}

// kind draws the kind of operation i. Bits used of r: 0-6 which, 8-15 whether it stays, 16-23 what takes its place, 56-63 whether
// another follows prev.
func (g *Generator) kind(prev Kind, r uint64, i int) Kind {
	p := g.Profile
	kind := g.kindTable[r&127]
	instead := Odds(r >> 16)
	switch {
	case i == g.crashAt:
		return KindCrash
	case g.isBeside(i):
		g.Hits[BiasBeside]++
		return besideKinds[int(instead)%len(besideKinds)]
	case i >= g.lifeAt:
		if i == g.lifeAt {
			g.Hits[BiasLastLife]++
			return KindReboot
		}
		kind = p.Read
	case i == g.full[g.fullStep]:
		g.fullStep = (g.fullStep + 1) % len(g.full)
		if g.fullStep&1 == 1 {
			return KindFill
		}
		return KindDrain
	case settles(prev) && instead < p.ReadBack && !p.Off.Has(BiasReadBack):
		g.Hits[BiasReadBack]++
		if instead&1 == 0 && g.liveLen > 0 {
			return p.Read
		}
		return p.Write
	}
	for i := range g.timings[prev] {
		t := &g.timings[prev][i]
		if Odds(r>>56)-t.From < t.Odds && Odds(r>>56) >= t.From && g.drawn>>t.Then&1 != 0 {
			g.Hits[t.Bias]++
			return t.Then
		}
	}
	info := &kinds[kind]
	if g.met>>info.Needs&1 == 0 && Odds(r>>8) >= p.UsefulMiss && !p.Off.Has(BiasUseful) {
		g.Hits[BiasUseful]++
		return g.readOrWrite(instead)
	}
	if i < g.crashAt && i >= g.crashAt-int(p.AtStake) && info.Group > GroupMutate && instead < 244 && !p.Off.Has(BiasAtStake) {
		g.Hits[BiasAtStake]++
		return p.Write
	}
	if g.room < 0 && info.Group == GroupMutate && instead < 160 && g.liveLen > 0 && !p.Off.Has(BiasFits) {
		g.Hits[BiasFits]++
		return p.Read
	}
	return kind
}

// besideKinds are what is done beside steps that were begun, and those steps.
var besideKinds = [...]Kind{
	KindPut, KindPut, KindPut, KindPut, KindDelete, KindSync, KindSync, KindSync, KindWait, KindPump, KindPump, KindPump, KindPump,
	KindFlush, KindFlush, KindReclaim, KindReclaim, KindCompact, KindSuperblock,
}

// isBeside reports whether operation i is one of those.
func (g *Generator) isBeside(i int) bool {
	const last = 6 // that leave something at stake, beside what is on its way
	return g.beside && i < g.crashAt-last && i >= g.crashAt-last-int(g.Profile.AtStake)
}

// settles reports whether k moves data, so that what it moved is worth a look.
func settles(k Kind) bool { return kinds[k].Settles&(1<<NeedUnsynced|1<<NeedUnflushed) != 0 }

func (g *Generator) readOrWrite(instead Odds) Kind {
	if g.liveLen > 0 && (instead < 150 || g.room < 0) {
		return g.Profile.Read
	}
	return g.Profile.Write
}

// write makes o an operation of that kind. Bits used of r: 24-63; sizes and ranges draw again.
func (g *Generator) write(o *Op, kind Kind, r uint64) {
	*o = Op{Kind: kind, Key: NoKey}
	args := g.args[kind]
	for i := range args {
		a := args[i]
		switch a.Role {
		case RoleKey:
			o.Key = g.base + KeyID(g.key(kind, r))
		case RoleAfter:
			if r>>63 == 0 {
				o.Key = g.base + KeyID(g.key(kind, r))
			}
		case RoleSize:
			g.extra = g.pcg.Uint64()
			o.Set(a.Field, uint64(g.size(o)))
		case RoleFill:
			if g.extra == 0 { // of a kind without a size
				g.extra = g.pcg.Uint64()
			}
			o.Set(a.Field, uint64(g.fillOf(o)))
			g.extra = 0
		case RoleOffset:
			g.extra = g.pcg.Uint64()
			o.Off = g.rangeFrom(o)
		case RoleRange:
			o.Len = g.rangeLen(o)
			g.extra = 0
		case RoleTrail:
			if r>>24&1 != 0 {
				o.Set(a.Field, g.pcg.Uint64()>>40)
			}
		case RoleFlag, RoleWord:
			if n := uint32(len(a.Often)); n > 0 && r>>48&1 != 0 {
				o.Set(a.Field, a.Often[scale16(r>>24, n)])
				continue
			}
			o.Set(a.Field, a.Default+uint64(scale16(r>>24, uint32(a.Draw-a.Default)+1)))
		case RolePick:
			o.Set(a.Field, uint64(g.pick(a, r)))
		case RoleExtent:
			o.Set(a.Field, uint64(scale16(r>>32, uint32(a.Draw)+1)))
		case RoleDep:
			o.Set(a.Field, g.dep(a, kind, r))
		case RoleCount, RoleAfterPick:
			if a.Rare && r>>52&7 != 0 {
				continue
			}
			// Small counts are likelier: the smaller of two draws. A second one of the same operation is drawn on its own.
			n := uint32(a.Draw-a.Default) + 1
			o.Set(a.Field, a.Default+uint64(min(scale16(r>>32, n), scale16(r>>47, n))))
			r = mix64(r)
		}
	}
	if o.Kind == KindLoad || o.Kind == KindErase {
		g.fitMany(o)
	}
}

// dep draws a mutation, counted back from the newest: mostly one that is not known to be persistent. Bits used of r: 24-63.
func (g *Generator) dep(a *Arg, kind Kind, r uint64) uint64 {
	open := g.undone
	if Odds(r>>24) < 216 && open > 0 && !g.Profile.Off.Has(BiasDepRecent) {
		g.Hits[BiasDepRecent]++
		return uint64(scale16(r>>32, min(open, uint32(a.Draw)+1)))
	}
	return uint64(scale16(r>>32, uint32(a.Draw)+1))
}

// pick draws an append or a chunk, counted back from the newest. Bits used of r: 24-47.
func (g *Generator) pick(a *Arg, r uint64) uint32 {
	n := min(g.liveLen, uint32(a.Draw)+1)
	if Odds(r>>24) < 144 && n > ringLen && !g.Profile.Off.Has(BiasPickRecent) {
		g.Hits[BiasPickRecent]++
		n = ringLen
	}
	return scale16(r>>32, n)
}

// note takes account of what o does.
func (g *Generator) note(o *Op) {
	info := &kinds[o.Kind]
	if g.logged {
		g.log.note(o)
	}
	switch o.Kind {
	case KindPut, KindInsert:
		g.mutation(o)
		g.store(uint16(o.Key-g.base), o.Len)
		g.last = *o
	case KindDelete, KindRemove:
		g.mutation(o)
		g.remove(uint16(o.Key - g.base))
	case KindLoad, KindErase:
		g.many(o)
	case KindAppend, KindPutChunk:
		g.mutation(o)
		g.tail(o)
		g.lens[g.appends%pickRing] = o.Len
		g.appends++
		g.liveLen++
		g.met |= 1 << NeedLive
		g.last = *o
	case KindForget:
		g.mutation(o)
		g.liveLen -= min(g.liveLen, 1)
		g.met |= 1 << NeedLive
		if g.liveLen == 0 {
			g.met &^= 1 << NeedLive
		}
	case KindPump:
		g.waited(g.undone - min(g.undone, o.Len))
	case KindWait:
		g.waited(min(g.undone, uint32(o.Choice)))
	case KindFlush, KindReboot:
		g.spend(g.sizes.page*2 + g.liveLen*64) // a run, and records that name it
		g.met |= 1 << NeedRuns
	case KindReclaim, KindRelease:
		g.room = min(g.room+int64(g.sizes.extent), g.roomAll-g.liveBytes)
	case KindFill:
		g.mutation(o)
		g.room = -1
	case KindDrain:
		g.drained()
	case KindFormat:
		g.formatted()
	case KindPin:
		g.pins++
		g.met |= 1 << NeedPinned
	case KindUnpin:
		if g.pins -= min(g.pins, 1); g.pins == 0 {
			g.met &^= 1 << NeedPinned
		}
	}
	g.met &^= info.Settles
	if info.Settles>>NeedUnsynced&1 != 0 {
		g.undone = 0
	}
	if o.Key != NoKey {
		g.recent.add(uint16(o.Key - g.base))
	}
}

// many takes account of the mutations of o, each by itself. Keys beyond those that the sequence knows are not met again.
func (g *Generator) many(o *Op) {
	for i := range o.mutations() {
		g.mutation(o)
		switch k := uint32(o.Key-g.base) + uint32(i); {
		case k >= g.space:
		case o.Kind == KindLoad:
			g.store(uint16(k), o.Len)
		default:
			g.remove(uint16(k))
		}
	}
}

// fitMany sees that o asks for one mutation at least, and that its values leave half of the room.
func (g *Generator) fitMany(o *Op) {
	o.Choice++
	if each := max(g.room, 0) / int64(2*o.mutations()); int64(o.Len) > each && !g.Profile.Off.Has(BiasFits) {
		g.Hits[BiasFits]++
		o.Len = uint32(max(0, each-int64(g.sizes.overhead)))
	}
}

// tail follows the appends of one owner outside the log.
func (g *Generator) tail(o *Op) {
	t := &g.tails[o.Which]
	n := (o.Len + g.sizes.overhead + g.sizes.physical - 1) &^ (g.sizes.physical - 1)
	if *t += n; *t > g.sizes.extent {
		*t = n
	}
}

// drained forgets what was stored.
func (g *Generator) drained() {
	for _, k := range g.live[:g.liveLen] {
		g.at[k] = 0
		g.dead.add(k)
	}
	g.liveLen, g.liveBytes, g.room = 0, 0, g.roomAll
	g.met &^= 1 << NeedLive
}

// formatted forgets the store before, but for what it was told first: that may come again.
func (g *Generator) formatted() {
	g.drained()
	g.log.begin(&g.sizes, g.Profile)
	g.from, g.born, g.anew = g.born, g.index+1, 0
	if g.coin(BiasAnew, 192) {
		g.anew = 1 + g.below(16)
	}
}

// again makes o the operation that comes again next: what was told the store before the last format is told the new one, but for
// some of it. Then both write the same places, and where the new one stops the old one goes on.
func (g *Generator) again(o *Op) bool {
	g.anew--
	for g.below(4) == 0 {
		g.from++
	}
	if g.from >= g.born-1 || g.all[g.from].Kind == KindFill { // as far as that format
		g.anew = 0
		return false
	}
	g.Hits[BiasAnew]++
	*o = g.all[g.from]
	g.from++
	return true
}

// waited notes that all but the last left mutations were waited for.
func (g *Generator) waited(left uint32) {
	if g.undone = left; left == 0 {
		g.met &^= 1 << NeedUnsynced
	}
}

// afterMutation is what a mutation leaves to be found; whether a shard is stored is for store and remove.
const afterMutation needs = 1<<NeedMutation | 1<<NeedUnsynced | 1<<NeedUnflushed | 1<<NeedUnchecked | 1<<NeedReopen | 1<<NeedGarbage

func (g *Generator) mutation(o *Op) {
	g.met |= afterMutation
	g.undone++
	n := o.Len + g.sizes.overhead
	g.spend(n)
}

// spend takes whole blocks off the room.
func (g *Generator) spend(n uint32) { g.room -= int64(g.blocks(n)) }

// blocks rounds n up; a block is a power of two.
func (g *Generator) blocks(n uint32) uint32 { return (n + g.sizes.block - 1) &^ (g.sizes.block - 1) }

func (g *Generator) store(k uint16, n uint32) {
	if g.at[k] == 0 {
		g.live[g.liveLen] = k
		g.liveLen++
		g.at[k] = uint16(g.liveLen)
		g.met |= 1 << NeedLive
	} else {
		g.liveBytes -= int64(g.blocks(g.lens[k] + g.sizes.overhead))
	}
	g.lens[k] = n
	g.liveBytes += int64(g.blocks(n + g.sizes.overhead))
}

func (g *Generator) remove(k uint16) {
	i := g.at[k]
	if i == 0 {
		return
	}
	if g.liveLen--; g.liveLen == 0 {
		g.met &^= 1 << NeedLive
	}
	moved := g.live[g.liveLen]
	g.live[i-1], g.at[moved] = moved, i
	g.at[k] = 0
	g.liveBytes -= int64(g.blocks(g.lens[k] + g.sizes.overhead))
	g.dead.add(k)
}

// begin forgets the sequence before and draws what is drawn once a sequence.
func (g *Generator) begin(c *Config) {
	p := g.Profile
	g.sizes = limitsOf(c, p)
	g.space = g.drawSpace()
	g.base = 0
	if g.coin(BiasKeyHigh, p.HighKeys) {
		g.Hits[BiasKeyHigh]++
		g.base = KeyID(g.below(uint32(FreshKey) - spaceMax))
	}
	g.pooled = g.coin(BiasKeyPool, p.Pooled)
	if g.spread = g.coin(BiasKeySpread, p.Spread); g.spread {
		g.Hits[BiasKeySpread]++
	}
	g.met, g.undone = 1<<NeedNothing, 0
	clear(g.at[:g.space])
	g.liveLen, g.recent.n, g.dead.n = 0, 0, 0
	g.log.begin(&g.sizes, p)
	g.fill, g.last, g.extra = FillOnes+1, Op{}, 0
	g.tails, g.pins, g.liveBytes, g.appends = [3]uint32{}, 0, 0, 0
	clear(g.lens[:pickRing])
	g.roomAll = logBytes(c) * int64(p.FillShare) / 100
	if writerOf(p.Suite) == KindNone {
		g.roomAll = 1 << 40 // entries are small
	}
	g.room = g.roomAll
}

func (g *Generator) drawLength() int {
	l := &g.Profile.Length
	r := g.pcg.Uint64()
	if Odds(r) < l.Short {
		return int(1 + scale32(r>>8, l.ShortMax))
	}
	return int(min(l.Base+exponential(r>>8, l.Tail), l.Max))
}

// exponential returns an almost exponentially distributed number of that mean, from 56 bits of r. The distribution is linear
// between the powers of two of the survival function, whose mean is 1.5 steps.
func exponential(r uint64, mean uint32) uint32 {
	steps := uint32(bits.TrailingZeros64(r | 1<<32))
	inStep := scale16(r>>40, mean)
	return (steps*mean + inStep) * 2 / 3
}

func (g *Generator) drawSpace() uint32 {
	r := g.pcg.Uint64()
	c := uint32(r & 0xff)
	spaces := g.Profile.Spaces
	s := spaces[len(spaces)-1] // the last takes what the others leave
	for _, alt := range spaces {
		if c < uint32(alt.Odds) {
			s = alt
			break
		}
		c -= uint32(alt.Odds)
	}
	return s.Min + scale32(r>>8, s.Max-s.Min+1)
}

// drawConfig draws the options. What is drawn is made fit; see Config.Check.
func (g *Generator) drawConfig(c *Config) {
	*c = defaultConfig
	p := g.Profile
	for _, s := range p.Base {
		c.Set(s.Option, s.Value)
	}
	if g.coin(BiasGeometry, p.Geometry) {
		g.Hits[BiasGeometry]++
		for o := range optionCount {
			info := &options[o]
			if !info.Geometry || !slices.Contains(info.Suites, p.Suite) {
				continue
			}
			if r := g.pcg.Uint64(); Odds(r) < p.Knob {
				c.values[o] = info.Draw[scale32(r>>8, uint32(len(info.Draw)))]
			}
		}
		for _, s := range p.Base {
			if Odds(g.pcg.Uint64()) < s.Stays {
				c.Set(s.Option, s.Value)
			}
		}
		c.fit()
	}
	if g.beside {
		c.tangle(g.pcg.Uint64())
	}
	if slices.Contains(options[OptDevice].Suites, p.Suite) {
		if draw := options[OptDevice].Draw; g.below(2) == 0 {
			c.values[OptDevice] = draw[g.below(uint32(len(draw)))]
		}
	}
	r := g.pcg.Uint64()
	if p.Off.Has(BiasConduct) {
		return
	}
	if Odds(r) < p.Reorder || g.beside {
		c.values[OptReorder] = 1
	}
	if draw := options[OptUUIDBits].Draw; Odds(r>>8) < p.UUIDBits {
		c.values[OptUUIDBits] = draw[scale16(r>>16, uint32(len(draw)))]
	}
	if c.values[OptReorder] != 0 || c.values[OptUUIDBits] != options[OptUUIDBits].Default {
		g.Hits[BiasConduct]++
		c.values[OptSeed] = uint32(r >> 32)
	}
}

// tangle makes that steps write to more places, as r says: shards in parts, runs of several tables, a superblock of several pages.
func (c *Config) tangle(r uint64) {
	if r&1 == 0 {
		c.values[OptPartSize] = options[OptPartSize].Draw[1]
	}
	if r&2 == 0 {
		c.values[OptTable] = 1
	}
	if r&4 == 0 {
		c.values[OptSuperPage] = options[OptSuperPage].Draw[1]
	}
}

// fit raises and lowers what was drawn independently until it goes together.
func (c *Config) fit() {
	v := &c.values
	v[OptExtent] = max(v[OptExtent], 8*v[OptPhysical])
	v[OptGroup] = min(max(v[OptGroup], v[OptPhysical]), v[OptExtent])
	v[OptWindow] = max(v[OptWindow], v[OptGroup], 4*v[OptPhysical])
}

// coin draws whether b takes effect in this sequence. It draws even when b is off, so that one switch changes one thing.
func (g *Generator) coin(b Bias, odds Odds) bool {
	return Odds(g.pcg.Uint64()) < odds && !g.Profile.Off.Has(b)
}

// below draws a number less than n.
func (g *Generator) below(n uint32) uint32 { return scale32(g.pcg.Uint64(), n) }

// scale32 maps the low 32 bits of r to a number less than n; scale16 the low 16. They are all the reduction there is: the
// stream of a seed must not change with the library's.
func scale32(r uint64, n uint32) uint32 { return uint32(uint64(uint32(r)) * uint64(n) >> 32) }

func scale16(r uint64, n uint32) uint32 { return uint32(uint64(uint16(r)) * uint64(n) >> 16) }
