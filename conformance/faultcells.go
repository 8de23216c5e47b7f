package conformance

import (
	"cmp"
	"slices"
)

// faultPhase is what a store is about when a fault hits it.
type faultPhase uint8

const (
	duringReads    faultPhase = iota // and whatever is none of the others
	duringOpen                       // after a clean close
	duringPut                        // and deletes, and waiting for them
	duringFlush                      // of the memtable
	duringCompact                    // one step
	duringReclaim                    // one extent
	duringSwitch                     // of the root
	duringClose                      // cleanly
	duringRecovery                   // the open after a crash
	duringSecond                     // the open after a crash in an open
	faultPhases    = iota
)

var faultPhaseNames = [faultPhases]string{"read", "open", "put", "flush", "compact", "reclaim", "superblock", "close", "recovery", "second recovery"}

// phaseOf returns what an operation of kind k is about.
func phaseOf(k Kind) faultPhase {
	switch k {
	case KindPut, KindDelete, KindLoad, KindErase, KindPump, KindWait, KindSync, KindFill, KindDrain:
		return duringPut
	case KindFlush:
		return duringFlush
	case KindCompact:
		return duringCompact
	case KindReclaim:
		return duringReclaim
	case KindSuperblock:
		return duringSwitch
	}
	return duringReads
}

// faultCells counts hits by way and phase: requests that failed or were changed, and reads that met damage.
type faultCells [maxFaults][faultPhases]uint64

// maxFaults is how many ways of breaking a disk there may be.
const maxFaults = 24

// add adds the counts of o to c.
func (c *faultCells) add(o *faultCells) {
	for k := range c {
		for p := range c[k] {
			c[k][p] += o[k][p]
		}
	}
}

// sum returns how many hits there were.
func (c *faultCells) sum() (n uint64) {
	for k := range c {
		for _, count := range c[k] {
			n += count
		}
	}
	return n
}

// names returns the counts by name, of the ways there are and the phases that can be met, and the names of those without a request
// that could have been hit. A store whose disk keeps its power recovers from nothing.
func (c *faultCells) names(crashes bool, made *phaseSorts) (cells map[string]uint64, void []string) {
	if *c == (faultCells{}) {
		return nil, nil
	}
	cells = map[string]uint64{}
	for k, way := range FaultNames {
		for p := duringOpen; p < faultPhases; p++ {
			name := way + "/" + faultPhaseNames[p]
			switch {
			case p >= duringRecovery && !crashes:
			case c[k][p] == 0 && made[p]&targetsOf[way] == 0:
				void = append(void, name)
			default:
				cells[name] = c[k][p]
			}
		}
	}
	return cells, void
}

// EmptiestFaults is Emptiest for FaultCells.
func (r *Report) EmptiestFaults(n int) (names []string, hit int) { return emptiest(r.FaultCells, n) }

// emptiest returns the names of the n cells with the lowest counts, the lowest first, and how many cells were hit at all.
func emptiest(cells map[string]uint64, n int) (names []string, hit int) {
	for name, count := range cells {
		names = append(names, name)
		if count > 0 {
			hit++
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(cells[a], cells[b]), cmp.Compare(a, b)) })
	return names[:min(n, len(names))], hit
}

// during says what the store is about from here on.
func (x *KV) during(p faultPhase) {
	x.noteHits()
	x.broken.phase = p
}

// noteHits looks at what hit requests since it was called last.
func (x *KV) noteHits() {
	b := &x.broken
	if b.disk == nil || !b.now {
		return
	}
	x.stats.Fault.Made[b.phase] |= x.disk.sorts
	x.disk.sorts = 0
	events := b.disk.Events()
	for _, e := range events[b.seen:] {
		b.inexact = true
		b.met++
		for i := range b.ledger {
			l := &b.ledger[i]
			if l.rule != e.Rule {
				continue
			}
			if l.n == 0 {
				x.stats.Fault.Cells[l.way][b.phase]++
			}
			l.fired, l.recent = l.fired || !x.disk.quiet, true
		}
		if !x.disk.quiet {
			x.stats.Fault.Injected++
		}
	}
	b.seen = len(events)
}

// met notes that the store reads n bytes at off: damage may lie there.
func (x *KV) met(off, n int64) {
	b := &x.broken
	if !b.disk.Bad(off, n) {
		return
	}
	b.met++
	for i := range b.ledger {
		if l := &b.ledger[i]; l.n > 0 && off < l.off+l.n && l.off < off+n && b.disk.Damaged(max(off, l.off), min(off+n, l.off+l.n)-max(off, l.off)) {
			x.stats.Fault.Cells[l.way][b.phase]++
		}
	}
}

// touched returns how often faults have met requests and reads.
func (x *KV) touched() uint64 {
	x.noteHits()
	return x.broken.met
}

// interruptPhases are the phases of what a crash interrupts, by Op.Which; what comes next has its own.
var interruptPhases = [...]faultPhase{duringReads, duringReads, duringPut, duringFlush, duringCompact, duringReclaim, duringSwitch, duringClose}
