package conformance

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/probe"
)

// engineTarget is the engine as a Target.
type engineTarget struct {
	*engine.Store
	table []engine.ExtentStat // scratch
}

var _ Target = (*engineTarget)(nil)

// Head implements Target.
func (t *engineTarget) Head(id engine.ShardID) (int64, error) {
	info, err := t.Store.Head(id)
	return info.Size, err
}

// AppendRange implements Target.
func (t *engineTarget) AppendRange(dst []byte, id engine.ShardID, off, n int64) ([]byte, error) {
	return t.GetRange(dst, id, off, n)
}

// steps are the engine's names of what can be begun.
var steps = [...]engine.Step{WorkFlush: engine.StepFlush, WorkCompact: engine.StepCompact, WorkReclaim: engine.StepReclaim}

// Start implements Target.
func (t *engineTarget) Start(w Work) error {
	_, err := t.Store.Start(steps[w])
	return err
}

// Space implements Target.
func (t *engineTarget) Space() Space {
	s := t.Store.Space()
	return Space{
		LiveBytes: s.ShardBytes, Extents: s.Extents, FreeExtents: s.Free, Reserve: s.Reserve, UsedBytes: s.UsedBytes,
		ExtentBytes: int64(s.ExtentBytes), Released: s.Released,
	}
}

// AppendExtents implements Laid.
func (t *engineTarget) AppendExtents(dst []ExtentState) []ExtentState {
	t.table = t.AppendTable(t.table[:0])
	for i := range t.table {
		dst = append(dst, ExtentState{t.table[i].Generation, int64(t.table[i].Pointer)})
	}
	return dst
}

// Describe implements Describer.
func (t *engineTarget) Describe() Description {
	s := t.Stats()
	d := Description{Figures: []Figure{
		{"shard bytes", s.Space.ShardBytes}, {"run bytes", s.Space.RunBytes}, {"extents free", int64(s.Space.Free)},
		{"extents in reserve", int64(s.Space.Reserve)}, {"memtable entries", int64(s.Memtable)}, {"runs", int64(len(s.Runs))},
		{"log units to replay", int64(s.TailUnits)}, {"log units pending", int64(s.Pending)}, {"epoch", int64(s.Epoch)},
	}}
	first := s.Table[0].Generation // the superblock stays in the generation that a store begins with
	for _, e := range s.Table {
		owner := e.Owner
		if e.InLog {
			owner += ", listed"
		}
		d.Extents = append(d.Extents, ExtentStat{owner, e.Generation - first + 1, int64(e.Pointer), int64(e.Live)})
	}
	return d
}

// FrameBytes implements Target.
func (t *engineTarget) FrameBytes(n int) int64 { return t.StoredBytes(int64(n)) }

// MaxShard implements Target.
func (t *engineTarget) MaxShard() int { return int(t.Store.MaxShard()) }

// NewEngineFactory returns the factory of the engine itself, with background work off.
func NewEngineFactory() Factory { return &engineFactory{probes: probe.NewSet()} }

type engineFactory struct {
	uuids  uuidSource
	probes *probe.Set    // of all its stores
	before uuidSource    // as remembered
	last   *engine.Store // the store opened before: nobody uses it any more
	target engineTarget  // of last
}

func (f *engineFactory) Format(d disk.Disk, c *Config, before int) error {
	f.uuids.seed(c, uint64(before))
	return engine.Format(d, engine.Geometry{
		ExtentBytes: blockBytes(c, OptExtent),
		Extents:     int(c.Get(OptExtents)),
		PageBytes:   blockBytes(c, OptPage),
		WindowBytes: blockBytes(c, OptWindow),
		WindowUnits: int(c.Get(OptWindowUnits)),
		Rand:        &f.uuids.pcg, // what tells stores apart is never poor

		SuperPageBytes: blockBytes(c, OptSuperPage),
	})
}

// AppendSlots implements Slotted.
func (f *engineFactory) AppendSlots(dst []Slot, d disk.Disk) []Slot {
	info, err := engine.Inspect(d)
	if err != nil {
		return dst
	}
	from := len(dst)
	for _, s := range info.Slots {
		dst = append(dst, Slot{s.Offset, 0, int(s.Page)})
	}
	slots := dst[from:]
	slices.SortFunc(slots, func(a, b Slot) int { return cmp.Compare(a.Off, b.Off) })
	for i := range slots {
		slots[i].Size = slots[1].Off // they lie side by side
	}
	return dst
}

// Open goes on with the UUIDs where the life before left off: after a reboot a store does not draw the same ones again.
func (f *engineFactory) Open(d disk.Disk, c *Config) (Target, error) {
	s, err := engine.Open(d, engine.Options{
		Rand:            &f.uuids,
		GroupBytes:      blockBytes(c, OptGroup),
		MemtableEntries: int(c.Get(OptMemtable)),
		TablePages:      int(c.Get(OptTable)),
		FilterBits:      noneAs(int(c.Get(OptFilterBits)), -1),
		Trigger:         int(c.Get(OptTrigger)),
		Fanout:          int(c.Get(OptFanout)),
		PartBytes:       blockBytes(c, OptPartSize),
		CacheBytes:      int(c.Get(OptCache) * c.Page()),
		IndexCacheBytes: int(c.Get(OptIndexCache) * c.Page()),
		Probes:          f.probes,
		Reuse:           f.last,
	})
	if err != nil {
		f.last = nil
		return nil, err
	}
	f.last = s
	f.target.Store = s
	return &f.target, nil
}

// Remember and Return implement Rewinder.
func (f *engineFactory) Remember() { f.before = f.uuids }
func (f *engineFactory) Return()   { f.uuids = f.before }

// AddProbes implements ProbeSource.
func (f *engineFactory) AddProbes(add func(name string, count uint64)) { addProbes(f.probes, add) }

// noneAs returns n, or none if n is 0: the engine takes 0 for its default.
func noneAs(n, none int) int {
	if n == 0 {
		return none
	}
	return n
}

func blockBytes(c *Config, o Option) int { return int(c.Get(OptBlock)) * int(c.Get(o)) }

// uuidSource draws UUIDs with little entropy where the sequence asks for that, so that equal ones occur. It implements
// rand.Source; a UUID is two words of it.
type uuidSource struct {
	pcg  rand.PCG
	mask uint64 // the bits of a word that vary
}

func (u *uuidSource) seed(c *Config, before uint64) {
	u.pcg.Seed(mix64(uint64(c.Get(OptSeed))), 1+before)
	u.mask = ^uint64(0) >> (64 - max(1, c.Get(OptUUIDBits)/2))
}

// Uint64 returns the next word.
func (u *uuidSource) Uint64() uint64 { return u.pcg.Uint64() & u.mask }
