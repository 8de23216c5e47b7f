package engine

import (
	crand "crypto/rand"
	"math/rand/v2"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/engine/probe"
)

// ShardID names a shard: sixteen bytes, any value, ordered bytewise.
type ShardID = chunk.ShardID

// Dependency stands for the persistence of a put or delete.
type Dependency = iosched.Dependency

// State is the state of a Dependency.
type State = iosched.State

// The states of a Dependency.
const (
	Pending    = iosched.Pending
	Persistent = iosched.Persistent
	Failed     = iosched.Failed
)

// Options are the choices of one Open.
type Options struct {
	// Rand is the source of chunk UUIDs; nil draws a seed from the system.
	Rand rand.Source
	// GroupBytes bounds, in bytes, a log unit that holds several frames. 0 is 256 KiB. It is rounded down to whole physical
	// blocks and is at least one, at most the window of the geometry.
	GroupBytes int
	// MemtableEntries bounds the mutations since the last flush; the one after that flushes first. 0 is 65,536.
	MemtableEntries int
	// TablePages bounds the index blocks in one table of a sorted run. 0 is as many as make 2 MiB and fit an extent.
	TablePages int
	// FilterBits is how many bits a key the bloom filters of sorted runs have; 0 is 10, -1 no filters.
	FilterBits int
	// Trigger is how many runs of level 0 make a compaction due; 0 is 4.
	Trigger int
	// Fanout is how many times as large as the one above a level of the index may get; 0 is 8.
	Fanout int
	// PartBytes bounds the parts of a shard that is put in several; 0 is what fits one frame.
	PartBytes int
	// CacheBytes and IndexCacheBytes bound the pages of shards and of the index kept in memory. 0 is 64 MiB each; less than a
	// page is one page.
	CacheBytes      int
	IndexCacheBytes int
	// TailBytes bounds, in bytes, the log that an Open has to replay. 0 is 64 MiB.
	TailBytes int64
	// MergeBytes bounds, in bytes, the index that is merged whole when space is short, and so the memory that takes; a larger one is
	// merged in slices. 0 is 64 MiB, or eight extents if that is more. With extents of less than 32 KiB every index is merged whole.
	MergeBytes int64
	// Background lets goroutines of the store do what otherwise the caller does step by step: requests complete while nobody
	// waits, the memtable is flushed, runs are merged and extents reclaimed before puts need the space. Close ends them.
	Background bool
	// FreeExtents is how many free extents background work sees to, beyond those that no put takes; 0 is a sixteenth of the disk.
	FreeExtents int
	// Probes counts situations that occur, for Stats; nil makes a set of the store's own. Stores may share one.
	Probes *probe.Set
	// Reuse is a store that nobody uses any more, closed or left by a simulated crash: the new one takes over its memory and
	// may be the same object. No request of it is in flight. Dependencies of it lose their meaning unless it was closed
	// cleanly: then they stay persistent.
	Reuse *Store
	// ReadOnly opens to look, not to touch: the disk gets no request but reads. The log is replayed in memory, so reads answer as
	// they would after any other Open; every mutation and every step answers ErrReadOnly, and Close writes nothing. There is no
	// Background work then. A tail that nothing attests counts as far as it can be read, and may be gone after the next power cut.
	ReadOnly bool
	// Paranoid runs costly invariants too: every Flush and Close is followed by a Check, whose first finding panics.
	Paranoid bool
}

// Limits that the options' zero values stand for.
const (
	defaultGroup     = 256 << 10
	defaultMutations = 1 << 16
	defaultTail      = 64 << 20
	defaultMerge     = 64 << 20
	maxTailUnits     = 4 << 10

	defaultFilterBits = 10
	defaultTrigger    = 4
	defaultCache      = 64 << 20
)

func (o *Options) fill() {
	if o.Rand == nil {
		var seed [32]byte
		crand.Read(seed[:]) // world: a default nobody replays; never fails, see its documentation
		o.Rand = rand.NewChaCha8(seed)
	}
	if o.Probes == nil {
		o.Probes = probe.NewSet()
	}
	if o.GroupBytes <= 0 {
		o.GroupBytes = defaultGroup
	}
	if o.MemtableEntries <= 0 {
		o.MemtableEntries = defaultMutations
	}
	if o.FilterBits == 0 {
		o.FilterBits = defaultFilterBits
	}
	o.FilterBits = max(0, o.FilterBits)
	if o.Trigger <= 0 {
		o.Trigger = defaultTrigger
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = defaultCache
	}
	if o.IndexCacheBytes <= 0 {
		o.IndexCacheBytes = defaultCache
	}
	if o.TailBytes <= 0 {
		o.TailBytes = defaultTail
	}
}
