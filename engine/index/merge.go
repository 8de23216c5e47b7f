package index

import "github.com/shardproof/shardproof/engine/chunk"

// Merge walks memtables and a run together in order of id and shows the newest mutation of each shard: tables come newest
// first, the run is older than all of them.
type Merge struct {
	tables [2]Cursor
	n      int
	run    RunCursor
	entry  Entry
}

// Seek puts m on the first shard at or behind id; nil is the beginning. The memtables do not change while m is in use; page is
// a page for m to use. It shows tombstones too.
func (m *Merge) Seek(tables []*Memtable, r *Run, src Reader, s *Shape, page []byte, id *chunk.ShardID) error {
	m.n = 0
	for _, t := range tables {
		m.tables[m.n] = t.Seek(id)
		m.n++
	}
	return m.run.Seek(r, src, s, page, id)
}

// Next returns the next entry, nil at the end. It is valid until the next call.
func (m *Merge) Next() (*Entry, error) {
	least := m.run.Entry()
	for i := m.n - 1; i >= 0; i-- { // newest last: it wins where ids are equal
		if e := m.tables[i].Entry(); e != nil && (least == nil || Compare(&e.ID, &least.ID) <= 0) {
			least = e
		}
	}
	if least == nil {
		return nil, nil
	}
	m.entry = *least
	return &m.entry, m.pass(&m.entry.ID)
}

// pass moves every cursor that stands on id.
func (m *Merge) pass(id *chunk.ShardID) error {
	for i := range m.n {
		if e := m.tables[i].Entry(); e != nil && e.ID == *id {
			m.tables[i].Next()
		}
	}
	if e := m.run.Entry(); e != nil && e.ID == *id {
		return m.run.Next()
	}
	return nil
}
