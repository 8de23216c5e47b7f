package probe

import (
	"maps"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var exampleOfTheTest = Register("an example of the test")

func TestRegistryRefuses(t *testing.T) {
	for _, c := range []struct {
		name, reason string
		closed       bool
	}{
		{"taken", "two situations must not share a count", false},
		{"", "a report could not name it", false},
		{"late", "the sets made before would not know it", true},
	} {
		var r registry
		r.register("taken")
		if c.closed {
			r.newSet()
		}
		require.Panics(t, func() { r.register(c.name) }, c.reason)
	}
}

func TestSetCountsByName(t *testing.T) {
	var r registry
	zoo, ant := r.register("zoo"), r.register("ant")
	s := r.newSet()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				s.Hit(zoo)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 400, s.Hits(zoo))
	require.Zero(t, s.Hits(ant))
	var names []string
	for name := range s.All() {
		names = append(names, name)
	}
	require.Equal(t, []string{"ant", "zoo"}, names)
	require.Equal(t, map[string]int64{"ant": 0, "zoo": 400}, maps.Collect(s.All()))
	for range s.All() {
		break
	}
	sums := []int64{1, 1}
	s.AddTo(sums)
	require.Equal(t, []int64{401, 1}, sums)
	s.Reset()
	require.Zero(t, s.Hits(zoo))
}

func TestNilSetCountsNothing(t *testing.T) {
	var s *Set
	s.Hit(0)
	s.Reset()
	s.AddTo(nil)
	require.Zero(t, s.Hits(0))
	require.Empty(t, maps.Collect(s.All()))
}

func TestRegisteredProbesAreFound(t *testing.T) {
	require.Equal(t, "an example of the test", exampleOfTheTest.String())
	require.Equal(t, "ID(-1)", ID(-1).String())
	id, ok := Lookup("an example of the test")
	require.True(t, ok)
	require.Equal(t, exampleOfTheTest, id)
	require.Less(t, int(id), Count())
	require.Contains(t, Names(), "an example of the test")
	s := NewSet()
	s.Hit(id)
	require.EqualValues(t, 1, s.Hits(id))
}

func BenchmarkHit(b *testing.B) {
	s := NewSet()
	for b.Loop() {
		s.Hit(exampleOfTheTest)
	}
}
