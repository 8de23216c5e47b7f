package faultinject

import "github.com/shardproof/shardproof/engine/disk"

// armed is a rule in force.
type armed struct {
	rule Rule
	id   int
	seen int // requests that matched; from the first hit of one that latches on, any that it is for
	hits int // hits <= seen
}

// due reports whether the rule hits the seen-th request that matches.
func (a *armed) due(seen int) bool { return seen >= a.rule.Nth && !a.spent() }

// spent reports whether the rule has hit as often as it may.
func (a *armed) spent() bool { return a.rule.Times > 0 && a.hits >= a.rule.Times }

// latched reports whether the rule is for requests wherever they are from now on.
func (a *armed) latched() bool { return a.hits > 0 && (a.rule.Do == Gone || a.rule.Do == ReadOnly) }

// query is a request that rules are asked about.
type query struct {
	on  Target // one of them
	fua bool
	off int64
	n   int64 // bytes; 0 for a flush
}

// hit is a rule at work on one request. The zero hit is none.
type hit struct {
	rule Rule
	id   int
	io   uint64
	from int64 // the blocks that it concerns: [from, to)
	to   int64
}

// strike counts the rules that q matches, and returns what the first of them that is due does.
func (d *Disk) strike(q *query, io uint64) (h hit) {
	for i := range d.rules {
		a := &d.rules[i]
		if a.spent() || !d.matches(a, q) {
			continue
		}
		a.seen++
		if h.id != 0 || !a.due(a.seen) {
			continue
		}
		a.hits++
		h = hit{rule: a.rule, id: a.id, io: io}
		h.from, h.to = d.concerned(a, q)
		d.log(&h, q.on)
	}
	return h
}

// matches reports whether the rule is one for q.
func (d *Disk) matches(a *armed, q *query) bool {
	r := &a.rule
	from, to := d.concerned(a, q)
	switch {
	case a.latched():
		return r.Do == Gone || q.on != Read
	case r.on()&q.on == 0:
		return false
	case q.on == Flush:
		return true
	case from >= to:
		return false
	case r.Do == Lie:
		return q.fua
	case r.Do == Swap:
		return to-from > r.number()
	case r.Do == Stale:
		return d.olderOf(a.id, from, to)
	}
	return true
}

// concerned returns the blocks of q that the rule concerns; none of a flush.
func (d *Disk) concerned(a *armed, q *query) (from, to int64) {
	if q.on == Flush {
		return 0, 0
	}
	from, to = q.off/d.block, (q.off+q.n)/d.block
	if a.latched() {
		return from, to
	}
	from = max(from, a.rule.From/d.block)
	if a.rule.To != 0 {
		to = min(to, (a.rule.To-1)/d.block+1)
	}
	return from, max(from, to)
}

// olderOf reports whether rule id knows what one of the blocks [from, to) held before.
func (d *Disk) olderOf(id int, from, to int64) bool {
	for _, l := range d.older.within(from, to) {
		if l.rule == id {
			return true
		}
	}
	return false
}

// asked reports whether q is one that the device can do. What is not the device below refuses, and no rule counts.
func (d *Disk) asked(q *query) bool {
	return (q.off|q.n)&(d.block-1) == 0 && q.n > 0 && q.off >= 0 && q.off <= d.info.Size-q.n
}

// concerns reports whether h has to do with block b.
func (h *hit) concerns(b int64) bool { return h.from <= b && b < h.to }

// fails reports whether what h hits gets an error.
func (h *hit) fails() bool { return h.id != 0 && actions[h.rule.Do].errno != 0 }

// err is the error that a request gets.
func (h *hit) err(op string, off int64) error { return &Error{h.id, h.io, op, off, h.rule.errno()} }

// layers is the damage of all blocks that h concerns.
func (h *hit) layers() (all overlay) {
	for b := h.from; b < h.to; b++ {
		if l := h.layer(b); l.kind != pristine {
			all = append(all, l)
		}
	}
	return all
}

// layer is what a rule that follows from the place alone makes of block b.
func (h *hit) layer(b int64) layer {
	l := layer{block: b, rule: h.id, arg: h.rule.Arg}
	switch h.rule.Do {
	case Flip:
		l.kind = flipped
	case Zero:
		l.kind = zeros
	case Garbage:
		l.kind = noise
	case Swap:
		if at := h.partner(b); at != b {
			l.kind, l.arg = other, uint64(at)
		}
	default:
		l.kind, l.arg = dead, uint64(h.rule.errno())
	}
	return l
}

// partner returns the block that b is exchanged with; b itself where there is none.
func (h *hit) partner(b int64) int64 {
	far := min(h.rule.number(), h.to-h.from)
	at := b + far
	if (b-h.from)/far%2 == 1 {
		at = b - far
	}
	if at >= h.to {
		return b
	}
	return at
}

// elsewhere returns the block that a misdirected b meets.
func (d *Disk) elsewhere(h *hit, b int64) int64 {
	return (b + h.rule.number()%d.blocks) % d.blocks
}

// queryOf returns what r is to rules; what is neither a write nor a flush hits nothing.
func queryOf(r *disk.Request) query {
	switch r.Kind {
	case disk.Flush:
		return query{on: Flush}
	case disk.Write:
		return query{on: Write, fua: r.FUA, off: r.Off, n: int64(len(r.Data))}
	}
	return query{}
}
