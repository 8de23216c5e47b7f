package log

import (
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
)

const (
	frameMagic = 0x6d726653 // of package chunk
	firstLog   = 3          // the extent that the log of a formatted disk begins in
)

// resealUnits goes through b, the bytes of an extent, and makes of every block where a unit may begin one whose checksums hold, as
// long as its length does: header, frames and body. Number and epoch are made those that recovery waits for, so that what is
// left to be wrong lies behind the checks of identity.
func resealUnits(b []byte, at chunk.Place, number, epoch uint64) {
	for start := 0; start+blockBytes <= len(b); number++ {
		u := b[start:]
		length := max(blockBytes, int(u[12])|int(u[13])<<8) &^ (blockBytes - 1)
		u = u[:min(length, len(u))]
		h := header{frames: le.Uint16(u[6:]), dirFrames: le.Uint16(u[8:]), place: at.At(start), epoch: epoch, number: number}
		h.durableThrough = number - 1 - min(number-1, uint64(u[48]%4))
		resealFrames(u, &h)
		h.seal(u)
		start += len(u)
	}
}

// resealFrames gives the headers of the frames of u, as far as they lie in it, the magic and the checksum.
func resealFrames(u []byte, h *header) {
	off := HeaderBytes + int(h.dirFrames)*DirectoryBytes
	for range h.frames {
		if off+chunk.HeaderBytes > len(u) {
			return
		}
		f := u[off:]
		le.PutUint32(f, frameMagic)
		le.PutUint32(f[60:], h.place.At(off).CRC(f[:60]))
		off += chunk.FrameBytes(int(le.Uint32(f[12:])))
	}
}

// logImage returns a disk with a log of n units, and the bytes of its first extent.
func logImage(t testing.TB, units ...int) []byte {
	d := disk.NewMemory(disk.Info{Size: geometry.DiskBytes, LogicalBlock: blockBytes, PhysicalBlock: blockBytes, PowerSafe: true})
	require.NoError(t, extent.Format(d, geometry, 0, extent.StoreID{1}))
	table, sched, buffers := new(extent.Table), new(iosched.Sched), new(disk.Buffers)
	sched.Reset(d, buffers)
	require.NoError(t, table.Load(d, sched, buffers))
	first := table.Root.Log[0]
	u := []byte{}
	for i, payload := range units {
		at := chunk.Place{Extent: first.Extent, Generation: first.Generation, Offset: uint32(len(u))}
		h := header{frames: 1, place: at, epoch: 1, number: uint64(i) + 1}
		b := make([]byte, HeaderBytes)
		b = chunk.AppendFrame(b, &chunk.Header{Kind: chunk.PutFinal, ID: chunk.ShardID{byte(i)}, Mutation: uint64(i) + 1, Parts: 1}, make([]byte, payload), at.At(HeaderBytes))
		b = append(b, make([]byte, -len(b)&(blockBytes-1))...)
		h.seal(b)
		u = append(u, b...)
	}
	d.Overwrite(u, geometry.Base(first.Extent))
	return slices.Clone(d.Bytes())
}

// watched is what recovery applies, and how much that is.
type watched struct{ applied, damaged int }

func (w *watched) Apply(*chunk.Header, chunk.Locator, []byte) error { w.applied++; return nil }
func (w *watched) Damaged(chunk.ShardID, uint64)                    { w.damaged++ }

// recovered recovers the log on a disk whose first log extent holds b, and walks what it found. It returns recovery's error.
func recovered(t *testing.T, image, b []byte, seal bool) error {
	t.Helper()
	d := disk.NewMemory(disk.Info{Size: geometry.DiskBytes, LogicalBlock: blockBytes, PhysicalBlock: blockBytes, PowerSafe: true})
	d.Overwrite(image, 0)
	table, sched, buffers := new(extent.Table), new(iosched.Sched), new(disk.Buffers)
	sched.Reset(d, buffers)
	require.NoError(t, table.Load(d, sched, buffers))
	first := table.Root.Log[0]
	b = append(slices.Clone(b), make([]byte, int(geometry.ExtentBytes)-len(b))...)
	if seal {
		resealUnits(b, chunk.Place{Extent: first.Extent, Generation: first.Generation}, 1, 1)
	}
	d.Overwrite(b, geometry.Base(first.Extent))
	var w watched
	tail, err := Recover(d, buffers, table, &w)
	if err == nil {
		require.LessOrEqual(t, tail.Offset, geometry.ExtentBytes)
		require.Zero(t, tail.Offset%geometry.Physical)
		require.LessOrEqual(t, int(tail.Units), 2*len(b)/blockBytes)
		require.LessOrEqual(t, w.applied, len(b)/chunk.Overhead*2)
	}
	x, openErr := extent.Open(d, extent.Options{})
	require.NoError(t, openErr)
	x.PlacePointer(first.Extent, geometry.ExtentBytes)
	if walkErr := Walk(x, first.Extent, func(*chunk.Header, chunk.Locator) error { return nil }); walkErr != nil {
		requireCorrupt(t, walkErr)
	}
	return err
}

// requireCorrupt wants err to say where which check failed.
func requireCorrupt(t *testing.T, err error) {
	t.Helper()
	var corrupt *fault.Corrupt
	require.ErrorAs(t, err, &corrupt)
	require.ErrorIs(t, err, fault.ErrCorrupt)
	require.NotEmpty(t, corrupt.Check)
}

