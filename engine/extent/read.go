package extent

// maxCached is the longest range, in pages, that goes through the cache: longer ones would empty it for little.
const maxCached = 8

// Read implements Extents.
func (s *Store) Read(at Place, n int) ([]byte, error) {
	if s.closed {
		return nil, ErrClosed
	}
	if int(at.Extent) >= s.Len() {
		return nil, at.Corrupt("extent number")
	}
	switch e := s.Entry(at.Extent); {
	case e.Generation != at.Generation || e.Owner == Free || e.Owner == Superblock:
		return nil, at.Corrupt("extent generation")
	case uint64(at.Offset)+uint64(n) > uint64(e.Pointer):
		return nil, at.Corrupt("write pointer")
	}
	if s.cache == nil || n > maxCached*int(s.Geometry().PageBytes) {
		return s.readDisk(at, n)
	}
	return s.readPages(at, n)
}

// Doubt implements Extents.
func (s *Store) Doubt(at Place, n int) {
	if s.cache == nil {
		return
	}
	page := int(s.Geometry().PageBytes)
	for off := int(at.Offset) / page * page; off < int(at.Offset)+n; off += page {
		s.cache.Drop(at.At(off - int(at.Offset)))
	}
	s.probes.Hit(probeDoubted)
}

// readDisk reads the whole logical blocks around a range.
func (s *Store) readDisk(at Place, n int) ([]byte, error) {
	logical := s.Geometry().Logical
	lead := int(at.Offset & (logical - 1))
	whole := lead + n
	whole += -whole & int(logical-1)
	if cap(s.scratch) < whole {
		s.buffers.Put(s.scratch)
		s.scratch = s.buffers.Get(whole)
	}
	b := s.scratch[:whole]
	if err := s.ReadAt(b, at.At(-lead)); err != nil {
		if err := s.readAround(b, at.At(-lead)); err != nil {
			return nil, err
		}
	}
	if s.io.Overlay(b, s.Geometry().Base(at.Extent)+int64(at.Offset)-int64(lead)) { // what is appended and not on the disk yet
		s.probes.Hit(probeUnissued)
	}
	return b[lead : lead+n], nil
}

// readAround reads the logical blocks from at on but for those that appended writes will replace: one of these may be what cannot be
// read, until it is written.
func (s *Store) readAround(b []byte, at Place) error {
	logical := int(s.Geometry().Logical)
	for ; len(b) > 0; b, at = b[logical:], at.At(logical) {
		if s.io.Bytes(s.Geometry().Base(at.Extent)+int64(at.Offset), logical) != nil {
			continue
		}
		if err := s.ReadAt(b[:logical], at); err != nil {
			return err
		}
	}
	return nil
}

// readPages puts a range together from pages. From the first one that is missing on they are read from the disk at once, as far as the
// write pointer goes (E7).
func (s *Store) readPages(at Place, n int) ([]byte, error) {
	page := int(s.Geometry().PageBytes)
	s.joined = s.joined[:0]
	if int(at.Offset)%page+n > page {
		s.probes.Hit(probePages)
	}
	for n > 0 {
		off := int(at.Offset) % page
		here := min(n, page-off)
		var hit bool
		if s.joined, hit = s.cache.Read(s.joined, at.At(-off), off, here); !hit {
			return s.readMissing(at, n)
		}
		at, n = at.At(here), n-here
	}
	return s.joined, nil
}

// readMissing adds to the pages joined so far those of a range, and caches them.
func (s *Store) readMissing(at Place, n int) ([]byte, error) {
	page := int(s.Geometry().PageBytes)
	off := int(at.Offset) % page
	first, valid := at.At(-off), off+n
	valid = min((valid+page-1)/page*page, int(s.Entry(at.Extent).Pointer)-int(first.Offset))
	b, err := s.readDisk(first, valid)
	if err != nil {
		return s.readEach(at, n) // what cannot be read may be a neighbour
	}
	for i := 0; i < valid; i += page {
		s.cache.Insert(first.At(i), b[i:min(i+page, valid)])
	}
	s.joined = append(s.joined, b[off:off+n]...)
	return s.joined, nil
}

// readEach does what readMissing does, page by page, and asks for no more of a page that cannot be read than it needs.
func (s *Store) readEach(at Place, n int) ([]byte, error) {
	page := int(s.Geometry().PageBytes)
	for n > 0 {
		off := int(at.Offset) % page
		here := min(n, page-off)
		valid := min(page, int(s.Entry(at.Extent).Pointer)-int(at.Offset)+off)
		b, err := s.readDisk(at.At(-off), valid)
		if err == nil {
			s.cache.Insert(at.At(-off), b)
			b = b[off : off+here]
		} else if b, err = s.readDisk(at, here); err != nil {
			return nil, err
		}
		s.joined = append(s.joined, b...)
		at, n = at.At(here), n-here
	}
	return s.joined, nil
}
