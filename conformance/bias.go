package conformance

import "slices"

// Bias names one departure from plain even draws. Each can be switched off (Profile.Off) and counts how often it took effect
// (Generator.Hits): a bias that never fires is a hole in the generator, one whose loss no seeded bug notices is dead weight.
type Bias uint8

const (
	BiasSwarm    Bias = iota // the sequence uses a random subset of the kinds
	BiasPhases               // the sequence goes through the phases of the profile
	BiasGeometry             // the geometry is not the default one
	BiasConduct              // the disk reorders, or UUIDs are poor

	BiasUseful   // an operation that would find nothing to do gives way to a put or a get
	BiasReadBack // right after a step that moves data, something is read, or a recent key is put again
	BiasLastLife // the sequence ends with a reboot and reads
	BiasFits     // what has been written nears the size of the disk: values become small, mutations rarer
	BiasFull     // the disk is filled, and the store drained and filled again

	BiasReclaimAtOnce // reclamation, or a release, right after something was written
	BiasTwice         // a step that moves data twice, with nothing between
	BiasDeleteFlush   // a flush right after a deletion
	BiasFlushCompact  // a compaction right after a flush
	BiasMoveReboot    // a reboot right after data was moved
	BiasFaultReboot   // a reboot right after the disk broke: what is kept in memory is read again
	BiasReuse         // something is written right after an extent was freed
	BiasAnew          // after a format the operations from before come again, but for some
	BiasAtStake       // a crash comes when much is at stake
	BiasBeside        // steps are begun, and others and mutations become persistent beside them, before a crash comes

	BiasKeyHot    // one of the eight keys used last
	BiasKeyLive   // a key that is stored
	BiasKeyDead   // a key deleted lately
	BiasKeyPool   // one of four keys that this sequence prefers
	BiasKeySpread // the sequence mostly puts keys it did not use lately, so that much is stored at once
	BiasKeyHigh   // the keys do not start at k0

	BiasSizeZero    // no bytes
	BiasSizeOne     // one byte
	BiasSizeSmall   // less than half a page
	BiasSizePage    // pages, and up to two bytes off
	BiasSizeFrame   // such that the frame ends on a block or page edge, as far as the operations tell, or up to three bytes off
	BiasSizeGroup   // such that the frame fills the largest unit, or one byte off
	BiasSizeExtent  // such that the frame ends where the extent does, or one byte off
	BiasSizeMax     // the longest that fits an extent, one byte less, or one more
	BiasSizeParts   // longer than an extent or than one part; bounded by a share of the disk
	BiasSizeTooLong // as long as the disk, or one byte more
	BiasRange       // a part of a value that begins or ends where the value or a page does, or one byte off

	BiasFillPlain  // zeros or ff
	BiasFillRepeat // the value put before, again
	BiasFillPrefix // a value that begins as the one before
	BiasFillMagic  // the words that records begin with
	BiasFillFrames // whole valid frames
	BiasFillPlaces // locators
	BiasPickRecent // one of the eight appends or chunks written last
	BiasDepRecent  // a mutation that is not known to be persistent
	biasCount
)

// BiasInfo describes a bias.
type BiasInfo struct {
	Name string
}

// Can returns the biases that may take effect under p. It is what a test expects to see, not what the generator asks.
func (p *Profile) Can(b Bias) bool {
	has := func(k Kind) bool { return p.Weights[k] > 0 }
	switch b {
	case BiasFull:
		return p.Full > 0
	case BiasAtStake:
		return p.AtStake > 0
	case BiasBeside:
		return p.Beside > 0
	case BiasAnew:
		return has(KindFormat)
	case BiasKeyHot, BiasKeyLive, BiasKeyDead, BiasKeyPool, BiasKeySpread, BiasKeyHigh:
		return p.keyed()
	case BiasReclaimAtOnce, BiasTwice, BiasDeleteFlush, BiasFlushCompact, BiasMoveReboot, BiasFaultReboot, BiasReuse:
		return slices.ContainsFunc(p.Timings, func(t Timing) bool { return t.Bias == b })
	case BiasSizeTooLong:
		return p.PartsShare > 0
	case BiasRange:
		return has(KindGetRange) || has(KindRead)
	case BiasPickRecent:
		return kinds[p.Read].arg(RolePick) != nil
	case BiasDepRecent:
		return has(KindWait) || has(KindPoll)
	case BiasFits:
		return writerOf(p.Suite) != KindNone
	case BiasFillPrefix, BiasFillMagic, BiasFillFrames, BiasFillPlaces:
		return writerOf(p.Suite) != KindNone
	}
	if b >= BiasSizeZero && b <= BiasSizeParts {
		return slices.ContainsFunc(p.Sizes, func(s SizeShare) bool { return s.Bias == b })
	}
	return true
}

