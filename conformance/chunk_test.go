package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestModelChunksAgreeWithTheirModel(t *testing.T) {
	requireHolds(t, NewChunk(NewModelChunkFactory(), nil), "chunk", 2000)
	requireNoAllocation(t, NewChunk(NewModelChunkFactory(), nil), "chunk")
}

// BenchmarkChunkHarness is what a sequence of the chunk suite costs without an engine.
func BenchmarkChunkHarness(b *testing.B) {
	benchmarkFloor(b, NewChunk(NewModelChunkFactory(), nil), "chunk")
}

var _ = require.Equal
