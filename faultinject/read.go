package faultinject

import (
	"errors"
	"slices"
	"syscall"

	"github.com/shardproof/shardproof/engine/disk"
)

// sight is what one read sees: the damage as it was when it began, and what hits it.
type sight struct {
	d     *Disk
	io    uint64
	lies  overlay // all damage
	older overlay // of what a stale read may show
	hit   hit
}

// Read fills p from off.
func (d *Disk) Read(p []byte, off int64) error {
	io := d.count.Add(1)
	if !d.armed.Load() {
		return d.inner.Read(p, off)
	}
	if s, clear := d.look(off, int64(len(p)), io); !clear {
		return s.read(p, off)
	}
	return d.inner.Read(p, off)
}

// ReadUnit answers as disk.UnitReader does.
func (d *Disk) ReadUnit(p []byte, off int64, check func(p []byte) bool) (bool, error) {
	io := d.count.Add(1)
	if d.armed.Load() {
		if s, clear := d.look(off, int64(len(p)), io); !clear {
			if err := s.read(p, off); err != nil {
				return false, err
			}
			return check(p), nil
		}
	}
	return disk.ReadUnit(d.inner, p, off, check)
}

// Ask answers as disk.Asker does. A block that cannot be read is no error on a disk that is not power-safe, but the device being
// gone is.
func (d *Disk) Ask(off, size int64, pred func(off int64, block []byte) bool) (bool, error) {
	io := d.count.Add(1)
	if d.armed.Load() {
		if s, clear := d.look(off, size, io); !clear {
			return s.ask(off, size, pred)
		}
	}
	return d.ask(off, size, pred)
}