// keyed reports whether the operations of p are about keys.
func (p *Profile) keyed() bool { return kinds[p.Write].arg(RoleKey) != nil }

var biases = [biasCount]BiasInfo{
	BiasSwarm:         {"swarm"},
	BiasPhases:        {"phases"},
	BiasGeometry:      {"geometry"},
	BiasConduct:       {"conduct"},
	BiasUseful:        {"useful"},
	BiasReadBack:      {"read-back"},
	BiasLastLife:      {"last-life"},
	BiasFits:          {"fits"},
	BiasFull:          {"full"},
	BiasReclaimAtOnce: {"reclaim-at-once"},
	BiasTwice:         {"twice"},
	BiasDeleteFlush:   {"delete-flush"},
	BiasFlushCompact:  {"flush-compact"},
	BiasMoveReboot:    {"move-reboot"},
	BiasFaultReboot:   {"fault-reboot"},
	BiasReuse:         {"reuse"},
	BiasAnew:          {"anew"},
	BiasAtStake:       {"at-stake"},
	BiasBeside:        {"beside"},
	BiasKeyHot:        {"key-hot"},
	BiasKeyLive:       {"key-live"},
	BiasKeyDead:       {"key-dead"},
	BiasKeyPool:       {"key-pool"},
	BiasKeySpread:     {"key-spread"},
	BiasKeyHigh:       {"key-high"},
	BiasSizeZero:      {"size-zero"},
	BiasSizeOne:       {"size-one"},
	BiasSizeSmall:     {"size-small"},
	BiasSizePage:      {"size-page"},
	BiasSizeFrame:     {"size-frame"},
	BiasSizeGroup:     {"size-group"},
	BiasSizeExtent:    {"size-extent"},
	BiasSizeMax:       {"size-max"},
	BiasSizeParts:     {"size-parts"},
	BiasSizeTooLong:   {"size-too-long"},
	BiasRange:         {"range"},
	BiasFillPlain:     {"fill-plain"},
	BiasFillRepeat:    {"fill-repeat"},
	BiasFillPrefix:    {"fill-prefix"},
	BiasFillMagic:     {"fill-magic"},
	BiasFillFrames:    {"fill-frames"},
	BiasFillPlaces:    {"fill-locators"},
	BiasDepRecent:     {"dep-recent"},
}

func (b Bias) String() string { return biases[b].Name }

// BiasSet is a set of biases.
type BiasSet uint64

var _ = [1]struct{}{}[biasCount>>6] // more than 64 biases need a wider set

// Has reports whether b is in s.
func (s BiasSet) Has(b Bias) bool { return s>>b&1 != 0 }

// With returns s and b.
func (s BiasSet) With(b Bias) BiasSet { return s | 1<<b }

// BiasHits counts how often each bias took effect.
type BiasHits [biasCount]uint64

// Add adds the counts of o to h.
func (h *BiasHits) Add(o *BiasHits) {
	for b := range h {
		h[b] += o[b]
	}
}

// Names returns the count of every bias by name.
func (h *BiasHits) Names() map[string]uint64 {
	m := make(map[string]uint64, biasCount)
	for b := range biasCount {
		m[b.String()] = h[b]
	}
	return m
}
