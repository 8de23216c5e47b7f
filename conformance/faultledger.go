package conformance

// faultEntry follows one fault to its end.
type faultEntry struct {
	rule     int
	way      uint8 // of breaking the disk: a place in FaultNames
	off, n   int64 // of damage; n 0: it is none
	fired    bool
	recent   bool // it fired since somebody looked
	reported bool // an operation during which it fired, or damage was there, answered an error
}

// FaultStats counts what became of faults.
type FaultStats struct {
	Ordered     uint64 // faults that sequences asked for
	Injected    uint64 // requests that were hit, and blocks damaged
	Masked      uint64 // faults of which no answer told
	Reported    uint64 // an operation answered a typed error
	Repaired    uint64 // damage that was written over
	Unreachable uint64 // never met
	Reopened    uint64 // stores that had given up when their disk was whole again
	Stuck       uint64 // stores that had no space left to be closed
	Excused     uint64 // recoveries that lost what a declared limit lets them lose
	Cells       faultCells
	Made        phaseSorts // requests that could have been hit
}

// add adds the counts of o to f.
func (f *FaultStats) add(o *FaultStats) {
	f.Ordered += o.Ordered
	f.Injected += o.Injected
	f.Masked += o.Masked
	f.Reported += o.Reported
	f.Repaired += o.Repaired
	f.Unreachable += o.Unreachable
	f.Reopened += o.Reopened
	f.Stuck += o.Stuck
	f.Excused += o.Excused
	f.Cells.add(&o.Cells)
	f.Made.add(&o.Made)
}

// ledger returns the counts for a report.
func (f *FaultStats) ledger() *FaultLedger {
	return &FaultLedger{
		Masked: f.Masked, Reported: f.Reported, Repaired: f.Repaired, Unreachable: f.Unreachable,
		Missing: f.Ordered - f.Masked - f.Reported - f.Repaired - f.Unreachable,
		Excused: f.Excused,
	}
}

// noteFaults looks at what was injected during an operation, or a part of it that answered err.
func (x *KV) noteFaults(err error) {
	b := &x.broken
	if b.disk == nil || !b.now {
		return
	}
	x.noteHits()
	failed := faultClass(err) && !x.disk.quiet
	for i := range b.ledger {
		l := &b.ledger[i]
		l.reported = l.reported || failed && (l.recent || l.n > 0)
		l.recent = false
	}
}

// closeLedger counts what became of each fault.
func (x *KV) closeLedger() {
	b, s := &x.broken, &x.stats.Fault
	for i := range b.ledger {
		l := &b.ledger[i]
		switch {
		case l.reported:
			s.Reported++
		case l.n > 0 && !b.disk.Bad(l.off, l.n):
			s.Repaired++
		case !l.fired || l.n > 0:
			s.Unreachable++
		default:
			s.Masked++
		}
	}
	b.ledger = b.ledger[:0]
}

// Hits returns how many requests were hit, and how many reads met damage, in all states that were looked at.
func (f *FaultStats) Hits() uint64 { return f.Cells.sum() }
