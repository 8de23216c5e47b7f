package conformance

import "github.com/shardproof/shardproof/engine/disk"

// A fault can hit only what there is: no read is part of a root switch, and no write behind the superblock of a clean open. So a run
// notes which sorts of requests each phase made; a cell that no request could have hit is told apart from one that was missed.

// requestSorts is a set of sorts of requests.
type requestSorts uint8

const (
	slotReads requestSorts = 1 << iota // of the superblock
	dataReads                          // of what is behind it
	slotWrites
	dataWrites
	flushes

	anyReads    = slotReads | dataReads
	anyWrites   = slotWrites | dataWrites
	anyRequests = anyReads | anyWrites | flushes
)

// targetsOf are the sorts of requests that each way of breaking the disk hits, as ruleOf makes them.
var targetsOf = map[string]requestSorts{
	"read": anyReads, "strayread": anyReads, "stale": dataReads,
	"write": anyWrites, "space": anyWrites, "lost": dataWrites, "astray": dataWrites,
	"flush": flushes, "readonly": anyWrites | flushes, "delay": anyWrites | flushes,
	"short": anyReads | anyWrites, "gone": anyRequests,
	"unreadable": anyReads, "flip": anyReads, "zero": anyReads, "garbage": anyReads, "swap": anyReads,
}

// What one operation may ask of the disk. The most is to fill a whole disk, a block at a time, with all that is moved meanwhile; what asks
// for more goes round for ever, and so the place where it does is found as fast as a wrong answer, and made small like one.
const (
	requestsBase     = 1 << 14
	requestsPerBlock = 16
)

// runaway is the panic of an operation that does not end.
type runaway struct{ requests uint64 }

// sortOf returns the sort of a request of kind k, 0 for a read, at off, where the superblock ends at slotsEnd.
func sortOf(k disk.RequestKind, off, slotsEnd int64) requestSorts {
	sort := flushes
	switch k {
	case 0:
		sort = slotReads
	case disk.Write:
		sort = slotWrites
	}
	if sort != flushes && off >= slotsEnd {
		sort <<= 1
	}
	return sort
}

// count counts a request and notes its sort. The request that no operation has any use for ends the sequence.
func (d *TraceDisk) count(k disk.RequestKind, off int64) {
	if d.requests++; d.requests-d.begun > requestsBase+requestsPerBlock*uint64(d.info.Size)/uint64(d.info.LogicalBlock) {
		d.begun = d.requests
		panic(runaway{d.requests})
	}
	d.sorts |= sortOf(k, off, d.writes.slotsEnd())
}

// phaseSorts are the sorts of requests that each phase made.
type phaseSorts [faultPhases]requestSorts

// add adds the sorts of o to s.
func (s *phaseSorts) add(o *phaseSorts) {
	for p := range s {
		s[p] |= o[p]
	}
}
