package engine

import (
	"math"
	"slices"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
)

// A shard that does not fit one frame is put in parts: frames of its first bytes, then the final one, which begins with the
// locators of the others. The mutation happens at the final frame: before it the parts are garbage that an open put pins, and a
// crash leaves them so.

// partTable knows the parts of the puts that memtables hold: their extents stay pinned, for the live counts of the recorded root
// do not cover them yet.
type partTable map[chunk.Locator][]chunk.Locator // by the place of the final frame

// partBytes returns the bytes of the largest part.
func (s *Store) partBytes() int {
	if s.options.PartBytes > 0 {
		return min(s.options.PartBytes, s.maxPayload)
	}
	return s.maxPayload
}

// MaxShard returns the length in bytes of the longest value a Put takes. Whether there is room for it is another question.
func (s *Store) MaxShard() int64 { return s.maxShard() }

func (s *Store) maxShard() int64 {
	g := s.extents.Geometry()
	parts := min(int64(s.maxPayload/extent.LocatorBytes), math.MaxUint16-1)
	return min(parts*int64(s.partBytes()), int64(g.Extents)*int64(g.ExtentBytes))
}

// cut says how a value of n bytes is put: in how many parts, and how many bytes the final one has behind the locators of the
// others.
func (s *Store) cut(n int) (parts, rest int) {
	size := s.partBytes()
	if n <= size {
		return 1, n
	}
	parts = (n + size - 1) / size
	rest = n - (parts-1)*size
	if rest+(parts-1)*extent.LocatorBytes > s.maxPayload {
		return parts + 1, 0
	}
	return parts, rest
}

// StoredBytes returns how many bytes the frames of a shard of n bytes take.
func (s *Store) StoredBytes(n int64) int64 {
	parts, _ := s.cut(int(n))
	return n + int64(parts)*chunk.Overhead + int64(parts-1)*extent.LocatorBytes
}

// openPut is a put in parts that is under way: it pins the extents of those that the log has, and knows their places, which a
// repair may change.
type openPut struct{ parts []chunk.Locator }

// beginPut begins a put of that many parts before the final one.
func (s *Store) beginPut(parts int) *openPut {
	p := &openPut{make([]chunk.Locator, 0, parts)}
	s.puts = append(s.puts, p)
	return p
}

// endPut ends a put: the memtable holds the parts now.
func (s *Store) endPut(p *openPut) {
	i := slices.Index(s.puts, p)
	s.puts = slices.Delete(s.puts, i, i+1)
	for _, l := range p.parts {
		s.extents.Unpin(l.Extent)
	}
	s.release = true // if it failed, nobody needs the parts
}

// putParts puts data in parts.
func (s *Store) putParts(h *chunk.Header, data []byte) (Dependency, error) {
	size := s.partBytes()
	n, rest := s.cut(len(data))
	put := s.beginPut(n - 1)
	defer s.endPut(put)
	h.Parts = uint16(n)
	for i := range n - 1 {
		p := *h
		p.Kind, p.Part = chunk.PutPart, uint16(i)
		here := data[:min(size, len(data)-rest)]
		data = data[len(here):]
		if err := s.makeRoom(p.Kind, len(here)); err != nil {
			return Dependency{}, err
		}
		l, _ := s.log.Append(&p, here)
		s.extents.Pin(l.Extent)
		put.parts = append(put.parts, l)
		s.prepareNext()
	}
	h.Part = uint16(n - 1)
	length := (n-1)*extent.LocatorBytes + len(data)
	if err := s.makeRoom(h.Kind, length); err != nil {
		return Dependency{}, err
	}
	final := make([]byte, 0, length)
	for _, l := range put.parts {
		final = extent.AppendLocator(final, l)
	}
	final = append(final, data...)
	s.probes.Hit(probePutParts)
	return s.append(h, final, put.parts)
}

// decodeParts splits the payload of a final frame into the locators of the other parts and its own bytes.
func (s *Store) decodeParts(h *chunk.Header, payload []byte, at chunk.Place) ([]chunk.Locator, []byte, error) {
	n := int(h.Parts) - 1
	if n*extent.LocatorBytes > len(payload) {
		return nil, nil, at.Corrupt("locators of parts")
	}
	parts := make([]chunk.Locator, n)
	for i := range parts {
		parts[i] = extent.DecodeLocator(payload[i*extent.LocatorBytes:])
		if int(parts[i].Extent) >= s.extents.Len() || parts[i].Length < chunk.Overhead {
			return nil, nil, at.Corrupt("locator of a part")
		}
	}
	return parts, payload[n*extent.LocatorBytes:], nil
}

// isPart reports whether h is the header of part i of the put that final ends.
func isPart(h, final *chunk.Header, i int) bool {
	return h.Kind == chunk.PutPart && h.ID == final.ID && h.UUID == final.UUID && int(h.Part) == i && h.Parts == final.Parts
}

// partsOf returns the other parts of the put whose final frame is at l.
func (s *Store) partsOf(l chunk.Locator) ([]chunk.Locator, error) {
	h, payload, err := s.frame(l)
	if err != nil {
		return nil, err
	}
	parts, _, err := s.decodeParts(&h, payload, l.Place())
	return parts, err
}

// hold pins what an entry of a memtable names; drop unpins it.
func (s *Store) hold(e *index.Entry) { s.eachPin(e, s.extents.Pin) }

func (s *Store) drop(e *index.Entry) {
	s.eachPin(e, s.extents.Unpin)
	if e.Kind == index.PutParts {
		delete(s.parts, e.Locator)
	}
}

func (s *Store) eachPin(e *index.Entry, pin func(extent.ID)) {
	if e.Locator.IsZero() {
		return
	}
	pin(e.Locator.Extent)
	if e.Kind == index.PutParts {
		for _, l := range s.parts[e.Locator] {
			pin(l.Extent)
		}
	}
}
