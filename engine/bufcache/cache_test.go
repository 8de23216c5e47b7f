package bufcache

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
)

const pageBytes = 64

func newCache(pages int) *Cache { return New(int64(pages)*pageBytes, pageBytes, new(disk.Buffers)) }

func at(x extent.ID, gen extent.Generation, page uint32) extent.Place {
	return extent.Place{Extent: x, Generation: gen, Offset: page * pageBytes}
}

// whole returns a page full of one byte.
func whole(b byte) []byte { return bytes.Repeat([]byte{b}, pageBytes) }

func read(c *Cache, p extent.Place, off, n int) string {
	b, ok := c.Read([]byte(">"), p, off, n)
	if !ok && string(b) != ">" {
		panic("a miss changed the destination")
	}
	if !ok {
		return "miss"
	}
	return string(b)
}

func TestReadAppendsWhatWasInserted(t *testing.T) {
	c := newCache(4)
	require.Equal(t, "miss", read(c, at(1, 1, 0), 0, 1))
	c.Insert(at(1, 1, 0), []byte("hello, world"))
	require.Equal(t, ">hello", read(c, at(1, 1, 0), 0, 5))
	require.Equal(t, ">world", read(c, at(1, 1, 0), 7, 5))
	require.Equal(t, ">", read(c, at(1, 1, 0), 12, 0))
	require.Equal(t, Stats{Hits: 3, Misses: 1, Pages: 1}, c.Stats())
}

func TestBytesBeyondTheValidOnesAreAMiss(t *testing.T) {
	c := newCache(1)
	c.Insert(at(9, 1, 0), whole('x'))
	c.Insert(at(1, 1, 0), []byte("abc")) // in the same memory
	require.Equal(t, "miss", read(c, at(1, 1, 0), 0, 4))
	require.Equal(t, "miss", read(c, at(1, 1, 0), 3, 1))
	c.Insert(at(1, 1, 0), []byte("abcdef"))
	require.Equal(t, ">def", read(c, at(1, 1, 0), 3, 3))
	c.Insert(at(1, 1, 0), []byte("ab"))
	require.Equal(t, ">def", read(c, at(1, 1, 0), 3, 3), "a shorter version does not take bytes away")
	require.Equal(t, 1, c.Stats().Pages)
}

func TestAnEarlierLifeIsNeverSeen(t *testing.T) {
	c := newCache(4)
	c.Insert(at(1, 1, 0), whole('a'))
	require.Equal(t, "miss", read(c, at(1, 2, 0), 0, 1), "though nobody drained")
	c.Insert(at(1, 2, 0), whole('b'))
	require.Equal(t, ">b", read(c, at(1, 2, 0), 0, 1))
}

func TestDrainDropsEveryLifeOfAnExtent(t *testing.T) {
	c := newCache(8)
	for i := range uint32(3) {
		c.Insert(at(1, 1, i), whole('a'))
		c.Insert(at(2, 1, i), whole('b'))
	}
	c.Insert(at(1, 2, 0), whole('c'))
	c.Drain(1)
	c.Drain(1)
	for i := range uint32(3) {
		require.Equal(t, "miss", read(c, at(1, 1, i), 0, 1))
		require.Equal(t, ">b", read(c, at(2, 1, i), 0, 1))
	}
	require.Equal(t, "miss", read(c, at(1, 2, 0), 0, 1))
	require.Equal(t, Stats{Hits: 3, Misses: 4, Drained: 4, Pages: 3}, c.Stats())
	for i := range uint32(5) { // what was drained is used first
		c.Insert(at(3, 1, i), whole('d'))
	}
	require.Equal(t, 8, c.Stats().Pages)
	require.Zero(t, c.Stats().Evictions)
}

func TestAPageReadAgainOutlivesAScan(t *testing.T) {
	c := newCache(4)
	c.Insert(at(1, 1, 0), whole('a'))
	for i := range uint32(40) {
		require.Equal(t, ">a", read(c, at(1, 1, 0), 0, 1))
		c.Insert(at(2, 1, i), whole('b'))
	}
	require.Equal(t, uint64(37), c.Stats().Evictions)
}

