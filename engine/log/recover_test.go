package log

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/chunk"
)

// wantSeen checks that recovery applied puts with those ids, numbered without gaps.
func wantSeen(t *testing.T, w *world, ids []byte, context string) {
	t.Helper()
	ok := len(w.seen) == len(ids) && len(w.damaged) == 0 && !w.tail.Unknown
	for i := range ids {
		ok = ok && w.seen[i] == frame{ids[i], uint64(i) + 1}
	}
	if !ok {
		t.Fatalf("%s: recovered %v, damaged %v, unknown %v; want puts of %v", context, w.seen, w.damaged, w.tail.Unknown, ids)
	}
}

// Whatever blocks of the units in the air a crash keeps, recovery finds the durable units and those in the air up to the first
// that is torn; and a second crash, with other units where the torn ones lay, never brings those back. All sets of blocks are
// tried, at both crashes, with the log's end in the middle of an extent, at its edge, and where the next unit does not fit.
func TestRecoveryEndsAtTheFirstTornUnitWhateverACrashKeeps(t *testing.T) {
	start := formatted(t)
	for durable := range 6 {
		t.Run(fmt.Sprintf("%d units durable", durable), func(t *testing.T) {
			w := open(t, start, 1)
			var ids []byte
			for range durable {
				ids = append(ids, byte(len(ids)+1))
				w.put(ids[len(ids)-1], 0)
				w.settle()
			}
			w.hold()
			for i := range 2 {
				w.put(byte(100+i), 0)
			}
			for keep := range uint64(1) << w.blocks() {
				image, whole := w.crash(keep)
				second := open(t, image, 1)
				ids := append(ids[:len(ids):len(ids)], []byte{100, 101}[:whole]...)
				wantSeen(t, second, ids, fmt.Sprintf("kept %b", keep))
				tearAgain(t, second, ids, keep)
			}
		})
	}
}

// tearAgain appends two units of other sizes and tears them in every way.
func tearAgain(t *testing.T, w *world, ids []byte, first uint64) {
	w.hold()
	w.put(200, 60) // 4 blocks
	w.put(201, 0)
	step := uint64(1)
	if testing.Short() {
		step = 7
	}
	for keep := uint64(0); keep < 1<<w.blocks(); keep += step {
		image, whole := w.crash(keep)
		wantSeen(t, open(t, image, 1), append(ids[:len(ids):len(ids)], []byte{200, 201}[:whole]...), fmt.Sprintf("kept %b, then %b", first, keep))
	}
}

func TestRecoveryOfTheSameDiskIsTheSame(t *testing.T) {
	w := open(t, formatted(t), 1)
	for i := range 5 {
		w.put(byte(i+1), 20*i)
		w.settle()
	}
	image, _ := w.crash(0)
	ids := []byte{1, 2, 3, 4, 5}
	for range 4 {
		w = open(t, image, 1)
		wantSeen(t, w, ids, "again")
		require.Equal(t, uint64(6), w.tail.Number)
		require.Equal(t, uint64(6), w.tail.Mutation)
		image, _ = w.crash(0)
	}
	w.put(6, 0)
	w.settle()
	image, _ = w.crash(0)
	wantSeen(t, open(t, image, 1), append(ids, 6), "after another")
}

// Each block of each durable unit is damaged. A unit that a later one attests costs its own key, by name; the last one, which
// no unit attests, is taken for torn; and with its successor gone too, nobody knows which keys are lost.
func TestDamageCostsTheKeysOfItsUnit(t *testing.T) {
	start := formatted(t)
	w := open(t, start, 1)
	const units = 4
	var places []chunk.Locator
	for i := range units {
		l, _ := w.put(byte(i+1), 0)
		places = append(places, l)
		w.settle()
	}
	good, _ := w.crash(0)
	spoil := func(image []byte, unit, block int) {
		l := places[unit]
		first := int(geometry.Base(l.Extent)) + int(l.Offset)&^(blockBytes-1)
		if unit > 0 && int(l.Offset)%1024 >= HeaderBytes+DirectoryBytes { // the frame begins behind header and directory
			first = int(geometry.Base(l.Extent)) + int(l.Offset) - HeaderBytes - DirectoryBytes
		} else if unit == 0 {
			first = int(geometry.Base(l.Extent)) + int(l.Offset) - HeaderBytes
		}
		image[first+block*blockBytes+9] ^= 0x40
	}
	for unit := range units {
		for block := range 3 {
			image := append([]byte(nil), good...)
			spoil(image, unit, block)
			r := open(t, image, 1)
			switch {
			case unit == units-1:
				wantSeen(t, r, []byte{1, 2, 3}, "the last unit is gone")
			default:
				require.False(t, r.tail.Unknown)
				require.Equal(t, []chunk.ShardID{{byte(unit + 1)}}, r.damaged, "block %d", block)
				require.Len(t, r.seen, units-1)
			}
		}
	}
	image := append([]byte(nil), good...)
	spoil(image, 0, 0)
	spoil(image, 1, 0)
	require.True(t, open(t, image, 1).tail.Unknown)
}
