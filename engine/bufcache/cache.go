// Package bufcache keeps pages of extents that were read, within a bounded memory.
//
//	reader ──► Read ── hit ──► bytes
//	             └─ miss ──► disk ──► Insert        release of an extent ──► Drain
//
// Invariants
//
//	C1  A cache holds no more pages than its budget, and can always hold one.
//	C2  Read never returns a byte that Insert was not given: a page at the write pointer is cached only as far as it was valid.
//	C3  The generation is part of the key. So an earlier life of an extent is never seen in a later one, even if a reader that
//	    was slow inserts a page after the extent was released.
//	C4  After Drain no page of that extent is cached, whatever its generation: released bytes take no memory.
//	C5  The same calls in the same order keep and evict the same pages.
//
// What is evicted is chosen by CLOCK: a hand goes round the pages, passes over those that were hit since it last came, and
// takes the first that was not. A page that is read once, as a scan does, goes before one that is read again.
//
// Not here: whether bytes are intact. Callers check what they read, from here as from the disk.
package bufcache

import (
	"fmt"
	"slices"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
)

// Cache is a cache of pages of one size. The zero Cache is to be Reset. Callers hold the lock of whoever owns it.
type Cache struct {
	// Set by Reset.
	buffers   *disk.Buffers
	pageBytes int
	most      int // pages

	pages []page // those in use or once used. len(pages) <= most
	free  []int32
	index index
	hand  int // page that the clock points at
	stats Stats
}

// page is one page in memory.
type page struct {
	key   extent.Place // of its first byte
	bytes []byte       // the valid ones, of pageBytes; nil while the page is free
	hit   bool         // since the hand last passed
}

// Stats counts since Reset.
type Stats struct {
	Hits      uint64
	Misses    uint64 // also reads beyond the valid bytes of a cached page
	Evictions uint64 // pages that made room for others
	Drained   uint64 // pages dropped because their extent was released, or all were
	Dropped   uint64 // pages dropped because what was read of them failed a check
	Pages     int    // cached now
}

// New returns an empty cache, as Reset makes one.
func New(budget int64, pageBytes int, b *disk.Buffers) *Cache {
	c := new(Cache)
	c.Reset(budget, pageBytes, b)
	return c
}

// Reset makes c an empty cache of pages of pageBytes that holds up to budget bytes of them, at least one. It takes the memory of
// pages from b when it first needs it, and keeps it. Memory that c held before is not put back: its Buffers are reset too, or
// done with.
func (c *Cache) Reset(budget int64, pageBytes int, b *disk.Buffers) {
	c.most = int(max(1, min(budget/int64(pageBytes), maxPages)))
	clear(c.pages)
	c.pages = slices.Grow(c.pages[:0], c.most)
	c.free = slices.Grow(c.free[:0], c.most)
	c.index.reset(c.most)
	c.buffers, c.pageBytes, c.hand, c.stats = b, pageBytes, 0, Stats{}
}

const maxPages = 1 << 30

// PageBytes returns the size of a page.
func (c *Cache) PageBytes() int { return c.pageBytes }

// Read appends n bytes from offset off of the page to dst, if that page is cached with at least off+n valid bytes, and reports
// whether it is. page is the place of its first byte.
func (c *Cache) Read(dst []byte, page extent.Place, off, n int) ([]byte, bool) {
	i := c.index.find(c.pages, page)
	if i < 0 || off+n > len(c.pages[i].bytes) {
		c.stats.Misses++
		return dst, false
	}
	p := &c.pages[i]
	p.hit = true
	dst = append(dst, p.bytes[off:off+n]...)
	c.stats.Hits++
	return dst, true
}

// Insert caches a page of which the bytes b, from its first one, are valid, at most a whole page; b is copied. Of a page that is cached already the
// longer version stays: extents are only appended to, so the shorter one is its beginning, read earlier.
func (c *Cache) Insert(page extent.Place, b []byte) {
	if len(b) > c.pageBytes {
		panic(fmt.Sprintf("bufcache: %d bytes for a page of %d", len(b), c.pageBytes))
	}
	if len(b) == 0 {
		return
	}
	i := c.index.find(c.pages, page)
	if i < 0 {
		i = c.take()
		c.pages[i].key = page
		c.index.add(c.pages, i)
		c.stats.Pages++
	}
	p := &c.pages[i]
	if len(b) > len(p.bytes) {
		p.bytes = append(p.bytes[:0], b...)
	}
}

// take returns a page that nothing is cached in.
func (c *Cache) take() int {
	if n := len(c.free) - 1; n >= 0 {
		i := int(c.free[n])
		c.free = c.free[:n]
		return i
	}
	if i := len(c.pages); i < c.most {
		c.pages = append(c.pages, page{bytes: c.buffers.Get(c.pageBytes)[:0]})
		return i
	}
	for {
		i := c.hand
		if c.hand++; c.hand == len(c.pages) {
			c.hand = 0
		}
		if p := &c.pages[i]; !p.hit {
			c.drop(i)
			c.stats.Evictions++
			return i
		}
		c.pages[i].hit = false
	}
}

// drop makes page i hold nothing.
func (c *Cache) drop(i int) {
	c.index.remove(c.pages, i)
	p := &c.pages[i]
	*p = page{bytes: p.bytes[:0]}
	c.stats.Pages--
}

// Drain drops every page of x. It takes time for every page of the cache; extents are released seldom.
func (c *Cache) Drain(x extent.ID) {
	for i := range c.pages {
		if p := &c.pages[i]; p.key.Extent == x && len(p.bytes) > 0 {
			c.drop(i)
			c.free = append(c.free, int32(i))
			c.stats.Drained++
		}
	}
}

// DrainAll drops every page.
func (c *Cache) DrainAll() {
	for i := range c.pages {
		if len(c.pages[i].bytes) > 0 {
			c.drop(i)
			c.free = append(c.free, int32(i))
			c.stats.Drained++
		}
	}
}

// Drop forgets the page that begins at a place, if it is cached.
func (c *Cache) Drop(page extent.Place) {
	if i := c.index.find(c.pages, page); i >= 0 {
		c.drop(i)
		c.free = append(c.free, int32(i))
		c.stats.Dropped++
	}
}

// Check reports every page that a search does not find, and those that are cached twice.
func (c *Cache) Check(report func(error)) {
	held := 0
	for i := range c.pages {
		if len(c.pages[i].bytes) == 0 {
			continue
		}
		held++
		if found := c.index.find(c.pages, c.pages[i].key); found != i {
			report(fmt.Errorf("page %d, of %v, is not found: a search ends at %d", i, c.pages[i].key, found))
		}
	}
	if held != c.stats.Pages {
		report(fmt.Errorf("%d pages are cached, the count says %d", held, c.stats.Pages))
	}
}

// Stats returns the counts.
func (c *Cache) Stats() Stats {
	return c.stats
}
