package conformance

// labelling numbers parts of a sequence that may go together: it writes a label for each operation, 0..n-1 in the order of
// their first operations, or -1 for those that belong to no part, and returns n.
type labelling func(s *Sequence, labels []int) (n int)

// labelOps makes every operation a part.
func labelOps(s *Sequence, labels []int) int {
	for i := range labels {
		labels[i] = i
	}
	return len(labels)
}

// labelKeys makes a part of all operations of a key.
func labelKeys(s *Sequence, labels []int) int {
	seen := make(map[KeyID]int)
	for i := range s.Ops {
		k := s.Ops[i].Key
		if k == NoKey {
			labels[i] = -1
			continue
		}
		if _, ok := seen[k]; !ok {
			seen[k] = len(seen)
		}
		labels[i] = seen[k]
	}
	return len(seen)
}

// labelKinds makes a part of all operations of a kind.
func labelKinds(s *Sequence, labels []int) (n int) {
	var seen [kindCount]int // 1 + label
	for i := range s.Ops {
		k := s.Ops[i].Kind
		if seen[k] == 0 {
			n++
			seen[k] = n
		}
		labels[i] = seen[k] - 1
	}
	return n
}

// dropLabels takes away runs of parts: halves first, then quarters, down to single ones, from the end, because what comes later
// depends on what came before. Runs shorter than least are left alone. The operation that fails stays.
func (d *reduction) dropLabels(label labelling, least int) {
	labels := make([]int, len(d.best.Ops))
	n := label(d.best, labels)
	for run := max(n/2, 1); run >= least && n > 0; run /= 2 {
		for end := n; end > 0; end = min(max(end-run, 0), n) {
			if d.dropRange(labels, max(end-run, 0), end) {
				labels = labels[:len(d.best.Ops)]
				n = label(d.best, labels)
			}
		}
	}
}

// dropRange tries best without the operations whose label is within [from, to).
func (d *reduction) dropRange(labels []int, from, to int) bool {
	c := d.edit()
	kept := c.Ops[:0]
	for i, o := range c.Ops {
		if labels[i] < from || labels[i] >= to || i == d.at {
			kept = append(kept, o)
		}
	}
	c.Ops = kept
	return d.try()
}

// dropOps takes away operations, in runs and then each, until none goes; while many are left it also tries few others instead.
func (d *reduction) dropOps() {
	d.dropLabels(labelOps, 4)
	d.gather()
	d.dropLabels(labelOps, 1)
	for d.dropEach() {
	}
	d.mergeWrites()
	d.fillBefore()
	d.stepInstead()
}

// manyOps is the number of operations above which others are tried in the place of many. What a person reads at a glance is few.
const manyOps = 8

// fewerLarger tries whether the sequence can do with fewer operations if its values are long: failures that depend on how much
// was written need many operations only as long as those are small. It leaves the sequence as it was if that leads nowhere.
func (d *reduction) fewerLarger() {
	for part := uint32(1); part <= 4 && len(d.best.Ops) > manyOps; part *= 4 {
		c := d.edit()
		size := uint64(c.Config.ValueMax() / part)
		for i := range c.Ops {
			if a := kinds[c.Ops[i].Kind].arg(RoleSize); a != nil && a.in(c.Suite) {
				c.Ops[i].Set(a.Field, size)
			}
		}
		at := d.outcome(c)
		if at == notAsWanted {
			continue
		}
		saved, savedAt := d.best, d.at
		d.best, d.draft, d.at = c.Clone(), saved.Clone(), at
		d.cut()
		d.dropOps()
		if !simpler(d.best, saved) {
			d.best, d.at = saved, savedAt
		}
		return
	}
}

