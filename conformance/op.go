package conformance

// Kind names what an operation does. Its number and its name are stable for ever and never reused: corpus files and fuzz
// inputs hold them.
type Kind uint8

// The kinds, in the order in which they came. Which suites have them, and which the reducer prefers, is in their table.
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

	KindHead       // head KEY: the size of a shard
	KindGetRange   // getrange KEY off=N len=N: some bytes of a shard
	KindCompact    // compact [start=1]: one step of merging runs
	KindReclaim    // reclaim [start=1] | reclaim extent=N: move what lives out of an extent, free it
	KindSuperblock // superblock: write the table of extents
	KindScrub      // scrub: read and check all there is
	KindStat       // stat: the figures of space
	KindFill       // fill len=N: put fresh shards until the store is full
	KindDrain      // drain: delete everything, then flush, compact and reclaim until nothing changes

	KindAppend   // append owner=W len=N fill=N dep=N: bytes at the end of an extent
	KindRead     // read pick=N off=N len=N: bytes of an append
	KindRelease  // release extent=N: free it
	KindPin      // pin extent=N: keep it from being released
	KindUnpin    // unpin extent=N
	KindDescribe // describe extent=N: owner, generation, pointer

	KindPutChunk // putchunk len=N fill=N: a frame
	KindGetChunk // getchunk pick=N: its header and bytes
	KindStale    // stale pick=N how=W: a locator that is almost that of a chunk
	KindForget   // forget pick=N: nothing refers to it any more

	KindInsert // insert KEY fill=N: a new entry of a shard
	KindRemove // remove KEY: a tombstone
	KindLookup // lookup KEY: the entry of a shard
	KindScan   // scan after=KEY limit=N: one page of entries
	KindMove   // move KEY: the chunk of a shard gets another place

	KindFormat // format: close cleanly, make a new store on the same disk, as it lies
	KindLoad   // load KEY n=N len=N fill=N: N shards, from that key on
	KindErase  // erase KEY n=N: delete them

	KindRewrite // rewrite extent=N: a table of the index gets another place

	KindCrash // crash in=W at=N keep=BITS: the power fails, in the middle of that
	KindKill  // kill in=W at=N: the process dies, and the disk's cache stays

	KindFault // fault do=W nth=N times=N block=N how=N: the disk breaks
	KindHeal  // heal: it is whole again
	KindRot   // rot do=W then=W times=N block=N how=N: blocks of the closed store rot, one at a time
	kindCount
)

// KeyID is a key by number: k0, k1, ... in text. Its sixteen bytes come from ShardIDOf.
type KeyID uint16

// NoKey is the absent key: `list` without after starts at the beginning.
const NoKey KeyID = 0xffff

// Op is one operation, as data: 24 bytes, comparable, no pointers. Which fields a kind uses is in its KindInfo; the others are
// zero (keys: NoKey). Choices are relative and total, so that an operation stays meaningful when others are removed: Choice
// counts mutations, appends or chunks back from the newest, or extents from the first, modulo how many there are.
type Op struct {
	Kind   Kind
	Which  uint8 // one of a few words, or a flag
	Key    KeyID
	Len    uint32 // bytes of a value; for list the limit, for pump the count
	Fill   uint32 // a value's contents are a function of (Len, Fill); see AppendValue
	Off    uint32 // where in a value to begin
	Choice uint64
}

// mutations returns how many mutations o asks for, if it asks for any.
func (o *Op) mutations() int {
	if o.Kind == KindLoad || o.Kind == KindErase {
		return int(o.Choice)
	}
	return 1
}

// single returns the i-th of the mutations that o asks for, as an operation of kind k: keys and contents follow one another.
func (o *Op) single(k Kind, i int) Op {
	one := *o
	one.Kind, one.Choice = k, 0
	one.Key = KeyID((int(o.Key) + i) % int(NoKey))
	if one.Fill < FillMax {
		one.Fill = uint32((uint64(o.Fill) + uint64(i)) % FillMax)
	}
	return one
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
	Rate      Rate // of a flaky failure; else zero
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
