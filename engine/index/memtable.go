package index

import (
	"math/bits"

	"github.com/shardproof/shardproof/engine/chunk"
)

// Memtable holds the newest mutation of every shard that was changed since the replay position, in order of id. It is a skip
// list in one slice: no pointers, no allocation once grown. Heights come from a hash of the id, so equal contents have equal
// shape on every machine.
type Memtable struct {
	nodes []node  // node 0 is the head
	tall  int     // levels in use
	over  []Entry // puts in parts that something newer has taken the place of; a crash may bring them back
}

const maxHeight = 12

type node struct {
	entry Entry
	next  [maxHeight]uint32 // index in nodes; 0 is the end
}

// Reset empties m and keeps its memory. A new Memtable is reset before its first use.
func (m *Memtable) Reset() {
	m.nodes = append(m.nodes[:0], node{})
	m.tall = 1
	m.over = m.over[:0]
}

// Len returns the number of shards in m.
func (m *Memtable) Len() int { return len(m.nodes) - 1 }

// Set makes e the newest mutation of its shard.
func (m *Memtable) Set(e *Entry) {
	var before [maxHeight]uint32
	at := m.search(&e.ID, &before)
	if at != 0 && m.nodes[at].entry.ID == e.ID {
		m.nodes[at].entry = *e
		return
	}
	h := height(&e.ID)
	m.tall = max(m.tall, h)
	n := uint32(len(m.nodes))
	m.nodes = append(m.nodes, node{entry: *e})
	for l := range h {
		m.nodes[n].next[l] = m.nodes[before[l]].next[l]
		m.nodes[before[l]].next[l] = n
	}
}

// Get returns the newest mutation of id, nil if m has none. It is valid until the next Set.
func (m *Memtable) Get(id *chunk.ShardID) *Entry {
	if at := m.search(id, nil); at != 0 && m.nodes[at].entry.ID == *id {
		return &m.nodes[at].entry
	}
	return nil
}

// each calls fn for every entry of m, and for what they took the place of and is still held.
func (m *Memtable) each(fn func(*Entry)) {
	for at := m.Seek(nil); at.Entry() != nil; at.Next() {
		fn(at.Entry())
	}
	for i := range m.over {
		fn(&m.over[i])
	}
}

// search returns the first node at or behind id, 0 if there is none, and the nodes before it on every level.
func (m *Memtable) search(id *chunk.ShardID, before *[maxHeight]uint32) uint32 {
	at := uint32(0)
	for l := m.tall - 1; l >= 0; l-- {
		for {
			next := m.nodes[at].next[l]
			if next == 0 || Compare(&m.nodes[next].entry.ID, id) >= 0 {
				break
			}
			at = next
		}
		if before != nil {
			before[l] = at
		}
	}
	return m.nodes[at].next[0]
}

// height returns the levels of a shard's node: one more with probability 1/4 each.
func height(id *chunk.ShardID) int {
	h := (le.Uint64(id[:]) ^ bits.RotateLeft64(le.Uint64(id[8:]), 32)) * 0x9e3779b97f4a7c15
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return min(1+bits.TrailingZeros64(h|1<<62)/2, maxHeight)
}

// Cursor stands on an entry of a memtable, or at its end.
type Cursor struct {
	table *Memtable
	at    uint32
}

// Seek returns a cursor on the first entry at or behind id; nil is the beginning. It stays valid while the memtable does not
// change.
func (m *Memtable) Seek(id *chunk.ShardID) Cursor {
	if id == nil {
		return Cursor{m, m.nodes[0].next[0]}
	}
	return Cursor{m, m.search(id, nil)}
}

// Entry returns the entry under c, nil at the end.
func (c *Cursor) Entry() *Entry {
	if c.at == 0 {
		return nil
	}
	return &c.table.nodes[c.at].entry
}

// Next moves c to the next entry.
func (c *Cursor) Next() { c.at = c.table.nodes[c.at].next[0] }
