package conformance

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
	Read    Kind // what looks at one thing that was written
	Write   Kind // what writes one thing
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
	Fills    struct{ Plain, Repeat, Prefix, Magic, Frames, Places Odds }
	Timings  []Timing
	Full     Odds // that the disk is filled, drained and filled again

	// What a frame adds to its value; sizes on an edge depend on it. In bytes, as laid down by the log's format.
	FrameHeader, FrameTrailer, UnitHeader, DirectoryEntry uint32

	Base     []Setting // of options, in the place of their defaults, and mostly of what is drawn
	Geometry Odds      // that options of the geometry are drawn, each with Knob
	Knob     Odds
	Reorder  Odds // that the disk completes out of order
	UUIDBits Odds // that UUIDs are poor

	AtStake    uint32 // operations before the planned crash of a sequence that mostly wait for nothing; 0: none is planned
	Beside     Odds   // that those are steps that are begun and pumped, one beside the other, with mutations that are waited for
	UsefulMiss Odds   // that an operation with nothing to do stays
	ReadBack   Odds
	LastLife   Odds
	FillShare  uint32 // percent of the disk that may be written before values become small
	PartsShare uint32 // percent of the disk that the longest value takes; less than an extent: none needs several parts
}

// Setting is a value for an option, and the odds that it stays where the geometry is drawn.
type Setting struct {
	Option Option
	Value  uint32
	Stays  Odds
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

// Timing lets Then follow After with odds of From..From+Odds-1, where both are drawn.
type Timing struct {
	Bias        Bias
	After, Then Kind
	From, Odds  Odds
}

// SizeShare is the share of a size bias among all sizes, in 64ths. What is left over is exponential.
type SizeShare struct {
	Bias  Bias
	Share uint8
}