func TestABudgetBelowOnePageHoldsOne(t *testing.T) {
	c := New(0, pageBytes, new(disk.Buffers))
	for i := range uint32(3) {
		c.Insert(at(1, 1, i), whole(byte('a'+i)))
		require.Equal(t, ">"+string(byte('a'+i)), read(c, at(1, 1, i), 0, 1))
	}
	require.Equal(t, Stats{Hits: 3, Evictions: 2, Pages: 1}, c.Stats())
}

func TestMoreThanAPagePanics(t *testing.T) {
	require.Panics(t, func() { newCache(1).Insert(at(1, 1, 0), make([]byte, pageBytes+1)) })
}

// What a cache answers is what a map would, or a miss; and of what it may keep it keeps the newest.
func TestCacheAgreesWithAMap(t *testing.T) {
	var c Cache
	rapid.Check(t, func(t *rapid.T) {
		budget := rapid.SampledFrom([]int{1, 2, 3, 8, 64}).Draw(t, "pages")
		c.Reset(int64(budget)*pageBytes+int64(rapid.IntRange(0, pageBytes-1).Draw(t, "rest")), pageBytes, new(disk.Buffers))
		known := map[extent.Place][]byte{} // what was inserted and not drained
		evicted := uint64(0)
		key := rapid.Custom(func(t *rapid.T) extent.Place {
			return at(extent.ID(rapid.IntRange(0, 3).Draw(t, "x")), extent.Generation(rapid.IntRange(1, 3).Draw(t, "generation")), rapid.Uint32Range(0, 4).Draw(t, "page"))
		})
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			switch rapid.IntRange(-1, 9).Draw(t, "step") {
			case -1:
				if rapid.IntRange(0, 3).Draw(t, "all") > 0 {
					continue
				}
				c.DrainAll()
				clear(known)
				if n := c.Stats().Pages; n != 0 {
					t.Fatalf("%d pages are still there", n)
				}
			case 0:
				x := extent.ID(rapid.IntRange(0, 3).Draw(t, "drain"))
				c.Drain(x)
				for k := range known {
					if k.Extent == x {
						delete(known, k)
					}
				}
				for _, p := range c.pages {
					if p.key.Extent == x && len(p.bytes) > 0 {
						t.Fatalf("%v is still there", p.key)
					}
				}
			case 1, 2, 3, 4:
				k := key.Draw(t, "key")
				b := whole(byte(k.Extent)<<6 | byte(k.Generation)<<4 | byte(k.Offset/pageBytes))[:rapid.IntRange(0, pageBytes).Draw(t, "valid")]
				for i := range b {
					b[i] ^= byte(i * 7)
				}
				c.Insert(k, b)
				if len(b) > len(known[k]) {
					known[k] = b
				}
				if got, ok := c.Read(nil, k, 0, len(b)); len(b) > 0 && (!ok || !bytes.Equal(got, b)) {
					t.Fatalf("%v was just inserted: %v %x", k, ok, got)
				}
			default:
				k := key.Draw(t, "key")
				off := rapid.IntRange(0, pageBytes).Draw(t, "off")
				n := rapid.IntRange(0, pageBytes-off).Draw(t, "n")
				b, cached := known[k]
				got, ok := c.Read([]byte("prefix"), k, off, n)
				switch {
				case !bytes.HasPrefix(got, []byte("prefix")):
					t.Fatal("the destination was changed")
				case ok && (off+n > len(b) || !bytes.Equal(got[6:], b[off:off+n])):
					t.Fatalf("%v+%d: %x, want %x", k, off, got[6:], b)
				case !ok && cached && off+n <= len(b) && c.Stats().Evictions == 0:
					t.Fatalf("%v+%d: a miss, and nothing was evicted", k, off)
				}
			}
			s := c.Stats()
			if s.Pages > budget || s.Evictions < evicted || s.Evictions > evicted && s.Pages < budget {
				t.Fatalf("%+v with a budget of %d pages", s, budget)
			}
			evicted = s.Evictions
			c.checkIndex(t.Fatalf)
		}
	})
}

