package crashsim_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine/disk"
)

// The oracle is the definition, at the price of a copy of the disk for every mask: the blocks taken are copied onto the base,
// write after write, and images are told apart by all their bytes.

// imageCase is a disk and what was pending when its power went.
type imageCase struct {
	base       []byte
	blockBytes int
	writes     []crashsim.PendingWrite
	torn       int // the index of the torn write; -1 if none
	by         crashsim.Tearing
}

func (c *imageCase) load(t *testing.T, images *crashsim.Images) {
	require.NoError(t, images.Load(c.base, c.blockBytes, c.writes))
	if c.torn >= 0 {
		require.NoError(t, images.Tear(c.torn, c.by))
	}
}

// ways returns every choice of blocks of write w that an image may hold.
func (c *imageCase) ways(w int) (ways [][]bool) {
	blocks := len(c.writes[w].Data) / c.blockBytes
	switch {
	case w != c.torn:
		return [][]bool{make([]bool, blocks), slices.Repeat([]bool{true}, blocks)}
	case c.by == crashsim.TearPrefixes:
		for n := range blocks + 1 {
			ways = append(ways, slices.Concat(slices.Repeat([]bool{true}, n), make([]bool, blocks-n)))
		}
	case c.by == crashsim.TearSubsets:
		for n := range 1 << blocks {
			taken := make([]bool, blocks)
			for i := range taken {
				taken[i] = n>>i&1 == 1
			}
			ways = append(ways, taken)
		}
	}
	return ways
}

// compose returns the image that holds block i of write w where taken[w][i].
func (c *imageCase) compose(taken [][]bool) []byte {
	image := bytes.Clone(c.base)
	for w, blocks := range taken {
		for i, is := range blocks {
			if at := i * c.blockBytes; is {
				copy(image[int(c.writes[w].Off)+at:], c.writes[w].Data[at:at+c.blockBytes])
			}
		}
	}
	return image
}

// enumerate returns every image with the oldest newest write that gives it, and the number of masks.
func (c *imageCase) enumerate() (newest map[string]int, masks int) {
	newest = map[string]int{}
	taken := make([][]bool, len(c.writes))
	var choose func(w, last int)
	choose = func(w, last int) {
		if w == len(c.writes) {
			masks++
			image := string(c.compose(taken))
			if before, ok := newest[image]; !ok || last < before {
				newest[image] = last
			}
			return
		}
		for _, way := range c.ways(w) {
			taken[w] = way
			if slices.Contains(way, true) {
				choose(w+1, w)
			} else {
				choose(w+1, last)
			}
		}
	}
	choose(0, -1)
	return newest, masks
}

// claimed returns the blocks that an image says it takes.
func (c *imageCase) claimed(t *testing.T, m *crashsim.Image) (taken [][]bool) {
	for w := range c.writes {
		some := m.Mask()>>w&1 == 1
		blocks := slices.Repeat([]bool{some}, len(c.writes[w].Data)/c.blockBytes)
		if w == c.torn {
			blocks = slices.Clone(m.Pieces())
			require.Equal(t, slices.Contains(blocks, true), some, "whether the mask has a torn write of which %v is there", blocks)
		}
		taken = append(taken, blocks)
	}
	return taken
}

// check visits the images of c and compares them with the oracle's.
func (c *imageCase) check(t *testing.T, images *crashsim.Images, r *rand.Rand) {
	want, masks := c.enumerate()
	c.load(t, images)
	seen := map[string]bool{}
	for m := range images.Each {
		image := string(m.AppendTo([]byte("front")))
		require.Equal(t, "front", image[:5], "what AppendTo appends to")
		image = image[5:]
		newest, possible := want[image]
		require.True(t, possible, "%x is no image", image)
		require.False(t, seen[image], "%x was visited before", image)
		require.Equal(t, newest, m.Newest(), "newest write of %x", image)
		require.Equal(t, string(c.compose(c.claimed(t, m))), image, "what the writes it takes give: %b %v", m.Mask(), m.Pieces())
		seen[image] = true
		c.checkReads(t, m, image, r)
	}
	require.Equal(t, len(want), len(seen), "images visited")
	require.Equal(t, len(want), images.Distinct())
	require.Equal(t, masks, images.Masks())
}

func (c *imageCase) checkReads(t *testing.T, m *crashsim.Image, image string, r *rand.Rand) {
	p := make([]byte, len(image))
	require.NoError(t, m.Read(p, 0))
	require.Equal(t, image, string(p))
	from := r.IntN(len(image) + 1)
	size := r.IntN(len(image) - from + 1)
	require.NoError(t, m.Read(p[:size], int64(from)))
	require.Equal(t, image[from:from+size], string(p[:size]), "%d bytes at %d", size, from)
}

