package chunk

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
)

// requireCorrupt wants err to say where which check failed.
func requireCorrupt(t *testing.T, err error) {
	t.Helper()
	var corrupt *fault.Corrupt
	require.ErrorAs(t, err, &corrupt)
	require.ErrorIs(t, err, fault.ErrCorrupt)
	require.NotEmpty(t, corrupt.Check)
}

// reseal gives f, any bytes, the magic and the checksums of a frame as far as there is room, so that the fields behind them are
// reached.
func reseal(f []byte, at Place) {
	if len(f) < HeaderBytes {
		return
	}
	le.PutUint32(f, frameMagic)
	if len(f) >= Overhead {
		body, t := f[HeaderBytes:len(f)-TrailerBytes], f[len(f)-TrailerBytes:]
		le.PutUint32(f[56:], Checksum(body))
		copy(t, f[40:56])
		copy(t[16:], f[12:16])
		le.PutUint32(t[20:], at.CRC(t[:20]))
	}
	le.PutUint32(f[60:], at.CRC(f[:60]))
}

func FuzzFrame(f *testing.F) {
	for _, payload := range []string{"", "x", "some bytes of a shard"} {
		_, b := sample([]byte(payload))
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, err := Decode(b, here); err != nil {
			requireCorrupt(t, err)
		}
		b = slices.Clone(b)
		reseal(b, here)
		h, payload, err := Decode(b, here)
		if err != nil {
			requireCorrupt(t, err)
			return
		}
		require.Len(t, b, FrameBytes(len(payload)))
		again := AppendFrame(nil, &h, payload, here)
		got, p, err := Decode(again, here)
		require.NoError(t, err)
		require.Equal(t, h, got)
		require.Equal(t, payload, p)
	})
}

// plainExtents is one extent of bytes, for walkers.
type plainExtents struct {
	extent.Extents
	geometry extent.Geometry
	bytes    []byte
	pointer  uint32
	reads    int
}

func (x *plainExtents) Geometry() *extent.Geometry { return &x.geometry }

func (x *plainExtents) Describe(extent.ID) extent.Entry {
	return extent.Entry{Owner: extent.Copies, Generation: here.Generation, Pointer: x.pointer}
}

func (x *plainExtents) Read(at Place, n int) ([]byte, error) {
	x.reads++
	if uint64(at.Offset)+uint64(n) > uint64(x.pointer) {
		return nil, at.Corrupt("write pointer")
	}
	return x.bytes[at.Offset:][:n], nil
}

func (x *plainExtents) Doubt(Place, int) {}

// FuzzWalk walks an extent of any bytes, and the same with the checksum of the header of every frame made right.
func FuzzWalk(f *testing.F) {
	_, b := sample(make([]byte, 40))
	f.Add(append(append(slices.Clone(b), b...), b...), uint16(384))
	f.Add(b, uint16(65))
	f.Add([]byte{}, uint16(1024))
	f.Fuzz(func(t *testing.T, b []byte, pointer uint16) {
		x := &plainExtents{geometry: extent.Geometry{Physical: 128, Logical: 64, ExtentBytes: 1 << 16}, pointer: uint32(pointer)}
		x.bytes = make([]byte, x.pointer)
		copy(x.bytes, b)
		for range 2 {
			walked(t, x)
			for at := (Place{Extent: here.Extent, Generation: here.Generation}); at.Offset+HeaderBytes <= x.pointer; {
				b := x.bytes[at.Offset:]
				reseal(b[:HeaderBytes], at)
				h, err := DecodeHeader(b, at)
				if err != nil || uint64(at.Offset)+uint64(h.Length)+Overhead > uint64(x.pointer) {
					at.Offset = x.geometry.RoundUp(at.Offset + 1)
					continue
				}
				at.Offset += h.Length + Overhead
			}
		}
	})
}

// walked wants a walk of x to end, to show frames in their order that do not overlap, and to fail with a typed error if at all.
func walked(t *testing.T, x *plainExtents) {
	t.Helper()
	end := uint64(0)
	x.reads = 0
	err := Walk(x, here.Extent, func(h *Header, l Locator) error {
		require.GreaterOrEqual(t, uint64(l.Offset), end)
		require.LessOrEqual(t, l.End(), uint64(x.pointer))
		require.EqualValues(t, l.Length, FrameBytes(int(h.Length)))
		end = l.End()
		return nil
	})
	if err != nil {
		requireCorrupt(t, err)
	}
	require.LessOrEqual(t, x.reads, int(x.pointer)/HeaderBytes+1)
}

// A decoder that returns views of what it got allocates an error at most.
func TestDecodingAFrameAllocatesNothing(t *testing.T) {
	_, whole := sample(make([]byte, 1000))
	long := slices.Clone(whole)
	le.PutUint32(long[12:], 1<<31)
	reseal(long, here)
	for name, b := range map[string][]byte{"whole": whole, "empty": nil, "torn": whole[:500], "a length of 2 GiB": long} {
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _, _ = Decode(b, here) }), 1.0, name)
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = DecodeHeader(b, here) }), 1.0, name)
	}
}
