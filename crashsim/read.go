package crashsim

import "bytes"

// Read fills p from off, and decides every block of it that is undecided.
func (d *Disk) Read(p []byte, off int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.readable(off, len(p)); err != nil {
		return err
	}
	if d.chained > 0 {
		for b := int32(off >> d.shift); b < int32((off+int64(len(p)))>>d.shift); b++ {
			if d.undecided(b) {
				d.decide(b)
			}
		}
	}
	copy(p, d.bytes[off:])
	return nil
}

// Peek fills p with what was written last at off, whether that was kept or not, and decides nothing: it is for who chooses what to do
// to the disk.
func (d *Disk) Peek(p []byte, off int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for b := off >> d.shift; b < (off+int64(len(p)))>>d.shift; b++ {
		block := d.at(int32(b))
		if d.undecided(int32(b)) {
			block = d.content(d.head[b])
		}
		copy(p[b<<d.shift-off:], block)
	}
}

// readable returns why n bytes at off cannot be read, or nil.
func (d *Disk) readable(off int64, n int) error {
	if err := d.usable(off, n); err != nil {
		return err
	}
	return d.intact(off, int64(n))
}

// usable returns why n bytes at off cannot be asked for, whatever they are, or nil.
func (d *Disk) usable(off int64, n int) error {
	err := d.check(off, n)
	if err == nil && d.dead {
		err = ErrPower
	}
	return err
}

// decide finds out what block b holds.
func (d *Disk) decide(b int32) {
	for {
		v, alternatives := d.newest(b)
		if !alternatives {
			return
		}
		d.decideUnit(d.versions[v].unit)
	}
}

// newest returns the newest version that block b may hold, and whether it may hold other bytes instead; if not, it is decided, and
// the version 0. The bytes of the block become those of that version.
func (d *Disk) newest(b int32) (v int32, alternatives bool) {
	for v = d.head[b]; d.state(v) == lost; d.head[b] = v {
		v = d.versions[v].prev
	}
	d.place(b, v)
	if !d.differs(v) { // also where the newest is open: its bytes are those of all the others
		d.unchain(b)
		return 0, false
	}
	return v, true
}

// state returns what is known of version v. A base is always there.
func (d *Disk) state(v int32) unitState {
	if u := d.versions[v].unit; u != 0 {
		return d.units[u].state
	}
	return kept
}

// place makes the bytes of block b those of version v.
func (d *Disk) place(b, v int32) {
	if p := d.content(v); !bytes.Equal(p, d.at(b)) {
		d.store(int64(b)<<d.shift, p)
	}
}

// older returns the next older version that may be what a block holds if v is not; 0 if v is certain.
func (d *Disk) older(v int32) int32 {
	if d.state(v) == kept {
		return 0
	}
	v = d.versions[v].prev
	for d.state(v) == lost {
		v = d.versions[v].prev
	}
	return v
}

// differs reports whether a block whose newest version is v may hold other bytes.
func (d *Disk) differs(v int32) bool {
	p := d.content(v)
	for o := d.older(v); o != 0; o = d.older(o) {
		if !bytes.Equal(p, d.content(o)) {
			return true
		}
	}
	return false
}

// decideUnit finds out whether unit u was kept.
func (d *Disk) decideUnit(u int32) {
	x := &d.units[u]
	x.state = stateOf(d.choice.ask(uint64(u)))
	switch g := &d.groups[x.group]; {
	case g.left == 0:
	case (x.state == kept) != x.match:
		g.left = 0 // one that does not match is all that it says
	default:
		if g.left--; g.left == 1 {
			d.lastOf(x.group)
		}
	}
}

// lastOf decides the last unit of group g, all others of which match: it does not.
func (d *Disk) lastOf(g int32) {
	for u := range d.units {
		if x := &d.units[u]; x.group == g && x.state == open {
			x.state = stateOf(!x.match)
		}
	}
	d.groups[g].left = 0
}

func stateOf(yes bool) unitState {
	if yes {
		return kept
	}
	return lost
}

// Ask answers as disk.Asker does. It decides a block only if its versions would give different answers.
func (d *Disk) Ask(off, size int64, pred func(off int64, block []byte) bool) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if size == 0 {
		return false, nil
	}
	if err := d.usable(off, int(size)); err != nil {
		return false, err
	}
	for at := off; at < off+size; at += int64(d.info.PhysicalBlock) {
		if d.head[at>>d.shift] == 0 && len(d.hurt.state) == 0 && d.lie != Torn {
			if end := at + int64(d.info.LogicalBlock); pred(at, d.bytes[at:end:end]) {
				return true, nil
			}
			continue
		}
		if d.askBlock(at, pred) {
			return true, nil
		}
	}
	return false, nil
}

// askBlock answers for one physical block, by its first logical one.
func (d *Disk) askBlock(at int64, pred func(off int64, block []byte) bool) bool {
	b := int32(at >> d.shift)
	end := at + int64(d.info.LogicalBlock)
	p := d.bytes[at:end:end]
	for piece := b; d.lie == Torn && piece < int32(end>>d.shift); piece++ {
		if d.undecided(piece) {
			d.decide(piece)
		}
	}
	for d.undecided(b) {
		v, alternatives := d.newest(b)
		if !alternatives || d.agree(v, at, pred(at, p), pred) {
			break
		}
		if d.maybeUnreadable(at) && d.intact(at, 1) != nil {
			return pred(at, nil)
		}
		d.decideUnit(d.versions[v].unit)
	}
	if yes := pred(at, p); !d.maybeUnreadable(at) || yes == pred(at, nil) || d.intact(at, 1) == nil {
		return yes
	}
	return pred(at, nil)
}

// maybeUnreadable reports whether the physical block at off is unreadable or may be.
func (d *Disk) maybeUnreadable(off int64) bool {
	return len(d.hurt.state) > 0 && d.hurt.state[d.physical(off)] != sound
}

// agree reports whether pred gives the same answer for all that the block at off may hold, whose newest version is v.
func (d *Disk) agree(v int32, off int64, yes bool, pred func(off int64, block []byte) bool) bool {
	for o := d.older(v); o != 0; o = d.older(o) {
		if p := d.content(o); pred(off, p[:len(p):len(p)]) != yes {
			return false
		}
	}
	return true
}
