package extent

import (
	"errors"
	"fmt"

	"github.com/shardproof/shardproof/engine/disk"
)

// Geometry is fixed when a disk is formatted and recorded in every root.
type Geometry struct {
	DiskBytes   int64
	ExtentBytes uint32
	Extents     uint32
	Logical     uint32 // bytes of a logical block
	Physical    uint32 // bytes of a physical block: the alignment of units, runs and slots
	PageBytes   uint32 // bytes of an index block
	WindowBytes uint32 // log in flight beyond the durable prefix, at most; also the largest unit
	WindowUnits uint32
	PowerSafe   bool // as the device said when it was formatted
}

// ErrGeometry is what a geometry that cannot work answers to.
var ErrGeometry = errors.New("unusable geometry")

// Limits of a geometry.
const (
	MinExtents  = 11      // superblock 1, reserve 6, log head and its successor 2, a run 1, a metadata pair counted in the reserve, 1 to work with
	MaxExtents  = 1 << 26 // bounds what a decoder allocates for a table
	minLogical  = 64      // a unit header, a page header and a fence each fit one logical block
	maxPhysical = 1 << 16
	minExtent   = 8 // physical blocks in the smallest extent
)

// Validate reports what makes g unusable, as an error that answers to ErrGeometry.
func (g *Geometry) Validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrGeometry}, args...)...)
	}
	switch {
	case g.Logical < minLogical || g.Logical&(g.Logical-1) != 0:
		return bad("logical block of %d bytes, want a power of two of at least %d", g.Logical, minLogical)
	case g.Physical < g.Logical || g.Physical > maxPhysical || g.Physical&(g.Physical-1) != 0:
		return bad("physical block of %d bytes, want a power of two from %d to %d", g.Physical, g.Logical, maxPhysical)
	case g.ExtentBytes%g.Physical != 0 || g.ExtentBytes/g.Physical < minExtent || g.ExtentBytes > 1<<31:
		return bad("extent of %d bytes, want a multiple of %d, at least %d of them, at most 2 GiB", g.ExtentBytes, g.Physical, minExtent)
	case g.Extents < MinExtents || g.Extents > MaxExtents:
		return bad("%d extents, want %d to %d", g.Extents, MinExtents, MaxExtents)
	case int64(g.Extents)*int64(g.ExtentBytes) > g.DiskBytes:
		return bad("%d extents of %d bytes on a disk of %d bytes", g.Extents, g.ExtentBytes, g.DiskBytes)
	case g.PageBytes < g.Logical || g.PageBytes%g.Logical != 0 || g.PageBytes > 1<<20:
		return bad("index page of %d bytes, want a multiple of %d, at most 1 MiB", g.PageBytes, g.Logical)
	case g.WindowBytes < 4*g.Physical || g.WindowBytes%g.Physical != 0 || g.WindowBytes > 1<<30:
		return bad("window of %d bytes, want a multiple of %d, at least 4 of them, at most 1 GiB", g.WindowBytes, g.Physical)
	case g.WindowUnits < 1 || g.WindowUnits > 1024:
		return bad("window of %d units, want 1 to 1024", g.WindowUnits)
	}
	return nil
}

// Fits reports, as an error, what keeps g from being used on a device.
func (g *Geometry) Fits(i disk.Info) error {
	switch {
	case i.Size < g.DiskBytes:
		return fmt.Errorf("%w: formatted for %d bytes, the disk has %d", ErrGeometry, g.DiskBytes, i.Size)
	case uint32(i.LogicalBlock) > g.Logical:
		return fmt.Errorf("%w: formatted with logical blocks of %d bytes, the disk has %d", ErrGeometry, g.Logical, i.LogicalBlock)
	}
	return nil
}

// Shields reports, as an error, that an interrupted write to a device could damage what lies beside it: the device does not
// promise to leave every block readable, and its physical blocks are larger than those that g keeps apart.
func (g *Geometry) Shields(i disk.Info) error {
	if !i.PowerSafe && uint32(i.PhysicalBlock) > g.Physical {
		return fmt.Errorf("%w: formatted for physical blocks of %d bytes, the disk has %d and is not power-safe", ErrGeometry, g.Physical, i.PhysicalBlock)
	}
	return nil
}

// RoundUp returns n rounded up to whole physical blocks.
func (g *Geometry) RoundUp(n uint32) uint32 { return (n + g.Physical - 1) &^ (g.Physical - 1) }

// Base returns the disk offset of extent x.
func (g *Geometry) Base(x ID) int64 { return int64(x) * int64(g.ExtentBytes) }
