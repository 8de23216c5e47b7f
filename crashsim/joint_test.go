package crashsim

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
)

// Questions about whole units (X2), one situation at a time.

// blocksOf returns n blocks of which no two are alike, sealed by their first four bytes.
func blocksOf(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 9))
	p := make([]byte, 64*n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	seal(p)
	return p
}

func seal(p []byte) { binary.LittleEndian.PutUint32(p, crc32.Checksum(p[4:], castagnoli)) }

// isWhole asks for the first n blocks of d.
func isWhole(d disk.Disk, n int) bool {
	yes, err := disk.ReadUnit(d, make([]byte, 64*n), 0, whole)
	return yes && err == nil
}

// oneByOne writes the blocks of p from the start of d, the order of which is given.
func oneByOne(t *testing.T, d *Disk, p []byte, order ...int) {
	for _, b := range order {
		write(t, d, int64(b)*64, p[b*64:(b+1)*64])
	}
}

// bruteForce compares what program returns on every concrete image with the weights of the leaves in which it returns that.
func bruteForce(t *testing.T, d *Disk, program func(d disk.Disk) uint64) Exploration {
	want, got := map[uint64]int64{}, map[uint64]int64{}
	images(d, func(d *Disk) { want[program(d)]++ })
	out, err := d.Explore(Bounds{Plain: 1}, func(again bool) (uint64, bool) {
		digest := program(d)
		if e := d.exploring; !again {
			e.weigh()
			got[digest] += e.weight.Int64()
		}
		return digest, true
	})
	require.NoError(t, err)
	require.True(t, out.Whole)
	require.Equal(t, want, got)
	return out
}

func bit(yes bool) uint64 {
	if yes {
		return 1
	}
	return 0
}

func TestAWholeUnitIsOneQuestion(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		before       []byte // durable
		write        []byte
		leaves       int
	}{
		{"new", "all of it, or not all", nil, blocksOf(1, 8), 2},
		{"old and new", "both are whole: the old one is a mixture at another time", blocksOf(1, 2), blocksOf(2, 2), 4},
		{"overwritten", "all of the old one, or not all", blocksOf(1, 4), fill(256, 5), 2},
		{"equal differences", "the same bytes weigh differently at another place", nil, equalBlocks(6), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := New(small(Sectors))
			if c.before != nil {
				write(t, d, 0, c.before)
				flush(t, d)
			}
			write(t, d, 0, c.write)
			powerCycle(d)
			out := bruteForce(t, d, func(d disk.Disk) uint64 {
				p := make([]byte, len(c.write))
				if yes, err := disk.ReadUnit(d, p, 0, whole); err != nil || !yes {
					return 0
				}
				return uint64(crc32.ChecksumIEEE(p))
			})
			require.Equal(t, c.leaves, out.Leaves, c.reason)
			require.Zero(t, out.Assumed)
		})
	}
}

func equalBlocks(n int) []byte {
	p := make([]byte, 64*n)
	for i := range p {
		p[i] = byte(i%64 + 1)
	}
	seal(p)
	return p
}

// cancelling returns four blocks whose checksum is the same if blocks 0, 1 and 3 are zeros instead: a mixture at no time at all if
// they are written in order.
func cancelling() []byte {
	p := blocksOf(3, 4)
	clear(p[:4]) // the checksum that zeros lack is made up below: raw, without the seal
	q := make([]byte, len(p))
	copy(q[128:192], p[128:192])
	target := crc32.Checksum(q, castagnoli)
	// The last four bytes are solved for: a CRC is affine in them.
	at := len(p) - 4
	clear(p[at:])
	base := crc32.Checksum(p, castagnoli)
	var rows [32]uint32
	for i := range rows {
		clear(p[at:])
		p[at+i/8] = 1 << (i % 8)
		rows[i] = crc32.Checksum(p, castagnoli) ^ base
	}
	binary.LittleEndian.PutUint32(p[at:], solve(rows, base^target))
	return p
}

// solve returns which of rows add up to sum over GF(2). They are a basis.
func solve(rows [32]uint32, sum uint32) (x uint32) {
	which := [32]uint32{}
	for i := range which {
		which[i] = 1 << i
	}
	for i := range rows {
		low := rows[i] & -rows[i]
		for j := range rows {
			if j != i && rows[j]&low != 0 {
				rows[j] ^= rows[i]
				which[j] ^= which[i]
			}
		}
		if sum&low != 0 {
			sum ^= rows[i]
			x ^= which[i]
		}
	}
	return x
}

