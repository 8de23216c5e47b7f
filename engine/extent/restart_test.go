package extent

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/iosched"
)

// failingDisk fails one request, and notes which slot of which version every write goes to.
type failingDisk struct {
	disk.Disk
	layout layout
	left   int // requests until the one that fails
	slots  []slotWrite
}

type slotWrite struct {
	page    uint32
	slot    int
	version uint64
	failed  bool
}

func (d *failingDisk) Reap(wait bool) *disk.Request {
	r := d.Disk.Reap(wait)
	if r == nil {
		return nil
	}
	d.left--
	failed := d.left == 0
	if failed {
		r.Err = errors.New("failed")
	}
	if r.Kind == disk.Write {
		page := uint32(uint64(r.Off) % d.layout.stride / uint64(d.layout.pageBytes))
		d.slots = append(d.slots, slotWrite{page, int(uint64(r.Off) / d.layout.stride), le.Uint64(r.Data[32:]), failed})
	}
	return r
}

// change makes a change of the table and of the root, and lets requests complete until it is relied on or one fails.
func change(table *Table) (uint64, error) {
	x, _ := table.Allocate(Runs)
	table.SetPointer(x.Extent, 128)
	n := table.Touch()
	table.Begin()
	for !table.Relied(n) {
		for table.io.Reap() {
		}
		table.io.Flush()
		for table.io.Reap() {
		}
		table.Advance()
		if err := table.io.Err(); err != nil {
			return n, err
		}
	}
	return n, nil
}

// Whichever request of an update fails: the next update overwrites first what the failed one had not made durable, with higher
// versions, and records what it was to record.
func TestAnUpdateThatFailedIsWrittenAnew(t *testing.T) {
	for _, tt := range superPages {
		t.Run(tt.name, func(t *testing.T) {
			for k := 1; ; k++ {
				d := formatted(t, 32, tt.superPage)
				table := load(t, d)
				table.powerSafe = true
				f := &failingDisk{Disk: d, layout: table.layout}
				table.io = iosched.New(f, new(disk.Buffers))
				for range 3 {
					_, err := change(table)
					require.NoError(t, err)
				}
				f.left, f.slots = k, nil
				n, err := change(table)
				if err == nil {
					require.Greater(t, k, 2)
					break
				}
				require.False(t, table.Relied(n))
				version := map[uint32]uint64{}
				for i := range table.pages {
					version[uint32(i)] = table.pages[i].version
				}
				attempted := len(f.slots)
				table.abandon()
				table.io.Restart()
				for i := range table.pages {
					p := &table.pages[i]
					for _, w := range f.slots[:attempted] {
						if w.failed && int(w.page) == i {
							require.Zero(t, p.held[w.slot], "request %d", k)
						}
					}
				}
				_, err = change(table)
				require.NoError(t, err)
				require.True(t, table.Relied(n))
				seen := map[uint32]bool{}
				for _, w := range f.slots[attempted:] {
					require.Greater(t, w.version, version[w.page]-1)
					if !seen[w.page] {
						for _, old := range f.slots[:attempted] {
							require.False(t, old.failed && old.page == w.page && old.slot != w.slot, "request %d: slot %d is overwritten, slot %d had failed", k, w.slot, old.slot)
						}
					}
					seen[w.page] = true
				}
				again := load(t, d)
				require.Equal(t, table.owned, again.owned)
				for i := range table.pages {
					require.Equal(t, table.pages[i].version, again.pages[i].version)
				}
			}
		})
	}
}
