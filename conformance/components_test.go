package conformance

import "testing"

// The engine's components under the stock profiles; the command runs a hundred times as much.

func TestEngineExtentsAgreeWithTheirModel(t *testing.T) {
	requireHolds(t, NewExtent(NewExtentFactory(), MemoryDisks()), "extent", 1000)
}

func TestEngineChunksAgreeWithTheirModel(t *testing.T) {
	requireHolds(t, NewChunk(NewChunkFactory(), MemoryDisks()), "chunk", 1000)
}

func TestEngineIndexAgreesWithItsModel(t *testing.T) {
	requireHolds(t, NewIndex(NewIndexFactory()), "index", 1000)
}

func BenchmarkEngineExtents(b *testing.B) {
	benchmarkFloor(b, NewExtent(NewExtentFactory(), MemoryDisks()), "extent")
}

func BenchmarkEngineChunks(b *testing.B) {
	benchmarkFloor(b, NewChunk(NewChunkFactory(), MemoryDisks()), "chunk")
}

func BenchmarkEngineIndex(b *testing.B) {
	benchmarkFloor(b, NewIndex(NewIndexFactory()), "index")
}
