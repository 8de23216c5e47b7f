package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// slotOffsets returns where the slots of page 0 lie.
func slotOffsets(t *testing.T, d disk.Disk) (at [3]int64) {
	t.Helper()
	i, err := engine.Inspect(d)
	require.NoError(t, err)
	for _, s := range i.Slots {
		if s.Page == 0 {
			at[s.Slot] = s.Offset
		}
	}
	return at
}

// rewriteFormat makes the slot at off one of another format version.
func rewriteFormat(d *disk.Memory, off int64, version uint16) {
	b := bytes.Clone(d.Bytes()[off : off+64])
	binary.LittleEndian.PutUint16(b[4:], version)
	place := binary.LittleEndian.AppendUint64(nil, uint64(off))
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(append(place, b[:60]...), crc32.MakeTable(crc32.Castagnoli)))
	d.Overwrite(b, off)
}

func TestInspectTellsWhatTheSuperblockHolds(t *testing.T) {
	for name, g := range map[string]engine.Geometry{
		"one page":      small,
		"several pages": {ExtentBytes: 4096, PageBytes: 128, WindowBytes: 2048, WindowUnits: 4, SuperPageBytes: 512},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDisk(40)
			require.NoError(t, engine.Format(d, g))
			s := open(t, d)
			_, err := s.Put(engine.ShardID{1}, make([]byte, 100))
			require.NoError(t, err)
			require.NoError(t, s.Flush(context.Background()))
			require.NoError(t, s.Close())
			want := s.Stats()

			i, err := engine.Inspect(readsOnly{d, t})
			require.NoError(t, err)
			require.Empty(t, i.Damage)
			require.NotZero(t, i.ID)
			require.Equal(t, 2, i.Format)
			require.Equal(t, 40, i.Geometry.Extents)
			require.Equal(t, 4096, i.Geometry.ExtentBytes)
			require.Equal(t, int64(40*4096), i.Geometry.DiskBytes)
			require.Equal(t, 64, i.PhysicalBlock)
			require.Equal(t, want.Epoch, i.Epoch)
			require.Zero(t, i.Unknown)
			require.NotEmpty(t, i.Log)
			count := map[string]int{}
			for _, e := range want.Table {
				count[e.Owner]++
			}
			for _, o := range i.Owners {
				require.Equal(t, count[o.Owner], o.Extents, o.Owner)
				delete(count, o.Owner)
			}
			require.Empty(t, count)
			require.Zero(t, len(i.Slots)%3, "three slots a page")
		})
	}
}

func TestInspectSaysWhichSlotIsWhat(t *testing.T) {
	d := newDisk(20)
	require.NoError(t, engine.Format(d, small))
	at := slotOffsets(t, d)
	image := bytes.Clone(d.Bytes())
	garbage := bytes.Repeat([]byte{0xa5, 0x5a}, 32)
	tests := []struct {
		name  string
		spoil func()
		want  string // the states of the slots
		err   error
	}{
		{"as formatted", func() {}, "valid valid valid", nil},
		{"first rotten", func() { d.Overwrite(garbage, at[0]) }, "damaged valid valid", nil},
		{"body rotten", func() { d.Overwrite(garbage, at[1]+128) }, "valid damaged valid", nil},
		{"two wiped", func() { d.Overwrite(make([]byte, 128), at[1]); d.Overwrite(make([]byte, 128), at[2]) }, "valid empty empty", nil},
		{"all bodies rotten", func() {
			for _, off := range at {
				d.Overwrite(garbage, off+128)
			}
		}, "damaged damaged damaged", engine.ErrCorrupt},
		{"all rotten", func() {
			for _, off := range at {
				d.Overwrite(garbage, off)
			}
		}, "damaged", engine.ErrNoStore},
		{"blank", func() { d.Overwrite(make([]byte, len(image)), 0) }, "empty", engine.ErrNoStore},
		{"a later format", func() { rewriteFormat(d, 0, 9) }, "other format", engine.ErrVersion},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d.Overwrite(image, 0)
			tt.spoil()
			i, err := engine.Inspect(readsOnly{d, t})
			require.ErrorIs(t, err, tt.err)
			states, wrong := "", 0
			for _, s := range i.Slots {
				states += " " + string(s.State)
				if s.Err != nil {
					wrong++
				}
			}
			require.Equal(t, " "+tt.want, states)
			require.Len(t, i.Damage, wrong)
			_, err = engine.Open(readsOnly{d, t}, engine.Options{ReadOnly: true})
			require.ErrorIs(t, err, tt.err, "Open says the same")
		})
	}
}

func TestInspectOfALostTablePageCountsWhatIsUnknown(t *testing.T) {
	d := newDisk(40)
	g := small
	g.SuperPageBytes = 512
	require.NoError(t, engine.Format(d, g))
	i, err := engine.Inspect(d)
	require.NoError(t, err)
	for _, s := range i.Slots {
		if s.Page == 1 {
			d.Overwrite([]byte("rot"), s.Offset)
		}
	}
	i, err = engine.Inspect(d)
	require.NoError(t, err)
	require.Len(t, i.Damage, 3)
	require.Greater(t, i.Unknown, 0)
	require.Less(t, i.Unknown, 40)
	_, err = engine.Open(d, engine.Options{ReadOnly: true})
	require.ErrorIs(t, err, engine.ErrCorrupt)
}

func TestInspectOfADiskCutShortSaysSo(t *testing.T) {
	d := newDisk(40)
	require.NoError(t, engine.Format(d, small))
	short := newDisk(20)
	short.Overwrite(d.Bytes()[:len(short.Bytes())], 0)
	i, err := engine.Inspect(short)
	require.NoError(t, err)
	require.Len(t, i.Damage, 1)
	require.ErrorIs(t, i.Damage[0], engine.ErrGeometry)
}

// What a 32-bit field cannot hold is refused, not cut to what it can.
func TestAGeometryBeyondTheFormatIsRefused(t *testing.T) {
	d := newDisk(40)
	before := bytes.Clone(d.Bytes())
	for name, g := range map[string]engine.Geometry{
		"extents that wrap to a size that works": {ExtentBytes: 1<<32 + 4096, Extents: 20},
		"a window that wraps":                    {ExtentBytes: 4096, PageBytes: 128, WindowBytes: 1<<32 + 2048},
		"a negative page":                        {ExtentBytes: 4096, PageBytes: -128, WindowBytes: 2048},
		"more disk than there is":                {ExtentBytes: 4096, PageBytes: 128, WindowBytes: 2048, DiskBytes: 80 * 4096},
		"a superblock that leaves too little":    {ExtentBytes: 2048, PageBytes: 128, WindowBytes: 1024, Extents: 11, SuperPageBytes: 64},
	} {
		require.ErrorIs(t, g.Suits(d.Info()), engine.ErrGeometry, name)
		require.ErrorIs(t, engine.Format(d, g), engine.ErrGeometry, name)
	}
	require.True(t, bytes.Equal(before, d.Bytes()), "nothing was written")
}
