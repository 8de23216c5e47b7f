package chunk

import (
	"cmp"

	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
)

// Reclamation moves what is still referred to out of an extent, so that the extent can be released:
//
//	Walk ──► frame ──► Holds? ──► batch ──► Append to an extent of copies ──► Moved (compare and swap)
//
// A scan only finds what there is to move. It never decides that an extent is dead: that is for the count of live bytes, so
// that a frame which the scan cannot see keeps its extent.
//
// Copies keep id, mutation number, part and UUID. They lie back to back in batches, so that small ones do not each take a block.

// batchBytes is about how much of copies is appended at once, or a quarter of an extent if that is less: what does not fit the
// extent of copies leaves the rest of it empty.
const batchBytes = 256 << 10

// batch is frames on their way to another extent.
type batch struct {
	headers []Header
	from    []Locator
	bytes   int
	bad     error // why the first frame that could not be read stayed, of all batches
}

// Reclaim implements Chunks. Only puts are moved, with their parts as they are; frames of other kinds are their owner's to
// rewrite, and so are the finals of puts in several parts.
func (s *Store) Reclaim(x extent.ID, refs References) (moved int, err error) {
	var b batch
	limit := min(batchBytes, int(s.extents.Geometry().ExtentBytes)/4)
	walk := s.walkers[s.extents.Describe(x).Owner]
	bad := walk(s.extents, x, func(h *Header, l Locator) error {
		if h.Kind != PutFinal && h.Kind != Copy && h.Kind != PutPart {
			return nil
		}
		held, err := refs.Holds(h, l)
		if err == nil && !held {
			s.probes.Hit(probePassed)
		}
		if err != nil || !held {
			return nil // what nobody can look up counts as live, and stays
		}
		if b.bytes+int(l.Length) > limit && b.bytes > 0 {
			s.probes.Hit(probeBatches)
			if err := s.flushBatch(&b, refs, &moved); err != nil {
				return err
			}
		}
		b.headers, b.from = append(b.headers, *h), append(b.from, l)
		b.bytes += int(l.Length)
		return nil
	})
	if failed := s.flushBatch(&b, refs, &moved); failed != nil {
		return moved, failed
	}
	return moved, cmp.Or(bad, b.bad)
}

// flushBatch appends copies of the frames of b and tells refs of them. A frame that cannot be read stays.
func (s *Store) flushBatch(b *batch, refs References, moved *int) error {
	defer func() { b.headers, b.from, b.bytes = b.headers[:0], b.from[:0], 0 }()
	s.scratch = s.scratch[:0]
	whole := 0 // frames that could be read, moved to the front of the batch
	for i, l := range b.from {
		h, payload, bad := s.Get(l)
		if bad != nil {
			b.bad = cmp.Or(b.bad, bad)
			continue
		}
		h.Kind = copyKind(&h)
		b.headers[whole], b.from[whole] = h, b.from[i]
		s.scratch = append(s.scratch, payload...)
		whole++
	}
	if whole == 0 {
		return nil
	}
	s.probes.Hit(probeCopied)
	to, dep, full := s.appendBatch(b.headers[:whole])
	if full != nil {
		return full
	}
	for i := range b.headers[:whole] {
		h := &b.headers[i]
		l := Locator{Extent: to.Extent, Generation: to.Generation, Offset: to.Offset, Length: h.Length + Overhead}
		to.Offset += l.Length
		held, failed := refs.Moved(h, b.from[i], l, dep)
		if failed != nil {
			return failed
		}
		if held {
			*moved++
		}
	}
	return nil
}

// copyKind returns the kind of a copy of the frame of h: parts stay parts.
func copyKind(h *Header) Kind {
	if h.Kind == PutPart {
		return PutPart
	}
	return Copy
}

// appendBatch appends frames of those headers, back to back, whose payloads lie in scratch one after another.
func (s *Store) appendBatch(headers []Header) (Place, iosched.Dependency, error) {
	n := 0
	for i := range headers {
		n += FrameBytes(int(headers[i].Length))
	}
	var begin Place
	_, dep, err := s.extents.Append(extent.Copies, n, iosched.Dependency{}, func(b []byte, at Place) {
		begin = at
		payloads, off := s.scratch, 0
		for i := range headers {
			h := &headers[i]
			copy(b[off+HeaderBytes:], payloads[:h.Length])
			payloads = payloads[h.Length:]
			SealFrame(b[off:off+FrameBytes(int(h.Length))], h, at.At(off))
			off += FrameBytes(int(h.Length))
		}
	})
	return begin, dep, err
}
