package conformance

// CrashStats counts what crashes left, and how much of it was looked at.
type CrashStats struct {
	Crashes    uint64                 // power cuts, and processes that died
	Images     float64                // that power cuts can leave, block by block
	States     uint64                 // leaves of explorations: states that a store can tell apart
	Recoveries uint64                 // stores opened after a crash
	Explored   uint64                 // power cuts of which every state was to be looked at
	Certified  uint64                 // of these, every state was; the weights add up
	ShareMin   float64                // the smallest share of all states that was looked at, of those that are not certified; 0: none
	Pending    [pendingMax + 1]uint64 // explored power cuts by the number of writes at stake; the last counts all above, too
	PendingMax uint64
}

// pendingMax is the number of writes at stake from which on power cuts are counted together.
const pendingMax = 64

// add adds the counts of o to c.
func (c *CrashStats) add(o *CrashStats) {
	c.Crashes += o.Crashes
	c.States += o.States
	c.Images += o.Images
	c.Recoveries += o.Recoveries
	c.Explored += o.Explored
	c.Certified += o.Certified
	c.noteShare(o.ShareMin)
	for n := range c.Pending {
		c.Pending[n] += o.Pending[n]
	}
	c.PendingMax = max(c.PendingMax, o.PendingMax)
}

// noteShare notes that a share of the states of one power cut was looked at; 0 is none to note.
func (c *CrashStats) noteShare(share float64) {
	if share > 0 && (c.ShareMin == 0 || share < c.ShareMin) {
		c.ShareMin = share
	}
}

// pendingP50 returns the median of the writes at stake.
func (c *CrashStats) pendingP50() uint64 {
	sum := uint64(0)
	for n, count := range c.Pending {
		if sum += count; 2*sum >= c.Explored && c.Explored > 0 {
			return uint64(n)
		}
	}
	return 0
}

// Figures returns the counts for a report, nil if nothing crashed.
func (c *CrashStats) figures() *CrashFigures {
	if c.Crashes == 0 {
		return nil
	}
	return &CrashFigures{
		Recoveries: c.Recoveries, InBounds: c.Explored, Certified: c.Certified, SampledShareMin: c.ShareMin,
		PendingP50: c.pendingP50(), PendingMax: c.PendingMax,
	}
}
