package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"sort"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/log"
)

// salvage is one Salvage under way.
type salvage struct {
	SalvageSummary
	ctx         context.Context
	disk        disk.Disk
	extentBytes uint32
	extents     extent.ID
	entries     []extent.Entry // of the superblock; generation 0 or missing where that does not say

	// Generations that are known lie between these; those that are not are sought there and not far beyond.
	least, most extent.Generation

	shards map[ShardID]*remains
	parts  map[partKey][]chunk.Locator
	begins map[uint64]uint64 // by epoch: the lowest number of a unit of it
}

const (
	farGeneration = 1 << 12 // resets by which an extent may be ahead of, or behind, all others
	undatedTries  = 16      // frames of an extent whose generation is sought in vain, after which it counts as undated
	salvagePiece  = 1 << 20 // bytes read at once
)

// orient finds out geometry and generations.
func (s *salvage) orient(o SalvageOptions) error {
	v, err := extent.Examine(s.disk, new(disk.Buffers))
	switch {
	case err == nil:
		s.Superblock, s.extentBytes, s.extents, s.entries = true, v.Root.Geometry.ExtentBytes, extent.ID(v.Root.Geometry.Extents), v.Entries
		s.begins[v.Root.Epoch] = v.Root.Resume
		s.saw(v.Root.FirstGeneration())
		for _, e := range s.entries {
			if e.Generation != 0 {
				s.saw(e.Generation)
			}
		}
		return nil
	case errors.Is(err, ErrVersion) || o.ExtentBytes == 0:
		return openError(err)
	case o.ExtentBytes < 1024 || o.ExtentBytes > 1<<31 || o.ExtentBytes%s.disk.Info().LogicalBlock != 0:
		return fmt.Errorf("%w: extents of %d bytes", ErrGeometry, o.ExtentBytes)
	}
	s.extentBytes = uint32(o.ExtentBytes)
	s.extents = extent.ID(min((s.disk.Info().Size+int64(o.ExtentBytes)-1)/int64(o.ExtentBytes), extent.MaxExtents))
	return s.each(func(x extent.ID, b []byte) {
		for _, u := range s.spans(x, b) {
			s.saw(u.Generation)
		}
	})
}

func (s *salvage) saw(g extent.Generation) {
	if s.least == 0 || g < s.least {
		s.least = g
	}
	s.most = max(s.most, g)
}

// scan goes through all extents.
func (s *salvage) scan() error {
	s.Unreadable = 0
	return s.each(func(x extent.ID, b []byte) {
		s.Extents++
		if s.Superblock {
			s.Unreadable += int64(s.extentBytes) - int64(len(b)) // the disk was larger once
		}
		spans := s.spans(x, b)
		g := s.generation(x, b, spans)
		if g == 0 {
			return
		}
		n := 0
		for _, u := range spans {
			if u.Generation != g {
				continue
			}
			if first, ok := s.begins[u.Epoch]; !ok || u.Number < first {
				s.begins[u.Epoch] = u.Number
			}
			spans[n] = u
			n++
		}
		s.frames(x, g, b, spans[:n])
	})
}

// each reads one extent after the other. What the device does not deliver reads as zeros.
func (s *salvage) each(fn func(x extent.ID, b []byte)) error {
	whole := disk.Aligned(int(s.extentBytes))
	for x := range s.extents {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		base := int64(x) * int64(s.extentBytes)
		b := whole[:max(0, min(int64(s.extentBytes), s.disk.Info().Size-base))]
		for off := int64(0); off < int64(len(b)); off += salvagePiece {
			s.read(b[off:min(off+salvagePiece, int64(len(b)))], base+off)
		}
		fn(x, b)
	}
	return nil
}

func (s *salvage) read(p []byte, off int64) {
	if s.disk.Read(p, off) == nil {
		return
	}
	block := s.disk.Info().LogicalBlock
	for i := 0; i < len(p); i += block {
		if s.disk.Read(p[i:i+block], off+int64(i)) != nil {
			clear(p[i : i+block])
			s.Unreadable += int64(block)
		}
	}
}

// spans returns the units of any generation whose headers lie in b, extent x, in their order.
func (s *salvage) spans(x extent.ID, b []byte) (all []log.Span) {
	eachMagic(b, log.Magic, func(off int) int {
		if u, ok := log.DecodeSpan(b[off:], x, uint32(off), s.extentBytes); ok {
			all = append(all, u)
		}
		return off + 1
	})
	return all
}

