package conformance

// Scale makes block the bytes of a logical block and keeps every size in page terms: a length of a pages and b bytes becomes a
// larger pages and b bytes. Other options count blocks and stay, so the sequence means the same on a device of larger blocks.
func (s *Sequence) Scale(block uint32) {
	old := s.Config.Page()
	s.Config.Set(OptBlock, block)
	s.scaleSizes(old, s.Config.Page())
}

// scaleSizes replaces each page of old bytes in every size by one of page bytes.
func (s *Sequence) scaleSizes(old, page uint32) {
	if page == old {
		return
	}
	for i := range s.Ops {
		o := &s.Ops[i]
		args := kinds[o.Kind].Args
		for a := range args {
			if args[a].Role.inPages() {
				pages, rest := splitSize(uint32(o.Get(args[a].Field)), old)
				o.Set(args[a].Field, uint64(min(max(int64(pages)*int64(page)+rest, 0), ValueBytesMax)))
			}
		}
	}
}

// inPages reports whether arguments of that role are bytes, written in page terms.
func (r Role) inPages() bool { return r == RoleSize || r == RoleOffset || r == RoleRange }
