package crashsim

import (
	"hash/crc32"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
)

// What an exploration says of itself (X1, X3, X4), and that it leaves the disk as it was.

// undecidedBlocks returns a disk on which that many blocks may be new, each by itself.
func undecidedBlocks(t testing.TB, n int) *Disk {
	d := New(Config{Info: disk.Info{Size: 128 * 64, LogicalBlock: 64, PhysicalBlock: 64}, Device: Device{Cache: true}})
	for b := range n {
		write(t, d, int64(b)*64, fill(64, byte(b+1)))
	}
	powerCycle(d)
	return d
}

// isNew reads block b.
func isNew(t testing.TB, d *Disk, b int) bool {
	var p [64]byte
	require.NoError(t, d.Read(p[:], int64(b)*64))
	return p[0] != 0
}

// untilLost reads the blocks in order until one is lost: the leaves have very different weights.
func untilLost(t testing.TB, d *Disk, n int) uint64 {
	for b := range n {
		if !isNew(t, d, b) {
			return uint64(b)
		}
	}
	return uint64(n)
}

func TestBeyondItsBoundsAnExplorationSaysWhatItCovered(t *testing.T) {
	const blocks = 10
	mask := func(t testing.TB, d *Disk) (m uint64) {
		for b := range blocks {
			m = m<<1 | bit(isNew(t, d, b))
		}
		return m
	}
	ladder := func(t testing.TB, d *Disk) uint64 { return untilLost(t, d, blocks) }
	weigh := func(digest uint64) int { return 1 << max(0, blocks-1-int(digest)) }
	for _, c := range []struct {
		name    string
		bounds  Bounds
		program func(testing.TB, *Disk) uint64
		weigh   func(digest uint64) int // images that give the digest
		whole   bool
	}{
		{"all", Bounds{Leaves: 1024}, mask, func(uint64) int { return 1 }, true},
		{"one less", Bounds{Leaves: 1023}, mask, func(uint64) int { return 1 }, false},
		{"some by chance", Bounds{Leaves: 100, Samples: 300, Seed: 1}, mask, func(uint64) int { return 1 }, false},
		{"nearly all by chance", Bounds{Leaves: 10, Samples: 8000, Seed: 2}, mask, func(uint64) int { return 1 }, false},
		{"no chance", Bounds{Leaves: 100}, mask, func(uint64) int { return 1 }, false},
		{"of different weights", Bounds{Leaves: 3, Samples: 20, Seed: 3}, ladder, weigh, false},
		{"of different weights, all", Bounds{Leaves: 11}, ladder, weigh, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := undecidedBlocks(t, blocks)
			seen := map[uint64]bool{}
			runs := 0
			out, err := d.Explore(c.bounds, func(bool) (uint64, bool) {
				digest := c.program(t, d)
				seen[digest] = true
				runs++
				return digest, true
			})
			require.NoError(t, err)
			images := 0
			for digest := range seen {
				images += c.weigh(digest)
			}
			require.Equal(t, len(seen), out.Leaves)
			require.Equal(t, runs, out.Runs)
			require.Equal(t, c.whole, out.Whole)
			require.Equal(t, float64(images)/1024, out.Share)
			require.Equal(t, max(0, len(seen)-c.bounds.Leaves), out.Chance)
			if c.bounds.Samples > 0 {
				require.Positive(t, out.Chance)
				require.Equal(t, c.bounds.Leaves+c.bounds.Samples, runs)
			}
			require.False(t, out.Found)
		})
	}
}

func TestTheSameSeedFindsTheSameByChance(t *testing.T) {
	d := undecidedBlocks(t, 20)
	explore := func(seed uint64) (trace []uint64) {
		_, err := d.Explore(Bounds{Leaves: 2, Samples: 20, Seed: seed}, func(bool) (uint64, bool) {
			trace = append(trace, untilLost(t, d, 20)<<32|uint64(bit(isNew(t, d, 19))))
			return 0, true
		})
		require.NoError(t, err)
		return trace
	}
	require.Equal(t, explore(1), explore(1))
	require.NotEqual(t, explore(1), explore(2))
}

