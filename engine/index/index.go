// Package index finds the chunks of a shard: a log-structured merge tree from shard id to locator, with the shards' bytes
// outside the tree.
//
//	Put, Delete ──► Memtable ──flush──► Merge ──► tables of a sorted run ──► Metadata record (two copies) ──► root
//	Get, List   ──► Memtable, then the run: fence ──► block ──► entry
//
// Invariants
//
//	I1  A run holds exactly the mutations before the replay position of the root that names it, the newest of each shard. (P8)
//	I2  Entries of a run, and the tables of a run, ascend strictly by shard id.
//	I3  A shard whose mutation was lost to damage has a Damaged entry: it answers "corrupt", never "not found", never an older
//	    value. Only a newer mutation of the shard replaces it.
//	I4  Live bytes are exact at every recorded root: for each extent the frames that entries and the metadata's tables name.
//	I5  An index block that fails its check is an error for the keys of its range, never a miss.
//
// The decoders accept any bytes and return a value or a *fault.Corrupt; they allocate in proportion to their input at most.
package index

import (
	"cmp"
	"encoding/binary"

	"github.com/shardproof/shardproof/engine/chunk"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// EntryKind says what the newest mutation of a shard was.
type EntryKind uint8

const (
	Put      EntryKind = iota + 1
	Delete             // the shard is absent
	Damaged            // unknown: the frame that said so is lost
	PutParts           // a put in several parts: the frame names the others
	entryKindCount
)

func (k EntryKind) hasLocator() bool { return k == Put || k == PutParts }

// Entry is what the index knows of one shard.
type Entry struct {
	ID       chunk.ShardID
	Kind     EntryKind
	Moved    bool          // in memtables: the mutation is older than the memtable, only its place is new
	Mutation uint64        // place in the order of all mutations
	Locator  chunk.Locator // of the final frame; puts only
}

// Compare orders shard ids.
func Compare(a, b *chunk.ShardID) int {
	if c := cmp.Compare(be.Uint64(a[:]), be.Uint64(b[:])); c != 0 {
		return c
	}
	return cmp.Compare(be.Uint64(a[8:]), be.Uint64(b[8:]))
}
