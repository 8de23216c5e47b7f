package conformance

import "testing"

func TestModelChunksAgreeWithTheirModel(t *testing.T) {
	stats := floorRuns(t, NewChunk(NewModelChunkFactory(), nil), "chunk", 2000)
	t.Logf("%+v", stats)
}

func BenchmarkChunkHarness(b *testing.B) {
	benchmarkFloor(b, NewChunk(NewModelChunkFactory(), nil), "chunk")
}
