package conformance

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

	BiasKeyHot    // one of the eight keys used last
	BiasKeyLive   // a key that is stored
	BiasKeyDead   // a key deleted lately
	BiasKeyPool   // one of four keys that this sequence prefers
	BiasKeySpread // the sequence mostly puts keys it did not use lately, so that much is stored at once
	BiasKeyHigh   // the keys do not start at k0

	BiasSizeZero   // no bytes
	BiasSizeOne    // one byte
	BiasSizeSmall  // less than half a page
	BiasSizePage   // pages, and up to two bytes off
	BiasSizeFrame  // such that the frame ends on a block or page edge, as far as the operations tell, or up to three bytes off
	BiasSizeGroup  // such that the frame fills the largest unit, or one byte off
	BiasSizeExtent // such that the frame ends where the extent does, or one byte off
	BiasSizeMax    // the longest, one byte less, or one more: too long

	BiasFillPlain  // zeros or ff
	BiasFillRepeat // the value put before, again
	BiasDepRecent  // a mutation that is not known to be persistent
	biasCount
)

// BiasInfo describes a bias.
type BiasInfo struct {
	Name string
}

var biases = [biasCount]BiasInfo{
	BiasSwarm:      {"swarm"},
	BiasPhases:     {"phases"},
	BiasGeometry:   {"geometry"},
	BiasConduct:    {"conduct"},
	BiasUseful:     {"useful"},
	BiasReadBack:   {"read-back"},
	BiasLastLife:   {"last-life"},
	BiasFits:       {"fits"},
	BiasKeyHot:     {"key-hot"},
	BiasKeyLive:    {"key-live"},
	BiasKeyDead:    {"key-dead"},
	BiasKeyPool:    {"key-pool"},
	BiasKeySpread:  {"key-spread"},
	BiasKeyHigh:    {"key-high"},
	BiasSizeZero:   {"size-zero"},
	BiasSizeOne:    {"size-one"},
	BiasSizeSmall:  {"size-small"},
	BiasSizePage:   {"size-page"},
	BiasSizeFrame:  {"size-frame"},
	BiasSizeGroup:  {"size-group"},
	BiasSizeExtent: {"size-extent"},
	BiasSizeMax:    {"size-max"},
	BiasFillPlain:  {"fill-plain"},
	BiasFillRepeat: {"fill-repeat"},
	BiasDepRecent:  {"dep-recent"},
}

func (b Bias) String() string { return biases[b].Name }

// BiasNamed returns the bias of that name.
func BiasNamed(name string) (Bias, bool) {
	for b := range biasCount {
		if biases[b].Name == name {
			return b, true
		}
	}
	return 0, false
}

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
