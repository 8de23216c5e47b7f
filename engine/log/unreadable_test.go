package log

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
)

// tailed returns the bytes of a disk on which units of one put each were made durable one by one, where each begins, and where
// the log ends. A unit is 3 blocks.
func tailed(t *testing.T, units int) (image []byte, begin []int64, end int64) {
	t.Helper()
	w := open(t, formatted(t), 1)
	for i := range units {
		w.put(byte(i+1), 0)
		u := w.log.units[0]
		begin = append(begin, geometry.Base(u.place.Extent)+int64(u.place.Offset))
		require.Len(t, u.buf, 3*blockBytes)
		end = begin[i] + int64(len(u.buf))
		w.settle()
	}
	image, _ = w.crash(0)
	return image, begin, end
}

// recovering returns what Recover of a disk returns.
func recovering(t *testing.T, d *tape) (*world, error) {
	t.Helper()
	w := &world{disk: d, buffers: new(disk.Buffers), sched: new(iosched.Sched), table: new(extent.Table)}
	w.sched.Reset(d, w.buffers)
	require.NoError(t, w.table.Load(d, w.sched, w.buffers))
	var err error
	w.tail, err = Recover(d, w.buffers, w.table, w)
	return w, err
}

// Blocks of the last unit, the free one behind it, those that the question whether it is damage goes to, and the first of the next
// extent: if one that recovery needs cannot be read, that is an error on a power-safe disk, and a place without a unit on any other.
func TestUnreadableBlocksAtTheEndOfTheLog(t *testing.T) {
	image, begin, end := tailed(t, 4)
	last := begin[3]
	next := end - end%int64(geometry.ExtentBytes) + int64(geometry.ExtentBytes)
	for _, tt := range []struct {
		name string
		torn []int64
		want []byte
	}{
		{"its header", []int64{last}, []byte{1, 2, 3}},
		{"its body", []int64{last + blockBytes}, []byte{1, 2, 3}},
		{"its last block", []int64{last + 2*blockBytes}, []byte{1, 2, 3}},
		{"the free block behind it", []int64{end}, []byte{1, 2, 3, 4}},
		{"a block in the question's reach", []int64{end + 2*blockBytes}, []byte{1, 2, 3, 4}},
		{"the start of the next extent", []int64{next}, []byte{1, 2, 3, 4}},
		{"all of it, and behind", []int64{last, last + blockBytes, last + 2*blockBytes, end, end + blockBytes, next}, []byte{1, 2, 3}},
	} {
		for _, powerSafe := range []bool{true, false} {
			d := newTape(image, powerSafe)
			d.torn = map[int64]bool{}
			for _, b := range tt.torn {
				d.torn[b] = true
			}
			if powerSafe {
				_, err := recovering(t, d)
				require.ErrorIs(t, err, fault.ErrIO, tt.name)
				require.Equal(t, image, d.Bytes(), tt.name)
				continue
			}
			w := openTape(t, d, 1)
			wantSeen(t, w, tt.want, tt.name)
			w.put(9, 0)
			w.settle()
			again := newTape(d.Bytes(), false)
			again.torn = d.torn
			wantSeen(t, openTape(t, again, 1), append(tt.want, 9), tt.name+", and another put")
		}
	}
}

// A later unit that attests the one that cannot be read is found beyond other blocks that cannot be read, one by one.
func TestUnreadableUnitIsDamageIfAnythingReadableAttestsIt(t *testing.T) {
	image, begin, _ := tailed(t, 4)
	for block := range int64(3) {
		d := newTape(image, false)
		d.torn = map[int64]bool{begin[1] + block*blockBytes: true, begin[3] + blockBytes: true}
		w := openTape(t, d, 1)
		require.False(t, w.tail.Unknown)
		require.Len(t, w.damaged, 1)
		require.Equal(t, byte(2), w.damaged[0][0])
		require.Equal(t, []frame{{1, 1}, {3, 3}}, w.seen)
	}
	d := newTape(image, false)
	d.torn = map[int64]bool{begin[1]: true, begin[2]: true}
	require.True(t, openTape(t, d, 1).tail.Unknown, "the header of the last unit attests both")
}

// One read that fails and would not fail again changes nothing, whichever it is.
func TestRecoveryReadsAgainBeforeItBelievesAnError(t *testing.T) {
	image, begin, _ := tailed(t, 4)
	image[begin[1]+blockBytes] ^= 1 // damage: the question is asked
	for _, powerSafe := range []bool{true, false} {
		d := newTape(image, powerSafe)
		w, err := recovering(t, d)
		require.NoError(t, err)
		loading := newTape(image, powerSafe)
		require.NoError(t, w.table.Load(loading, w.sched, w.buffers))
		require.Greater(t, d.reads, loading.reads+8)
		for n := loading.reads + 1; n <= d.reads; n++ {
			f := newTape(image, powerSafe)
			f.failing = n
			again, err := recovering(t, f)
			require.NoError(t, err, "read %d", n)
			require.Equal(t, w.seen, again.seen, "read %d", n)
			require.Equal(t, w.damaged, again.damaged, "read %d", n)
			require.Equal(t, w.tail.Position, again.tail.Position, "read %d", n)
		}
	}
}

// Where an interrupted write may leave a block unreadable, recovery writes over nothing that may be durable: power lost while it
// does would cost what was persistent.
func TestPowerLostInRecoveryCostsNothingThatWasPersistent(t *testing.T) {
	image, _, _ := tailed(t, 4)
	for _, powerSafe := range []bool{true, false} {
		d := newTape(image, powerSafe)
		w, err := recovering(t, d)
		require.NoError(t, err)
		d.holding = true
		require.NoError(t, w.tail.Rewrite(d, w.buffers, w.sched, &geometry))
		require.Equal(t, powerSafe, len(d.held) > 0, "a power-safe disk makes durable again what nothing attests")
		for _, r := range d.held {
			require.Equal(t, image[r.Off:r.Off+int64(len(r.Data))], r.Data, "byte for byte")
		}
		again := newTape(slices.Clone(d.Bytes()), powerSafe)
		again.torn = map[int64]bool{}
		for _, r := range d.held {
			again.torn[r.Off] = !powerSafe
		}
		wantSeen(t, openTape(t, again, 1), []byte{1, 2, 3, 4}, fmt.Sprint("power-safe ", powerSafe))
	}
}
