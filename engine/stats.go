package engine

import (
	"encoding/json"

	"github.com/shardproof/shardproof/engine/bufcache"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/engine/probe"
)

// ExtentStat is what is known of one extent.
type ExtentStat struct {
	Owner      string // free, superblock, log, runs, levels, metadata, metadata2, copies
	Generation uint64
	Pointer    uint32 // bytes written
	Live       uint32 // bytes of frames that the recorded index refers to
	InLog      bool   // part of what an Open would replay, or ahead of it
}

// Space is how much of the disk is used, and for what.
type Space struct {
	ExtentBytes int   // bytes of an extent
	Extents     int   // extents of the disk
	Free        int   // free extents
	Reserve     int   // free extents that no put takes
	ShardBytes  int64 // bytes of frames of shards that the recorded index refers to: exact as of the last flush
	RunBytes    int64 // bytes of the sorted runs
	UsedBytes   int64 // bytes below the write pointers, the superblock left out
	Released    int64 // times an extent became free since the store was formatted
}

// Space returns the present figures. They do not fail, on a closed store either.
func (s *Store) Space() Space {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.space()
}

func (s *Store) space() Space {
	x := s.extents
	m := s.tree.Metadata()
	p := Space{ExtentBytes: int(x.Geometry().ExtentBytes), Extents: x.Len(), Free: x.FreeCount(), Reserve: s.reserve(1).put, RunBytes: m.TableBytes()}
	for i := range x.Len() {
		p.ShardBytes += int64(m.Live[i])
		e := x.Entry(extent.ID(i))
		p.UsedBytes += int64(e.Pointer)
		p.Released += int64(e.Generation - x.FirstGeneration())
	}
	p.ShardBytes -= p.RunBytes
	return p
}

// Stats is what a store tells of itself at one moment.
type Stats struct {
	Space
	Table      []ExtentStat // by extent number
	Memtable   int          // shards changed and in no recorded run yet
	Runs       []int        // entries of each run, newest first
	TailUnits  uint64       // log units that an Open would replay now
	Pending    int          // log units that are not persistent yet
	Epoch      uint64       // opens and recovered failures since Format
	Recovered  uint64       // failed writes and flushes since Open that the store has recovered from; those that failed together are one
	Cache      bufcache.Stats
	IndexCache bufcache.Stats
	ReadOnly   error  // why the store takes no mutations, nil if it does
	Lost       error  // damage that any answer could hide, nil if there is none
	PutBytes   uint64 // of values put since Open
	Device     iosched.Stats
	Probes     *probe.Set // situations that occurred; shared if Options.Probes is
}

// Stats returns the present figures. They do not fail, on a closed store either.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.extents
	m := s.tree.Metadata()
	t := Stats{
		Space: s.space(), Memtable: s.tree.Pending(), TailUnits: s.log.Next() - s.tailUnit, Pending: s.log.Pending(),
		Epoch: x.Root.Epoch, Cache: s.pages.Stats(), IndexCache: s.indexPages.Stats(), ReadOnly: s.broken, Lost: s.lost, PutBytes: s.putBytes, Recovered: s.repairs,
		Device: x.Sched().Stats(), Probes: s.probes,
	}
	t.Table = s.appendTable(nil)
	for i := range m.Zero {
		t.Runs = append(t.Runs, m.Zero[i].Entries())
	}
	for i := range m.Deep {
		t.Runs = append(t.Runs, m.Deep[i].Entries())
	}
	return t
}

// AppendTable appends to dst what is known of each extent, by number.
func (s *Store) AppendTable(dst []ExtentStat) []ExtentStat {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.appendTable(dst)
}

func (s *Store) appendTable(dst []ExtentStat) []ExtentStat {
	live := s.tree.Metadata().Live
	for i := range s.extents.Len() {
		id := extent.ID(i)
		e := s.extents.Entry(id)
		dst = append(dst, ExtentStat{e.Owner.String(), uint64(e.Generation), e.Pointer, live[i], s.listed(id)})
	}
	return dst
}

// Health says in a word how a store is: ok; read-only, it takes no mutations any more; damaged, it answers nothing.
type Health string

const (
	HealthOK       Health = "ok"
	HealthReadOnly Health = "read-only"
	HealthDamaged  Health = "damaged"
)

// Health returns how the store was at that moment.
func (t *Stats) Health() Health {
	switch {
	case t.Lost != nil:
		return HealthDamaged
	case t.ReadOnly != nil:
		return HealthReadOnly
	}
	return HealthOK
}

// WriteAmplification returns how many bytes were written to the device for each byte put since Open, 0 before the first.
func (t *Stats) WriteAmplification() float64 {
	if t.PutBytes == 0 {
		return 0
	}
	return float64(t.Device.Bytes) / float64(t.PutBytes)
}

// Var is a store as a variable for expvar.Publish: its String is a JSON object of present figures. Names are stable.
type Var struct{ store *Store }

// Var returns s as a variable.
func (s *Store) Var() Var { return Var{s} }

// String implements expvar.Var.
func (v Var) String() string {
	t := v.store.Stats()
	reason := ""
	if t.ReadOnly != nil {
		reason = t.ReadOnly.Error()
	}
	b, err := json.Marshal(map[string]any{
		"health": t.Health(), "reason": reason, "epoch": t.Epoch, "failures_recovered": t.Recovered,
		"extents": t.Extents, "extents_free": t.Free, "extents_in_reserve": t.Reserve, "extents_released": t.Released,
		"extent_bytes": t.ExtentBytes, "shard_bytes": t.ShardBytes, "run_bytes": t.RunBytes, "used_bytes": t.UsedBytes,
		"memtable_entries": t.Memtable, "runs": len(t.Runs), "log_units_to_replay": t.TailUnits, "log_units_pending": t.Pending,
		"put_bytes": t.PutBytes, "device_writes": t.Device.Writes, "device_bytes": t.Device.Bytes, "device_flushes": t.Device.Flushes,
		"write_amplification": t.WriteAmplification(),
		"cache_hits":          t.Cache.Hits, "cache_misses": t.Cache.Misses, "cache_pages": t.Cache.Pages,
		"index_cache_hits": t.IndexCache.Hits, "index_cache_misses": t.IndexCache.Misses, "index_cache_pages": t.IndexCache.Pages,
	})
	if err != nil {
		panic(err) // nothing of it cannot be encoded
	}
	return string(b)
}
