package engine

import (
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/probe"
)

// Stats is what a store tells of itself at one moment.
type Stats struct {
	Extents     map[string]int // extents by owner: free, superblock, log, runs, metadata
	ExtentBytes int            // bytes of an extent
	LiveBytes   int64          // bytes of frames that the sorted run refers to, as of the last flush
	Memtable    int            // shards changed since the last flush
	Run         int            // shards in the sorted run
	TailUnits   uint64         // log units that an Open would replay now
	Pending     int            // log units that are not persistent yet
	Epoch       uint64         // opens and recovered failures since Format
	ReadOnly    error          // why the store takes no mutations, nil if it does
	Probes      *probe.Set     // situations that occurred; shared if Options.Probes is
}

// Stats returns the present figures. They do not fail, on a closed store either.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := Stats{
		Extents: map[string]int{}, ExtentBytes: int(s.shape.ExtentBytes), Memtable: s.mem.Len(), Run: s.meta.Entries,
		TailUnits: s.log.Next() - s.replay.unit, Pending: s.log.Pending(), Epoch: s.table.Root.Epoch, ReadOnly: s.broken, Probes: s.probes,
	}
	for i := range s.table.Len() {
		t.Extents[s.table.Entry(extent.ID(i)).Owner.String()]++
		t.LiveBytes += int64(s.meta.Live[i])
	}
	return t
}
