package conformance

// Kind names what an operation does. Its number and its name are stable for ever and never reused: corpus files and fuzz
// inputs hold them.
type Kind uint8

// The kinds of the kv suite, simple before complex: the reducer prefers the smaller number.
const (
	KindNone   Kind = iota // does nothing; never printed
	KindGet                // get KEY: the bytes of a shard, or not found
	KindPoll               // poll dep=N: the state of a dependency
	KindList               // list after=KEY limit=N: one page of shard ids
	KindPut                // put KEY len=N fill=N
	KindDelete             // delete KEY
	KindPump               // pump n=N: let N requests of the disk complete
	KindWait               // wait dep=N: until that dependency is persistent
	KindSync               // sync: until everything is persistent
	KindFlush              // flush: write the memtable into a sorted run
	KindCheck              // check: the store audits itself
	KindReboot             // reboot: close cleanly, open again
	kindCount
)

// KeyID is a key by number: k0, k1, ... in text. Its sixteen bytes come from ShardIDOf.
type KeyID uint16

// NoKey is the absent key: `list` without after starts at the beginning.
const NoKey KeyID = 0xffff

// Op is one operation, as data: 24 bytes, comparable, no pointers. Which fields a kind uses is in its KindInfo; the others are
// zero (keys: NoKey). Choices are relative and total, so that an operation stays meaningful when others are removed: Choice
// counts mutations back from the newest, modulo how many there are.
type Op struct {
	Kind   Kind
	Key    KeyID
	Len    uint32 // bytes of a value; for list the limit, for pump the count
	Fill   uint32 // a value's contents are a function of (Len, Fill); see AppendValue
	Choice uint64
}

// Sequence is a test case and nothing else: what is generated, executed, reduced, stored and replayed. It records every choice,
// so it replays without the generator that made it. Sequences are always valid: an operation whose target is gone does nothing.
type Sequence struct {
	Suite  string    // which executor runs it
	Config Config    // the geometry and the knobs: part of the test, reduced like the rest
	Keys   []KeyDecl // only keys with bytes of their own
	Ops    []Op

	// Text that survives parsing and printing and takes no part in execution.
	Origin   string  // where it came from: run, seed, profile; provenance only
	Fail     *FailAt // what it showed when it was written; replay says whether it still does
	Comments []Comment
}

// FailAt is the fail line of a sequence file: where the sequence failed, and with which signature.
type FailAt struct {
	At        int // operation number, from 1; 0 is the end of the sequence
	Signature Signature
}

// Comment is a line of its own above another line, or the end of that line.
type Comment struct {
	Before   int    // index of the operation it stands above, or one of the PlaceX; len(Ops) is below the last operation
	Trailing bool   // it stands on the line itself
	Text     string // all that follows the #, without trailing blanks
}

// The lines of the header, as places of comments. The key lines count down from PlaceKey.
const (
	PlaceMagic = -1 - iota
	PlaceSuite
	PlaceOptions
	PlaceOrigin
	PlaceFail
	PlaceKey
)

// Clone returns a copy of s that shares nothing with it.
func (s *Sequence) Clone() *Sequence {
	c := *s
	c.Ops = append([]Op(nil), s.Ops...)
	c.Keys = append([]KeyDecl(nil), s.Keys...)
	c.Comments = append([]Comment(nil), s.Comments...)
	if s.Fail != nil {
		f := *s.Fail
		c.Fail = &f
	}
	return &c
}
