package conformance

// A fault names the block that it damages, or the request that it waits for, by counting those before it. An operation that only put
// something before it can be spared, but without it the fault hits something else; so the two change together: the operation goes, and
// the fault counts a few less.

const (
	aimNear = 6  // blocks, or requests, that one operation may have put before the target
	aimAll  = 64 // blocks of a store that few operations wrote
)

// aimAgain tries, when few operations are left, to take away each with every fault aimed a little lower.
func (d *reduction) aimAgain() {
	if len(d.best.Ops) > pairsMax {
		return
	}
	for i := range d.best.Ops {
		d.aimLow(i)
	}
	for i := len(d.best.Ops) - 1; i >= 0; i-- {
		for at := len(d.best.Ops) - 1; at >= 0; at-- {
			if i < len(d.best.Ops) && at < len(d.best.Ops) && i != d.at && at != i && d.aimWithout(i, at) {
				break
			}
		}
	}
}

// aimOf returns what op counts before it hits something, nil if it does not count.
func aimOf(op *Op) *uint32 {
	switch {
	case op.Kind != KindFault:
		return nil
	case op.Which >= firstDamage && op.Which <= lastDamage:
		return &op.Off
	}
	return &op.Len
}

// aimLow tries to aim the fault at i by a small number if it is aimed by a large one: what it counts are too few, so that it counts from
// the first again.
func (d *reduction) aimLow(i int) {
	if aim := aimOf(&d.best.Ops[i]); aim == nil || *aim < aimAll {
		return
	}
	for n := range uint32(aimAll) {
		c := d.edit()
		if *aimOf(&c.Ops[i]) = n; d.try() {
			return
		}
	}
}

// aimWithout tries to take away the operation at i, with the fault at at aimed lower.
func (d *reduction) aimWithout(i, at int) bool {
	aim := aimOf(&d.best.Ops[at])
	if aim == nil {
		return false
	}
	for n := uint32(1); n <= min(*aim, aimNear); n++ {
		c := d.edit()
		*aimOf(&c.Ops[at]) = *aim - n
		c.Ops = append(c.Ops[:i], c.Ops[i+1:]...)
		if d.try() {
			return true
		}
	}
	return false
}
