package crashsim

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
)

// What doc.go says of memory.

// A second exploration of the same disk allocates nothing, whatever the visits write, and however deep they explore.
func TestASecondExplorationAllocatesNothing(t *testing.T) {
	d := undecidedBlocks(t, 6)
	w := &disk.Request{Kind: disk.Write, Off: 64 * 64, Data: make([]byte, 64*32)}
	b := make([]byte, 64)
	inner := func(bool) (uint64, bool) {
		d.Read(b, 64*64)
		disk.Do(d, w)
		return 0, true
	}
	outer := func(bool) (uint64, bool) {
		for i := range int64(6) {
			d.Read(b, i*64)
		}
		disk.Do(d, w)
		powerCycle(d)
		d.Explore(Bounds{}, inner)
		return 0, true
	}
	explore := func() {
		out, _ := d.Explore(Bounds{}, outer)
		if out.Leaves != 64 {
			panic(out.Leaves)
		}
	}
	require.Zero(t, testing.AllocsPerRun(3, explore))
	require.Len(t, d.idle, 2, "one for each level of exploration")
}

// Where nothing is at stake nothing is kept.
func TestNothingIsKeptOfWhatIsDurable(t *testing.T) {
	d := undecidedBlocks(t, 0)
	write(t, d, 0, fill(64*8, 1))
	write(t, d, 64, fill(64, 2))
	flush(t, d)
	require.Equal(t, []int{0, 1, 1, 1, 0}, []int{len(d.arena), len(d.versions), len(d.units), len(d.groups), len(d.pend)})
	require.Zero(t, d.chained)
}

// Lives leave nothing behind. Never more than 32 blocks are at stake here, whatever was written in all.
func TestMemoryIsThatOfWhatIsNotDurable(t *testing.T) {
	for _, c := range []struct {
		name  string
		round func(t *testing.T, d *Disk)
	}{
		{"flushed", func(t *testing.T, d *Disk) {
			write(t, d, 0, fill(64*32, 1))
			flush(t, d)
		}},
		{"flushed while one block stays undecided", func(t *testing.T, d *Disk) {
			if writes, _ := d.Undecided(); writes == 0 {
				write(t, d, 127*64, fill(64, 1))
				powerCycle(d)
			}
			write(t, d, 0, fill(64*16, 1))
			flush(t, d)
		}},
		{"never all flushed", func(t *testing.T, d *Disk) {
			write(t, d, 0, fill(64*8, 1))
			d.Submit(&disk.Request{Kind: disk.Write, Data: fill(64*8, 2)}) // which the flush finds in flight
			flush(t, d)
		}},
		{"lost, and written again", func(t *testing.T, d *Disk) {
			write(t, d, 0, fill(64*32, 1))
			powerCycle(d)
			write(t, d, 0, fill(64*32, 2))
			flush(t, d)
			powerCycle(d)
		}},
		{"decided", func(t *testing.T, d *Disk) {
			write(t, d, 0, fill(64*32, 1))
			powerCycle(d)
			require.NoError(t, d.Read(make([]byte, 64*32), 0))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := undecidedBlocks(t, 0)
			for range 500 {
				c.round(t, d)
			}
			const atStake = 32 * 64
			bound := 8*atStake + 2*compactMin*64 // bytes; as doc.go says
			require.LessOrEqual(t, cap(d.arena)+cap(d.spare.arena), 2*bound, "slices grow by up to their own length")
			require.LessOrEqual(t, cap(d.versions)+cap(d.units)+cap(d.groups)+cap(d.pend), 4*bound/64)
		})
	}
}