// eachMagic calls fn where magic stands in b; fn returns where to go on.
func eachMagic(b, magic []byte, fn func(off int) int) {
	for off := 0; off < len(b); {
		i := bytes.Index(b[off:], magic)
		if i < 0 {
			return
		}
		off = fn(off + i)
	}
}

// generation returns the present generation of an extent, 0 if it is unknown. A unit of a later one than recorded shows that the
// record is old: nothing is written in a generation before it is recorded.
func (s *salvage) generation(x extent.ID, b []byte, spans []log.Span) (g extent.Generation) {
	if int(x) < len(s.entries) {
		g = s.entries[x].Generation
	}
	for _, u := range spans {
		g = max(g, u.Generation)
	}
	if g != 0 || s.most == 0 {
		return g
	}
	tries := 0
	eachMagic(b, chunk.Magic, func(off int) int {
		if g == 0 && tries < undatedTries {
			g = s.seek(x, b[off:], uint32(off))
			tries++
		}
		return off + 1
	})
	if g == 0 && tries > 0 {
		s.Undated++
	}
	return g
}

// seek returns the generation in which the frame header at the start of b holds, 0 if there is none near those known.
func (s *salvage) seek(x extent.ID, b []byte, off uint32) extent.Generation {
	from := s.least - min(s.least-1, farGeneration)
	for g := from; g <= min(s.most, math.MaxUint64-farGeneration)+farGeneration; g++ {
		if _, err := chunk.DecodeHeader(b, chunk.Place{Extent: x, Generation: g, Offset: off}); err == nil {
			return g
		}
	}
	return 0
}

// frames notes the frames of generation g in b, extent x, whose units are spans. A frame whose header holds is stepped over,
// whatever its payload has become: bytes of a shard may look like frames.
func (s *salvage) frames(x extent.ID, g extent.Generation, b []byte, spans []log.Span) {
	eachMagic(b, chunk.Magic, func(off int) int {
		at := chunk.Place{Extent: x, Generation: g, Offset: uint32(off)}
		h, err := chunk.DecodeHeader(b[off:], at)
		if err != nil {
			return off + 1
		}
		s.Frames++
		l := chunk.Locator{Extent: x, Generation: g, Offset: at.Offset, Length: h.Length + chunk.Overhead}
		end := uint64(off) + uint64(h.Length) + chunk.Overhead
		if end > uint64(len(b)) {
			s.Damaged++
			s.note(&h, l, spans)
			return off + 1
		}
		if _, _, err := chunk.Decode(b[off:end], at); err != nil {
			s.Damaged++
		}
		if h.Kind == chunk.Run {
			payload := b[off+chunk.HeaderBytes : end-chunk.TrailerBytes]
			s.LostIndex += index.EachSalvaged(payload, at.At(chunk.HeaderBytes), uint32(s.extents), s.name)
		}
		s.note(&h, l, spans)
		return int(end)
	})
}

// note keeps where a frame of a shard lies.
func (s *salvage) note(h *chunk.Header, l chunk.Locator, spans []log.Span) {
	switch h.Kind {
	case chunk.PutPart:
		k := partKey{h.ID, h.UUID, h.Part}
		s.parts[k] = append(s.parts[k], l)
	case chunk.PutFinal, chunk.Copy, chunk.Tombstone:
		r := relic{at: l, mutation: h.Mutation, kind: h.Kind}
		behind := sort.Search(len(spans), func(i int) bool { return spans[i].Offset >= l.Offset })
		for i := behind - 1; i >= 0 && r.number == 0; i-- { // the last one wins: it lies over what is left of those before it
			if u := &spans[i]; l.End() <= uint64(u.Offset)+uint64(u.Length) {
				r.number, r.epoch = u.Number, u.Epoch
			}
		}
		shard := s.shard(h.ID)
		shard.frames = append(shard.frames, r)
	}
}

// name notes what a sorted run says of a shard.
func (s *salvage) name(e *index.Entry) {
	if r := s.shard(e.ID); e.Mutation >= r.named {
		r.named, r.deleted = e.Mutation, e.Kind == index.Delete
	}
}

func (s *salvage) shard(id ShardID) *remains {
	r := s.shards[id]
	if r == nil {
		r = new(remains)
		s.shards[id] = r
	}
	return r
}

// dropped reports whether a later epoch began at or before that unit: then a recovery has dropped it, and its mutations' numbers
// have been given out again.
func (s *salvage) dropped(number, epoch uint64) bool {
	for later, first := range s.begins { // order: any one will do
		if later > epoch && first <= number {
			return true
		}
	}
	return false
}
