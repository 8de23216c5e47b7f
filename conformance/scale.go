package conformance

// Scale makes block the bytes of a logical block and keeps every size in page terms: a length of a pages and b bytes becomes a
// larger pages and b bytes. Other options count blocks and stay, so the sequence means the same on a device of larger blocks.
func (s *Sequence) Scale(block uint32) {
	old := s.Config.Page()
	s.Config.Set(OptBlock, block)
	page := s.Config.Page()
	if page == old {
		return
	}
	for i := range s.Ops {
		o := &s.Ops[i]
		args := kinds[o.Kind].Args
		for a := range args {
			if args[a].Role == RoleSize {
				o.Set(args[a].Field, rescale(uint32(o.Get(args[a].Field)), old, page))
			}
		}
	}
}

// rescale returns n with each of its pages of old bytes replaced by one of page bytes.
func rescale(n, old, page uint32) uint64 {
	pages, rest := splitSize(n, old)
	return uint64(min(max(int64(pages)*int64(page)+rest, 0), ValueBytesMax))
}
