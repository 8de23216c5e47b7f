package conformance

import "testing"

func TestModelIndexAgreesWithItsModel(t *testing.T) {
	stats := floorRuns(t, NewIndex(NewModelIndexFactory()), "index", 2000)
	t.Logf("%+v", stats)
}

func BenchmarkIndexHarness(b *testing.B) {
	benchmarkFloor(b, NewIndex(NewModelIndexFactory()), "index")
}
