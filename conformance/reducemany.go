package conformance

// Where it matters that much is stored, and not one by one, an operation that stores many shards says so in one line.

// ofMany returns the kind of the single operations that one of kind k stands for: k itself, if it stands for itself.
func ofMany(k Kind, suite string) Kind {
	switch {
	case k == KindLoad && suite == "index":
		return KindInsert
	case k == KindLoad:
		return KindPut
	case k == KindErase && suite == "index":
		return KindRemove
	case k == KindErase:
		return KindDelete
	}
	return k
}

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
		for times := uint64(1); times <= 4 && !d.gatherAll(bulk, times); times *= 2 {
		}
		d.gatherRuns(bulk, len(d.best.Ops))
		d.gatherRuns(bulk, 2)
	}
}

// gatherAll tries one operation at the place of the first, with so many times as many mutations: other keys may need more of them.
func (d *reduction) gatherAll(bulk Kind, times uint64) bool {
	c := d.edit()
	var first *Op
	kept := c.Ops[:0]
	for i := range d.best.Ops {
		o := &d.best.Ops[i]
		joins := bulkOf(o.Kind) == bulk
		if joins && first != nil {
			*first = gathered(bulk, first, o)
			continue
		}
		kept = append(kept, *o)
		if joins {
			first = &kept[len(kept)-1]
		}
	}
	if first == nil || len(kept) == len(d.best.Ops) && times == 1 {
		return false
	}
	if times > 1 {
		first.Kind, first.Choice = bulk, min(uint64(first.mutations())*times, argMany.Max)
	}
	c.Ops = kept
	return d.try()
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
		_ = d.gatherRange(bulk, start, end, false) || d.gatherRange(bulk, start, end, true)
		end = start + 1
	}
}

// gatherRange tries one operation in place of some, with values as long as the longest or, if level says so, as long together.
func (d *reduction) gatherRange(bulk Kind, start, end int, level bool) bool {
	c := d.edit()
	bytes := 0
	for i := start; i < end; i++ {
		o := &c.Ops[i]
		bytes += o.mutations() * int(o.Len)
		if i > start {
			c.Ops[start] = gathered(bulk, &c.Ops[start], o)
		}
	}
	if o := &c.Ops[start]; level && o.mutations() > 0 {
		o.Len = uint32(bytes / o.mutations())
	}
	c.Ops = append(c.Ops[:start+1], c.Ops[end:]...)
	return d.try()
}

// gathered returns an operation that does about as much as a and b: from the lower of their keys on, and as long as the longer.
func gathered(bulk Kind, a, b *Op) Op {
	o := *a
	o.Kind = bulk
	o.Choice = min(uint64(a.mutations()+b.mutations()), argMany.Max)
	o.Key, o.Len = min(a.Key, b.Key), max(a.Len, b.Len)
	return o
}

// muchBefore tries one operation that stores much in place of all but the last few: of what came before it may matter only that
// much was stored, or that the disk is full.
func (d *reduction) muchBefore() {
	fill, load := NewOp(KindFill), NewOp(KindLoad)
	fill.Len = d.best.Config.Page()
	load.Key, load.Choice = 0, 100
	for _, much := range []Op{load, fill} {
		for _, last := range []int{0, 1, 2, 4} {
			if !much.Kind.Info().In(d.best.Suite) || len(d.best.Ops) <= manyOps {
				break
			}
			c := d.edit()
			c.Ops = append(c.Ops[:0], much)
			c.Ops = append(c.Ops, d.best.Ops[len(d.best.Ops)-last:]...)
			if d.try() {
				return
			}
		}
	}
}