func TestWithoutBoundsAnExplorationIsStillBounded(t *testing.T) {
	d := undecidedBlocks(t, 14)
	out, err := d.Explore(Bounds{}, func(bool) (uint64, bool) {
		for b := range 14 {
			isNew(t, d, b)
		}
		return 0, true
	})
	require.NoError(t, err)
	require.Equal(t, DefaultLeaves, out.Leaves)
	require.Equal(t, float64(DefaultLeaves)/(1<<14), out.Share)
}

// What was found can be had again: by Try, and by a PowerOn.
func TestWhatWasFoundIsFoundAgain(t *testing.T) {
	d := undecidedBlocks(t, 12)
	digestOf := func() (m uint64) {
		for b := range 12 {
			m |= bit(isNew(t, d, b)) << b
		}
		return m
	}
	const wanted = 0b1011_0110_1101
	for _, bounds := range []Bounds{{}, {Leaves: 1, Samples: 1 << 15}} {
		out, err := d.Explore(bounds, func(bool) (uint64, bool) { m := digestOf(); return m, m != wanted })
		require.NoError(t, err)
		require.True(t, out.Found)
		require.True(t, out.Fits)
		require.False(t, out.Whole)
		digest, goOn := d.Try(out.Lost, func(again bool) (uint64, bool) {
			require.False(t, again)
			return digestOf(), false
		})
		require.Equal(t, uint64(wanted), digest)
		require.False(t, goOn)
		digest, _ = d.Try(0, func(bool) (uint64, bool) { return digestOf(), true })
		require.Equal(t, uint64(1<<12-1), digest, "nothing of what was tried is left")
	}
	answers := map[uint64]bool{}
	for lost := range uint64(8) {
		d.Try(lost, func(bool) (uint64, bool) {
			digestOf()
			require.False(t, answers[d.Answers()], "other answers, another hash")
			answers[d.Answers()] = true
			return 0, true
		})
	}
	d.PowerOff()
	d.PowerOn(wanted ^ (1<<12 - 1))
	require.Equal(t, uint64(wanted), digestOf())
}

func TestAnswersThatDoNotFitASequenceSaySo(t *testing.T) {
	for _, c := range []struct {
		name string
		lost int // this block only
		fits bool
	}{{"the last that fits", 63, true}, {"one too far", 64, false}} {
		t.Run(c.name, func(t *testing.T) {
			d := undecidedBlocks(t, 66)
			out, err := d.Explore(Bounds{}, func(bool) (uint64, bool) {
				lost := -1
				for b := range 66 {
					if !isNew(t, d, b) {
						lost = b
					}
				}
				return 0, lost != c.lost
			})
			require.NoError(t, err)
			require.True(t, out.Found)
			require.Equal(t, c.fits, out.Fits)
			if c.fits {
				require.Equal(t, uint64(1)<<c.lost, out.Lost)
			}
		})
	}
}

func TestAnExplorationLeavesTheDiskAsItWas(t *testing.T) {
	d := undecidedBlocks(t, 6)
	require.True(t, isNew(t, d, 0))
	answers := d.Answers()
	writes, blocks := d.Undecided()
	require.Equal(t, []int{5, 5}, []int{writes, blocks})
	for range 2 {
		_, err := d.Explore(Bounds{}, func(bool) (uint64, bool) {
			for b := range 6 {
				isNew(t, d, b)
			}
			write(t, d, 0, fill(64*20, 99))
			flush(t, d)
			write(t, d, 64*40, fill(64, 98))
			d.Submit(&disk.Request{Kind: disk.Flush})
			d.Cut(0)
			require.False(t, d.PowerOff())
			return 0, true
		})
		require.NoError(t, err)
		require.Equal(t, answers, d.Answers())
		writes, blocks = d.Undecided()
		require.Equal(t, []int{5, 5}, []int{writes, blocks})
		require.Nil(t, d.Reap(true), "nothing is in flight")
	}
	for b := range 6 {
		require.True(t, isNew(t, d, b), "the answers still to come are what PowerOn was given")
	}
	for b := 6; b < 128; b++ {
		require.False(t, isNew(t, d, b))
	}
}