// A mixture that has the checksum of the whole is found: its differences are linearly dependent, so the blocks are asked for one by one.
func TestAMixtureWithTheSameChecksumIsToldApart(t *testing.T) {
	p := cancelling()
	sum := crc32.Checksum(p, castagnoli)
	mixture := make([]byte, len(p))
	copy(mixture[128:192], p[128:192])
	require.Equal(t, sum, crc32.Checksum(mixture, castagnoli), "the mixture has the checksum of the whole")

	d := New(small(Sectors))
	oneByOne(t, d, p, 0, 1, 2, 3)
	powerCycle(d)
	out := bruteForce(t, d, func(d disk.Disk) uint64 {
		got := make([]byte, len(p))
		yes, err := disk.ReadUnit(d, got, 0, func(p []byte) bool { return crc32.Checksum(p, castagnoli) == sum })
		if err != nil || !yes {
			return 0
		}
		return uint64(crc32.ChecksumIEEE(got))
	})
	require.Zero(t, out.Assumed)
	require.Greater(t, out.Leaves, 2)
}

// Where the mixtures are too many to try, the question is put as one, and counted.
func TestTooManyMixturesAreAssumedNotToPass(t *testing.T) {
	const blocks = 12
	d := New(small(Sectors))
	var p []byte
	for i := range uint64(3) { // 36 differences: more than a checksum has bits
		p = blocksOf(i, blocks)
		write(t, d, 0, p)
	}
	powerCycle(d)
	sum := crc32.Checksum(p, castagnoli)
	visit := func(bool) (uint64, bool) {
		yes, err := d.ReadUnit(make([]byte, len(p)), 0, func(p []byte) bool { return crc32.Checksum(p, castagnoli) == sum })
		require.NoError(t, err)
		return bit(yes), true
	}
	out, err := d.Explore(Bounds{}, visit)
	require.NoError(t, err)
	require.True(t, out.Whole)
	require.Equal(t, 2, out.Leaves)
	require.Equal(t, 1, out.Assumed, "once for both leaves")

	out, err = d.Explore(Bounds{}, func(bool) (uint64, bool) { return 0, true })
	require.NoError(t, err)
	require.Zero(t, out.Assumed, "each exploration counts its own")
}

// The answer no is a constraint: the rest follows from it.
func TestNotAllStaysAConstraint(t *testing.T) {
	t.Run("the last one is decided by the others", func(t *testing.T) {
		d := New(small(Sectors))
		write(t, d, 0, blocksOf(1, 3))
		powerCycle(d)
		d.PowerOff()
		d.dead = false
		d.main.begin(1)
		require.False(t, isWhole(d, 3))
		p := make([]byte, 64)
		for b := range 3 {
			require.NoError(t, d.Read(p, int64(b)*64))
			require.Equal(t, b == 2, string(p) == string(make([]byte, 64)), "block %d", b)
		}
		require.Equal(t, 3, d.main.given, "one question about all, two about blocks; what is left is no question")
	})
	t.Run("asked again it is the same", func(t *testing.T) {
		d := New(small(Sectors))
		write(t, d, 0, blocksOf(1, 3))
		powerCycle(d)
		out := bruteForce(t, d, func(d disk.Disk) uint64 { return bit(isWhole(d, 3))<<1 | bit(isWhole(d, 3)) })
		require.Equal(t, 2, out.Leaves)
	})
	t.Run("a part of it may still be whole", func(t *testing.T) {
		d := New(small(Sectors))
		p := append(blocksOf(1, 2), blocksOf(2, 2)...) // the first two are whole by themselves
		sum := crc32.Checksum(p, castagnoli)
		write(t, d, 0, p)
		powerCycle(d)
		bruteForce(t, d, func(d disk.Disk) uint64 {
			all, _ := disk.ReadUnit(d, make([]byte, 256), 0, func(p []byte) bool { return crc32.Checksum(p, castagnoli) == sum })
			return bit(all)<<1 | bit(isWhole(d, 2))
		})
	})
	t.Run("of the old ones and of the new ones", func(t *testing.T) {
		d := New(small(Sectors))
		old, changed := blocksOf(1, 3), blocksOf(2, 3)
		write(t, d, 0, old)
		flush(t, d)
		write(t, d, 0, changed)
		powerCycle(d)
		is := func(d disk.Disk, q []byte) uint64 {
			sum := crc32.Checksum(q, castagnoli)
			yes, err := disk.ReadUnit(d, make([]byte, len(q)), 0, func(p []byte) bool { return crc32.Checksum(p, castagnoli) == sum })
			return bit(yes && err == nil)
		}
		out := bruteForce(t, d, func(d disk.Disk) uint64 {
			digest := is(d, changed)<<2 | is(d, old)<<1
			return digest | is(d, changed)
		})
		require.Greater(t, out.Leaves, 2)
	})
	t.Run("a unit that is void frees the others", func(t *testing.T) {
		d := New(small(Sectors))
		write(t, d, 0, blocksOf(1, 2))
		powerCycle(d)
		d.main.begin(1)
		require.False(t, isWhole(d, 2))
		require.NoError(t, disk.Do(d, &disk.Request{Kind: disk.Write, Data: make([]byte, 64), FUA: true}))
		powerCycle(d)
		out := bruteForce(t, d, func(d disk.Disk) uint64 {
			p := make([]byte, 64)
			require.NoError(t, d.Read(p, 64))
			return uint64(crc32.ChecksumIEEE(p))
		})
		require.Equal(t, 2, out.Leaves, "block 0 may have been the one that was lost")
	})
	t.Run("a unit that is not void does not", func(t *testing.T) {
		d := New(small(Sectors))
		write(t, d, 0, blocksOf(1, 2))
		powerCycle(d)
		d.main.begin(1)
		require.False(t, isWhole(d, 2))
		write(t, d, 1024, blocksOf(2, 1))
		powerCycle(d)
		out, err := d.Explore(Bounds{Plain: 1}, func(bool) (uint64, bool) {
			require.False(t, isWhole(d, 2))
			return 0, true
		})
		require.NoError(t, err)
		require.Equal(t, 1, out.Leaves)
	})
}

