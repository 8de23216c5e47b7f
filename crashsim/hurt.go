package crashsim

// hurt says which physical block the last power cut made unreadable, as far as anybody has asked; earlier ones that were found out
// stay so until they are rewritten.
type hurt struct {
	state []hurtState // of every physical block; empty unless Device.Unreadable
	found int32       // the one that the last power cut has made unreadable, counted from 1; 0: none, or not known yet
	left  int32       // answers still possible: none, or one of the blocks nobody asked for; 0 or 1: no question is left
}

type hurtState uint8

const (
	sound      hurtState = iota
	endangered           // it was being written, and nobody has asked for it yet
	unreadable
)

// endanger begins the question which block the power cut, that just came, has made unreadable: one that was being written, or
// none. What an earlier cut had left open is over: it did nothing.
func (d *Disk) endanger() {
	h := &d.hurt
	h.left, h.found = 0, 0
	if len(h.state) == 0 {
		return
	}
	for p := range h.state {
		if h.state[p] == endangered {
			h.state[p] = sound
		}
	}
	h.left = 1
	for b, v := range d.head {
		if v == 0 || d.versions[v].life != d.life-1 {
			continue
		}
		if p := d.physical(int64(b) << d.shift); h.state[p] == sound {
			h.state[p] = endangered
			h.left++
		}
	}
}

func (d *Disk) physical(off int64) int { return int(off / int64(d.info.PhysicalBlock)) }

// intact finds out whether the n bytes at off can be read.
func (d *Disk) intact(off, n int64) error {
	h := &d.hurt
	if len(h.state) == 0 {
		return nil
	}
	for p := d.physical(off); p <= d.physical(off+n-1); p++ {
		if h.state[p] == endangered {
			d.inspect(p)
		}
		if h.state[p] == unreadable {
			return ErrUnreadable
		}
	}
	return nil
}

// inspect finds out whether physical block p is readable.
func (d *Disk) inspect(p int) {
	h := &d.hurt
	h.state[p] = sound
	switch {
	case h.left <= 1: // another one is the one
	case d.choice.ask(1<<31 | uint32(p)):
		h.left--
	default:
		h.state[p], h.left, h.found = unreadable, 1, int32(p)+1
	}
}

// heal notes that the n bytes at off were written. What is wholly rewritten can be read.
func (d *Disk) heal(off, n int64) {
	h := &d.hurt
	if len(h.state) == 0 {
		return
	}
	size := int64(d.info.PhysicalBlock)
	for p := (off + size - 1) / size; (p+1)*size <= off+n; p++ {
		h.state[p] = sound
	}
}
