package index

import "github.com/shardproof/shardproof/engine/probe"

// Situations worth knowing of, in production and in tests.
var (
	probeTombstoneDropped = probe.Register("tombstone dropped")
	probeSeveralTables    = probe.Register("run of several tables")
	probeCompacted        = probe.Register("compaction recorded a slice")
	probeFull             = probe.Register("flush merged all runs")
	probeSlice            = probe.Register("compaction went on with a further slice")
)
