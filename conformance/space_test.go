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

func TestTheModelIsFilledAndDrainedInEveryGeometry(t *testing.T) {
	x := NewKV(NewModelFactory(), nil)
	geometries(func(name string, s *Sequence) {
		r := x.Run(s)
		require.NoError(t, r.Err, name)
		if r.Failure != nil {
			t.Errorf("%s: %+v", name, *r.Failure)
		}
	})
}

func TestTheEngineIsFilledAndDrainedInEveryGeometry(t *testing.T) {
	x := NewKV(NewEngineFactory(), MemoryDisks())
	failed, all := map[Signature]int{}, 0
	geometries(func(name string, s *Sequence) {
		all++
		r := x.Run(s)
		require.NoError(t, r.Err, name)
		if f := r.Failure; f != nil {
			if failed[f.Signature]++; failed[f.Signature] == 1 {
				t.Errorf("%s: %s at step %d: %s: want %s, got %s", name, f.Signature, f.At+1, f.Claim, f.Want, f.Got)
			}
		}
	})
	for signature, n := range failed {
		t.Errorf("%d of %d: %s", n, all, signature)
	}
}
