package log

import (
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
)

// Walk is the chunk.Walker of log extents: it goes from unit to unit, and through the frames of each. A unit whose header is
// damaged is passed over block by block; of one whose body is, the frames that can still be told apart are shown.
func Walk(x extent.Extents, id extent.ID, fn func(h *chunk.Header, l chunk.Locator) error) error {
	g := x.Geometry()
	e := x.Describe(id)
	at := chunk.Place{Extent: id, Generation: e.Generation}
	var bad error
	note := func(err error) {
		if bad == nil {
			bad = err
		}
	}
	for at.Offset < e.Pointer {
		b, err := x.Read(at, HeaderBytes)
		if err != nil {
			note(err)
			at.Offset += g.Physical
			continue
		}
		h, ok := decodeHeader(b, at, g)
		if !ok {
			note(at.Corrupt("unit header"))
			at.Offset += g.Physical
			continue
		}
		if err := walkUnit(x, &h, fn, note); err != nil {
			return err
		}
		at.Offset += h.length
	}
	return bad
}

// walkUnit shows the frames of a unit.
func walkUnit(x extent.Extents, u *header, fn func(h *chunk.Header, l chunk.Locator) error, note func(error)) error {
	at := u.place.At(HeaderBytes + int(u.dirFrames)*DirectoryBytes)
	end := u.place.Offset + u.length
	for range u.frames {
		if at.Offset+chunk.HeaderBytes > end {
			note(at.Corrupt("frame beyond its unit"))
			return nil
		}
		b, err := x.Read(at, chunk.HeaderBytes)
		if err != nil {
			note(err)
			return nil
		}
		h, err := chunk.DecodeHeader(b, at)
		if err != nil || uint64(at.Offset)+uint64(h.Length)+chunk.Overhead > uint64(end) {
			note(at.Corrupt("frame header"))
			return nil
		}
		l := chunk.Locator{Extent: at.Extent, Generation: at.Generation, Offset: at.Offset, Length: h.Length + chunk.Overhead}
		if err := fn(&h, l); err != nil {
			return err
		}
		at.Offset += l.Length
	}
	return nil
}
