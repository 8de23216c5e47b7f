package conformance

// Failures at a certain place of the log, such as the end of an extent, need everything that brings the log there: no operation
// can be taken away without moving all that follow. The passes of this file take operations away and put back what they wrote,
// as few long values.

// fillBefore tries whether all that matters of the sequence's beginning is where in an extent it leaves the log: it replaces all
// but the last operations by a few long values that bring the log to one of sixteen places. It is for failures at the end of an
// extent, of which no operation can be taken away without moving all that follow. Sequences of few operations are left alone.
func (d *reduction) fillBefore() {
	const places = 16
	for last := 4; last <= len(d.best.Ops)/2 && len(d.best.Ops) > manyOps; last *= 2 {
		for place := range uint32(places) {
			if d.fillTo((place+1)*d.best.Config.Get(OptExtent)*d.best.Config.Get(OptBlock)/places, last) {
				return
			}
		}
	}
}

// fillTo tries best with all but the last operations replaced by values that take about that many bytes of log.
func (d *reduction) fillTo(bytes uint32, last int) bool {
	writer := writerOf(d.best.Suite)
	if writer == KindNone {
		return false
	}
	c := d.edit()
	c.Ops = appendFillers(c.Ops[:0], writer, &c.Config, bytes)
	c.Ops = append(c.Ops, d.best.Ops[len(d.best.Ops)-last:]...)
	return d.try()
}

// writerOf returns the kind that writes a value in sequences of suite, KindNone if none does.
func writerOf(suite string) Kind {
	for _, k := range []Kind{KindPut, KindAppend, KindPutChunk} {
		if kinds[k].In(suite) {
			return k
		}
	}
	return KindNone
}

// appendFillers appends writes that take about that many bytes, each a unit of its own.
func appendFillers(ops []Op, writer Kind, c *Config, bytes uint32) []Op {
	const around = 64 + 25 + frameOverhead // bytes of a unit with one frame, beside its value
	for bytes > around {
		o := NewOp(writer)
		o.Len = min(bytes-around, c.ValueMax())
		bytes -= o.Len + around
		ops = append(ops, o)
	}
	return ops
}

const frameOverhead = 64 + 24 // bytes of a frame beside its value

// mergeWrites tries, in place of each run of mutations, one value that takes as many bytes of log: what matters of them may be
// where they leave the log. Operations between them that are no mutations go too.
func (d *reduction) mergeWrites() {
	d.mergeRuns()
	for run := len(d.best.Ops) / 2; run > 1 && len(d.best.Ops) > manyOps; run /= 2 {
		for end := len(d.best.Ops); end >= run; end = min(end-run, len(d.best.Ops)) {
			d.mergeRange(end-run, end)
		}
	}
}

// mergeRuns tries the same for each run of nothing but stores, and for its halves, and theirs.
func (d *reduction) mergeRuns() {
	for end := len(d.best.Ops); end > 1 && len(d.best.Ops) > manyOps; end-- {
		end = min(end, len(d.best.Ops))
		start := end
		for start > 0 && bulkOf(d.best.Ops[start-1].Kind) == KindLoad && start-1 != d.at {
			start--
		}
		if end-start > 1 {
			d.mergeHalves(start, end)
			end = start + 1
		}
	}
}

func (d *reduction) mergeHalves(start, end int) {
	if end-start < 2 || d.mergeRange(start, end) {
		return
	}
	d.mergeHalves((start+end)/2, end)
	d.mergeHalves(start, (start+end)/2)
}

// mergeRange tries one value in place of the operations from start to end.
func (d *reduction) mergeRange(start, end int) bool {
	c := d.edit()
	merged, ok := asOneValue(c, c.Ops[start:end])
	if !ok || d.at >= start && d.at < end {
		return false
	}
	c.Ops[start] = merged
	c.Ops = append(c.Ops[:start+1], c.Ops[end:]...)
	return d.try()
}

// asOneValue returns a write of a value as long as the frames of all mutations in ops, less the frameOverhead of its own, and false if
// there is no such value.
func asOneValue(s *Sequence, ops []Op) (put Op, ok bool) {
	bytes := 0
	writer := writerOf(s.Suite)
	if writer == KindNone {
		return put, false
	}
	put = NewOp(writer)
	for i := range ops {
		if info := &kinds[ops[i].Kind]; info.Group == GroupMutate && ops[i].Kind != KindFill {
			bytes += ops[i].mutations() * (int(ops[i].Len) + frameOverhead)
			put.Key = ops[i].Key
		}
	}
	put.Len = uint32(max(0, bytes-frameOverhead))
	return put, bytes > frameOverhead && put.Len <= s.Config.ValueMax()
}
