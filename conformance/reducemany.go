package conformance

// Where it matters that much is stored, and not one by one, an operation that stores many shards says so in one line.

// bulkOf returns the kind that does at once what several operations of kind k do, KindNone if none does.
func bulkOf(k Kind) Kind {
	switch k {
	case KindPut, KindInsert, KindLoad:
		return KindLoad
	case KindDelete, KindRemove, KindErase:
		return KindErase
	}
	return KindNone
}

// gather tries one operation in place of many that store, or that delete, shards: of all there are, of each run of them, and of
// each two that follow one another.
func (d *reduction) gather() {
	for _, bulk := range []Kind{KindLoad, KindErase} {
		if !bulk.Info().In(d.best.Suite) {
			continue
		}
		d.gatherAll(bulk)
		d.gatherRuns(bulk, len(d.best.Ops))
		d.gatherRuns(bulk, 2)
	}
}

// gatherAll tries one operation at the place of the first.
func (d *reduction) gatherAll(bulk Kind) {
	c := d.edit()
	first := -1
	kept := c.Ops[:0]
	for i := range d.best.Ops {
		o := d.best.Ops[i]
		switch {
		case bulkOf(o.Kind) != bulk:
			kept = append(kept, o)
		case first < 0:
			first = len(kept)
			kept = append(kept, o)
		default:
			kept[first] = gathered(bulk, &kept[first], &o)
		}
	}
	c.Ops = kept
	d.try()
}

// gatherRuns tries one operation in place of each run of at most that many.
func (d *reduction) gatherRuns(bulk Kind, most int) {
	for end := len(d.best.Ops); end > 1; end-- {
		end = min(end, len(d.best.Ops))
		start := end
		for start > 0 && end-start < most && bulkOf(d.best.Ops[start-1].Kind) == bulk {
			start--
		}
		if end-start < 2 {
			continue
		}
		c := d.edit()
		for i := start + 1; i < end; i++ {
			c.Ops[start] = gathered(bulk, &c.Ops[start], &c.Ops[i])
		}
		c.Ops = append(c.Ops[:start+1], c.Ops[end:]...)
		d.try()
		end = start + 1
	}
}

// gathered returns an operation that does about as much as a and b: from the lower of their keys on, and as long as the longer.
func gathered(bulk Kind, a, b *Op) Op {
	o := *a
	o.Kind = bulk
	o.Choice = min(uint64(a.mutations()+b.mutations()), argMany.Max)
	o.Key, o.Len = min(a.Key, b.Key), max(a.Len, b.Len)
	return o
}
