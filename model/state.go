package model

import (
	"bytes"
	"encoding/binary"
	"slices"

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
	high, low := words(&id)
	from, to := 0, len(s)
	for from < to {
		mid := int(uint(from+to) / 2)
		switch h, l := words(&s[mid].ID); {
		case h == high && l == low:
			return mid, true
		case h < high, h == high && l < low:
			from = mid + 1
		default:
			to = mid
		}
	}
	return from, false
}

// words returns id as two numbers that order as its bytes do: looking for ids is much of what a sequence costs the harness.
func words(id *engine.ShardID) (high, low uint64) {
	return binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
}

// Equal reports whether s and o are the same shards with the same bytes.
func (s State) Equal(o State) bool {
	return slices.EqualFunc(s, o, func(a, b Shard) bool { return a.ID == b.ID && bytes.Equal(a.Data, b.Data) })
}

// Mutation is a put, or a delete.
type Mutation struct {
	Shard
	Delete bool
}

// Apply returns s after m, in the memory of s if it fits.
func (s State) Apply(m Mutation) State {
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
