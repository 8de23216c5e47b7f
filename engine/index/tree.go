package index

import (
	"context"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/iosched"
)

// Index is this floor as the floor above sees it: the newest mutation of every shard. Tree is one, and so is the reference
// model.
type Index interface {
	// Set makes e the newest mutation of its shard. Mutation numbers ascend from call to call.
	Set(e *Entry) error
	// Get returns the newest mutation of id; false if it has none or was deleted. Errors: ErrCorrupt, ErrIO.
	Get(id chunk.ShardID) (Entry, bool, error)
	// AppendEntries appends to dst the entries of up to limit shards that exist, in order, behind *after, or from the
	// beginning if after is nil. They are of one moment.
	AppendEntries(dst []Entry, after *chunk.ShardID, limit int) ([]Entry, error)
	// Move makes to the locator of id's entry if the entry is still the one of that mutation at from, and reports whether it
	// was.
	Move(id chunk.ShardID, mutation uint64, from, to chunk.Locator) (bool, error)
	// Flush writes what was set since the last Flush into a sorted run and records the run; it returns when that is
	// persistent. Compact merges runs, one step, and reports whether there was one to take.
	Flush(ctx context.Context) error
	Compact(ctx context.Context) (bool, error)
	// Check reports every inconsistency.
	Check(ctx context.Context, report func(error)) error
}

// Recorder keeps the state of an Index across opens: metadata in two copies and a root, in the engine.
type Recorder interface {
	// Record makes m the recorded state once after is persistent. The dependency covers that.
	Record(m *Metadata, after iosched.Dependency) (iosched.Dependency, error)
}
