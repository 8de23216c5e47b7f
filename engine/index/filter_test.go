package index

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/fault"
)

var filterAt = seal{chunk.Place{Extent: 3, Generation: 2, Offset: 4096}, 0x1dea}

// idFamilies are ids as people make them: member n of each.
var idFamilies = []struct {
	name string
	id   func(n uint64) (id chunk.ShardID)
}{
	{"random", func(n uint64) (id chunk.ShardID) {
		r := rand.New(rand.NewPCG(n, 1))
		binary.LittleEndian.PutUint64(id[:], r.Uint64())
		binary.LittleEndian.PutUint64(id[8:], r.Uint64())
		return id
	}},
	{"counter at the end", func(n uint64) (id chunk.ShardID) { binary.BigEndian.PutUint64(id[8:], n); return id }},
	{"counter at the start", func(n uint64) (id chunk.ShardID) { binary.LittleEndian.PutUint64(id[:], n); return id }},
	{"the same counter twice", func(n uint64) (id chunk.ShardID) {
		binary.LittleEndian.PutUint64(id[:], n)
		binary.LittleEndian.PutUint64(id[8:], n)
		return id
	}},
	{"multiples of 4096", func(n uint64) (id chunk.ShardID) { binary.BigEndian.PutUint64(id[8:], n<<12); return id }},
	{"text", func(n uint64) (id chunk.ShardID) { copy(id[:], fmt.Sprintf("shard-%09d", n)); return id }},
}

// falsePositives builds the filter of as many keys of a family as a block of that size is made for and returns the share of
// others that it lets through.
func falsePositives(pageBytes uint32, bitsPerKey, family, others int) float64 {
	keys := filterSpan(pageBytes, bitsPerKey) * PerBlock(pageBytes)
	entries := make([]Entry, keys)
	for i := range entries {
		entries[i].ID = idFamilies[family].id(uint64(i))
	}
	f := filter(make([]byte, pageBytes))
	encodeFilter(f, entries, bitsPerKey, filterAt)
	through := 0
	for i := range others {
		id := idFamilies[family].id(uint64(keys + i))
		if f.mayHold(&id) {
			through++
		}
	}
	return float64(through) / float64(others)
}

func TestFilterLetsFewAbsentIDsThrough(t *testing.T) {
	for i, family := range idFamilies {
		t.Run(family.name, func(t *testing.T) {
			require.LessOrEqual(t, falsePositives(4096, 10, i, 100_000), 0.013)
			for bitsPerKey := 1; bitsPerKey <= 16; bitsPerKey++ {
				k := float64(filterHashes(bitsPerKey))
				ideal := math.Pow(1-math.Exp(-k/float64(bitsPerKey)), k)
				require.LessOrEqual(t, falsePositives(4096, bitsPerKey, i, 50_000), ideal*1.3+0.0003, "%d bits a key", bitsPerKey)
			}
		})
	}
}

func TestFilterOfSmallPagesLetsFewAbsentIDsThrough(t *testing.T) {
	for _, pageBytes := range []uint32{64, 128, 256, 512} {
		sum := 0.0
		for i := range idFamilies {
			sum += falsePositives(pageBytes, 10, i, 20_000)
		}
		require.LessOrEqual(t, sum/float64(len(idFamilies)), 0.013, "page of %d bytes", pageBytes)
	}
}

// No filter denies a key it was built from (X1), however its table is divided, and each block passes its check.
func TestFilterNeverDeniesAKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pageBytes := rapid.SampledFrom([]uint32{64, 128, 192, 512, 4096}).Draw(t, "page")
		bitsPerKey := rapid.IntRange(1, 40).Draw(t, "bits")
		entries := make([]Entry, rapid.IntRange(1, 400).Draw(t, "keys"))
		family := rapid.IntRange(0, len(idFamilies)-1).Draw(t, "family")
		for i := range entries {
			entries[i].ID = idFamilies[family].id(rapid.Uint64().Draw(t, "n"))
		}
		per := PerBlock(pageBytes)
		blocks := (len(entries) + per - 1) / per
		n := filterBlocks(blocks, pageBytes, bitsPerKey)
		b := make([]byte, n*int(pageBytes))
		encodeFilters(b, entries, pageBytes, bitsPerKey, filterAt)
		keys := 0
		for i := range n {
			f, err := checkFilter(b[i*int(pageBytes):(i+1)*int(pageBytes)], filterAt.At(i*int(pageBytes)))
			if err != nil {
				t.Fatal(err)
			}
			keys += f.keys()
		}
		if keys != len(entries) {
			t.Fatalf("%d filters of %d keys, not %d", n, keys, len(entries))
		}
		for i := range entries {
			part := i / per / filterSpan(pageBytes, bitsPerKey)
			if f := filter(b[part*int(pageBytes) : (part+1)*int(pageBytes)]); !f.mayHold(&entries[i].ID) {
				t.Fatalf("filter %d denies key %d", part, i)
			}
		}
	})
}

