package conformance

import (
	"cmp"
	"math/bits"
)

// simpler reports whether a is to be preferred to b: fewer operations; then fewer options away from their defaults and fewer
// key lines; then fewer bytes of values; then the first difference in options and operations decides, simpler before complex.
// It is a strict order without infinite descent.
func simpler(a, b *Sequence) bool { return compareCost(a, b) < 0 }

func compareCost(a, b *Sequence) int {
	if c := cmp.Compare(len(a.Ops), len(b.Ops)); c != 0 {
		return c
	}
	if c := cmp.Compare(declared(a), declared(b)); c != 0 {
		return c
	}
	if c := cmp.Compare(valueBytes(a), valueBytes(b)); c != 0 {
		return c
	}
	for o := range optionCount {
		if c := cmp.Compare(o.cost(a.Config.values[o]), o.cost(b.Config.values[o])); c != 0 {
			return c
		}
	}
	for i := range a.Ops {
		if c := compareOps(&a.Ops[i], &b.Ops[i]); c != 0 {
			return c
		}
	}
	return 0
}

// declared counts what stands in the header: options away from their defaults, and key lines.
func declared(s *Sequence) int {
	n := len(s.Keys)
	for o := range optionCount {
		if s.Config.values[o] != options[o].Default {
			n++
		}
	}
	return n
}

// valueBytes is the sum of the sizes in s.
func valueBytes(s *Sequence) (sum uint64) {
	for i := range s.Ops {
		args := kinds[s.Ops[i].Kind].Args
		for a := range args {
			if args[a].Role == RoleSize {
				sum += s.Ops[i].Get(args[a].Field) * uint64(s.Ops[i].mutations())
			}
		}
	}
	return sum
}

// cost ranks the values of an option: the default, what the generator draws in its order, then the rest by value.
func (o Option) cost(v uint32) uint64 {
	info := &options[o]
	if v == info.Default {
		return 0
	}
	for i, d := range info.Draw {
		if v == d {
			return uint64(i)
		}
	}
	return uint64(len(info.Draw)) + 1 + uint64(v)
}

func compareOps(a, b *Op) int {
	if c := cmp.Compare(kinds[a.Kind].Rank, kinds[b.Kind].Rank); c != 0 {
		return c
	}
	if a.Kind != b.Kind {
		return cmp.Compare(a.Kind, b.Kind)
	}
	args := kinds[a.Kind].Args
	for i := range args {
		if c := cmp.Compare(args[i].cost(a), args[i].cost(b)); c != 0 {
			return c
		}
	}
	return 0
}

// cost ranks the values of an argument: the default, then the rest by value; of trails, those with fewer answers of no first.
func (a *Arg) cost(o *Op) uint64 {
	v := o.Get(a.Field)
	switch {
	case a.Least:
		return a.Max - v
	case a.Role == RoleTrail:
		return uint64(bits.OnesCount64(v))<<57 | v>>7
	case v == a.Default:
		return 0
	}
	return v + 1
}
