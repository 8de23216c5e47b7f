package conformance

import "testing"

// inShort returns by in a short test run, 1 in a full one: a test that repeats one thing on one goroutine does so much less often. CI
// tests in full without the race detector, and short with it.
func inShort(by int) int {
	if testing.Short() {
		return by
	}
	return 1
}
