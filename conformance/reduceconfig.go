package conformance

// plainOptions tries every option at its default at once, sizes in bytes and in page terms.
func (d *reduction) plainOptions() { d.setOptions(defaultConfig) }

// simplerOptions tries, for each option that is not at its default, the default and then what is drawn before its value.
func (d *reduction) simplerOptions() {
	for o := range optionCount {
		v := d.best.Config.Get(o)
		if v == options[o].Default {
			continue
		}
		for _, to := range simplerValues(o, v) {
			c := d.best.Config
			c.Set(o, to)
			if d.setOptions(c) {
				break
			}
		}
	}
}

// simplerValues lists what to try in place of v, simplest first. An option that is not drawn from a list, such as a seed, gets
// the default and a few small numbers.
func simplerValues(o Option, v uint32) []uint32 {
	info := &options[o]
	if info.Draw == nil {
		return []uint32{info.Default, 1, 2, 3}
	}
	var all []uint32
	for _, to := range info.Draw {
		if o.cost(to) < o.cost(v) {
			all = append(all, to)
		}
	}
	return all
}

// setOptions tries best with those options: sizes unchanged, and if a page is another size then, sizes in the same page terms.
func (d *reduction) setOptions(to Config) bool {
	c := d.edit()
	old := c.Config.Page()
	c.Config = to
	if d.try() {
		return true
	}
	if to.Page() == old {
		return false
	}
	c = d.edit()
	c.Config = to
	c.scaleSizes(old, to.Page())
	return d.try()
}
