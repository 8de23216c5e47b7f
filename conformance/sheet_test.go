package conformance

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/faultinject"
)

// A sheet reads like a disk that was written for good, and leaves the one below as it was.
func TestASheetIsACopy(t *testing.T) {
	const block, blocks = 512, 24
	info := disk.Info{LogicalBlock: block, PhysicalBlock: block, Size: block * blocks, PowerSafe: true}
	below, want := disk.NewMemory(info), make([]byte, block*blocks)
	random := rand.New(rand.NewPCG(1, 2))
	write := func(d disk.Disk, off int64, data []byte) {
		r := &disk.Request{Kind: disk.Write, Off: off, Data: data}
		d.Submit(r)
		require.Same(t, r, d.Reap(true))
		require.NoError(t, r.Err)
	}
	some := func() (off int64, data []byte) {
		b := random.IntN(blocks)
		data = make([]byte, block*(1+random.IntN(blocks-b)))
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		return int64(b * block), data
	}
	off, data := some()
	write(below, off, data)
	copy(want[off:], data)
	var s sheet
	for range 20 {
		s.lay(below)
		is := append([]byte(nil), want...)
		for range 6 {
			off, data := some()
			write(&s, off, data)
			copy(is[off:], data)
			off, got := some()
			require.NoError(t, s.Read(got, off))
			require.Equal(t, is[off:][:len(got)], got)
		}
		got := make([]byte, len(want))
		require.NoError(t, below.Read(got, 0))
		require.Equal(t, want, got)
	}
	require.Nil(t, s.Reap(true))
}

// What was written over damage can be read, and nothing else.
func TestASheetCoversDamage(t *testing.T) {
	info := disk.Info{LogicalBlock: 512, PhysicalBlock: 512, Size: 512 * 8, PowerSafe: true}
	d := faultinject.New(disk.NewMemory(info))
	d.Damage(faultinject.Rule{Do: faultinject.Fail}, 2*512, 512)
	d.Damage(faultinject.Rule{Do: faultinject.Fail}, 5*512, 512)
	var s sheet
	s.lay(d)
	s.Submit(&disk.Request{Kind: disk.Write, Off: 2 * 512, Data: make([]byte, 512)})
	require.Error(t, s.Read(make([]byte, 512), 2*512), "it takes effect when it is reaped")
	require.NotNil(t, s.Reap(true))
	require.NoError(t, s.Read(make([]byte, 5*512), 0))
	err := s.Read(make([]byte, 6*512), 0)
	require.Error(t, err)
	var failed *faultinject.Error
	require.True(t, errors.As(err, &failed))
}

func TestEdgesAreWhereWritesBeginAndEnd(t *testing.T) {
	var e edges
	e.reset(200)
	e.note(60, 70)
	e.note(150, 1)
	e.note(64, 3)
	e.note(1, 0)
	for b := range int64(200) {
		require.Equal(t, b == 60 || b == 129 || b == 150 || b == 64 || b == 66, e.has(b), "block %d", b)
	}
	e.note(55, 10)
	require.False(t, e.has(60) || e.has(63))
	require.True(t, e.has(55) && e.has(64) && e.has(66))
	e.reset(200)
	require.False(t, e.has(55))
}
