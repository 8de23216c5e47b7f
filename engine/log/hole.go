package log

import (
	"github.com/shardproof/shardproof/engine/chunk"
)

// Where the first invalid unit stands, two things may have happened. A crash tore the tail: then the log ends here. Or a unit
// that was durable has been damaged: then the log goes on, and what the unit held is known only from the directory in the unit
// after it. To tell them apart costs nothing where there is no damage: the question "does any block attest that this unit was
// durable?" is answered no by every version of every block, so a disk that explores crash states decides nothing to answer it.
//
// How far to look: by L3 the first unit that was issued after unit n had become durable begins within a window of n's end, or
// within two of n's place when n itself fills one.

// position is an offset in the listed extent of that index.
type position struct {
	index int
	off   uint32
}

// hole decides what the missing unit s.number is, given where to begin looking for a later one. It returns false where the log
// ends.
func (s *scan) hole(from position) (bool, error) {
	damage := s.number <= s.attested
	if !damage {
		var err error
		if damage, err = s.attestedLater(from); err != nil {
			return false, err
		}
	}
	switch {
	case !damage:
		return false, nil
	case !s.doubted: // the device may have misread it
		s.doubted = true
		return true, nil
	}
	s.doubted = false
	return s.passOver(from)
}

// region calls fn for the parts of extents within twice the window from a position on, until fn returns true.
func (s *scan) region(from position, fn func(index int, off, size uint32) (bool, error)) (bool, error) {
	left := 2 * s.geo.WindowBytes
	for i, off := from.index, from.off; i < len(s.root.Log) && left > 0; i, off = i+1, 0 {
		if off >= s.geo.ExtentBytes {
			continue
		}
		size := min(left, s.geo.ExtentBytes-off)
		if done, err := fn(i, off, size); done || err != nil {
			return done, err
		}
		left -= size
	}
	return false, nil
}

// ask puts a question about unit headers to every block of the region.
func (s *scan) ask(from position, yes func(h header) bool) (bool, error) {
	scratch := s.buffers.Get(int(max(s.geo.Physical, min(2*s.geo.WindowBytes, s.geo.ExtentBytes, 1<<18))))
	defer s.buffers.Put(scratch)
	return s.region(from, func(index int, off, size uint32) (bool, error) {
		base := s.geo.Base(s.list(index).Extent)
		return s.askDisk(scratch, base+int64(off), int64(size), func(at int64, block []byte) bool {
			h, ok := decodeHeader(block, s.place(index, uint32(at-base)), s.geo)
			return ok && s.epochHolds(h) && yes(h)
		})
	})
}

// attestedLater reports whether a later unit says that s.number was durable, or its own header is there after all.
func (s *scan) attestedLater(from position) (bool, error) {
	missing := s.number
	return s.ask(from, func(h header) bool {
		return h.number > missing && h.durableThrough >= missing || h.number == missing && !s.doubted
	})
}

// passOver reports the mutations of the damaged unit s.number as lost and moves to the unit after it. If that one is lost too,
// nobody knows which keys are affected, and the log cannot be read further.
func (s *scan) passOver(from position) (bool, error) {
	next := s.number + 1
	found, err := s.find(next, from)
	if err != nil {
		return false, err
	}
	var h header
	whole := false
	if found.index >= 0 {
		if h, whole, _, err = s.read(found.index, found.off, next); err != nil {
			return false, err
		}
	}
	if !whole {
		s.tail.Unknown = true
		return false, nil
	}
	for d := h.directory(s.unit); len(d) > 0; d = d[DirectoryBytes:] {
		mutation := le.Uint64(d[17:])
		s.mutation = max(s.mutation, mutation+1)
		if k := chunk.Kind(d[16]); k == chunk.PutFinal || k == chunk.Tombstone {
			s.applier.Damaged(chunk.ShardID(d[:16]), mutation)
		}
	}
	if found.index != s.index && found.off != 0 {
		s.list(found.index).First = s.number
	}
	s.number = next
	s.enter(found.index, found.off)
	return true, nil
}

// find returns the place of a header of unit n, index -1 if there is none. Where n is the first unit of an extent, behind one that a
// failed request has sealed, that may lie further away than the region reaches.
func (s *scan) find(n uint64, from position) (found position, err error) {
	found.index = -1
	scratch := s.buffers.Get(int(s.geo.Physical))
	defer s.buffers.Put(scratch)
	begins := func(index int, off, size uint32) (bool, error) {
		for end := off + size; off < end; off += s.geo.Physical {
			at := s.place(index, off)
			yes, err := s.askDisk(scratch, s.geo.Base(at.Extent)+int64(off), int64(s.geo.Physical), func(_ int64, block []byte) bool {
				h, ok := decodeHeader(block, at, s.geo)
				return ok && s.epochHolds(h) && h.number == n && s.mayBegin(n, index, off)
			})
			if yes || err != nil {
				found = position{index, off}
				return true, err
			}
		}
		return false, nil
	}
	done, err := s.region(from, begins)
	for i := from.index + 1; !done && err == nil && i < len(s.root.Log); i++ {
		if s.list(i).First == n {
			done, err = begins(i, 0, s.geo.Physical)
		}
	}
	return found, err
}

// mayBegin reports whether unit n can begin there, as far as the first numbers of the listed extents tell.
func (s *scan) mayBegin(n uint64, index int, off uint32) bool {
	l := s.list(index)
	switch {
	case l.First == 0:
		return n >= s.root.Resume || index == s.index
	case off == 0:
		return n == l.First
	}
	return n > l.First && (index+1 == len(s.root.Log) || s.list(index+1).First == 0 || n < s.list(index+1).First)
}
