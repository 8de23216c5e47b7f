package index

import (
	"github.com/shardproof/shardproof/engine/bufcache"
	"github.com/shardproof/shardproof/engine/chunk"
)

// reader reads tables: pages through the index cache, where they are kept once their checksum has held, all else as it comes.
type reader struct {
	chunk.Chunks
	cache *bufcache.Cache // nil: none
}

// page reads the page of t that begins off bytes from the start of its frame into dst, which is empty and has room for a page,
// and checks it if it comes from the disk.
func (r reader) page(dst []byte, t *Table, s *Shape, off int, check func(b []byte, at seal) error) ([]byte, error) {
	at := t.seal().At(off)
	n := int(s.PageBytes)
	if r.cache != nil {
		if b, hit := r.cache.Read(dst, at.Place, 0, n); hit {
			return b, nil
		}
	}
	b, err := r.checked(t, off, n, func(b []byte) error { return check(b, at) })
	if err != nil {
		return nil, err
	}
	if r.cache != nil {
		r.cache.Insert(at.Place, b)
	}
	return append(dst, b...), nil
}

// checked reads n bytes of the frame of t, and once more if check does not accept them: a device that misreads once is right the
// next time.
func (r reader) checked(t *Table, off, n int, check func(b []byte) error) ([]byte, error) {
	b, err := r.Read(t.Locator, off, n)
	if err != nil {
		return nil, err
	}
	if check(b) == nil {
		return b, nil
	}
	r.Doubt(t.Locator, off, n)
	if b, err = r.Read(t.Locator, off, n); err != nil {
		return nil, err
	}
	return b, check(b)
}

// block reads block i of t into dst.
func (r reader) block(dst []byte, t *Table, s *Shape, i int) (block, error) {
	return r.page(dst, t, s, t.blockAt(s, i), checkBlock)
}

// find looks for the entry of id in run. page is an empty slice with room for a page. An unreadable block of the range of id is
// an error (I5).
func (r reader) find(run *Run, s *Shape, page []byte, id *chunk.ShardID, e *Entry) (bool, error) {
	i := run.tableOf(id)
	if i == len(run.Tables) || Compare(&run.Tables[i].First, id) > 0 {
		return false, nil
	}
	t := &run.Tables[i]
	if err := t.loadFences(r, s); err != nil {
		return false, err
	}
	n := t.blockOf(id)
	if !r.mayHold(t, s, page, n, id) {
		return false, nil
	}
	b, err := r.block(page, t, s, n)
	if err != nil {
		return false, err
	}
	at := b.search(id)
	if at == b.len() || *b.id(at) != *id {
		return false, nil
	}
	return true, b.decode(at, e, s, t.Locator.Place())
}

// mayHold asks the filter that covers block n. A filter that cannot be read is no answer: the block is asked.
func (r reader) mayHold(t *Table, s *Shape, page []byte, n int, id *chunk.ShardID) bool {
	if t.Filters == 0 {
		return true
	}
	per := (t.Blocks + t.Filters - 1) / t.Filters
	f, err := r.page(page, t, s, t.filterAt(s, n/int(per)), func(b []byte, at seal) error {
		_, err := checkFilter(b, at)
		return err
	})
	if err != nil {
		return true
	}
	return filter(f).mayHold(id)
}
