package crashsim

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Leaves that are run again are drawn, one in so many.
func TestLeavesAreRunAgain(t *testing.T) {
	for _, c := range []struct{ plain, least, most int }{{0, 0, 0}, {1, 256, 256}, {4, 30, 100}} {
		d := undecidedBlocks(t, 8)
		agains := 0
		out, err := d.Explore(Bounds{Plain: c.plain}, func(again bool) (m uint64, _ bool) {
			agains += int(bit(again))
			for b := range 8 {
				m = m<<1 | bit(isNew(t, d, b))
			}
			return m, true
		})
		require.NoError(t, err)
		require.Equal(t, agains, out.Plain)
		require.Equal(t, 256+agains, out.Runs)
		require.True(t, c.least <= agains && agains <= c.most, "%d of 256, one in %d", agains, c.plain)
	}
}

// The image on which a leaf is run again leaves unreadable only what that leaf has found so.
func TestABlockFoundUnreadableBeforeAndRewrittenIsWhole(t *testing.T) {
	d := New(small(Unsafe))
	write(t, d, 0, fill(64, 1))
	write(t, d, 256, fill(64, 1))
	powerCycle(d)
	d.main.begin(1)
	require.ErrorIs(t, d.Read(make([]byte, 64), 0), ErrUnreadable)
	write(t, d, 0, fill(128, 2))
	_, err := d.Explore(Bounds{Plain: 1}, func(bool) (uint64, bool) {
		err := d.Read(make([]byte, 64), 0)
		return uint64(len(fmt.Sprint(err))), true
	})
	require.NoError(t, err)
}
