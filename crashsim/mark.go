package crashsim

import "math/bits"

// level is a state of the disk to which it can be put back.
type level struct {
	chains chains
	arena  int // bytes
	dirty  []uint64
	saved  []byte // of the chunks that are dirty
}

// chunkShift gives the grain at which bytes are saved: 1 KiB.
const chunkShift = 10

// save keeps the chunks of [off, off+n) as they are, once.
func (l *level) save(all []byte, off, n int64) {
	for c := off >> chunkShift; c <= (off+n-1)>>chunkShift; c++ {
		if l.dirty[c>>6]>>(c&63)&1 == 0 {
			l.dirty[c>>6] |= 1 << (c & 63)
			end := min((c+1)<<chunkShift, int64(len(all)))
			copy(l.saved[c<<chunkShift:end], all[c<<chunkShift:end])
		}
	}
}

// restore puts back what was saved.
func (l *level) restore(all []byte) {
	for w, word := range l.dirty {
		for ; word != 0; word &= word - 1 {
			c := w<<6 + bits.TrailingZeros64(word)
			end := min((c+1)<<chunkShift, len(all))
			copy(all[c<<chunkShift:end], l.saved[c<<chunkShift:end])
		}
		l.dirty[w] = 0
	}
}

// mark remembers the state of the disk. Nothing is in flight.
func (d *Disk) mark() {
	var l *level
	if n := len(d.idle); n > 0 {
		l, d.idle = d.idle[n-1], d.idle[:n-1]
	} else {
		l = new(level)
	}
	chunks := (len(d.bytes) + 1<<chunkShift - 1) >> chunkShift
	l.dirty = cleared(l.dirty, (chunks+63)/64)
	if len(l.saved) < len(d.bytes) {
		l.saved = make([]byte, len(d.bytes))
	}
	l.chains.copy(&d.chains)
	l.arena = len(d.arena)
	d.levels = append(d.levels, l)
}

// rewind puts the disk back to its newest mark. Requests in flight are forgotten.
func (d *Disk) rewind() {
	l := d.levels[len(d.levels)-1]
	l.restore(d.bytes)
	d.chains.copy(&l.chains)
	d.arena = d.arena[:l.arena]
	d.flight, d.covers, d.fuse, d.dead = d.flight[:0], d.covers[:0], -1, false
}

// unmark rewinds and forgets the newest mark.
func (d *Disk) unmark() {
	d.rewind()
	n := len(d.levels) - 1
	d.idle, d.levels = append(d.idle, d.levels[n]), d.levels[:n]
}

// copy makes c what o is, in memory of its own.
func (c *chains) copy(o *chains) {
	head, versions, units, groups, pend, state := c.head, c.versions, c.units, c.groups, c.pend, c.hurt.state
	*c = *o
	c.head = append(head[:0], o.head...)
	c.versions = append(versions[:0], o.versions...)
	c.units = append(units[:0], o.units...)
	c.groups = append(groups[:0], o.groups...)
	c.pend = append(pend[:0], o.pend...)
	c.hurt.state = append(state[:0], o.hurt.state...)
}