// stepInstead tries one step in place of each run of operations: a flush, a sync where there is no flush, for mutations may matter
// only because they filled the memtable; and where there is one a fill, for they may matter because they filled the disk.
func (d *reduction) stepInstead() {
	flush, fill := NewOp(KindFlush), NewOp(KindFill)
	if !flush.Kind.Info().In(d.best.Suite) {
		flush = NewOp(KindSync)
	}
	d.inPlaceOfRuns(flush, 2)
	if fill.Kind.Info().In(d.best.Suite) {
		fill.Len = d.best.Config.Page()
		d.inPlaceOfRuns(fill, manyOps/2)
	}
}

// inPlaceOfRuns tries step in place of each run of operations, half of them first, down to least.
func (d *reduction) inPlaceOfRuns(step Op, least int) {
	for run := len(d.best.Ops) / 2; run >= least && len(d.best.Ops) > manyOps; run /= 2 {
		for end := len(d.best.Ops); end >= run; end = min(end-run, len(d.best.Ops)) {
			if d.at >= end-run && d.at < end {
				continue
			}
			c := d.edit()
			c.Ops[end-run] = step
			c.Ops = append(c.Ops[:end-run+1], c.Ops[end:]...)
			d.try()
		}
	}
}

// joinWrites tries, for each two writes that follow one another, the second alone with the bytes of both.
func (d *reduction) joinWrites() {
	writer := writerOf(d.best.Suite)
	if writer == KindNone || len(d.best.Ops) > 2*pairsMax {
		return
	}
	for i := len(d.best.Ops) - 2; i >= 0; i-- {
		i = min(i, len(d.best.Ops)-2)
		if i < 0 || d.best.Ops[i].Kind != writer || d.best.Ops[i+1].Kind != writer || d.best.Ops[i].Len == 0 {
			continue
		}
		c := d.edit()
		c.Ops[i+1].Len = uint32(min(uint64(c.Ops[i].Len)+uint64(c.Ops[i+1].Len), ValueBytesMax))
		c.Ops = append(c.Ops[:i], c.Ops[i+1:]...)
		d.try()
	}
}

// dropEach takes away single operations, from the end, and reports whether one went. The operation that fails is tried too:
// without it the run should end well, but that is for the run to say.
func (d *reduction) dropEach() (dropped bool) {
	for i := len(d.best.Ops) - 1; i >= 0; i-- {
		i = min(i, len(d.best.Ops)-1)
		c := d.edit()
		c.Ops = append(c.Ops[:i], c.Ops[i+1:]...)
		dropped = d.try() || dropped
	}
	return dropped
}

// dropPairs takes away two operations at once, for failures that depend on a parity or on a balance.
func (d *reduction) dropPairs() {
	if len(d.best.Ops) > pairsMax {
		return
	}
	for j := len(d.best.Ops) - 1; j > 0; j-- {
		for i := j - 1; i >= 0 && j < len(d.best.Ops); i-- {
			if i == d.at || j == d.at {
				continue
			}
			c := d.edit()
			c.Ops = append(c.Ops[:j], c.Ops[j+1:]...)
			c.Ops = append(c.Ops[:i], c.Ops[i+1:]...)
			if d.try() {
				break
			}
		}
	}
}

// simplerKinds tries, for each operation, the simpler kinds that its table names. Arguments of equal meaning are kept.
func (d *reduction) simplerKinds() {
	for i := 0; i < len(d.best.Ops); i++ {
		for _, k := range kinds[d.best.Ops[i].Kind].Simpler {
			if !kinds[k].In(d.best.Suite) {
				continue
			}
			c := d.edit()
			c.Ops[i] = asKind(&c.Ops[i], k)
			if d.try() {
				break
			}
		}
	}
}

// asKind returns an operation of kind k with what o has of its arguments.
func asKind(o *Op, k Kind) Op {
	n := NewOp(k)
	for i := range kinds[k].Args {
		to := &kinds[k].Args[i]
		if from := kinds[o.Kind].arg(to.Role); from != nil {
			n.Set(to.Field, min(o.Get(from.Field), to.Max))
		}
	}
	return n
}
