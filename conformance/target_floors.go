package conformance

import (
	"context"
	"slices"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/model"
)

// The models of the lower floors in the place of the components, as NewModelFactory puts that of the store.

// GeometryOf returns the geometry that c asks for.
func GeometryOf(c *Config) extent.Geometry {
	info := DiskInfo(c)
	return extent.Geometry{
		DiskBytes: info.Size, ExtentBytes: uint32(blockBytes(c, OptExtent)), Extents: c.Get(OptExtents),
		Logical: uint32(info.LogicalBlock), Physical: uint32(info.PhysicalBlock), PageBytes: c.Page(),
		WindowBytes: uint32(blockBytes(c, OptWindow)), WindowUnits: c.Get(OptWindowUnits), PowerSafe: info.PowerSafe,
	}
}

// NewModelExtentFactory returns the factory of model extents.
func NewModelExtentFactory() ExtentFactory { return new(modelExtentFactory) }

type modelExtentFactory struct{ extents modelExtents }

func (f *modelExtentFactory) Format(_ disk.Disk, c *Config) error {
	g := GeometryOf(c)
	f.extents.Reset(&g, extent.Superblock)
	return nil
}

func (f *modelExtentFactory) Open(disk.Disk, *Config) (ExtentTarget, error) {
	f.extents.Reboot()
	return &f.extents, nil
}

// modelExtents is a model as an ExtentTarget.
type modelExtents struct{ model.Extents }

func (e *modelExtents) FlushSuperblock(ctx context.Context) error { return e.Sync(ctx) }
func (e *modelExtents) Check(context.Context, func(error)) error  { return nil }
func (e *modelExtents) Close() error                              { return e.Sync(context.Background()) }

// NewModelChunkFactory returns the factory of model chunks.
func NewModelChunkFactory() ChunkFactory {
	f := new(modelChunkFactory)
	f.chunks.Extents = &f.extents
	return f
}

type modelChunkFactory struct {
	extents model.Extents
	chunks  modelChunks
}

func (f *modelChunkFactory) Format(_ disk.Disk, c *Config) error {
	g := GeometryOf(c)
	f.extents.Reset(&g, extent.Superblock)
	f.chunks.Reset()
	return nil
}

func (f *modelChunkFactory) Open(disk.Disk, *Config) (ChunkTarget, error) {
	f.extents.Reboot()
	return &f.chunks, nil
}

// modelChunks is a model as a ChunkTarget.
type modelChunks struct{ model.Chunks }

func (c *modelChunks) Check(context.Context, func(error)) error { return nil }
func (c *modelChunks) Close() error                             { return c.Sync(context.Background()) }

// NewModelIndexFactory returns the factory of model indexes.
func NewModelIndexFactory() IndexFactory { return new(modelIndexFactory) }

type modelIndexFactory struct{ index modelIndex }

func (f *modelIndexFactory) Open(b *IndexBelow, _ *Config) (IndexTarget, error) {
	f.index.below = b
	if b.Recorded == nil {
		f.index.Reset()
	}
	f.index.Reboot()
	return &f.index, nil
}

// modelIndex is a model as an IndexTarget: what it records is live bytes, without tables.
type modelIndex struct {
	model.Index
	below  *IndexBelow
	record index.Metadata
}

func (x *modelIndex) Flush(ctx context.Context) error {
	if err := x.Index.Flush(ctx); err != nil {
		return err
	}
	n := int(x.below.Geometry.Extents)
	x.record.Live = slices.Grow(x.record.Live[:0], n)[:n]
	clear(x.record.Live)
	x.AddLive(x.record.Live)
	dep, err := x.below.Recorder.Record(&x.record, iosched.Dependency{})
	if err != nil {
		return err
	}
	return x.below.Await(dep)
}
