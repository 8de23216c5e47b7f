// Package probe counts the situations that must occur somewhere: a frame that ends on a page edge, a torn trailer, a pool that is
// exhausted. Each has a name; a store counts its own, and one that stays at zero is a hole in what was tried.
//
//	var trailerOnEdge = probe.Register("frame trailer on a page edge")     once, when the program starts
//	s.probes.Hit(trailerOnEdge)                                            where it happens
//	for name, hits := range s.probes.All() { ... }                         Stats, reports
//
// Invariants
//
//	B1  A name stands for one situation: registering it twice panics.
//	B2  Names are registered while packages are initialised and never afterwards, so every Set knows all of them.
//	B3  No code of the engine branches on a count: a store with and one without probes do the same.
//
// Not checked here: when a probe is due; that is the business of whoever reads the counts.
package probe

import (
	"fmt"
	"iter"
	"slices"

	"github.com/shardproof/shardproof/engine/conc"
)

// ID is a registered probe. IDs are dense, from 0, in the order of registration; reports use names.
type ID int

// registry holds the names there are.
type registry struct {
	names  []string // by ID
	byName map[string]ID
	closed conc.Bool // a Set has been made: no more names (B2)
}

// all is what Register fills.
var all registry

// Register names a situation. It is for package variables; a name that is empty or taken, or one that comes after the first
// NewSet, panics.
func Register(name string) ID { return all.register(name) }

func (r *registry) register(name string) ID {
	_, taken := r.byName[name]
	if name == "" || taken || r.closed.Load() {
		panic(fmt.Sprintf("probe: cannot register %q: taken %v, too late %v", name, taken, r.closed.Load()))
	}
	if r.byName == nil {
		r.byName = map[string]ID{}
	}
	id := ID(len(r.names))
	r.names = append(r.names, name)
	r.byName[name] = id
	return id
}

// Count returns how many probes are registered; their IDs are below it.
func Count() int { return len(all.names) }

// Lookup returns the probe of that name.
func Lookup(name string) (ID, bool) {
	id, ok := all.byName[name]
	return id, ok
}

// Names returns all names, sorted.
func Names() []string { return slices.Sorted(slices.Values(all.names)) }

func (id ID) String() string {
	if id < 0 || int(id) >= len(all.names) {
		return fmt.Sprintf("ID(%d)", int(id))
	}
	return all.names[id]
}

// Set counts for one store. A nil Set counts nothing. It is safe for concurrent use; a hit is one atomic addition, for a store
// in production has many goroutines, and is no point of a scheduler.
type Set struct {
	registry *registry
	hits     []conc.Counter // by ID
}

// NewSet returns a Set of zeros.
func NewSet() *Set { return all.newSet() }

func (r *registry) newSet() *Set {
	if !r.closed.Load() {
		r.closed.Store(true)
	}
	return &Set{registry: r, hits: make([]conc.Counter, len(r.names))}
}

// Hit counts that id's situation has occurred.
func (s *Set) Hit(id ID) {
	if s != nil {
		s.hits[id].Add(1)
	}
}

// Hits returns how often id's situation has occurred.
func (s *Set) Hits(id ID) int64 {
	if s == nil {
		return 0
	}
	return s.hits[id].Value()
}

// AddTo adds the counts to sums, which is indexed by ID and Count long.
func (s *Set) AddTo(sums []int64) {
	if s == nil {
		return
	}
	for id := range s.hits {
		sums[id] += s.hits[id].Value()
	}
}

// All yields every registered name with its count, zero or not, sorted by name.
func (s *Set) All() iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		if s == nil {
			return
		}
		for _, name := range slices.Sorted(slices.Values(s.registry.names)) {
			if !yield(name, s.hits[s.registry.byName[name]].Value()) {
				return
			}
		}
	}
}

// Reset sets every count to 0.
func (s *Set) Reset() {
	if s == nil {
		return
	}
	for id := range s.hits {
		s.hits[id].Reset()
	}
}
