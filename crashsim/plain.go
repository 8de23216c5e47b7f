package crashsim

// again runs some leaves once more, on one of the images that they stand for: everything is decided beforehand, so every read is a
// plain one. It shows that questions about whole units, and about what nobody reads, were answered rightly.
func (e *explorer) again() error {
	if e.bounds.Plain == 0 || e.cut || e.rng.Uint64()%uint64(e.bounds.Plain) != 0 {
		return nil
	}
	d := e.disk
	e.imagine()
	d.rewind()
	copy(d.units[1:], e.image)
	copy(d.hurt.state, e.damage)
	d.hurt.suspects, d.hurt.harmless = 0, 1
	e.inner.begin(0)
	d.exploring, d.choice = nil, &e.inner
	digest, _ := e.visit(true)
	d.exploring, d.choice = e, &e.choice
	e.out.Runs++
	e.out.Plain++
	if digest != e.digest || e.inner.given > 0 {
		return ErrInexact
	}
	return nil
}

// imagine draws one of the images of the leaf that was run: a state for every unit, and which physical block is unreadable.
func (e *explorer) imagine() {
	d := e.disk
	e.image = append(e.image[:0], d.units[1:e.units]...)
	for i := range e.image {
		if u := &e.image[i]; u.state == open {
			u.state = stateOf(e.rng.Uint64()&1 == 0)
		}
	}
	for g := range d.groups {
		if d.groups[g].left > 0 {
			e.mismatch(int32(g))
		}
	}
	began := &d.levels[len(d.levels)-1].chains.hurt // as the leaf began
	e.damage = append(e.damage[:0], began.state...)
	for p, s := range e.damage {
		if s == suspect {
			e.damage[p] = sound
		}
	}
	if p := d.hurt.one; p > 0 && began.state[p-1] == suspect {
		e.damage[p-1] = unreadable
	}
}

// mismatch sees that not all units of group g match.
func (e *explorer) mismatch(g int32) {
	last := -1
	for i := range e.image {
		if u := &e.image[i]; u.group == g && e.disk.units[1+i].state == open {
			if (u.state == kept) != u.match {
				return
			}
			last = i
		}
	}
	e.image[last].state = stateOf(!e.image[last].match)
}
