package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fullDiskStory fills the disk, does on it what a full disk lets one do, drains it, and does that again.
const fullDiskStory = `fill len=%d
get k57344
list limit=3
flush
reclaim
delete k57344
superblock
check
reboot
drain
stat
fill len=%d
getrange k57350 len=9
drain
put k0 len=40 fill=2
get k0
`

// geometries calls yield with every combination of the geometries that the generator draws, and values of several lengths.
func geometries(yield func(name string, s *Sequence)) {
	for _, extents := range options[OptExtents].Draw {
		for _, extent := range options[OptExtent].Draw {
			for _, block := range options[OptBlock].Draw {
				for _, physical := range options[OptPhysical].Draw {
					c := DefaultConfig()
					c.Set(OptExtents, extents)
					c.Set(OptExtent, extent)
					c.Set(OptBlock, block)
					c.Set(OptPhysical, physical)
					c.fit()
					for _, n := range []uint32{1, c.Page() - frameOverhead + 1, c.ValueMax() / 3, c.ValueMax()} {
						name := fmt.Sprintf("%s len=%d", strings.TrimPrefix(string(appendOptions(nil, &c)), "options"), n)
						s, err := Parse([]byte("conformance-seq 1\nsuite kv opset 2\n" + fmt.Sprintf(fullDiskStory, n, n)))
						if err != nil {
							panic(err)
						}
						s.Config = c
						yield(name, s)
					}
				}
			}
		}
	}
}

// smallTablesStory fills the disk again and again before it drains it, so that runs of many ages lie on it.
const smallTablesStory = `fill len=%d
fill len=%d
fill len=%d
fill len=%d
fill len=%d
drain
fill len=%d
drain
`

// smallTables calls yield with disks on which the index takes much of the space: small values, in tables that are small beside an
// extent, many of which a metadata record has to name.
func smallTables(yield func(name string, s *Sequence)) {
	for _, extents := range []uint32{12, 24, 28, 48} {
		for _, page := range []uint32{1, 4, 8} {
			for _, table := range []uint32{1, 2, 64} {
				for _, trigger := range []uint32{1, 4} {
					for _, memtable := range []uint32{1, 64} {
						c := DefaultConfig()
						c.Set(OptExtents, extents)
						c.Set(OptGroup, 16)
						c.Set(OptPage, page)
						c.Set(OptTable, table)
						c.Set(OptTrigger, trigger)
						c.Set(OptMemtable, memtable)
						for _, n := range []uint32{0, 200} {
							name := fmt.Sprintf("%s len=%d", strings.TrimPrefix(string(appendOptions(nil, &c)), "options"), n)
							s, err := Parse([]byte("conformance-seq 1\nsuite kv opset 2\n" + fmt.Sprintf(smallTablesStory, n, n, n, n, n, n)))
							if err != nil {
								panic(err)
							}
							s.Config = c
							yield(name, s)
						}
					}
				}
			}
		}
	}
}

func TestTheModelIsFilledAndDrainedInEveryGeometry(t *testing.T) {
	x := NewKV(NewModelFactory(), nil)
	run := func(name string, s *Sequence) {
		r := x.Run(s)
		require.NoError(t, r.Err, name)
		if r.Failure != nil {
			t.Errorf("%s: %+v", name, *r.Failure)
		}
	}
	geometries(run)
	smallTables(run)
}

func TestTheEngineIsFilledAndDrainedInEveryGeometry(t *testing.T) {
	x := NewKV(NewEngineFactory(), MemoryDisks())
	failed, all := map[Signature]int{}, 0
	run := func(name string, s *Sequence) {
		if all++; all%inShort(20) != 0 {
			return
		}
		r := x.Run(s)
		require.NoError(t, r.Err, name)
		if f := r.Failure; f != nil {
			if failed[f.Signature]++; failed[f.Signature] == 1 {
				t.Errorf("%s: %s at step %d: %s: want %s, got %s", name, f.Signature, f.At+1, f.Claim, f.Want, f.Got)
			}
		}
	}
	geometries(run)
	smallTables(run)
	for signature, n := range failed {
		t.Errorf("%d of %d: %s", n, all, signature)
	}
}
