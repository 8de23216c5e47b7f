package conformance

import "slices"

// simplerArguments brings arguments down: all at once, all of one role, those that are equal, then each on its own. Keys are
// for fewerKeys.
func (d *reduction) simplerArguments() {
	d.setEach(func(*Op, *Arg) bool { return true })
	for _, r := range []Role{RoleSize, RoleFill, RoleDep, RoleCount, RoleAfter, RoleOffset, RoleRange, RolePick, RoleAfterPick, RoleExtent,
		RoleFlag, RoleWord, RoleTrail} {
		d.setEach(func(_ *Op, a *Arg) bool { return a.Role == r })
	}
	for _, p := range d.places() {
		d.bringDown(d.equals(p), true)
	}
	for _, p := range d.places() {
		d.bringDown([]argPlace{p}, len(d.equals(p)) == 1)
	}
}

// setEach tries the default for all arguments that pick accepts.
func (d *reduction) setEach(pick func(*Op, *Arg) bool) {
	c := d.edit()
	for i := range c.Ops {
		args := kinds[c.Ops[i].Kind].Args
		for a := range args {
			if args[a].Role != RoleKey && pick(&c.Ops[i], &args[a]) {
				c.Ops[i].Set(args[a].Field, args[a].Default)
			}
		}
	}
	d.try()
}

// argPlace is one argument of one operation of best.
type argPlace struct {
	op  int
	arg *Arg
}

// places lists the arguments of best that are not at their defaults, keys left out.
func (d *reduction) places() (all []argPlace) {
	for i := range d.best.Ops {
		args := kinds[d.best.Ops[i].Kind].Args
		for a := range args {
			if args[a].Role != RoleKey && d.best.Ops[i].Get(args[a].Field) != args[a].Default {
				all = append(all, argPlace{i, &args[a]})
			}
		}
	}
	return all
}

// equals lists the arguments of best that have the role and the value of that at p.
func (d *reduction) equals(p argPlace) []argPlace {
	if !d.stands(p) {
		return nil
	}
	return slices.DeleteFunc(d.places(), func(q argPlace) bool {
		return q.arg.Role != p.arg.Role || d.value(q) != d.value(p)
	})
}

// stands reports whether best still has the operation of p, with that argument: it may have become shorter meanwhile.
func (d *reduction) stands(p argPlace) bool {
	return p.op < len(d.best.Ops) && d.best.Ops[p.op].Kind.Info().arg(p.arg.Role) == p.arg
}

func (d *reduction) value(p argPlace) uint64 { return d.best.Ops[p.op].Get(p.arg.Field) }

// bringDown lowers the arguments at places together; they have one value. Sizes are tried at edges if edges says so: for one
// of several equal sizes that was done for all of them.
func (d *reduction) bringDown(places []argPlace, edges bool) {
	if len(places) == 0 || !d.stands(places[0]) {
		return
	}
	p := places[0]
	set := func(v uint64) bool {
		if !d.stands(places[len(places)-1]) {
			return false
		}
		c := d.edit()
		for _, q := range places {
			c.Ops[q.op].Set(q.arg.Field, v)
		}
		return d.try()
	}
	v := d.value(p)
	switch p.arg.Role {
	case RoleSize, RoleOffset, RoleRange:
		bringSizeDown(v, uint64(d.best.Config.Page()), edges, set)
	case RoleFill, RoleWord:
		for to := uint64(0); to < min(v, 4) && !set(to); to++ {
		}
	case RoleAfter:
		set(p.arg.Default)
	case RoleTrail:
		for bit := uint64(1); bit != 0 && d.stands(p); bit <<= 1 {
			if v := d.value(p); v&bit != 0 {
				set(v &^ bit)
			}
		}
	default:
		if v < p.arg.Default || !set(p.arg.Default) {
			bisect(p.arg.Default, v, set)
		}
	}
}

// bringSizeDown lowers a size. Failures that hang on an edge are not monotone, so bisecting alone stops far too high: before it
// come 0 and 1 and, if edges says so, the same distance from an edge with fewer pages, and the edges themselves.
func bringSizeDown(v, page uint64, edges bool, set func(uint64) bool) {
	if v == 0 || set(0) || v == 1 || set(1) {
		return
	}
	if edges {
		v = nearestEdge(v, page, set)
	}
	low := uint64(1)
	if v > page+1 {
		if low = v - page; set(low) {
			few := bisect(0, low/page+1, func(few uint64) bool { return few*page+v%page > 1 && set(few*page+v%page) })
			v = min(few*page+v%page, low)
			low = max(v, page+1) - page
		}
	}
	if v > low+1 && set(v-1) {
		bisect(low, v-1, set)
	}
}

// nearestEdge lowers v to the same distance from one of the first edges, or to just before, on or behind one of them, and
// returns what it is then.
func nearestEdge(v, page uint64, set func(uint64) bool) uint64 {
	rest, pages := v%page, v/page
	for few := range min(pages, 3) {
		if to := few*page + rest; to > 1 && set(to) {
			v, pages = to, few
			break
		}
	}
	for few := uint64(1); few <= min(pages, 2); few++ {
		for off := range uint64(3) {
			if to := few*page + off - 1; to < v && set(to) {
				return to
			}
		}
	}
	return v
}

// bisect returns the least value above low for which set holds, as far as bisecting can tell: it holds for high, and is taken
// not to hold for low. It does not hold for one less than the result, unless that is low.
func bisect(low, high uint64, set func(uint64) bool) uint64 {
	for high-low > 1 {
		if mid := low + (high-low)/2; set(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}