// look begins a read, and reports whether the device below may answer it alone.
func (d *Disk) look(off, n int64, io uint64) (s sight, clear bool) {
	q := query{on: Read, off: off, n: n}
	if !d.asked(&q) {
		return s, true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.strike(&q, io)
	from, to := off/d.block, (off+n)/d.block
	if h.id == 0 && len(d.damage.within(from, to)) == 0 {
		return s, true
	}
	return sight{d, io, d.damage, d.older.within(from, to), h}, false
}

// ask asks the device below.
func (d *Disk) ask(off, size int64, pred func(off int64, block []byte) bool) (bool, error) {
	if a, ok := d.inner.(disk.Asker); ok {
		return a.Ask(off, size, pred)
	}
	scratch := d.pool.Get()
	defer d.pool.Put(scratch)
	return disk.Ask(d.inner, scratch, off, size, pred)
}

// read is Read through the damage. It asks the device below for nothing if the read fails in any case.
func (s *sight) read(p []byte, off int64) error {
	if s.hit.fails() && s.hit.rule.Do != Short {
		return s.hit.err("read", off)
	}
	from, to := off/s.d.block, (off+int64(len(p)))/s.d.block
	if s.hit.rule.Do == Short {
		to = from + (to-from)/2
	}
	for b := from; b < to; b++ {
		if x := s.picture(b); x.whole.kind == dead {
			return s.unreadable(&x)
		}
	}
	if err := s.fill(p, from, to); err != nil {
		return err
	}
	if s.hit.rule.Do == Short {
		return s.hit.err("read", off)
	}
	return nil
}

// fill fills p from the blocks [from, to), of which none is dead. What lies next to each other below is read together.
func (s *sight) fill(p []byte, from, to int64) error {
	at := func(b int64) int64 { return (b - from) * s.d.block }
	clear := from // what is behind it and before b is read from below as it is
	for b := from; b <= to; b++ {
		if b < to && s.clear(b) {
			continue
		}
		if clear < b {
			if err := s.d.inner.Read(p[at(clear):at(b)], clear*s.d.block); err != nil {
				return err
			}
		}
		if clear = b + 1; b < to {
			x := s.picture(b)
			if err := s.paint(p[at(b):at(b+1)], &x); err != nil {
				return err
			}
		}
	}
	return nil
}

// clear reports whether block b is what the device below has.
func (s *sight) clear(b int64) bool {
	return !s.hit.concerns(b) && len(s.lies.within(b, b+1)) == 0
}

// picture returns what block b is made of for this read.
func (s *sight) picture(b int64) picture {
	h := &s.hit
	if !h.concerns(b) {
		return s.lies.pictureOf(b)
	}
	switch h.rule.Do {
	case Misdirect:
		return s.from(s.d.elsewhere(h, b))
	case Swap:
		return s.from(h.partner(b))
	case Stale:
		for _, l := range s.older.within(b, b+1) {
			if l.rule == h.id {
				return picture{whole: l}
			}
		}
		return s.lies.pictureOf(b)
	case Short:
		return s.lies.pictureOf(b)
	case Flip:
		x := s.lies.pictureOf(b)
		x.last = h.layer(b)
		return x
	}
	return picture{whole: h.layer(b)}
}

// from returns what block b is made of, for showing it in another place.
func (s *sight) from(b int64) picture {
	x := s.lies.pictureOf(b)
	if x.whole.kind == pristine {
		x.whole.kind, x.whole.arg = other, uint64(b)
	}
	return x
}

// paint fills p with x.
func (s *sight) paint(p []byte, x *picture) error {
	l := &x.whole
	switch l.kind {
	case pristine:
		if err := s.d.inner.Read(p, l.block*s.d.block); err != nil {
			return err
		}
	case other:
		if err := s.d.inner.Read(p, int64(l.arg)*s.d.block); err != nil {
			return err
		}
	case dead:
		return s.unreadable(x)
	case zeros:
		clear(p)
	case noise:
		fillNoise(p, l.arg, l.block)
	case kept:
		copy(p, l.bytes)
	}
	x.flip(p)
	return nil
}

// unreadable is the error of a read that meets a dead block.
func (s *sight) unreadable(x *picture) error {
	return &Error{x.whole.rule, s.io, "read", x.whole.block * s.d.block, syscall.Errno(x.whole.arg)}
}

// ask is Ask through the damage. What the device below has to say it says to pred itself: so it decides no more than it must, and
// what it cannot read is its own matter.
func (s *sight) ask(off, size int64, pred func(off int64, block []byte) bool) (bool, error) {
	if s.hit.rule.Do == Gone || s.hit.fails() && s.d.info.PowerSafe {
		return false, s.hit.err("read", off)
	}
	step := int64(s.d.info.PhysicalBlock)
	clear := off
	for at := off; at <= off+size; at += step {
		if at < off+size && s.clear(at/s.d.block) && !s.struck(at) {
			continue
		}
		if clear < at {
			if yes, err := s.d.ask(clear, at-clear, pred); yes || err != nil {
				return yes, err
			}
		}
		if clear = at + step; at < off+size {
			if yes, err := s.askBlock(at, pred); yes || err != nil {
				return yes, err
			}
		}
	}
	return false, nil
}

// struck reports whether the physical block at off cannot be read because of the hit.
func (s *sight) struck(off int64) bool {
	return s.hit.fails() && s.hit.from*s.d.block < off+int64(s.d.info.PhysicalBlock) && off < s.hit.to*s.d.block
}

// askBlock answers for the physical block at off, by its first logical one.
func (s *sight) askBlock(off int64, pred func(off int64, block []byte) bool) (bool, error) {
	if s.struck(off) {
		return pred(off, nil), nil
	}
	x := s.picture(off / s.d.block)
	buf := disk.Aligned(int(s.d.block))
	if x.whole.kind == pristine {
		return s.d.ask(off, int64(s.d.info.PhysicalBlock), func(off int64, block []byte) bool {
			if block == nil {
				return pred(off, nil)
			}
			copy(buf, block)
			x.flip(buf)
			return pred(off, buf)
		})
	}
	switch err := s.paint(buf, &x); {
	case err == nil:
		return pred(off, buf), nil
	case s.d.info.PowerSafe:
		return false, err
	}
	return pred(off, nil), nil
}

// recall returns layers of rule that keep what the blocks [from, to) look like now, whatever comes to lie below.
func (s *sight) recall(rule int, from, to int64) overlay {
	all := make(overlay, 0, max(to-from, 0))
	for b := from; b < to; b++ {
		x := s.lies.pictureOf(b)
		all = append(all, s.keep(layer{block: b, rule: rule}, &x))
	}
	return all
}

// keep makes l a layer that keeps x.
func (s *sight) keep(l layer, x *picture) layer {
	buf := disk.Aligned(int(s.d.block))
	err := s.paint(buf, x)
	if err == nil {
		l.kind, l.bytes = kept, buf
		return l
	}
	errno := syscall.EIO
	errors.As(err, &errno)
	l.kind, l.arg = dead, uint64(errno)
	return l
}

// release returns layers of the damage that show the bytes of one of the blocks [from, to), as such that keep them.
func (s *sight) release(from, to int64) (all overlay) {
	for _, l := range s.lies {
		if l.kind != other || int64(l.arg) < from || int64(l.arg) >= to {
			continue
		}
		x := picture{whole: l}
		all = append(all, s.keep(layer{block: l.block, rule: l.rule}, &x))
	}
	return slices.Clip(all)
}