// An alarm that cannot ring proves nothing: each one is made to.
func TestAnExplorationNoticesWhatMustNotBe(t *testing.T) {
	for _, c := range []struct {
		name  string
		visit func(d *Disk, runs int, again bool) uint64
		want  error
	}{
		{"another question at the same place", func(d *Disk, runs int, _ bool) uint64 {
			isNew(t, d, runs%2)
			isNew(t, d, 2)
			return 0
		}, ErrShaken},
		{"another question at the end", func(d *Disk, runs int, _ bool) uint64 {
			isNew(t, d, 0)
			isNew(t, d, 1+runs%2)
			return 0
		}, ErrShaken},
		{"fewer questions", func(d *Disk, runs int, _ bool) uint64 {
			for b := range 3 - runs {
				isNew(t, d, b)
			}
			return 0
		}, ErrShaken},
		{"a decision that nobody was asked for", func(d *Disk, runs int, _ bool) uint64 {
			isNew(t, d, 0)
			d.units[2].state = kept
			return 0
		}, ErrCertificate},
		{"the second call gives something else", func(_ *Disk, _ int, again bool) uint64 { return bit(again) }, ErrInexact},
		{"the second call asks what the first one did not", func(d *Disk, _ int, again bool) uint64 {
			if again {
				write(t, d, 0, fill(64, 9))
				powerCycle(d)
				isNew(t, d, 0)
			}
			return 0
		}, ErrInexact},
		{"a check that is no CRC", func(d *Disk, _ int, _ bool) uint64 {
			yes, err := d.ReadUnit(make([]byte, 256), 0, acceptsMixtures)
			require.NoError(t, err)
			return bit(yes)
		}, ErrInexact},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := undecidedBlocks(t, 4)
			runs := 0
			var err error
			for seed := uint64(0); seed < 16 && err == nil; seed++ { // an image is drawn, and not each of them shows it
				_, err = d.Explore(Bounds{Plain: 1, Seed: seed}, func(again bool) (uint64, bool) {
					digest := c.visit(d, runs, again)
					runs += int(bit(!again))
					return digest, true
				})
			}
			require.ErrorIs(t, err, c.want)
			require.Empty(t, d.levels, "also after an error the disk is as it was")
			isNew(t, d, 0)
		})
	}
}

// acceptsMixtures takes four new blocks for whole, and any two or more old ones among new ones, but not what was there at any time
// while they were written in order. No difference of one block shows that; a CRC never does so.
func acceptsMixtures(p []byte) bool {
	lost, times := 0, true
	for b := range 4 {
		isLost := p[b*64] == 0
		times = times && (isLost || lost == 0)
		lost += int(bit(isLost))
	}
	return lost == 0 || lost > 1 && !times
}

// Which requests complete is a matter of the seed; that each does so once is not.
func TestShuffleIsAnOrderOfCompletion(t *testing.T) {
	order := func(seed uint64) (tags []uint64, idle int) {
		c := small(Sectors)
		c.Shuffle = seed
		d := New(c)
		for i := range uint64(32) {
			d.Submit(&disk.Request{Kind: disk.Write, Off: int64(i) * 64, Data: fill(64, byte(i)), Tag: i})
		}
		for len(tags) < 32 {
			if r := d.Reap(false); r != nil {
				tags = append(tags, r.Tag)
			} else {
				idle++
			}
		}
		return tags, idle
	}
	inOrder, idle := order(0)
	require.True(t, slices.IsSorted(inOrder))
	require.Zero(t, idle)
	one, idle := order(1)
	again, _ := order(1)
	other, _ := order(2)
	require.Equal(t, one, again)
	require.NotEqual(t, one, other)
	require.Positive(t, idle)
	slices.Sort(one)
	require.Equal(t, inOrder, one)
}