// randomCase returns a small case. There are few contents, so that writes often change nothing or bring back what was there,
// in some of their blocks or in all.
func randomCase(r *rand.Rand) *imageCase {
	c := &imageCase{blockBytes: 1 + r.IntN(3), torn: -1}
	blocks := 1 + r.IntN(10)
	contents := 1 + r.IntN(5)
	fill := func(p []byte) []byte {
		for i := 0; i < len(p); i += c.blockBytes {
			p[i+r.IntN(c.blockBytes)] = byte(r.IntN(contents)) // now and then blocks differ in one byte only, any of them
		}
		return p
	}
	c.base = fill(make([]byte, blocks*c.blockBytes))
	for range r.IntN(8) {
		first := r.IntN(blocks)
		data := bytes.Clone(c.base[first*c.blockBytes:][:(1+r.IntN(min(blocks-first, 5)))*c.blockBytes])
		c.writes = append(c.writes, crashsim.PendingWrite{Off: int64(first * c.blockBytes), Data: fill(data)})
	}
	return c
}

// One Images serves all cases, so what one leaves behind would show in the next.
func TestImagesAreThoseOfTheDefinition(t *testing.T) {
	var images crashsim.Images
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(1, seed))
		c := randomCase(r)
		whole := *c
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			whole.check(t, &images, r)
			if len(c.writes) > 0 {
				c.torn = r.IntN(len(c.writes))
				c.by = crashsim.TearPrefixes
				c.check(t, &images, r)
				c.by = crashsim.TearSubsets
				c.check(t, &images, r)
				whole.check(t, &images, r)
			}
		})
	}
}

// The stories that random cases may miss, with their figures worked out by hand.
func TestImagesOfStories(t *testing.T) {
	write := func(block int64, data string) crashsim.PendingWrite {
		return crashsim.PendingWrite{Off: 2 * block, Data: []byte(data)}
	}
	type writes = []crashsim.PendingWrite
	for _, c := range []struct {
		name     string
		writes   writes
		torn     int
		by       crashsim.Tearing
		masks    int
		distinct int
		reason   string
	}{
		{"nothing pending", nil, -1, 0, 1, 1, "the base is an image"},
		{"writes apart", writes{write(0, "aa"), write(2, "bb"), write(5, "cc")}, -1, 0, 8, 8, "all subsets differ"},
		{"a write that changes nothing", writes{write(1, "...."), write(0, "aa")}, -1, 0, 4, 2, "taken or lost, it is the same"},
		{"one block thrice", writes{write(3, "aa"), write(3, "bb"), write(3, "cc")}, -1, 0, 8, 4, "the base and three versions"},
		{"there and back", writes{write(3, "aa"), write(3, ".."), write(3, "aa")}, -1, 0, 8, 2, "the versions have two contents"},
		{"the same written twice", writes{write(1, "aabb"), write(1, "aabb")}, -1, 0, 4, 2, "either gives it"},
		{"partly the same", writes{write(1, "aabb"), write(1, "aacc")}, -1, 0, 4, 3, "the second block tells them apart"},
		{"the same elsewhere", writes{write(1, "aa"), write(2, "aa")}, -1, 0, 4, 4, "a place is part of an image"},
		{"blocks change places", writes{write(1, "aabb"), write(1, "bbaa")}, -1, 0, 4, 3, "a place is part of an image"},
		{"an island in a write", writes{write(0, "aabbccdd"), write(1, "xx")}, -1, 0, 4, 4, "two spans of one class around it"},
		{"a write under a larger one", writes{write(1, "xx"), write(0, "aabbcc")}, -1, 0, 4, 3, "the larger one hides it"},
		{"a prefix", writes{write(1, "aabbcc")}, 0, crashsim.TearPrefixes, 4, 4, "none, one, two, three blocks"},
		{"a prefix that changes nothing", writes{write(1, "....cc")}, 0, crashsim.TearPrefixes, 4, 2, "only the last block matters"},
		{"a prefix over a write", writes{write(1, "aabb"), write(1, "aacc")}, 1, crashsim.TearPrefixes, 6, 4,
			".. ..   aa ..   aa cc   aa bb"},
		{"subsets", writes{write(1, "aabbcc")}, 0, crashsim.TearSubsets, 8, 8, "each block by itself"},
		{"subsets under a write", writes{write(1, "aabbcc"), write(2, "xx")}, 0, crashsim.TearSubsets, 16, 12,
			"the middle block has three versions"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var images crashsim.Images
			story := imageCase{bytes.Repeat([]byte("."), 12), 2, c.writes, c.torn, c.by}
			story.check(t, &images, rand.New(rand.NewPCG(2, 2)))
			require.Equal(t, c.masks, images.Masks(), c.reason)
			require.Equal(t, c.distinct, images.Distinct(), c.reason)
		})
	}
}