// FuzzRecover recovers and walks a log whose first extent holds anything, as it is and with checksums that hold.
func FuzzRecover(f *testing.F) {
	for _, units := range [][]int{{}, {5}, {5, 100, 0}, {300, 300}, {0, 0, 0, 0, 0}} {
		image := logImage(f, units...)
		f.Add(image[geometry.Base(firstLog):][:geometry.ExtentBytes])
	}
	f.Add([]byte{})
	empty := logImage(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), int(geometry.ExtentBytes))]
		for _, seal := range []bool{false, true} {
			if err := recovered(t, empty, b, seal); err != nil {
				requireCorrupt(t, err)
			}
		}
	})
}

// FuzzUnitHeader decodes headers of any bytes, as they are and with magic, place and checksum made right.
func FuzzUnitHeader(f *testing.F) {
	_, u := sampleUnit()
	f.Add(u[:HeaderBytes])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decodeHeader(b, here, &geometry)
		if len(b) < HeaderBytes {
			return
		}
		b = slices.Clone(b)
		le.PutUint32(b, unitMagic)
		b[4] = unitVersion
		le.PutUint32(b[16:], uint32(here.Extent))
		le.PutUint32(b[20:], here.Offset)
		le.PutUint64(b[24:], uint64(here.Generation))
		le.PutUint32(b[60:], here.CRC(b[:60]))
		h, ok := decodeHeader(b, here, &geometry)
		if !ok {
			return
		}
		require.GreaterOrEqual(t, h.length, HeaderBytes+uint32(h.dirFrames)*DirectoryBytes)
		require.LessOrEqual(t, here.Offset+h.length, geometry.ExtentBytes)
		require.Len(t, h.directory(make([]byte, h.length)), int(h.dirFrames)*DirectoryBytes)
	})
}

// FuzzEachFrame goes through a unit whose checksums hold and whose contents are anything: its frames are read, or refused with a *fault.Corrupt.
func FuzzEachFrame(f *testing.F) {
	_, u := sampleUnit()
	f.Add(u[HeaderBytes:], uint16(2), uint16(1))
	f.Add(u[HeaderBytes:], uint16(3), uint16(0))
	f.Add([]byte{}, uint16(1), uint16(0))
	f.Add(make([]byte, 200), uint16(9), uint16(7))
	f.Fuzz(func(t *testing.T, body []byte, frames, dirFrames uint16) {
		if len(body) > int(geometry.ExtentBytes) {
			return
		}
		u := append(make([]byte, HeaderBytes), body...)
		u = append(u, make([]byte, -len(u)&(blockBytes-1))...)
		h := header{frames: frames, dirFrames: dirFrames, place: chunk.Place{Extent: 3, Generation: 1}, epoch: 1, number: 1}
		h.seal(u)
		h, ok := decodeHeader(u, h.place, &geometry)
		if !ok {
			return
		}
		require.Len(t, h.directory(u), int(dirFrames)*DirectoryBytes)
		err := h.eachFrame(u, func(f *chunk.Header, loc chunk.Locator, b []byte) error {
			require.Len(t, b, chunk.FrameBytes(int(f.Length)))
			return nil
		})
		if err != nil {
			requireCorrupt(t, err)
		}
	})
}

// Units that lie about lengths and counts take no more memory than the extent they lie in.
func TestRecoveryTakesMemoryForWhatIsThere(t *testing.T) {
	for _, tt := range []struct {
		name string
		fill func(b []byte)
	}{
		{"a log", func([]byte) {}},
		{"lengths of 4 GiB", func(b []byte) { fillEach(b, 12, 0xff, 4) }},
		{"as many frames as can be said", func(b []byte) { fillEach(b, 6, 0xff, 2) }},
		{"a directory of all there can be", func(b []byte) { fillEach(b, 8, 0xff, 2) }},
		{"noise", func(b []byte) { fillEach(b, 0, 0xa5, blockBytes) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			image := logImage(t, 5, 100, 0)
			d := disk.NewMemory(disk.Info{Size: geometry.DiskBytes, LogicalBlock: blockBytes, PhysicalBlock: blockBytes, PowerSafe: true})
			table, sched := new(extent.Table), new(iosched.Sched)
			d.Overwrite(image, 0)
			sched.Reset(d, new(disk.Buffers))
			require.NoError(t, table.Load(d, sched, new(disk.Buffers)))
			b := slices.Clone(image[geometry.Base(firstLog):][:geometry.ExtentBytes])
			tt.fill(b)
			resealUnits(b, chunk.Place{Extent: table.Root.Log[0].Extent, Generation: table.Root.Log[0].Generation}, 1, 1)
			d.Overwrite(b, geometry.Base(table.Root.Log[0].Extent))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Recover(d, new(disk.Buffers), table, new(watched))
			runtime.ReadMemStats(&after)
			if err != nil {
				requireCorrupt(t, err)
			}
			require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(4*geometry.DiskBytes+64<<10))
		})
	}
}

// fillEach writes n bytes of v, off bytes into every block of b.
func fillEach(b []byte, off int, v byte, n int) {
	for ; len(b) >= blockBytes; b = b[blockBytes:] {
		for i := range n {
			b[off+i] = v
		}
	}
}
