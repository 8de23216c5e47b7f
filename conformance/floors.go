package conformance

import (
	"context"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/iosched"
)

// The floors below the store, as their suites drive them: call by call, by one goroutine, with nothing going on in between.

// ExtentTarget is an extent store under test.
type ExtentTarget interface {
	extent.Extents
	Auditor
	// Pump lets up to n device requests complete and returns how many did.
	Pump(n int) (int, error)
	// Sync returns once every append is persistent.
	Sync(ctx context.Context) error
	// FlushSuperblock returns once what Describe says of every extent survives any crash.
	FlushSuperblock(ctx context.Context) error
	// Close shuts down cleanly: every append and every pointer is persistent. The disk stays open.
	Close() error
}

// ExtentFactory makes extent stores; as Factory.
type ExtentFactory interface {
	Format(d disk.Disk, c *Config) error
	Open(d disk.Disk, c *Config) (ExtentTarget, error)
}

// ChunkTarget is a chunk store under test, and what must be seen of the extents below it.
type ChunkTarget interface {
	chunk.Chunks
	Auditor
	Geometry() *extent.Geometry
	Len() int
	Describe(x extent.ID) extent.Entry
	Release(x extent.ID) error
	Pump(n int) (int, error)
	Sync(ctx context.Context) error
	Close() error
}

// ChunkFactory makes chunk stores; as Factory.
type ChunkFactory interface {
	Format(d disk.Disk, c *Config) error
	Open(d disk.Disk, c *Config) (ChunkTarget, error)
}

// IndexTarget is an index under test.
type IndexTarget = index.Index

// IndexBelow is what an index under test stands on.
type IndexBelow struct {
	Chunks   chunk.Chunks
	Recorder index.Recorder
	Geometry *extent.Geometry
	Recorded *index.Metadata                // what was recorded last; nil: nothing, the index is empty
	Replay   uint64                         // the first mutation that Recorded does not hold
	Await    func(iosched.Dependency) error // returns when a dependency is persistent
	Pin      func(extent.ID)
	Unpin    func(extent.ID)
}

// IndexFactory opens indexes.
type IndexFactory interface {
	Open(b *IndexBelow, c *Config) (IndexTarget, error)
}
