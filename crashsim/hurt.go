package crashsim

// hurt is the question which physical block the last power cut made unreadable: one of those that were being written, or none. Blocks
// of earlier cuts that were found out stay unreadable until they are rewritten.
type hurt struct {
	state    []hurtState // of every physical block; empty unless Device.Unreadable
	suspects int32       // blocks that may be the one, and matter
	harmless int32       // answers that do not matter: none, and blocks that were wholly rewritten since
	one      int32       // if it is none but these: a block that may be the one, counted from 1; else 0
	healed   int32       // one of harmless that was rewritten, counted from 1; 0: none was
}

// decided returns the block, counted from 1, that what is left open is decided to be: none if it can be, else one that does not matter.
func (h *hurt) decided() int32 {
	switch {
	case h.one == 0 || h.harmless == 0:
		return h.one
	}
	return h.healed
}

// aboutHurt is what a question about physical blocks is about, with the first of them.
const aboutHurt = 1 << 60

type hurtState uint8

const (
	sound hurtState = iota
	suspect
	unreadable
)

// images returns how many answers are left.
func (h *hurt) images() int64 { return int64(max(1, h.suspects+h.harmless)) }

// pinDown finds out which block it is, if it is one of several that matter: the next power cut begins another question.
func (d *Disk) pinDown() {
	h := &d.hurt
	for p := 0; h.one != 0 && h.harmless == 0 && h.suspects > 1; p++ {
		if h.state[p] == suspect {
			size := int64(d.info.PhysicalBlock)
			_ = d.intact(int64(p)*size, size)
		}
	}
}

// endanger begins the question for the power cut that just came. What is left open of an earlier one is decided: nothing, if
// that can be.
func (d *Disk) endanger() {
	h := &d.hurt
	if len(h.state) == 0 {
		return
	}
	for p, s := range h.state {
		if s == suspect {
			h.state[p] = sound
		}
	}
	if h.one != 0 && h.harmless == 0 {
		h.state[h.one-1] = unreadable
	}
	h.suspects, h.harmless, h.one, h.healed = 0, 1, 0, 0
	for b, v := range d.head {
		if v == 0 || d.versions[v].life != d.life-1 {
			continue
		}
		if p := d.physical(int64(b) << d.shift); h.state[p] == sound {
			h.state[p] = suspect
			h.suspects++
		}
	}
}

func (d *Disk) physical(off int64) int { return int(off / int64(d.info.PhysicalBlock)) }

// intact finds out whether the n bytes at off can be read, and no more than that.
func (d *Disk) intact(off, n int64) error {
	h := &d.hurt
	if len(h.state) == 0 {
		return nil
	}
	from, to := d.physical(off), d.physical(off+n-1)
	here := int32(0)
	for p := from; p <= to; p++ {
		switch h.state[p] {
		case unreadable:
			return ErrUnreadable
		case suspect:
			here++
		}
	}
	switch {
	case here == 0:
		return nil
	case here < h.suspects+h.harmless && d.choice.ask(aboutHurt|uint64(from)):
		h.clear(from, to)
		return nil
	}
	h.narrow(from, to, here)
	return ErrUnreadable
}

// clear notes that none of the blocks is the one.
func (h *hurt) clear(from, to int) {
	for p := from; p <= to; p++ {
		if h.state[p] == suspect {
			h.state[p] = sound
			h.suspects--
		}
	}
	if h.one != 0 && int(h.one)-1 >= from && int(h.one)-1 <= to {
		h.another()
	}
}

// another makes one a block that still may be it.
func (h *hurt) another() {
	for p, s := range h.state {
		if s == suspect {
			h.one = int32(p) + 1
			return
		}
	}
}

// narrow notes that one of the blocks is it, here in number.
func (h *hurt) narrow(from, to int, here int32) {
	for p, s := range h.state {
		if s == suspect && (p < from || p > to) {
			h.state[p] = sound
		}
	}
	h.suspects, h.harmless = here, 0
	h.another()
	if here == 1 {
		h.state[h.one-1] = unreadable
		h.suspects, h.harmless, h.healed = 0, 1, h.one
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
		if h.state[p] == suspect {
			h.suspects--
			h.harmless++
			h.healed = int32(p) + 1
		}
		h.state[p] = sound
	}
}
