package engine

import (
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/index"
)

// Get returns the bytes of the latest put of id. Errors: ErrNotFound, ErrCorrupt, ErrIO, ErrClosed.
func (s *Store) Get(id ShardID) ([]byte, error) { return s.AppendShard(nil, id) }

// AppendShard appends the bytes of the latest put of id to dst. On an error dst is returned as it was. Errors as Get.
func (s *Store) AppendShard(dst []byte, id ShardID) ([]byte, error) {
	return s.GetRange(dst, id, 0, -1)
}

// GetRange appends to dst the n bytes of the latest put of id from offset off on, fewer where it ends; all to its end if n is
// negative. On an error dst is returned as it was. Errors as Get; an offset behind the end gives no bytes and no error.
func (s *Store) GetRange(dst []byte, id ShardID, off, n int64) ([]byte, error) {
	s.lockToRead()
	defer s.unlockRead()
	if err := s.readable(); err != nil {
		return dst, err
	}
	e, err := s.find(&id)
	if err != nil {
		return dst, err
	}
	w := window{off: max(off, 0), left: n}
	if n < 0 {
		w.left = 1 << 62
	}
	start := len(dst)
	dst, err = s.appendValue(dst, e, &w)
	if err != nil {
		return dst[:start], err
	}
	return dst, nil
}

// ShardInfo is what is known of a shard without its bytes.
type ShardInfo struct {
	Size     int64  // bytes
	Mutation uint64 // place of the put in the order of all mutations
}

// Head returns what is known of id without reading its bytes. Errors as Get.
func (s *Store) Head(id ShardID) (ShardInfo, error) {
	s.lockToRead()
	defer s.unlockRead()
	if err := s.readable(); err != nil {
		return ShardInfo{}, err
	}
	e, err := s.find(&id)
	if err != nil {
		return ShardInfo{}, err
	}
	info := ShardInfo{Size: int64(e.Locator.Length) - chunk.Overhead, Mutation: e.Mutation}
	if e.Kind != index.PutParts {
		return info, nil
	}
	parts, err := s.partsOf(e.Locator)
	if err != nil {
		return ShardInfo{}, err
	}
	for _, l := range parts {
		info.Size += int64(l.Length) - chunk.Overhead - extent.LocatorBytes
	}
	return info, nil
}

// lockToRead is for calls that only read. With background work on they take turns before they ask for the store's lock, so that
// many of them do not keep it from the few that let requests complete.
func (s *Store) lockToRead() {
	if b := s.background; b != nil {
		b.reading.Lock()
	}
	s.mu.Lock()
}

func (s *Store) unlockRead() {
	s.mu.Unlock()
	if b := s.background; b != nil {
		b.reading.Unlock()
	}
}

// errLostUnit is all that is known of a shard whose last mutation recovery could only name. Its place is lost too.
var errLostUnit = &fault.Corrupt{Check: "shard lost with a damaged unit of the log"}

// find returns the entry of a shard that exists.
func (s *Store) find(id *ShardID) (*index.Entry, error) {
	e, err := s.tree.Find(id)
	switch {
	case err != nil:
		return nil, err
	case e == nil, e.Kind == index.Delete:
		return nil, ErrNotFound
	case e.Kind == index.Damaged:
		return nil, errLostUnit
	}
	return e, nil
}

// window is the part of a value that is asked for: off bytes are passed over, then up to left are taken.
type window struct{ off, left int64 }

// take returns what of the next n bytes is in the window, and moves it on.
func (w *window) take(n int) (from, to int) {
	from = int(min(w.off, int64(n)))
	to = from + int(min(w.left, int64(n-from)))
	w.off -= int64(from)
	w.left -= int64(to - from)
	return from, to
}

// appendValue appends what of the value of e is in w.
func (s *Store) appendValue(dst []byte, e *index.Entry, w *window) ([]byte, error) {
	entry := *e
	h, payload, err := s.frame(entry.Locator)
	if err != nil {
		return dst, err
	}
	if h.ID != entry.ID || h.Mutation != entry.Mutation || h.Kind != chunk.PutFinal && h.Kind != chunk.Copy || (h.Parts > 1) != (entry.Kind == index.PutParts) {
		return dst, entry.Locator.Place().Corrupt("identity of a referenced frame")
	}
	if h.Parts == 1 {
		from, to := w.take(len(payload))
		return append(dst, payload[from:to]...), nil
	}
	parts, last, err := s.decodeParts(&h, payload, entry.Locator.Place())
	if err != nil {
		return dst, err
	}
	last = append([]byte(nil), last...) // the next frame that is read takes its place
	for i, l := range parts {
		if dst, err = s.appendPart(dst, &h, i, l, w); err != nil {
			return dst, err
		}
	}
	from, to := w.take(len(last))
	return append(dst, last[from:to]...), nil
}

// appendPart appends what of part i, at l, of the put that final ends is in w. A part outside the window is not read.
func (s *Store) appendPart(dst []byte, final *chunk.Header, i int, l chunk.Locator, w *window) ([]byte, error) {
	from, to := w.take(int(l.Length) - chunk.Overhead)
	if from == to {
		return dst, nil
	}
	h, payload, err := s.frame(l)
	if err != nil {
		return dst, err
	}
	if !isPart(&h, final, i) {
		return dst, l.Place().Corrupt("identity of a part")
	}
	return append(dst, payload[from:to]...), nil
}

// frame reads and checks the frame at l, from memory if its unit is not durable yet. The payload is valid until the next call.
func (s *Store) frame(l chunk.Locator) (chunk.Header, []byte, error) {
	if b := s.log.Bytes(l); b != nil {
		s.probes.Hit(probeReadMemory)
		return chunk.Decode(b, l.Place())
	}
	return s.chunks.Get(l)
}

// List returns up to limit shard ids in order, from the first behind after, or from the beginning if after is nil. A page is a
// consistent cut. Errors: ErrCorrupt, ErrIO, ErrClosed.
func (s *Store) List(after *ShardID, limit int) ([]ShardID, error) {
	return s.AppendList(nil, after, limit)
}

// AppendList appends such a page to dst. On an error dst is returned as it was.
func (s *Store) AppendList(dst []ShardID, after *ShardID, limit int) ([]ShardID, error) {
	s.lockToRead()
	defer s.unlockRead()
	if err := s.readable(); err != nil {
		return dst, err
	}
	var err error
	if s.entries, err = s.tree.AppendEntries(s.entries[:0], after, limit); err != nil {
		return dst, err
	}
	for i := range s.entries {
		dst = append(dst, s.entries[i].ID)
	}
	return dst, nil
}
