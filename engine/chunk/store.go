package chunk

import (
	"math/rand/v2"

	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/engine/probe"
)

// Store keeps frames outside the log in the extents of their owners: runs, metadata, copies. Callers hold the lock of whoever
// owns it.
type Store struct {
	extents extent.Extents
	random  rand.Source
	walkers [extent.OwnerCount]Walker
	scratch []byte // frames that Reclaim moves
	probes  *probe.Set
}

// Walker goes through the frames of an extent, whatever else lies between them, from its beginning to its write pointer. It
// calls fn for each frame whose header holds and returns fn's first error, or the first one that kept it from finding frames;
// it goes on behind what it cannot read.
type Walker func(x extent.Extents, id extent.ID, fn func(h *Header, l Locator) error) error

// NewStore returns the chunks of x. random is where UUIDs come from.
func NewStore(x extent.Extents, random rand.Source) *Store {
	s := new(Store)
	s.Reset(x, random)
	return s
}

// Reset makes s the chunks of x, reusing its memory.
func (s *Store) Reset(x extent.Extents, random rand.Source) {
	*s = Store{extents: x, random: random, scratch: s.scratch}
	for o := range s.walkers {
		s.walkers[o] = Walk
	}
}

// SetProbes makes p count situations from now on.
func (s *Store) SetProbes(p *probe.Set) { s.probes = p }

// SetWalker makes w the way through extents of an owner.
func (s *Store) SetWalker(o extent.Owner, w Walker) { s.walkers[o] = w }

// owner returns whose extents frames like that of h lie in.
func owner(h *Header) extent.Owner {
	switch h.Kind {
	case Run:
		if h.Part == 1 {
			return extent.Levels
		}
		return extent.Runs
	case Metadata:
		if h.Part == 1 {
			return extent.Metadata2
		}
		return extent.Metadata
	}
	return extent.Copies
}

// Append implements Chunks. The parts of a metadata record are its copies, the parts of a run the levels 0 and deeper: they lie
// in extents of different owners.
func (s *Store) Append(h *Header, payload int, after iosched.Dependency, fill func(p []byte, at Place)) (Locator, iosched.Dependency, error) {
	if h.Kind != Copy {
		h.UUID = NewUUID(s.random)
	}
	h.Length = uint32(payload)
	return s.extents.Append(owner(h), FrameBytes(payload), after, func(b []byte, at Place) {
		fill(b[HeaderBytes:HeaderBytes+payload], at.At(HeaderBytes))
		SealFrame(b, h, at)
	})
}

// NewUUID draws a UUID.
func NewUUID(random rand.Source) (u UUID) {
	le.PutUint64(u[:8], random.Uint64())
	le.PutUint64(u[8:], random.Uint64())
	return u
}

// Get implements Chunks.
func (s *Store) Get(l Locator) (Header, []byte, error) {
	if l.Length < Overhead {
		return Header{}, nil, l.Place().Corrupt("frame length")
	}
	h, payload, checked, err := s.get(l)
	if checked && err != nil { // read again: a device that misreads once is right the next time
		s.extents.Doubt(l.Place(), int(l.Length))
		h, payload, _, err = s.get(l)
	}
	return h, payload, err
}

// get reads the frame at l. checked says that there were bytes to check.
func (s *Store) get(l Locator) (h Header, payload []byte, checked bool, err error) {
	f, err := s.extents.Read(l.Place(), int(l.Length))
	if err != nil {
		return Header{}, nil, false, err
	}
	h, payload, err = Decode(f, l.Place())
	return h, payload, true, err
}

// Doubt implements Chunks.
func (s *Store) Doubt(l Locator, off, n int) { s.extents.Doubt(l.Place().At(off), n) }

// Read implements Chunks.
func (s *Store) Read(l Locator, off, n int) ([]byte, error) {
	if off < 0 || n < 0 || uint64(off)+uint64(n) > uint64(l.Length) {
		return nil, l.Place().Corrupt("range inside a frame")
	}
	return s.extents.Read(l.Place().At(off), n)
}

// Walk is the Walker of extents that hold frames back to back, each append beginning on a physical block.
func Walk(x extent.Extents, id extent.ID, fn func(h *Header, l Locator) error) error {
	g := x.Geometry()
	e := x.Describe(id)
	at := Place{Extent: id, Generation: e.Generation}
	var bad error
	for at.Offset+HeaderBytes <= e.Pointer {
		b, err := x.Read(at, HeaderBytes)
		var h Header
		if err == nil {
			h, err = DecodeHeader(b, at)
		}
		if err == nil && uint64(at.Offset)+uint64(h.Length)+Overhead > uint64(e.Pointer) {
			err = at.Corrupt("frame length")
		}
		if err != nil {
			// Zeros before the next block are no damage; what else is there may hide a frame.
			if bad == nil && !blank(b[:min(len(b), int(g.RoundUp(at.Offset+1)-at.Offset))]) {
				bad = err
			}
			at.Offset = g.RoundUp(at.Offset + 1)
			continue
		}
		l := Locator{Extent: id, Generation: at.Generation, Offset: at.Offset, Length: h.Length + Overhead}
		if err := fn(&h, l); err != nil {
			return err
		}
		at.Offset += l.Length
	}
	return bad
}

func blank(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return b != nil
}
