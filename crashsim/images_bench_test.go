package crashsim_test

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/crashsim"
)

const (
	mixedDiskBytes  = 1 << 20
	mixedBlockBytes = 512
	mixedOpenBytes  = 4096 // the superblock: two slots of half that
)

// mixedWrites returns a base of 1 MiB and n writes as a storage engine leaves them pending, in rounds of eight: appends of 4 KiB,
// a rewrite of the half of the last one, one slot of the superblock, the other, and one that changes nothing.
func mixedWrites(n int) (base []byte, writes []crashsim.PendingWrite) {
	r := rand.NewChaCha8([32]byte{0: 1})
	base = make([]byte, mixedDiskBytes)
	_, _ = r.Read(base)
	end := int64(2 * mixedOpenBytes)
	fresh := func(off int64, size int) crashsim.PendingWrite {
		w := crashsim.PendingWrite{Off: off, Data: make([]byte, size)}
		_, _ = r.Read(w.Data)
		return w
	}
	for i := range n {
		switch i % 8 {
		case 1:
			writes = append(writes, fresh(end-2048, 2048))
		case 2:
			writes = append(writes, fresh(0, mixedOpenBytes/2))
		case 5:
			writes = append(writes, crashsim.PendingWrite{Off: mixedOpenBytes, Data: base[mixedOpenBytes:end:end][:4096]})
		case 6:
			writes = append(writes, fresh(mixedOpenBytes/2, mixedOpenBytes/2))
		default:
			writes = append(writes, fresh(end, 4096))
			end += 4096
		}
	}
	return base, writes
}

// The images that the benchmarks count are what the writes make them: a write that changes nothing halves them, and a slot
// written twice has three contents where two writes apart have four.
func TestMixedWritesGiveTheImagesTheyMust(t *testing.T) {
	var images crashsim.Images
	for _, c := range []struct{ writes, distinct int }{
		{4, 1 << 4},
		{8, 1 << 8 / 2},
		{12, 1 << 12 / 2 * 3 / 4},
		{16, 1 << 16 / 4 * 9 / 16},
	} {
		base, writes := mixedWrites(c.writes)
		require.NoError(t, images.Load(base, mixedBlockBytes, writes))
		images.Each(func(*crashsim.Image) bool { return true })
		require.Equal(t, 1<<c.writes, images.Masks())
		require.Equal(t, c.distinct, images.Distinct(), "of %d writes", c.writes)
	}
}

// An iteration loads the writes and visits every image; opening one reads the superblock and its CRC-32C.
func BenchmarkImages(b *testing.B) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	p := make([]byte, mixedOpenBytes)
	var crc uint32
	open := func(m *crashsim.Image) bool {
		if err := m.Read(p, 0); err != nil {
			panic(err)
		}
		crc ^= crc32.Checksum(p, castagnoli)
		return true
	}
	pass := func(*crashsim.Image) bool { return true }
	for _, n := range []int{4, 8, 12, 16} {
		base, writes := mixedWrites(n)
		b.Run(fmt.Sprintf("n=%d/open=no", n), func(b *testing.B) { benchmarkImages(b, base, writes, pass) })
		b.Run(fmt.Sprintf("n=%d/open=4KiB", n), func(b *testing.B) { benchmarkImages(b, base, writes, open) })
	}
}

func benchmarkImages(b *testing.B, base []byte, writes []crashsim.PendingWrite, visit func(*crashsim.Image) bool) {
	var images crashsim.Images
	b.ReportAllocs()
	for range b.N {
		if err := images.Load(base, mixedBlockBytes, writes); err != nil {
			b.Fatal(err)
		}
		images.Each(visit)
	}
	b.ReportMetric(float64(images.Distinct())*float64(b.N)/b.Elapsed().Seconds(), "images/s")
	b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(images.Masks())/float64(b.N), "ns/mask")
}

// An iteration tears each of the writes in turn and opens every image.
func BenchmarkImagesTorn(b *testing.B) {
	for _, c := range []struct {
		name   string
		by     crashsim.Tearing
		writes int
	}{{"prefixes", crashsim.TearPrefixes, 8}, {"prefixes", crashsim.TearPrefixes, 12}, {"subsets", crashsim.TearSubsets, 8},
		{"subsets", crashsim.TearSubsets, 12}} {
		b.Run(fmt.Sprintf("%s/n=%d", c.name, c.writes), func(b *testing.B) {
			benchmarkTorn(b, c.writes, c.by)
		})
	}
}

func benchmarkTorn(b *testing.B, n int, by crashsim.Tearing) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	p := make([]byte, mixedOpenBytes)
	base, writes := mixedWrites(n)
	var images crashsim.Images
	if err := images.Load(base, mixedBlockBytes, writes); err != nil {
		b.Fatal(err)
	}
	distinct := 0
	b.ReportAllocs()
	for range b.N {
		for w := range writes {
			if err := images.Tear(w, by); err != nil {
				b.Fatal(err)
			}
			for m := range images.Each {
				if err := m.Read(p, 0); err != nil {
					b.Fatal(err)
				}
				crc32.Checksum(p, castagnoli)
			}
			distinct += images.Distinct()
		}
	}
	b.ReportMetric(float64(distinct)/b.Elapsed().Seconds(), "images/s")
}
