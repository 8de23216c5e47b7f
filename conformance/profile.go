package conformance

import "slices"

// Odds is a probability in 256ths.
type Odds uint8

// Weights is the share of each kind, relative to the others; 0 leaves it out.
type Weights [kindCount]uint8

// Profile is everything the generator may be inclined to, as data: two profiles can be compared, printed and hashed. The stock
// profiles are in Profiles; what they hold is part of the generator's version.
type Profile struct {
	Name  string
	Suite string
	Off   BiasSet // biases that are switched off

	// The mix. A sequence is of one of three manners: a random half of the kinds at weights of its own (swarm), all kinds at the
	// profile's weights (uniform), or a walk through the phases.
	Weights Weights
	Kept    []Kind // never left out by swarm
	Swarm   Odds
	Phased  Odds // of the rest: uniform
	Phases  []Phase

	Length   Lengths
	Spaces   []KeySpace // alternatives for how many keys the sequence knows
	HighKeys Odds       // that they do not start at k0
	Pooled   Odds       // that four keys are preferred, so that collisions and spread come together
	Spread   Odds       // that puts mostly go to other keys than lately: their odds for hot and live keys are quartered
	Keys     [kindCount]KeyChoice
	Sizes    []SizeShare
	Fills    struct{ Plain, Repeat Odds }

	// What a frame adds to its value; sizes on an edge depend on it. In bytes, as laid down by the log's format.
	FrameHeader, FrameTrailer, UnitHeader, DirectoryEntry uint32

	Geometry Odds // that options of the geometry are drawn, each with Knob
	Knob     Odds
	Reorder  Odds // that the disk completes out of order
	UUIDBits Odds // that UUIDs are poor

	UsefulMiss Odds // that an operation with nothing to do stays
	ReadBack   Odds
	LastLife   Odds
	FillShare  uint32 // percent of the disk that may be written before values become small
}

// Phase is a stretch of a sequence with weights of its own.
type Phase struct {
	Name    string
	Share   uint8 // of the sequence, relative to the other phases
	Weights Weights
}

// Lengths is the distribution of the number of operations: 1..ShortMax evenly with odds Short, else Base and an exponential tail.
type Lengths struct {
	Short    Odds
	ShortMax uint32
	Base     uint32
	Tail     uint32 // mean of what comes on top of Base
	Max      uint32
}

// KeySpace is a range of numbers of keys, with its odds among the alternatives.
type KeySpace struct {
	Odds     Odds
	Min, Max uint32
}

// KeyChoice is where the key of an operation comes from; what the odds leave is any key the sequence knows.
type KeyChoice struct {
	Hot, Live, Dead Odds
	MustLive        bool // a recent key that is not stored will not do
}

// SizeShare is the share of a size bias among all sizes, in 64ths. What is left over is exponential.
type SizeShare struct {
	Bias  Bias
	Share uint8
}

// Profiles are the stock profiles.
var Profiles = []*Profile{kvProfile()}

// ProfileNamed returns the stock profile of that name, or nil.
func ProfileNamed(name string) *Profile {
	i := slices.IndexFunc(Profiles, func(p *Profile) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return Profiles[i]
}

// kvProfile drives a whole store through its request interface and its background steps.
func kvProfile() *Profile {
	p := &Profile{
		Name:  "kv",
		Suite: "kv",
		Weights: Weights{
			KindGet: 60, KindPoll: 9, KindList: 12, KindPut: 68, KindDelete: 24,
			KindPump: 18, KindWait: 12, KindSync: 12, KindFlush: 12, KindCheck: 3, KindReboot: 9,
		},
		Kept:   []Kind{KindGet, KindPut},
		Swarm:  128,
		Phased: 51,
		Phases: []Phase{
			{"load", 4, Weights{KindPut: 80, KindGet: 12, KindPump: 8, KindFlush: 2, KindDelete: 4}},
			{"churn", 4, Weights{KindPut: 36, KindDelete: 24, KindGet: 24, KindPump: 6, KindWait: 4, KindPoll: 4, KindFlush: 4}},
			{"settle", 1, Weights{KindPut: 12, KindGet: 12, KindWait: 10, KindSync: 10, KindFlush: 16, KindReboot: 16, KindPump: 8}},
			{"verify", 2, Weights{KindGet: 64, KindList: 16, KindCheck: 4, KindPoll: 4, KindPut: 8, KindReboot: 4}},
		},
		Length:   Lengths{Short: 85, ShortMax: 20, Base: 20, Tail: 71, Max: 480},
		Spaces:   []KeySpace{{10, 1, 1}, {34, 2, 4}, {52, 5, 16}, {84, 17, 64}, {76, 65, 1000}},
		HighKeys: 48,
		Pooled:   48,
		Spread:   128,
		Sizes: []SizeShare{
			{BiasSizeZero, 2}, {BiasSizeOne, 2}, {BiasSizeSmall, 15}, {BiasSizePage, 6}, {BiasSizeFrame, 8},
			{BiasSizeGroup, 3}, {BiasSizeExtent, 3}, {BiasSizeMax, 1},
		},
		FrameHeader:    64,
		FrameTrailer:   24,
		UnitHeader:     64,
		DirectoryEntry: 25,
		Geometry:       128,
		Knob:           128,
		Reorder:        96,
		UUIDBits:       24,
		UsefulMiss:     28,
		ReadBack:       72,
		LastLife:       64,
		FillShare:      60,
	}
	p.Fills.Plain, p.Fills.Repeat = 28, 12
	p.Keys = [kindCount]KeyChoice{
		KindGet:    {Hot: 110, Live: 118, Dead: 10, MustLive: true},
		KindDelete: {Hot: 90, Live: 136, Dead: 10, MustLive: true},
		KindPut:    {Hot: 76, Live: 24, Dead: 20},
		KindList:   {Hot: 64, Live: 96, Dead: 32},
	}
	return p
}
