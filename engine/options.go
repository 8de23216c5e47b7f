package engine

import (
	"math/rand/v2"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/iosched"
)

// ShardID names a shard: sixteen bytes, any value.
type ShardID = chunk.ShardID

// Dependency stands for the persistence of a put or delete.
type Dependency = iosched.Dependency

// Options are the choices of one Open.
type Options struct {
	// Rand is the source of chunk UUIDs; nil draws a seed from the system.
	Rand rand.Source
	// GroupBytes bounds a group-commit unit; 0 is 256 KiB.
	GroupBytes int
	// MemtableEntries bounds the memtable; the mutation after the last one flushes it. 0 is 65,536.
	MemtableEntries int
	// Paranoid runs the costly invariants too.
	Paranoid bool
}