// A torn write may have more blocks than a word has bits, and the set of images seen grows many times over.
func TestImagesOfMany(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	random := func(size int) []byte {
		p := make([]byte, size)
		for i := range p {
			p[i] = byte(r.Uint32())
		}
		return p
	}
	long := &imageCase{base: random(200 * 4), blockBytes: 4, torn: 1, by: crashsim.TearPrefixes}
	long.writes = []crashsim.PendingWrite{{Off: 40, Data: random(80)}, {Off: 20, Data: random(150 * 4)}, {Off: 400, Data: random(4)}}
	var images crashsim.Images
	long.check(t, &images, r)

	many := &imageCase{base: random(16 * 4), blockBytes: 4, torn: -1}
	for i := range 13 {
		many.writes = append(many.writes, crashsim.PendingWrite{Off: int64(i * 4), Data: random(8)})
	}
	many.check(t, &images, r)
}

// TestImagesAtTheBound goes through as many masks as there may be. Nothing changes, so nothing is seen twice.
func TestImagesAtTheBound(t *testing.T) {
	var images crashsim.Images
	base := make([]byte, 16)
	writes := slices.Repeat([]crashsim.PendingWrite{{Off: 8, Data: make([]byte, 4)}}, 20)
	require.NoError(t, images.Load(base, 4, writes))
	images.Each(func(m *crashsim.Image) bool {
		require.Equal(t, -1, m.Newest())
		return true
	})
	require.Equal(t, crashsim.ImageMasksMax, images.Masks())
	require.Equal(t, 1, images.Distinct())
}

func TestImagesStopEarly(t *testing.T) {
	c := &imageCase{base: make([]byte, 8), blockBytes: 1, torn: 1, by: crashsim.TearSubsets, writes: []crashsim.PendingWrite{
		{Off: 0, Data: []byte("ab")}, {Off: 1, Data: []byte("cde")}, {Off: 3, Data: []byte("ef")},
	}}
	var images crashsim.Images
	c.load(t, &images)
	var all []string
	for m := range images.Each {
		all = append(all, string(m.AppendTo(nil)))
	}
	masks := images.Masks()
	require.Greater(t, len(all), 10)
	for stop := range len(all) {
		var some []string
		images.Each(func(m *crashsim.Image) bool {
			some = append(some, string(m.AppendTo(nil)))
			return len(some) <= stop
		})
		require.Equal(t, all[:stop+1], some, "stopped at the last of them")
		require.Equal(t, stop+1, images.Distinct())
		require.GreaterOrEqual(t, images.Masks(), stop+1)
		require.LessOrEqual(t, images.Masks(), masks)
	}
}

func TestImagesRefuse(t *testing.T) {
	base := make([]byte, 64)
	at := func(off int64, size int) []crashsim.PendingWrite {
		return []crashsim.PendingWrite{{Off: 0, Data: make([]byte, 8)}, {Off: off, Data: make([]byte, size)}}
	}
	var images crashsim.Images
	require.NoError(t, images.Load(base, 8, at(8, 8)))
	for _, c := range []struct {
		name       string
		base       []byte
		blockBytes int
		writes     []crashsim.PendingWrite
		want       error
	}{
		{"no block", base, 0, nil, disk.ErrMisaligned},
		{"a negative block", base, -8, nil, disk.ErrMisaligned},
		{"a base of half a block", base[:60], 8, nil, disk.ErrMisaligned},
		{"an offset within a block", base, 8, at(4, 8), disk.ErrMisaligned},
		{"half a block", base, 8, at(8, 4), disk.ErrMisaligned},
		{"an empty write", base, 8, at(8, 0), disk.ErrMisaligned},
		{"before the disk", base, 8, at(-8, 8), disk.ErrOutOfRange},
		{"behind the disk", base, 8, at(64, 8), disk.ErrOutOfRange},
		{"over the end", base, 8, at(56, 16), disk.ErrOutOfRange},
		{"larger than the disk", base, 8, at(0, 72), disk.ErrOutOfRange},
		{"an offset that overflows", base, 8, at(math.MaxInt64-7, 8), disk.ErrOutOfRange},
		{"one write too many", base, 8, slices.Repeat(at(8, 8)[:1], 21), crashsim.ErrTooManyImages},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.ErrorIs(t, images.Load(c.base, c.blockBytes, c.writes), c.want)
			images.Each(func(*crashsim.Image) bool { return true })
			require.Equal(t, 4, images.Masks(), "what was loaded before remains")
		})
	}
}

