package conformance

import "slices"

// fewerKeys makes the keys the first ones, in the order in which they occur, all at once and if that fails one by one, and
// merges two into one.
func (d *reduction) fewerKeys() {
	keys := keysOf(d.best)
	for i := range keys {
		for j := i + 1; j < len(keys); j++ {
			if d.rename(func(k KeyID) KeyID { return swapIf(k, keys[j], keys[i]) }) {
				keys = keysOf(d.best)
				j = i
			}
		}
	}
	if !d.rename(func(k KeyID) KeyID { return KeyID(slices.Index(keys, k)) }) {
		for _, k := range keys {
			free := lowestFree(keysOf(d.best))
			d.rename(func(o KeyID) KeyID { return swapIf(o, k, free) })
		}
	}
	for i := len(d.best.Keys) - 1; i >= 0; i-- {
		c := d.edit()
		c.Keys = slices.Delete(c.Keys, i, i+1)
		d.try()
	}
}

func swapIf(k, from, to KeyID) KeyID {
	if k == from {
		return to
	}
	return k
}

// keysOf lists the keys of s in the order of their first operations.
func keysOf(s *Sequence) (keys []KeyID) {
	for i := range s.Ops {
		if k := s.Ops[i].Key; k != NoKey && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

func lowestFree(keys []KeyID) KeyID {
	k := KeyID(0)
	for slices.Contains(keys, k) {
		k++
	}
	return k
}

// rename tries best with every key replaced. A key line goes with its key; of two that meet, the first stays, and lines of keys
// that do not occur go.
func (d *reduction) rename(to func(KeyID) KeyID) bool {
	c := d.edit()
	used := keysOf(c)
	for i := range c.Ops {
		if k := c.Ops[i].Key; k != NoKey {
			c.Ops[i].Key = to(k)
		}
	}
	lines := c.Keys[:0]
	for _, line := range c.Keys {
		if !slices.Contains(used, line.Key) {
			continue
		}
		line.Key = to(line.Key)
		if !slices.ContainsFunc(lines, func(l KeyDecl) bool { return l.Key == line.Key }) {
			lines = append(lines, line)
		}
	}
	c.Keys = lines
	return d.try()
}