// checkIndex compares the index with the pages.
func (c *Cache) checkIndex(fail func(format string, args ...any)) {
	cells, used := 0, 0
	for _, i := range c.index.cells {
		if i != 0 {
			cells++
		}
	}
	for i, p := range c.pages {
		if len(p.bytes) == 0 {
			continue
		}
		used++
		if got := c.index.find(c.pages, p.key); got != i {
			fail("page %d with key %v is found at %d", i, p.key, got)
		}
	}
	if cells != used || used != c.stats.Pages || used+len(c.free) != len(c.pages) {
		fail("%d cells, %d pages in use, %d free of %d, stats %d", cells, used, len(c.free), len(c.pages), c.stats.Pages)
	}
}

func TestTheSameCallsEvictTheSamePages(t *testing.T) {
	var c Cache
	run := func() (s string) {
		c.Reset(5*pageBytes, pageBytes, new(disk.Buffers))
		for i := range 1000 {
			k := at(extent.ID(i*i%5), 1, uint32(i*7%11))
			if i%3 == 0 {
				c.Insert(k, whole('x'))
			}
			s += read(&c, k, 0, 1)
			if i%97 == 0 {
				c.Drain(extent.ID(i % 5))
			}
		}
		return s + fmt.Sprint(c.Stats())
	}
	require.Equal(t, run(), run())
}

func TestNothingIsAllocatedOnceGrown(t *testing.T) {
	var c Cache
	var buffers disk.Buffers
	page := whole('x')
	dst := make([]byte, 0, pageBytes)
	work := func() {
		buffers.Reset()
		c.Reset(2*pageBytes, pageBytes, &buffers) // a smaller one does not cost the larger one its memory
		c.Reset(16*pageBytes, pageBytes, &buffers)
		for i := range uint32(100) {
			c.Insert(at(extent.ID(i%3), 1, i), page)
			c.Read(dst, at(extent.ID(i%3), 1, i), 3, 40)
			if i%30 == 0 {
				c.Drain(1)
			}
		}
	}
	work()
	require.Zero(t, testing.AllocsPerRun(20, work))
}

func BenchmarkHit(b *testing.B) {
	for _, pages := range []int{8, 1024, 16384} {
		b.Run(fmt.Sprintf("pages=%d", pages), func(b *testing.B) {
			c := New(int64(pages)*4096, 4096, new(disk.Buffers))
			page := make([]byte, 4096)
			for i := range pages {
				c.Insert(extent.Place{Extent: 3, Generation: 1, Offset: uint32(i) * 4096}, page)
			}
			dst := make([]byte, 0, 4096)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				p := extent.Place{Extent: 3, Generation: 1, Offset: uint32(i*13&(pages-1)) * 4096}
				if _, ok := c.Read(dst, p, 512, 128); !ok {
					b.Fatal("miss")
				}
			}
		})
	}
}

func BenchmarkInsertEvict(b *testing.B) {
	c := New(1024*4096, 4096, new(disk.Buffers))
	page := make([]byte, 4096)
	b.ReportAllocs()
	for i := range b.N {
		c.Insert(extent.Place{Extent: 3, Generation: 1, Offset: uint32(i) * 4096}, page)
	}
}

func BenchmarkReset(b *testing.B) {
	for _, pages := range []int{8, 64} {
		b.Run(fmt.Sprintf("pages=%d", pages), func(b *testing.B) {
			var c Cache
			var buffers disk.Buffers
			page := make([]byte, 128)
			for range b.N {
				buffers.Reset()
				c.Reset(int64(pages)*128, 128, &buffers)
				for i := range uint32(4) {
					c.Insert(at(1, 1, i), page)
				}
			}
		})
	}
}
