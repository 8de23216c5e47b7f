package engine

import (
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/log"
)

// Geometry is what Format fixes for the life of a store. Zero fields take a default that suits the device. All sizes are in
// bytes and multiples of the device's physical block.
type Geometry struct {
	ExtentBytes    int   // default 16 MiB, less on a small disk
	Extents        int   // default: as many as fit
	PageBytes      int   // of an index block; default 4 KiB
	WindowBytes    int   // log in flight, at most, and so the largest unit; default 8 MiB, at most an extent
	WindowUnits    int   // units in flight, at most; default 8
	SuperPageBytes int   // of a superblock page; default the best for the size
	Rand           Rand  // source of the store's id; nil draws from the system
	DiskBytes      int64 // of the disk to use; default all
}

// Rand is a source of random numbers.
type Rand = rand.Source

const (
	defaultExtent      = 16 << 20
	defaultPageBytes   = 4 << 10
	defaultWindow      = 8 << 20
	defaultWindowUnits = 8
	wantedExtents      = 64 // a small disk is divided into about this many
)

// Format makes d an empty store. Whatever it held is lost. It fails with ErrGeometry if g does not suit the device.
func Format(d disk.Disk, g Geometry) error {
	e, err := g.resolve(d.Info())
	if err != nil {
		return err
	}
	src := g.Rand
	if src == nil {
		o := Options{}
		o.fill()
		src = o.Rand
	}
	return extent.Format(d, e, uint32(g.SuperPageBytes), extent.StoreID(chunk.NewUUID(src)))
}

// HoldsStore reports whether a disk, read from its first byte on, begins with the superblock of a store, of this format or
// another. One whose first slot is damaged is not recognized; Open may still recover it.
func HoldsStore(r io.ReaderAt) bool {
	var first [extent.HeaderBytes]byte
	_, err := r.ReadAt(first[:], 0)
	return err == nil && extent.Recognize(first[:])
}

// ErrGeometry is what a geometry that cannot work answers to.
var ErrGeometry = extent.ErrGeometry

// Suits reports, as an error that answers to ErrGeometry, why Format would refuse g on a device. It writes nothing.
func (g Geometry) Suits(i disk.Info) error {
	_, err := g.resolve(i)
	return err
}

func (g *Geometry) resolve(i disk.Info) (extent.Geometry, error) {
	for _, n := range [...]int{g.ExtentBytes, g.Extents, g.PageBytes, g.WindowBytes, g.WindowUnits, g.SuperPageBytes} {
		if n < 0 || int64(n) > 1<<31 { // beyond the limits of all of them; what follows counts in 32 bits
			return extent.Geometry{}, fmt.Errorf("%w: %d is out of range", ErrGeometry, n)
		}
	}
	if g.DiskBytes < 0 || g.DiskBytes > i.Size {
		return extent.Geometry{}, fmt.Errorf("%w: %d bytes of a disk of %d", ErrGeometry, g.DiskBytes, i.Size)
	}
	size := or(g.DiskBytes, i.Size)
	extentBytes := or(int64(g.ExtentBytes), min(defaultExtent, max(int64(i.PhysicalBlock)*32, floorPower(size/wantedExtents))))
	e := extent.Geometry{
		DiskBytes:   size,
		ExtentBytes: uint32(extentBytes),
		Extents:     uint32(or(int64(g.Extents), min(size/extentBytes, extent.MaxExtents))),
		Logical:     uint32(i.LogicalBlock),
		Physical:    uint32(i.PhysicalBlock),
		PageBytes:   uint32(or(int64(g.PageBytes), max(defaultPageBytes, int64(i.LogicalBlock)))),
		WindowBytes: uint32(or(int64(g.WindowBytes), min(defaultWindow, extentBytes))),
		WindowUnits: uint32(or(int64(g.WindowUnits), defaultWindowUnits)),
		PowerSafe:   i.PowerSafe,
	}
	if err := e.Validate(); err != nil {
		return e, err
	}
	if err := holds(&e); err != nil {
		return e, err
	}
	return e, extent.Suits(&e, uint32(g.SuperPageBytes))
}

// holds reports, as an error, what of a store does not fit an extent of e. Format asks, and Open, which believes no root.
func holds(e *extent.Geometry) error {
	shape := index.ShapeOf(e, 0, defaultFilterBits)
	if shape.MaxEntries() == 0 || log.MaxPayload(e, int(e.Physical)) < 0 {
		return fmt.Errorf("%w: an extent of %d bytes holds no index block of %d", ErrGeometry, e.ExtentBytes, e.PageBytes)
	}
	if n := chunk.FrameBytes(index.MetadataBytes(int(e.Extents), int(e.Extents))); n > int(e.ExtentBytes) {
		return fmt.Errorf("%w: metadata of %d extents may take %d bytes, an extent has %d", ErrGeometry, e.Extents, n, e.ExtentBytes)
	}
	return nil
}

func or(v, otherwise int64) int64 {
	if v != 0 {
		return v
	}
	return otherwise
}

// floorPower returns the largest power of two that is at most n.
func floorPower(n int64) int64 { return 1 << max(0, bits.Len64(uint64(n))-1) }
