package faultinject

import "github.com/shardproof/shardproof/engine/disk"

// flight is a request in flight of which there is something to say: what the device below is given in its place, and what follows.
type flight struct {
	orig *disk.Request
	sent disk.Request // for the device below
	hit  hit
	err  error // that orig gets if the device below has none

	// Guarded by mu.
	stage   stage
	wait    int  // completions of others that come first
	stalled bool // until the rule is lifted

	// What becomes of the damage when sent is done.
	recalled overlay // what the blocks that the write loses look like
	older    overlay // what the blocks held before, by the stale rules that concern them
	freed    overlay // damage that shows one of the blocks elsewhere, with the bytes that it shows
}

// stage is how far a flight has come.
type stage uint8

const (
	withheld stage = iota // the device below has not seen it
	sent                  // it has
	done                  // it is through with it, or never sees it
)

// held reports whether f is not to complete yet.
func (f *flight) held() bool { return f.wait > 0 || f.stalled }

// Submit begins r. It may read the device below; see J7.
func (d *Disk) Submit(r *disk.Request) {
	io := d.count.Add(1)
	if !d.armed.Load() {
		d.inner.Submit(r)
		return
	}
	if r = d.plan(r, io); r != nil {
		d.inner.Submit(r)
	}
	d.mu.Lock()
	d.tell()
	d.mu.Unlock()
}

// plan finds out what is to be done with r, and returns what the device below is given now, if anything.
func (d *Disk) plan(r *disk.Request, io uint64) *disk.Request {
	q := queryOf(r)
	if q.on != Flush && (q.on != Write || !d.asked(&q)) {
		return r
	}
	d.mu.Lock()
	s := sight{d: d, lies: d.damage}
	h := d.strike(&q, io)
	stale := d.stale(&q)
	lending := d.lending && q.on == Write
	d.mu.Unlock()
	if h.id == 0 && len(stale) == 0 && !lending {
		return r
	}
	f := &flight{orig: r, sent: *r, hit: h, stage: sent}
	if h.id != 0 {
		d.take(f)
	}
	if f.stage != done && q.on == Write {
		d.remember(f, &s, stale)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flights = append(d.flights, f)
	if f.stage != sent {
		return nil
	}
	return &f.sent
}

// take makes f what its hit says.
func (d *Disk) take(f *flight) {
	r := &f.hit.rule
	switch {
	case f.hit.fails():
		f.err = f.hit.err(f.orig.Kind.String(), f.orig.Off)
		if f.sent.Data = f.sent.Data[:d.seen(f)]; !d.sees(f) {
			f.stage = done
			d.poison(f)
		}
	case r.Do == Lie && f.orig.Kind == disk.Flush:
		f.stage = done
	case r.Do == Lie:
		f.sent.FUA = false
	case r.late():
		f.wait, f.stalled = int(r.number()), r.Do == Stall
		if f.stalled {
			f.wait = 0
		}
		if r.Effect == None {
			f.stage = withheld
		}
	}
}

// poison tells the device below, if it wants to know, that a flush fails which it never sees: what the cache holds is in doubt from
// now on, as it is in a device whose own flush fails.
func (d *Disk) poison(f *flight) {
	if p, ok := d.inner.(interface{ Poison() }); ok && f.orig.Kind == disk.Flush {
		p.Poison()
	}
}

// seen returns how many bytes of a failed write the device below sees.
func (d *Disk) seen(f *flight) int {
	n := len(f.orig.Data)
	switch {
	case f.hit.rule.Effect == All:
		return n
	case f.hit.rule.Effect == Part, f.hit.rule.Do == Short:
		return n / 2 &^ (d.info.LogicalBlock - 1)
	}
	return 0
}

// sees reports whether the device below sees anything of a failed request.
func (d *Disk) sees(f *flight) bool {
	if f.orig.Kind == disk.Flush {
		return f.hit.rule.Effect == All
	}
	return len(f.sent.Data) > 0
}

// staleRule is a rule for stale reads that concerns a write, and the blocks.
type staleRule struct {
	id       int
	from, to int64
}

// stale returns those that concern q.
func (d *Disk) stale(q *query) (all []staleRule) {
	if q.on != Write {
		return nil
	}
	for i := range d.rules {
		a := &d.rules[i]
		if a.rule.Do != Stale || a.spent() {
			continue
		}
		if from, to := d.concerned(a, q); from < to {
			all = append(all, staleRule{a.id, from, to})
		}
	}
	return all
}

// remember reads what the write of f would make forget.
func (d *Disk) remember(f *flight, s *sight, stale []staleRule) {
	from, to := d.covered(&f.sent)
	if f.hit.rule.Do == Lose || f.hit.rule.Do == Misdirect {
		f.recalled = s.recall(f.hit.id, f.hit.from, f.hit.to)
	}
	for _, r := range stale {
		f.older = append(f.older, s.recall(r.id, max(from, r.from), min(to, r.to))...)
	}
	f.freed = s.release(from, to)
}

// covered returns the blocks of a write; of anything else none.
func (d *Disk) covered(r *disk.Request) (from, to int64) {
	if r.Kind != disk.Write {
		return 0, 0
	}
	return r.Off / d.block, (r.Off + int64(len(r.Data))) / d.block
}

// landed changes the damage by what the device below has done of f.
func (d *Disk) landed(f *flight) {
	from, to := d.covered(&f.sent)
	d.damage = d.damage.freed(f.freed).without(from, to)
	d.older = d.older.with(f.older.where(func(l *layer) bool { return d.inForce(l.rule) }))
	if f.hit.id != 0 && !f.hit.fails() && d.inForce(f.hit.id) {
		d.damage = d.damage.with(d.damageBy(f))
	}
}

// inForce reports whether rule id was not lifted.
func (d *Disk) inForce(id int) bool {
	for i := range d.rules {
		if d.rules[i].id == id {
			return true
		}
	}
	return false
}

// damageBy returns what the write of f leaves wrong.
func (d *Disk) damageBy(f *flight) overlay {
	h := &f.hit
	switch h.rule.Do {
	case Lose:
		return f.recalled
	case Misdirect:
		return append(f.recalled, d.carried(f, func(b int64) int64 { return d.elsewhere(h, b) })...)
	case Swap:
		return d.carried(f, h.partner)
	case Flip, Zero, Garbage:
		return h.layers()
	}
	return nil
}

// carried returns the bytes of those blocks of f that its hit concerns in the blocks that to says.
func (d *Disk) carried(f *flight, to func(b int64) int64) (all overlay) {
	for b := f.hit.from; b < f.hit.to; b++ {
		begin := b*d.block - f.sent.Off
		bytes := append([]byte(nil), f.sent.Data[begin:begin+d.block]...)
		all = append(all, layer{block: to(b), rule: f.hit.id, kind: kept, bytes: bytes})
	}
	return all
}
