package conformance

import "slices"

// What neither of two operations can be spared for, a third may do at once: of steps of the device it may matter how many there were,
// not what asked for them; and a crash can interrupt the very step that was done before it.

// oneForTwo tries, when few operations are left, one operation in place of each two that follow one another.
func (d *reduction) oneForTwo() {
	if len(d.best.Ops) > pairsMax {
		return
	}
	for i := len(d.best.Ops) - 2; i >= 0; i-- {
		if i = min(i, len(d.best.Ops)-2); i < 0 {
			return
		}
		_ = d.largerForTwo(i) || d.stepForTwo(i) || d.interruptForTwo(i)
	}
}

// tryOne tries o in place of the operations at i and i+1.
func (d *reduction) tryOne(i int, o Op) bool {
	if !kinds[o.Kind].In(d.best.Suite) {
		return false
	}
	c := d.edit()
	c.Ops[i] = o
	c.Ops = append(c.Ops[:i+1], c.Ops[i+2:]...)
	return d.try()
}

// largerForTwo tries either of the two alone, if it stores: twice as many shards, and twice as long ones.
func (d *reduction) largerForTwo(i int) bool {
	for at := i; at < i+2; at++ {
		o := d.best.Ops[at]
		bulk := bulkOf(o.Kind)
		if bulk == KindNone || i+1 == d.at {
			continue
		}
		more, longer := o, o
		more.Kind, more.Choice = bulk, min(2*uint64(o.mutations()), argMany.Max)
		longer.Len = min(2*o.Len, ValueBytesMax)
		if d.tryOne(i, more) || o.Len > 0 && d.tryOne(i, longer) {
			return true
		}
	}
	return false
}

// stepForTwo tries steps of the device.
func (d *reduction) stepForTwo(i int) bool {
	if i+1 == d.at {
		return false
	}
	for _, n := range [...]uint32{1, 2, 4, 8, 16} {
		pump := NewOp(KindPump)
		if pump.Len = n; d.tryOne(i, pump) {
			return true
		}
	}
	for _, k := range [...]Kind{KindWait, KindSync, KindSuperblock, KindFlush} {
		if d.tryOne(i, NewOp(k)) {
			return true
		}
	}
	return false
}

// interruptForTwo tries the second, a crash, in the midst of the first.
func (d *reduction) interruptForTwo(i int) bool {
	crash := d.best.Ops[i+1]
	in := slices.Index(InterruptNames, d.best.Ops[i].Kind.Info().Name)
	if crash.Kind != KindCrash && crash.Kind != KindKill || in < 0 {
		return false
	}
	crash.Which = uint8(in)
	for _, crash.Len = range [...]uint32{0, 1, 2, 4, 8} {
		if d.tryOne(i, crash) {
			return true
		}
	}
	return false
}
