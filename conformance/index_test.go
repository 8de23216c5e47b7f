package conformance

import "testing"

func TestModelIndexAgreesWithItsModel(t *testing.T) {
	requireHolds(t, NewIndex(NewModelIndexFactory()), "index", 2000)
	requireNoAllocation(t, NewIndex(NewModelIndexFactory()), "index")
}

// BenchmarkIndexHarness is what a sequence of the index suite costs without an engine.
func BenchmarkIndexHarness(b *testing.B) {
	benchmarkFloor(b, NewIndex(NewModelIndexFactory()), "index")
}
