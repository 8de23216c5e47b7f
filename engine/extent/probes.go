package extent

import "github.com/shardproof/shardproof/engine/probe"

// Situations worth knowing of, in production and in tests.
var (
	probeExtended = probe.Register("append began an extent")
	probeUnissued = probe.Register("read met bytes that are not durable")
	probePages    = probe.Register("read was put together from pages")
	probeQueued   = probe.Register("superblock update waited for another")
	probeDoubted  = probe.Register("read failed a check and was asked for again")
	probeAgain    = probe.Register("append began an extent in a later generation")
)
