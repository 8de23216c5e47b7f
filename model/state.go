package model

import (
	"bytes"
	"slices"
	"sort"

	"github.com/shardproof/shardproof/engine"
)

// Shard is a shard and its bytes.
type Shard struct {
	ID   engine.ShardID
	Data []byte
}

// State is a set of shards: a map from id to bytes, kept as a slice in the order of the ids.
type State []Shard

// Find returns the place of id and whether it is there; if not, the place is that of the next larger id.
func (s State) Find(id engine.ShardID) (int, bool) {
	return sort.Find(len(s), func(i int) int { return bytes.Compare(id[:], s[i].ID[:]) })
}

// Mutation is a put, or a delete.
type Mutation struct {
	Shard
	Delete bool
}

// apply returns s after m.
func (s State) apply(m Mutation) State {
	i, found := s.Find(m.ID)
	switch {
	case found && m.Delete:
		return slices.Delete(s, i, i+1)
	case found:
		s[i] = m.Shard
	case !m.Delete:
		return slices.Insert(s, i, m.Shard)
	}
	return s
}
