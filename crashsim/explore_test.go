package crashsim

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
)

// small is a disk of 32 blocks of 64 bytes, two to a physical one.
func small(device int) Config {
	return Config{Info: disk.Info{Size: 2048, LogicalBlock: 64, PhysicalBlock: 128}, Device: DeviceNumber(device, 128)}
}

// write lets d complete a write.
func write(t testing.TB, d *Disk, off int64, p []byte) {
	require.NoError(t, disk.Do(d, &disk.Request{Kind: disk.Write, Off: off, Data: p}))
}

func flush(t testing.TB, d *Disk) {
	require.NoError(t, disk.Do(d, &disk.Request{Kind: disk.Flush}))
}

// powerCycle cuts the power, with the requests given in flight.
func powerCycle(d *Disk, inFlight ...*disk.Request) {
	for _, r := range inFlight {
		d.Submit(r)
	}
	d.Cut(0)
	d.PowerOff()
	d.PowerOn(0)
}

// A unit of the tests: four bytes of CRC-32C over all that follows, which begins with a number.
func sealed(r *rand.Rand, blocks int) []byte {
	p := make([]byte, 64*blocks)
	for i := range p[4:] {
		p[4+i] = byte(r.Uint32() & 3) // equal blocks occur
	}
	if r.IntN(3) == 0 {
		clear(p[64:])
	}
	sum := crc32.Checksum(p[4:], castagnoli)
	p[0], p[1], p[2], p[3] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	return p
}

func whole(p []byte) bool {
	sum := crc32.Checksum(p[4:], castagnoli)
	return p[0] == byte(sum) && p[1] == byte(sum>>8) && p[2] == byte(sum>>16) && p[3] == byte(sum>>24)
}

// reader is a program that reads a disk: what it reads next depends on what it has read. seed says which program.
func reader(d disk.Disk, seed uint64) (digest uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	scratch := make([]byte, 128)
	note := func(v uint64) { digest = (digest ^ v) * 0x9fb21c651e98df25; digest ^= digest >> 29 }
	for range 6 {
		blocks := 1 + r.IntN(5)
		off := int64(r.IntN(32-blocks)+int(digest>>40&1)) * 64
		off = min(off, 2048-64*int64(blocks))
		p := make([]byte, 64*blocks)
		switch r.IntN(4) {
		case 0:
			err := d.Read(p[:64], off)
			note(uint64(crc32.ChecksumIEEE(p[:64])))
			note(uint64(len(fmt.Sprint(err))))
		case 1:
			off &^= 127
			yes, err := disk.Ask(d, scratch, off, 256, func(_ int64, b []byte) bool { return b != nil && b[5]&1 == 1 })
			note(uint64(len(fmt.Sprint(yes, err))))
		default:
			yes, err := disk.ReadUnit(d, p, off, whole)
			if yes {
				note(uint64(crc32.ChecksumIEEE(p)))
			}
			note(uint64(len(fmt.Sprint(yes, err))))
		}
	}
	return digest
}

// workload writes at random, and leaves some of it not durable. The writes that are at stake are returned in their order.
func workload(t testing.TB, d *Disk, r *rand.Rand, writes int) {
	for range 4 {
		blocks := 1 + r.IntN(5)
		write(t, d, int64(r.IntN(32-blocks))*64, sealed(r, blocks))
	}
	flush(t, d)
	for range writes {
		blocks := 1 + r.IntN(4)
		write(t, d, int64(r.IntN(32-blocks))*64, sealed(r, blocks))
	}
}

// images calls fn with every concrete image of d, which was switched on after a power cut: every state of every unit, and every
// block that may be unreadable.
func images(d *Disk, fn func(*Disk)) {
	n := len(d.units) - 1
	for mask := range 1 << n {
		for damaged := -1; damaged < len(d.hurt.state); damaged++ {
			if damaged >= 0 && d.hurt.state[damaged] != suspect {
				continue
			}
			d.mark()
			for u := range n {
				d.units[1+u].state = stateOf(mask>>u&1 == 1)
			}
			for p := range d.hurt.state {
				if d.hurt.state[p] == suspect {
					d.hurt.state[p] = sound
				}
			}
			if damaged >= 0 {
				d.hurt.state[damaged] = unreadable
			}
			d.hurt.suspects, d.hurt.harmless = 0, 1
			fn(d)
			d.unmark()
		}
	}
}

func TestALeafStandsForExactlyItsImages(t *testing.T) {
	for device := range deviceCount {
		for seed := range uint64(300) {
			r := rand.New(rand.NewPCG(seed, uint64(device)))
			d := New(small(device))
			workload(t, d, r, 1+r.IntN(4))
			last := sealed(r, 1+r.IntN(3))
			powerCycle(d, &disk.Request{Kind: disk.Write, Off: int64(r.IntN(28)) * 64, Data: last})
			if len(d.units) > 12 {
				continue // too many to try them all
			}
			want := map[uint64]int{}
			images(d, func(d *Disk) { want[reader(d, seed)]++ })

			got := map[uint64]int{}
			out, err := d.Explore(Bounds{Plain: 2, Seed: seed}, func(bool) (uint64, bool) {
				digest := reader(d, seed)
				if e := d.exploring; e != nil { // not one that is run again
					e.weigh()
					got[digest] += int(e.weight.Int64())
				}
				return digest, true
			})
			require.NoError(t, err, "device %d seed %d", device, seed)
			require.True(t, out.Whole)
			require.Equal(t, want, got, "device %s seed %d: %d leaves", DeviceNames[device], seed, out.Leaves)
		}
	}
}

// What one power cut leaves undecided outlives recovery, and meets what the next ones leave.
func TestWhatIsUndecidedOutlivesTheNextPowerCuts(t *testing.T) {
	layered := 0
	for device := range deviceCount {
		for seed := range uint64(400) {
			r := rand.New(rand.NewPCG(seed, uint64(device)))
			d := New(small(device))
			for life := range 3 {
				workload(t, d, r, 1+r.IntN(3))
				powerCycle(d, &disk.Request{Kind: disk.Write, Off: int64(r.IntN(28)) * 64, Data: sealed(r, 1+r.IntN(3))})
				for _, v := range d.head {
					if v != 0 && d.older(d.older(v)) != 0 {
						layered++
						break
					}
				}
				out, err := d.Explore(Bounds{Plain: 1, Seed: seed}, func(bool) (uint64, bool) { return reader(d, seed+uint64(life)), true })
				require.NoError(t, err, "device %s seed %d life %d", DeviceNames[device], seed, life)
				require.True(t, out.Whole, "%d leaves", out.Leaves)
				require.Equal(t, out.Leaves, out.Plain)
				d.main.begin(r.Uint64())
				if life == 0 {
					reader(d, seed+7) // decides some
				}
			}
		}
	}
	require.Greater(t, layered, 100)
}
