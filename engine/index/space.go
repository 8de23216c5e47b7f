package index

import "github.com/shardproof/shardproof/engine/chunk"

// What the index takes, for whoever keeps a reserve: extents, and what the metadata can name in one frame.

// totals are sums over all tables of an index, kept because every put asks for them.
type totals struct {
	entries int
	tables  int
	deep    int   // tables of levels below 0
	space   int64 // bytes of extents
	largest int   // table, in bytes of its extent
}

func (s *Shape) totalsOf(m *Metadata) (sum totals) {
	for r := range m.Runs() {
		sum.tables += len(r.Tables)
		for i := range r.Tables {
			sum.entries += int(r.Tables[i].Entries)
			n := int(s.space(&r.Tables[i]))
			sum.space += int64(n)
			sum.largest = max(sum.largest, n)
		}
	}
	sum.deep = sum.tables
	for i := range m.Zero {
		sum.deep -= len(m.Zero[i].Tables)
	}
	return sum
}

// tableEntries returns how many entries a table of a run of n gets: what the options say, or as often twice that as it takes for
// the metadata to name all tables in one frame.
func (t *Tree) tableEntries(n int, zero bool) int { return t.shape.entries(t.tableBlocks(n, zero)) }

// tableBlocks returns how many blocks such a table gets.
func (t *Tree) tableBlocks(n int, zero bool) uint32 {
	room := t.tableRoom(zero)
	blocks := t.shape.TablePages
	for blocks < t.shape.FitPages && n > room*t.shape.entries(blocks) {
		blocks = min(2*blocks, t.shape.FitPages)
	}
	return blocks
}

// tableRoom returns how many tables a run may have. Level 0, which may have twice as many runs as make a compaction due, gets
// a quarter of what the metadata can name, the others half; the last quarter is for what is in both while they are merged.
func (t *Tree) tableRoom(zero bool) int {
	room := t.tablesMax() / 2
	if zero {
		room /= 4 * t.options.Trigger
	}
	return max(1, room)
}

// tablesMax returns how many tables the metadata can name in one frame, whatever extents have live bytes.
func (t *Tree) tablesMax() int {
	return (int(t.shape.ExtentBytes) - chunk.FrameBytes(MetadataBytes(0, len(t.meta.Live)))) / tableRecordBytes
}

// SpaceBytes returns how many bytes of extents the recorded tables take.
func (t *Tree) SpaceBytes() int64 { return t.totals.space }

// LargestTable returns how many bytes of an extent the largest table takes at most, of those recorded and those to come.
func (t *Tree) LargestTable() int {
	return max(t.totals.largest, t.shape.tableBytes(t.tableBlocks(t.mergedEntries(), false)), t.shape.tableBytes(t.tableBlocks(t.imm.Len(), true)))
}

// AppendSpace appends to dst how many bytes of each extent the recorded tables take.
func (t *Tree) AppendSpace(dst []uint32) []uint32 {
	at := len(dst)
	dst = append(dst, make([]uint32, len(t.meta.Live))...)
	for r := range t.meta.Runs() {
		for i := range r.Tables {
			dst[at+int(r.Tables[i].Locator.Extent)] += t.shape.space(&r.Tables[i])
		}
	}
	return dst
}

// RunBytes returns how many bytes of extents of its own a run of n entries takes at level 0.
func (t *Tree) RunBytes(n int) int64 {
	blocks := t.tableBlocks(n, true)
	most, per := t.shape.entries(blocks), PerBlock(t.shape.PageBytes)
	bytes := t.shape.runBytes(n-n%most, blocks)
	if rest := n % most; rest > 0 {
		bytes += int64(t.shape.tableBytes(uint32((rest + per - 1) / per)))
	}
	return bytes
}

// mergedEntries returns how many entries a run holds at most that a full flush writes now.
func (t *Tree) mergedEntries() int {
	n := t.totals.entries + t.imm.Len()
	if t.flush.phase != jobIdle {
		n -= t.flush.tombstones
	}
	return n
}

// MergedBytes returns how many bytes of extents a run takes at most that holds everything and n shards more, in extents of its
// own. More shards never take less, though larger tables may: it is the most that fewer take, too.
func (t *Tree) MergedBytes(n int) (most int64) {
	n += t.mergedEntries() + t.puts
	room := t.tableRoom(false)
	for blocks := t.shape.TablePages; ; blocks = min(2*blocks, t.shape.FitPages) {
		here := room * t.shape.entries(blocks)
		if n <= here || blocks == t.shape.FitPages {
			return max(most, t.shape.runBytes(n, blocks))
		}
		most = max(most, t.shape.runBytes(here, blocks))
	}
}

// Fits reports whether the metadata can name the tables of a run that holds everything and n shards more.
func (t *Tree) Fits(n int) bool {
	return n+t.mergedEntries()+t.puts <= t.tableRoom(false)*t.shape.FitEntries()
}

// FitsSliced reports whether the metadata can name, beside the tables of deeper levels, as many as level 0 may have, before and
// after they are merged.
func (t *Tree) FitsSliced() bool {
	return t.totals.deep <= t.tableRoom(false)
}

// Crowded reports whether less is left of what the metadata can name than the tables of level 0 take when they are merged.
func (t *Tree) Crowded() bool { return t.room() < t.tablesMax()/4 }

// TopShare is what part of the deepest level those above it may be as large as while space is short.
const TopShare = 8

// TopHeavy reports whether they are larger: compaction down to the deepest level, where tombstones end, is worth its while.
func (t *Tree) TopHeavy() bool {
	last := 0
	for i := range t.meta.Deep {
		if n := t.meta.Deep[i].Entries(); n > 0 {
			last = n
		}
	}
	return (t.meta.Entries()-last)*TopShare > last
}

// Slices returns how many slices compaction has recorded since Open.
func (t *Tree) Slices() uint64 { return t.slices }

// FlushFits reports whether the metadata can name the tables of the flush under way beside all others, recorded or about to be.
func (t *Tree) FlushFits() bool {
	most := t.tableEntries(t.imm.Len(), true)
	return t.room() >= (t.imm.Len()+most-1)/most
}

// room returns how many tables more the metadata can name: what jobs have built and not recorded yet counts as recorded.
func (t *Tree) room() int {
	n := t.tablesMax() - t.totals.tables
	if t.flush.built() {
		n -= len(t.flush.run.Tables)
	}
	for _, j := range [...]*compactJob{&t.compact, &t.move} {
		if j.built() {
			n -= len(j.out.Tables)
		}
	}
	return n
}
