package engine

import (
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/log"
	"github.com/shardproof/shardproof/engine/probe"
)

// Situations worth knowing of, in production and in tests.
var (
	probeReadMemory    = probe.Register("read served from the log's memory")
	probeWindowFull    = probe.Register("put waited for the window")
	probeAwaitReady    = probe.Register("put waited for a ready extent")
	probeFull          = probe.Register("mutation refused: only the reserve is left")
	probeReleased      = probe.Register("extent released")
	probeReused        = probe.Register("extent reused in a later generation")
	probeReplayed      = probe.Register("open replayed units")
	probeCleanOpen     = probe.Register("open found nothing to replay")
	probeFrameAtBlock  = probe.Register("frame ends on a block edge")
	probeFrameAtExtent = probe.Register("frame ends on an extent edge")
	probeTailFull      = probe.Register("mutation flushed first: the tail is full")
	probePutParts      = probe.Register("put in several parts")
	probeMoved         = probe.Register("reclamation moved shards")
	probeRepacked      = probe.Register("tables of an extent moved closer together")
	probeRepaired      = probe.Register("failed request recovered from")
	probeUnreadable    = probe.Register("reclamation left what it could not read")
)

// noteFrame counts what is special about the place of a new frame.
func (s *Store) noteFrame(l chunk.Locator) {
	end := l.End()
	g := s.extents.Geometry()
	if end%uint64(g.Logical) == 0 {
		s.probes.Hit(probeFrameAtBlock)
		if end == uint64(g.ExtentBytes) {
			s.probes.Hit(probeFrameAtExtent)
		}
	}
	if l.Generation > s.extents.FirstGeneration() {
		s.probes.Hit(probeReused)
	}
}

// noteReplay counts what recovery found.
func (s *Store) noteReplay(t *log.Tail) {
	if t.Units > 0 {
		s.probes.Hit(probeReplayed)
	} else {
		s.probes.Hit(probeCleanOpen)
	}
}
