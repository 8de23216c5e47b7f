package engine_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
)

// Format refuses a geometry whose extents hold no index block; a superblock that says it all the same is refused too.
func TestOpenBelievesNoGeometryThatFormatRefuses(t *testing.T) {
	g := extent.Geometry{DiskBytes: 16 << 10, ExtentBytes: 1024, Extents: 16, Logical: 64, Physical: 64, PageBytes: 1024, WindowBytes: 1024, WindowUnits: 4}
	require.NoError(t, g.Validate())
	d := disk.NewMemory(disk.Info{Size: g.DiskBytes, LogicalBlock: 64, PhysicalBlock: 64})
	require.NoError(t, extent.Format(d, g, 0, extent.StoreID{1}))
	_, err := engine.Open(d, engine.Options{})
	require.ErrorIs(t, err, engine.ErrGeometry)
}