func TestFilterSpanIsWhatAPageHasBitsFor(t *testing.T) {
	for _, c := range []struct {
		pageBytes  uint32
		bitsPerKey int
		want       int
	}{
		{4096, 0, 0},
		{4096, 10, 38}, // 4084 × 8 bits for blocks of 85 keys of 10 bits
		{4096, 1, 384},
		{4096, 16, 24},
		{4096, 1000, 12}, // as with 32
		{128, 10, 46},
		{64, 32, 13}, // one key a block
	} {
		require.Equal(t, c.want, filterSpan(c.pageBytes, c.bitsPerKey), "%+v", c)
		if c.want > 0 {
			require.LessOrEqual(t, filterBytes(c.want*PerBlock(c.pageBytes), min(c.bitsPerKey, maxFilterBits)), int(c.pageBytes)-filterHeaderBytes)
			require.Equal(t, 1, filterBlocks(c.want, c.pageBytes, c.bitsPerKey))
			require.Equal(t, 2, filterBlocks(c.want+1, c.pageBytes, c.bitsPerKey))
		}
	}
	require.Zero(t, filterBlocks(100, 4096, 0))
}

// validFilter returns a filter block of a few keys.
func validFilter(pageBytes uint32) []byte {
	entries := make([]Entry, 5)
	for i := range entries {
		entries[i].ID = idFamilies[0].id(uint64(i))
	}
	b := make([]byte, pageBytes)
	encodeFilter(b, entries, 10, filterAt)
	return b
}

func TestADamagedFilterIsAnError(t *testing.T) {
	for _, pageBytes := range []uint32{64, 512} {
		good := validFilter(pageBytes)
		for i := range len(good) * 8 {
			b := append([]byte(nil), good...)
			b[i/8] ^= 1 << (i % 8)
			_, err := checkFilter(b, filterAt)
			require.ErrorIs(t, err, fault.ErrCorrupt, "bit %d", i)
		}
		for n := range good {
			_, err := checkFilter(good[:n:n], filterAt)
			require.ErrorIs(t, err, fault.ErrCorrupt, "%d bytes", n)
		}
		_, err := checkFilter(good, filterAt.At(64))
		require.ErrorIs(t, err, fault.ErrCorrupt, "another place")
	}
}

func TestFilterAndEntryBlocksAreNotTakenForEachOther(t *testing.T) {
	require.ErrorIs(t, checkBlock(validFilter(512), filterAt), fault.ErrCorrupt)
	b := make([]byte, 512)
	encodeBlock(b, make([]Entry, 3), filterAt)
	_, err := checkFilter(b, filterAt)
	require.ErrorIs(t, err, fault.ErrCorrupt)
}

// Any bytes are a filter or a *fault.Corrupt, also with a checksum that fits them.
func FuzzCheckFilter(f *testing.F) {
	f.Add(validFilter(64), false)
	f.Add(validFilter(512), true)
	f.Add([]byte{}, true)
	f.Add(make([]byte, filterHeaderBytes), true)
	f.Add(append(make([]byte, filterHeaderBytes), 0xff), true)
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal && len(b) >= 4 {
			le.PutUint32(b, filterAt.CRC(b[4:]))
		}
		v, err := checkFilter(b, filterAt)
		if err != nil {
			var corrupt *fault.Corrupt
			require.ErrorAs(t, err, &corrupt)
			return
		}
		for i := range uint64(10) {
			id := idFamilies[0].id(i)
			v.mayHold(&id)
		}
	})
}

// What a key sets is part of the format (X3): a change of these numbers is a change of the format.
func TestFilterPositionsNeverChange(t *testing.T) {
	b := make([]byte, 64)
	encodeFilter(b, []Entry{{ID: chunk.ShardID{1, 2, 3}}, {ID: chunk.ShardID{15: 9}}}, 10, filterAt)
	require.Equal(t, "0000070002000000"+
		"10000000100000000000000000002000000000021000002010000000120000004000000000040000004000001000000010000000", fmt.Sprintf("%x", b[4:]))
}

func BenchmarkFilter(b *testing.B) {
	f := filter(make([]byte, 4096))
	entries := make([]Entry, filterSpan(4096, 10)*PerBlock(4096))
	for i := range entries {
		entries[i].ID = idFamilies[0].id(uint64(i))
	}
	b.Run("encode", func(b *testing.B) {
		for range b.N {
			encodeFilter(f, entries, 10, filterAt)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(entries)), "ns/key")
	})
	encodeFilter(f, entries, 10, filterAt)
	absent := make([]chunk.ShardID, 1024)
	for i := range absent {
		absent[i] = idFamilies[0].id(uint64(len(entries) + i))
	}
	b.Run("present", func(b *testing.B) {
		for i := range b.N {
			f.mayHold(&entries[i%len(entries)].ID)
		}
	})
	b.Run("absent", func(b *testing.B) {
		for i := range b.N {
			f.mayHold(&absent[i&1023])
		}
	})
}

// encodeFilters fills b, filterBlocks pages, with the filter of entry blocks that are filled with entries one after the other.
func encodeFilters(b []byte, entries []Entry, pageBytes uint32, bitsPerKey int, at seal) {
	keys := filterSpan(pageBytes, bitsPerKey) * PerBlock(pageBytes)
	for off := 0; off < len(b); off += int(pageBytes) {
		n := min(keys, len(entries))
		encodeFilter(b[off:off+int(pageBytes)], entries[:n], bitsPerKey, at.At(off))
		entries = entries[n:]
	}
}