// A block whose newest bytes are also older ones does not say of which write they are.
func TestEqualBytesOfOlderVersionsAreNotTakenForTheNewest(t *testing.T) {
	p, q := blocksOf(1, 2), blocksOf(2, 2)
	d := New(small(Sectors))
	write(t, d, 0, p[:64])
	write(t, d, 0, q[:64])
	write(t, d, 0, p)
	powerCycle(d)
	out := bruteForce(t, d, func(d disk.Disk) uint64 {
		first := bit(isWhole(d, 2))
		b := make([]byte, 64)
		require.NoError(t, d.Read(b, 0))
		return uint64(crc32.ChecksumIEEE(b))<<1 | first
	})
	require.Greater(t, out.Leaves, 2)
}

// A range may be whole as it was before the last of several writes, when neither its newest nor its oldest bytes are.
func TestARangeThatWasWholeBetweenTwoWrites(t *testing.T) {
	for _, c := range []struct {
		name   string
		writes [][]byte
	}{
		{"the middle of three", [][]byte{blocksOf(1, 2), append(blocksOf(2, 1), blocksOf(3, 1)...)}},
		{"the newest and an earlier one", [][]byte{blocksOf(1, 2), blocksOf(4, 2)}},
		{"three, all of them", [][]byte{blocksOf(1, 2), blocksOf(4, 2), blocksOf(5, 2)}},
		{"the oldest of three", [][]byte{make([]byte, 128), fill(128, 5), fill(128, 6)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := New(small(Sectors))
			for _, p := range c.writes {
				write(t, d, 0, p)
			}
			powerCycle(d)
			bruteForce(t, d, func(d disk.Disk) uint64 {
				p := make([]byte, 128)
				if yes, err := disk.ReadUnit(d, p, 0, wholeOrEmpty); err != nil || !yes {
					return 0
				}
				return uint64(crc32.ChecksumIEEE(p))
			})
		})
	}
}

// wholeOrEmpty takes zeros for whole too.
func wholeOrEmpty(p []byte) bool {
	return whole(p) || crc32.Checksum(p, castagnoli) == crc32.Checksum(make([]byte, len(p)), castagnoli)
}

// A question about blocks that all versions answer alike decides nothing.
func TestAskDecidesOnlyWhereTheAnswersDiffer(t *testing.T) {
	for _, c := range []struct {
		name   string
		pred   func(off int64, b []byte) bool
		leaves int
	}{
		{"all alike", func(_ int64, b []byte) bool { return b[0] > 9 }, 1},
		{"one differs", func(_ int64, b []byte) bool { return b[0] == 2 }, 2},
		{"each differs", func(_ int64, b []byte) bool { return b[0] == 1 }, 3},
		{"by its place", func(off int64, _ []byte) bool { return off == 128 }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := New(small(Sectors))
			write(t, d, 0, fill(64, 1))
			write(t, d, 128, fill(64, 2))
			write(t, d, 256, fill(64, 1))
			write(t, d, 64, fill(64, 7)) // not the first of its physical block
			powerCycle(d)
			out := bruteForce(t, d, func(d disk.Disk) uint64 {
				yes, err := disk.Ask(d, make([]byte, 128), 0, 512, c.pred)
				require.NoError(t, err)
				return bit(yes)
			})
			require.Equal(t, c.leaves, out.Leaves)
		})
	}
}

func fill(n int, with byte) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = with
	}
	return p
}
