package index

import (
	"slices"

	"github.com/shardproof/shardproof/engine/chunk"
)

// merge walks memtables and runs together in order of id and shows the newest mutation of each shard, tombstones included. Its
// memory is used again.
type merge struct {
	r     reader
	shape *Shape
	mems  []Cursor    // newest first
	runs  []runCursor // newest first, all older than the memtables
	pages [][]byte    // one for each of runs
	entry Entry
	lost  func(error) // of the cursors of runs
}

// begin empties m.
func (m *merge) begin(r reader, s *Shape) {
	m.r, m.shape, m.lost = r, s, nil
	m.mems, m.runs = m.mems[:0], m.runs[:0]
}

// addMemtable adds t from id on, older than what was added before. t does not change while m is in use.
func (m *merge) addMemtable(t *Memtable, id *chunk.ShardID) { m.mems = append(m.mems, t.Seek(id)) }

// addRun adds run from id on, older than what was added before.
func (m *merge) addRun(run *Run, id *chunk.ShardID) error {
	n := len(m.runs)
	if len(m.pages) <= n || cap(m.pages[n]) < int(m.shape.PageBytes) {
		m.pages = append(m.pages[:n], make([]byte, 0, m.shape.PageBytes))
	}
	m.runs = slices.Grow(m.runs, 1)[:n+1]
	m.runs[n].lost = m.lost
	return m.runs[n].seek(run, m.r, m.shape, m.pages[n], id)
}

// addRecorded adds the runs of meta from id on.
func (m *merge) addRecorded(meta *Metadata, id *chunk.ShardID) error {
	for r := range meta.Runs() {
		if err := m.addRun(r, id); err != nil {
			return err
		}
	}
	return nil
}

// peek returns the next entry without passing it, nil at the end. It is valid until the next call.
func (m *merge) peek() *Entry {
	var least *Entry
	for i := range m.mems {
		if e := m.mems[i].Entry(); e != nil && (least == nil || Compare(&e.ID, &least.ID) < 0) {
			least = e
		}
	}
	for i := range m.runs {
		if e := m.runs[i].current(); e != nil && (least == nil || Compare(&e.ID, &least.ID) < 0) {
			least = e
		}
	}
	return least
}

// next returns the next entry, nil at the end. It is valid until the next call.
func (m *merge) next() (*Entry, error) {
	least := m.peek()
	if least == nil {
		return nil, nil
	}
	m.entry = *least
	for i := range m.mems {
		if e := m.mems[i].Entry(); e != nil && e.ID == m.entry.ID {
			m.mems[i].Next()
		}
	}
	for i := range m.runs {
		if e := m.runs[i].current(); e != nil && e.ID == m.entry.ID {
			if err := m.runs[i].next(); err != nil {
				return nil, err
			}
		}
	}
	return &m.entry, nil
}
