package engine

import (
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/index"
)

// Get returns the bytes of the latest put of id. Errors: ErrNotFound, ErrCorrupt, ErrIO, ErrClosed.
func (s *Store) Get(id ShardID) ([]byte, error) { return s.AppendShard(nil, id) }

// AppendShard appends the bytes of the latest put of id to dst. On an error dst is returned as it was. Errors as Get.
func (s *Store) AppendShard(dst []byte, id ShardID) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readable(); err != nil {
		return dst, err
	}
	e, err := s.find(&id)
	if err != nil {
		return dst, err
	}
	if e == nil || e.Kind == index.Delete {
		return dst, ErrNotFound
	}
	if e.Kind == index.Damaged {
		return dst, &fault.Corrupt{Check: "shard lost with a damaged unit of the log"}
	}
	payload, err := s.readFrame(e)
	if err != nil {
		return dst, err
	}
	return append(dst, payload...), nil
}

// readable returns why the store answers no read, nil if it does.
func (s *Store) readable() error {
	if s.closed {
		return ErrClosed
	}
	return s.lost
}

// find returns the newest entry of id, nil if there is none. It is valid until the next call.
func (s *Store) find(id *ShardID) (*index.Entry, error) {
	if e := s.mem.Get(id); e != nil {
		return e, nil
	}
	found, err := s.meta.Run.Get(&s.reader, &s.shape, s.page, id, &s.entry)
	if err != nil || !found {
		return nil, err
	}
	return &s.entry, nil
}

// readFrame returns the payload of the frame that e names, from memory if its unit is not durable yet. It is valid until the
// next call.
func (s *Store) readFrame(e *index.Entry) ([]byte, error) {
	loc := e.Locator
	at := loc.Place()
	frame := s.log.Bytes(loc)
	if frame != nil {
		s.probes.Hit(probeReadMemory)
	} else {
		if s.table.Entry(loc.Extent).Generation != loc.Generation {
			return nil, at.Corrupt("generation of a referenced extent")
		}
		var err error
		if frame, err = s.reader.ReadRange(at, loc.Length); err != nil {
			return nil, err
		}
	}
	h, payload, err := chunk.Decode(frame, at)
	switch {
	case err != nil:
		return nil, err
	case h.ID != e.ID || h.Mutation != e.Mutation || h.Kind != chunk.PutFinal && h.Kind != chunk.Copy:
		return nil, at.Corrupt("identity of a referenced frame")
	}
	return payload, nil
}

// extentReader reads extents. It is an index.Reader.
type extentReader struct {
	disk    disk.Disk
	geo     *extent.Geometry
	buffers *disk.Buffers
	scratch []byte // whole blocks around the last range
}

// ReadAt fills p, whole logical blocks.
func (r *extentReader) ReadAt(p []byte, at chunk.Place) error {
	off := r.geo.Base(at.Extent) + int64(at.Offset)
	if err := r.disk.Read(p, off); err != nil {
		return &fault.IO{Op: "read", Offset: off, Err: err}
	}
	return nil
}

// ReadRange returns n bytes from any place; they are valid until the next call.
func (r *extentReader) ReadRange(at chunk.Place, n uint32) ([]byte, error) {
	lead := at.Offset & (r.geo.Logical - 1)
	whole := int(lead + n)
	whole += -whole & int(r.geo.Logical-1)
	if cap(r.scratch) < whole {
		r.buffers.Put(r.scratch)
		r.scratch = r.buffers.Get(whole)
	}
	b := r.scratch[:whole]
	if err := r.ReadAt(b, at.At(-int(lead))); err != nil {
		return nil, err
	}
	return b[lead : lead+n], nil
}

// List returns up to limit shard ids in order, from the first behind after, or from the beginning if after is nil. A page is a
// consistent cut. Errors: ErrCorrupt, ErrIO, ErrClosed.
func (s *Store) List(after *ShardID, limit int) ([]ShardID, error) {
	return s.AppendList(nil, after, limit)
}

// AppendList appends such a page to dst. On an error dst is returned as it was.
func (s *Store) AppendList(dst []ShardID, after *ShardID, limit int) ([]ShardID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.readable(); err != nil {
		return dst, err
	}
	m := &s.merge
	if err := m.Seek(s.mem, &s.meta.Run, &s.reader, &s.shape, s.page, after); err != nil {
		return dst, err
	}
	start := len(dst)
	for len(dst)-start < limit {
		e, err := m.Next()
		if err != nil {
			return dst[:start], err
		}
		if e == nil {
			break
		}
		if e.Kind != index.Delete && (after == nil || e.ID != *after) {
			dst = append(dst, e.ID)
		}
	}
	return dst, nil
}
