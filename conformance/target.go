package conformance

import (
	"context"

	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/faultinject"
)

// Target is what a key-value store shows to the checks: the least through which any store can take the engine's place. The calls
// mean what those of engine.Store mean. A target starts no work of its own: it is driven call by call, by one goroutine.
//
// A call that a store does not have answers errors.ErrUnsupported, or UnknownSpace; the operation then has no effect.
//
// Buffers handed in stay the caller's, and are overwritten as soon as the call returns. Bytes handed out are the caller's too.
type Target interface {
	// Put stores data; ErrTooLarge if and only if it is longer than MaxShard.
	Put(id engine.ShardID, data []byte) (engine.Dependency, error)
	// Delete takes a shard away; one that is absent is no error.
	Delete(id engine.ShardID) (engine.Dependency, error)
	// AppendShard appends the bytes of a shard to dst, or answers ErrNotFound.
	AppendShard(dst []byte, id engine.ShardID) ([]byte, error)
	// AppendList appends to dst the first ids greater than *after, from the start where after is nil; in order, at most limit.
	AppendList(dst []engine.ShardID, after *engine.ShardID, limit int) ([]engine.ShardID, error)
	// Wait returns once d is persistent. Dependencies of an earlier open are waited for too.
	Wait(ctx context.Context, d engine.Dependency) error
	// Sync returns once every mutation is persistent.
	Sync(ctx context.Context) error
	// Flush moves what memory holds of the index to the disk.
	Flush(ctx context.Context) error
	// Pump lets up to n device requests complete and returns how many did.
	Pump(n int) (int, error)
	// Check audits the store and reports every inconsistency; its own error says that it could not.
	Check(ctx context.Context, report func(error)) error
	// Head returns how many bytes a shard has, or answers ErrNotFound.
	Head(id engine.ShardID) (int64, error)
	// AppendRange appends to dst the n bytes of a shard that begin at off, fewer where the shard ends before; none if it ends
	// at off or below it. ErrNotFound as AppendShard.
	AppendRange(dst []byte, id engine.ShardID, off, n int64) ([]byte, error)
	// Compact takes one step of merging runs and reports whether there was one to take.
	Compact(ctx context.Context) (bool, error)
	// Reclaim moves what lives out of the extent where that gains most, frees it, and reports whether there was one worth it.
	Reclaim(ctx context.Context) (bool, error)
	// FlushSuperblock writes what memory holds of the table of extents.
	FlushSuperblock(ctx context.Context) error
	// Scrub reads all that is stored and reports what is damaged; its own error says that it could not.
	Scrub(ctx context.Context, report func(error)) error
	// Start begins w and returns; Pump and the calls that wait bring it forward.
	Start(w Work) error
	// Space returns the figures of space. It fails on no store, and costs no more than a look.
	Space() Space
	// FrameBytes returns how much a stored shard of n bytes adds to Space.LiveBytes, -1 if that is unknown.
	FrameBytes(n int) int64
	// MaxShard returns the bytes of the largest shard that fits the geometry.
	MaxShard() int
	// Close shuts down cleanly: every dependency becomes persistent. The disk stays open.
	Close() error
}

// Work is a background step that can be begun without waiting for its end.
type Work uint8

const (
	WorkFlush Work = iota + 1
	WorkCompact
	WorkReclaim
)

// Factory makes the stores of one kind. An Executor owns one and uses it for one store at a time: Format at the beginning of each
// sequence and wherever that says so, then Open for the start and for every reboot.
type Factory interface {
	// Format makes an empty store on d for the options of c. d is blank, or, if the sequence had so many stores before, holds
	// what they left.
	Format(d disk.Disk, c *Config, before int) error
	// Open opens the store that Format or an earlier life left on d.
	Open(d disk.Disk, c *Config) (Target, error)
}

// Rewinder is a Factory that can go back: what its stores draw by chance after Return is what they drew after Remember. A crash with
// many outcomes goes on from the same state in each.
type Rewinder interface {
	Remember()
	Return()
}

// DiskSource returns a blank disk of the size and block sizes that c asks for. An Executor calls it once for each sequence and
// is done with the disk of the one before by then, so that a source may hand out one disk for ever, cleared.
type DiskSource func(c *Config) (disk.Disk, error)

// DiskInfo returns what a memory disk for c says of itself.
func DiskInfo(c *Config) disk.Info {
	block := int(c.Get(OptBlock))
	return disk.Info{
		Size:          int64(block) * int64(c.Get(OptExtent)) * int64(c.Get(OptExtents)),
		LogicalBlock:  block,
		PhysicalBlock: block * int(c.Get(OptPhysical)),
		PowerSafe:     true,
	}
}

// CrashDisks returns a source of disks that can lose power; it is one disk, cleared for every sequence.
func CrashDisks() DiskSource { return lyingDisks(crashsim.Honest) }

// lyingDisks returns a source as CrashDisks does, of disks that break a promise.
func lyingDisks(lie crashsim.Lie) DiskSource {
	var d *crashsim.Disk
	return func(c *Config) (disk.Disk, error) {
		info := DiskInfo(c)
		device := crashsim.DeviceNumber(int(c.Get(OptDevice)), info.PhysicalBlock)
		config := crashsim.Config{Info: info, Device: device, Lie: lie}
		if c.Get(OptReorder) != 0 {
			config.Shuffle = 1 + uint64(c.Get(OptSeed))
		}
		if d == nil {
			d = crashsim.New(config)
		} else {
			d.Reset(config)
		}
		return d, nil
	}
}

// FaultDisks returns a source of disks that can break; it is one disk, cleared for every sequence.
func FaultDisks() DiskSource { return breaking(MemoryDisks()) }

// CrashFaultDisks returns a source of disks that can break, and lose power; it is one disk, cleared for every sequence. None of them is
// Unsafe: what a power cut has made unreadable there cannot be told from what broke.
func CrashFaultDisks() DiskSource {
	crashes := CrashDisks()
	return breaking(func(c *Config) (disk.Disk, error) {
		safe := *c
		if safe.Get(OptDevice) == crashsim.Unsafe {
			safe.Set(OptDevice, crashsim.Sectors)
		}
		return crashes(&safe)
	})
}

func breaking(below DiskSource) DiskSource {
	var d *faultinject.Disk
	return func(c *Config) (disk.Disk, error) {
		m, err := below(c)
		if err != nil {
			return nil, err
		}
		if d == nil {
			d = faultinject.New(m)
		} else {
			d.Reset(m)
		}
		return d, nil
	}
}

// MemoryDisks returns a source of memory disks that is one disk, cleared for every sequence.
func MemoryDisks() DiskSource {
	var m *disk.Memory
	return func(c *Config) (disk.Disk, error) {
		if m == nil {
			m = disk.NewMemory(DiskInfo(c))
		} else {
			m.Reset(DiskInfo(c))
		}
		return m, nil
	}
}
