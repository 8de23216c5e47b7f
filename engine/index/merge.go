package index

import "github.com/shardproof/shardproof/engine/chunk"

// Merge walks a memtable and the run below it together in order of id and shows the newest mutation of each shard, tombstones
// included. The zero Merge is ready for Seek; it may be used again.
type Merge struct {
	table Cursor
	run   RunCursor
	entry Entry
}

// Seek puts m before the first shard at or behind id; nil is the beginning. The memtable does not change while m is in use;
// page is a page for m to use.
func (m *Merge) Seek(t *Memtable, r *Run, src Reader, s *Shape, page []byte, id *chunk.ShardID) error {
	m.table = t.Seek(id)
	return m.run.Seek(r, src, s, page, id)
}

// Next returns the next entry, nil at the end. It is valid until the next call.
func (m *Merge) Next() (*Entry, error) {
	newer, older := m.table.Entry(), m.run.Entry()
	if older != nil && (newer == nil || Compare(&older.ID, &newer.ID) < 0) {
		m.entry = *older
		return &m.entry, m.run.Next()
	}
	if newer == nil {
		return nil, nil
	}
	m.table.Next()
	if older != nil && older.ID == newer.ID {
		return newer, m.run.Next()
	}
	return newer, nil
}
