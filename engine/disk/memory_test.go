package disk_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
)

func smallInfo(size int64) disk.Info {
	return disk.Info{Size: size, LogicalBlock: 64, PhysicalBlock: 128, PowerSafe: true}
}

func TestMemoryWriteTakesEffectWhenReaped(t *testing.T) {
	m := disk.NewMemory(smallInfo(8192))
	m.Submit(&disk.Request{Kind: disk.Write, Off: 64, Data: filled(64, 7)})
	got := make([]byte, 64)
	require.NoError(t, m.Read(got, 64))
	require.Equal(t, filled(64, 0), got, "read before the write was reaped")
	require.NotNil(t, m.Reap(false))
	require.NoError(t, m.Read(got, 64))
	require.Equal(t, filled(64, 7), got, "read after the write was reaped")
	require.Equal(t, got, m.Bytes()[64:128])
}

func TestMemoryCompletesInTheOrderSubmitted(t *testing.T) {
	m := disk.NewMemory(smallInfo(8192))
	var next, reaped uint64
	rng := rand.New(rand.NewPCG(1, 1))
	for next < 500 || reaped < next {
		if next < 500 && (next == reaped || rng.IntN(100) < 55) {
			m.Submit(&disk.Request{Kind: disk.Flush, Tag: next})
			next++
			continue
		}
		r := m.Reap(true)
		require.NotNil(t, r)
		require.Equal(t, reaped, r.Tag)
		reaped++
	}
	require.Nil(t, m.Reap(true), "nothing is in flight")
}

func TestMemoryResetLeavesNothingBehind(t *testing.T) {
	m := disk.NewMemory(smallInfo(64 << 10))
	rng := rand.New(rand.NewPCG(2, 2))
	for round := range 300 {
		size := int64(128 * (1 + rng.IntN(1024))) // often smaller, sometimes larger than all before
		m.Reset(smallInfo(size))
		require.True(t, bytes.Equal(make([]byte, size), m.Bytes()), "round %d of %d bytes: not all zeros", round, size)
		for range rng.IntN(5) {
			n := 64 * (1 + rng.IntN(int(size/64)))
			off := 64 * int64(rng.IntN(int(size-int64(n))/64+1))
			require.NoError(t, disk.Do(m, &disk.Request{Kind: disk.Write, Off: off, Data: filled(n, 0xff)}))
		}
		m.Overwrite([]byte{1}, size-1)
		m.Submit(&disk.Request{Kind: disk.Flush}) // in flight: forgotten
		m.Reset(smallInfo(size))
		require.Nil(t, m.Reap(true))
	}
}

func TestMemoryKeepsItsContentsOverCloseAndReopen(t *testing.T) {
	m := disk.NewMemory(smallInfo(1024))
	require.NoError(t, disk.Do(m, &disk.Request{Kind: disk.Write, Data: filled(64, 9)}))
	require.NoError(t, m.Close())
	require.ErrorIs(t, m.Read(make([]byte, 64), 0), disk.ErrClosed)
	m.Reopen()
	got := make([]byte, 64)
	require.NoError(t, m.Read(got, 0))
	require.Equal(t, filled(64, 9), got)
}

func TestMemoryRequestsDoNotAllocate(t *testing.T) {
	m := disk.NewMemory(smallInfo(64 << 10))
	r := &disk.Request{Kind: disk.Write, Off: 4096, Data: filled(256, 1)}
	p := make([]byte, 256)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		m.Submit(r)
		m.Reap(true)
		_ = m.Read(p, 4096)
		_, _ = m.Ask(0, 4096, func(int64, []byte) bool { return false })
	}))
}

func TestMemoryRefusesAnImpossibleInfo(t *testing.T) {
	for _, info := range []disk.Info{
		{},
		{Size: 4096, LogicalBlock: 96, PhysicalBlock: 192},
		{Size: 4096, LogicalBlock: 512, PhysicalBlock: 64},
		{Size: 4096 + 64, LogicalBlock: 64, PhysicalBlock: 128},
		{Size: -4096, LogicalBlock: 64, PhysicalBlock: 64},
	} {
		require.Panics(t, func() { disk.NewMemory(info) }, "%+v", info)
	}
}

func BenchmarkMemorySubmitReap256(b *testing.B) {
	m := disk.NewMemory(smallInfo(64 << 10))
	r := &disk.Request{Kind: disk.Write, Off: 4096, Data: filled(256, 1)}
	for b.Loop() {
		m.Submit(r)
		m.Reap(true)
	}
}

func BenchmarkMemoryReset(b *testing.B) {
	m := disk.NewMemory(smallInfo(128 << 10))
	r := &disk.Request{Kind: disk.Write, Off: 4096, Data: filled(256, 1)}
	for b.Loop() {
		m.Submit(r)
		m.Reap(true)
		m.Reset(m.Info())
	}
}

func filled(n int, b byte) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = b
	}
	return p
}