func TestPiecesOfAWrite(t *testing.T) {
	type piece struct{ off, n int64 }
	for _, c := range []struct {
		name   string
		device Device
		off, n int64
		want   []piece
	}{
		{"no atomic range", Device{}, 64, 192, []piece{{64, 64}, {128, 64}, {192, 64}}},
		{"within one", Device{AtomicBytes: 256}, 64, 192, []piece{{64, 192}}},
		{"exactly one", Device{AtomicBytes: 256}, 256, 256, []piece{{256, 256}}},
		{"across two, by blocks", Device{AtomicBytes: 256}, 128, 256, []piece{{128, 64}, {192, 64}, {256, 64}, {320, 64}}},
		{"across two, by pieces", Device{AtomicBytes: 256, Pieces: true}, 128, 256, []piece{{128, 128}, {256, 128}}},
		{"across three, by pieces", Device{AtomicBytes: 128, Pieces: true}, 64, 256, []piece{{64, 64}, {128, 128}, {256, 64}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []piece
			c.device.pieces(c.off, c.n, 64, func(off, n int64) { got = append(got, piece{off, n}) })
			require.Equal(t, c.want, got)
		})
	}
	require.Panics(t, func() { DeviceNumber(deviceCount, 64) })
	require.Len(t, DeviceNames, deviceCount)
}

// The grain of a disk that lies about its blocks is smaller than they are.
func TestATornBlockIsAMixture(t *testing.T) {
	d := New(Config{Info: disk.Info{Size: 1024, LogicalBlock: 256, PhysicalBlock: 256}, Device: Device{Cache: true}, Lie: Torn})
	write(t, d, 0, fill(256, 1))
	powerCycle(d)
	read := map[uint32]bool{}
	out, err := d.Explore(Bounds{}, func(bool) (uint64, bool) {
		p := make([]byte, 256)
		require.NoError(t, d.Read(p, 0))
		read[crc32.ChecksumIEEE(p)] = true
		return 0, true
	})
	require.NoError(t, err)
	require.Len(t, read, 16)
	require.Equal(t, 16, out.Leaves)
	out = bruteForce(t, d, func(d disk.Disk) uint64 {
		yes, err := disk.Ask(d, nil, 0, 256, func(_ int64, b []byte) bool { return b[0]+2*b[64]+4*b[128]+8*b[192] == 6 })
		require.NoError(t, err)
		return bit(yes)
	})
	require.Equal(t, 16, out.Leaves)
}

// A disk that was used and reset is a new one.
func TestAResetDiskIsNew(t *testing.T) {
	d := undecidedBlocks(t, 70)
	for b := range 10 {
		require.True(t, isNew(t, d, b))
	}
	_, err := d.Explore(Bounds{}, func(bool) (uint64, bool) { return 0, true })
	require.NoError(t, err)
	d.Submit(&disk.Request{Kind: disk.Flush})
	d.Cut(0)
	larger := Config{Info: disk.Info{Size: 1 << 20, LogicalBlock: 128, PhysicalBlock: 128}, Device: Device{Cache: true}}
	d.Reset(larger)
	require.Equal(t, New(larger).Answers(), d.Answers())
	require.Zero(t, d.live)
	require.Nil(t, d.Reap(true))
	p := make([]byte, 1<<20)
	require.NoError(t, d.Read(p, 0))
	require.Equal(t, make([]byte, 1<<20), p)
	write(t, d, 1<<20-128, fill(128, 1))
	powerCycle(d)
	for range 2 {
		out, err := d.Explore(Bounds{}, func(bool) (uint64, bool) {
			require.NoError(t, d.Read(p, 0))
			write(t, d, 0, fill(1<<20, 2))
			return 0, true
		})
		require.NoError(t, err)
		require.Equal(t, 2, out.Leaves)
	}
	require.NoError(t, d.Read(p[:128], 0))
	require.Equal(t, fill(128, 0), p[:128])
}
