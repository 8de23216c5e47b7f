package chunk

import "github.com/shardproof/shardproof/engine/probe"

// Situations worth knowing of, in production and in tests.
var (
	probeCopied  = probe.Register("reclamation copied frames")
	probeBatches = probe.Register("reclamation copied in several batches")
	probePassed  = probe.Register("reclamation passed over what nobody refers to")
)
