package model

import (
	"encoding/binary"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
)

// Chunks is the reference model of chunk.Chunks: the list of all chunks ever written, their bytes in a model of the extents. Of
// a frame only the payload is there; the room of header and trailer holds zeros.
//
// Reclaim really moves: to stay where they are would be right, too, but whoever refers to chunks would never be seen to follow.
type Chunks struct {
	*Extents
	headers []chunk.Header
	at      []chunk.Locator // of the chunk of that header
}

// Reset forgets every chunk. The extents are reset apart.
func (c *Chunks) Reset() { c.headers, c.at = c.headers[:0], c.at[:0] }

// Append implements chunk.Chunks.
func (c *Chunks) Append(h *chunk.Header, payload int, after iosched.Dependency, fill func(p []byte, at chunk.Place)) (chunk.Locator, iosched.Dependency, error) {
	h.Length = uint32(payload)
	if h.Kind != chunk.Copy && h.UUID == (chunk.UUID{}) {
		binary.LittleEndian.PutUint64(h.UUID[:], uint64(len(c.at))+1)
	}
	l, dep, err := c.Extents.Append(extent.Runs, chunk.Overhead+payload, after, func(b []byte, at extent.Place) {
		at.Offset += chunk.HeaderBytes
		fill(b[chunk.HeaderBytes:][:payload:payload], at)
	})
	if err == nil {
		c.headers, c.at = append(c.headers, *h), append(c.at, l)
	}
	return l, dep, err
}

// Get and Read implement chunk.Chunks.
func (c *Chunks) Get(l chunk.Locator) (chunk.Header, []byte, error) {
	for i := len(c.at) - 1; i >= 0; i-- {
		if c.at[i] == l {
			p, err := c.Read(l, chunk.HeaderBytes, int(l.Length)-chunk.Overhead)
			return c.headers[i], p, err
		}
	}
	return chunk.Header{}, nil, fault.ErrCorrupt
}
func (c *Chunks) Read(l chunk.Locator, off, n int) ([]byte, error) {
	if off < 0 || n < 0 || off+n > int(l.Length) {
		return nil, fault.ErrCorrupt
	}
	return c.Extents.Read(extent.Place{Extent: l.Extent, Generation: l.Generation, Offset: l.Offset + uint32(off)}, n)
}

// Doubt implements chunk.Chunks: what is read is what there is.
func (c *Chunks) Doubt(chunk.Locator, int, int) {}

// Reclaim implements chunk.Chunks.
func (c *Chunks) Reclaim(x extent.ID, refs chunk.References) (moved int, err error) {
	c.extents[x].begun = false // copies go elsewhere
	for i := range c.at {
		h, l := &c.headers[i], c.at[i]
		if l.Extent != x || l.Generation != c.extents[x].Generation {
			continue
		}
		if held, err := refs.Holds(h, l); err == nil && !held {
			continue
		}
		from := c.extents[x].data[l.Offset+chunk.HeaderBytes:][:h.Length]
		to, dep, err := c.Append(h, len(from), iosched.Dependency{}, func(p []byte, _ chunk.Place) { copy(p, from) })
		if err != nil {
			return moved, err
		}
		held, err := refs.Moved(h, l, to, dep)
		if err != nil {
			return moved, err
		}
		if held {
			moved++
		}
	}
	return moved, nil
}