func TestImagesRefuseToTear(t *testing.T) {
	base := make([]byte, 1<<21)
	var images crashsim.Images
	for _, c := range []struct {
		name           string
		writes, blocks int
		by             crashsim.Tearing
		refused        bool
	}{
		{"a block cannot be torn", 20, 1, crashsim.TearSubsets, false},
		{"a block has two prefixes", 20, 1, crashsim.TearPrefixes, false},
		{"2^19 masks and four subsets", 20, 2, crashsim.TearSubsets, true},
		{"2^19 masks and three prefixes", 20, 2, crashsim.TearPrefixes, true},
		{"2^18 masks and four subsets", 19, 2, crashsim.TearSubsets, false},
		{"2^18 masks and four prefixes", 19, 3, crashsim.TearPrefixes, false},
		{"2^18 masks and five prefixes", 19, 4, crashsim.TearPrefixes, true},
		{"2^20 subsets", 1, 20, crashsim.TearSubsets, false},
		{"2^21 subsets", 1, 21, crashsim.TearSubsets, true},
		{"more subsets than a word counts", 1, 64, crashsim.TearSubsets, true},
		{"2^20 prefixes", 1, 1<<20 - 1, crashsim.TearPrefixes, false},
		{"2^20 prefixes and one", 1, 1 << 20, crashsim.TearPrefixes, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			writes := slices.Repeat([]crashsim.PendingWrite{{Data: base[:1]}}, c.writes)
			writes[c.writes/2].Data = base[:c.blocks]
			require.NoError(t, images.Load(base, 1, writes))
			err := images.Tear(c.writes/2, c.by)
			if !c.refused {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, crashsim.ErrTooManyImages)
			images.Each(func(*crashsim.Image) bool { return true })
			require.Equal(t, 1<<c.writes, images.Masks(), "no write is torn")
		})
	}
	require.Panics(t, func() { _ = images.Tear(0, 0) })
}

func TestImageReadsWithinTheDisk(t *testing.T) {
	var images crashsim.Images
	require.NoError(t, images.Load([]byte("0123"), 2, nil))
	for m := range images.Each {
		p := make([]byte, 5)
		for _, c := range []struct {
			off     int64
			size    int
			allowed bool
		}{{0, 0, true}, {4, 0, true}, {3, 1, true}, {0, 4, true}, {-1, 1, false}, {4, 1, false}, {2, 3, false}, {0, 5, false},
			{5, 0, false}, {math.MaxInt64, 1, false}, {math.MinInt64, 1, false}} {
			if err := m.Read(p[:c.size], c.off); c.allowed {
				require.NoError(t, err, "%+v", c)
			} else {
				require.ErrorIs(t, err, disk.ErrOutOfRange, "%+v", c)
			}
		}
	}
}

// Once an Images has gone through a case, nothing is allocated for that case or a smaller one (G3).
func TestImagesAllocateNothingOnceWarm(t *testing.T) {
	var images crashsim.Images
	base, writes := mixedWrites(10)
	p := make([]byte, mixedOpenBytes)
	work := func(n int) {
		require.NoError(t, images.Load(base, mixedBlockBytes, writes[:n]))
		for _, by := range []crashsim.Tearing{crashsim.TearPrefixes, crashsim.TearSubsets} {
			for m := range images.Each {
				if m.Read(p, 100) != nil {
					panic("read")
				}
			}
			require.NoError(t, images.Tear(n/2, by))
		}
		images.Each(func(m *crashsim.Image) bool { return true })
	}
	work(10)
	require.Zero(t, testing.AllocsPerRun(3, func() {
		work(10)
		work(4)
	}))
}

// Two records are appended and the head of the log moves from one to the other; what may a reader find after a power cut?
func ExampleImages() {
	var images crashsim.Images
	err := images.Load([]byte("head 0 |........|........|"), 1, []crashsim.PendingWrite{
		{Off: 8, Data: []byte("record 1")},
		{Off: 5, Data: []byte("1")},
		{Off: 17, Data: []byte("record 2")},
	})
	if err != nil {
		panic(err)
	}
	for m := range images.Each {
		fmt.Printf("%s newest %d\n", m.AppendTo(nil), m.Newest())
	}
	// Output:
	// head 0 |........|........| newest -1
	// head 0 |record 1|........| newest 0
	// head 1 |record 1|........| newest 1
	// head 1 |........|........| newest 1
	// head 1 |........|record 2| newest 2
	// head 1 |record 1|record 2| newest 2
	// head 0 |record 1|record 2| newest 2
	// head 0 |........|record 2| newest 2
}
