package conformance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/model"
)

// Index executes sequences of the index suite: goal, to find an index that forgets, mixes up or brings back entries, or miscounts
// the bytes they keep alive.
//
// Method: that of every course, with the floors below as mocks: chunks on the model, a recorder on the model. Entries have
// locators that lead nowhere, in extents of their own behind those of the chunks: an index does not look. At every record the live
// bytes are compared, extent by extent, with those of the entries as of the last flush and of the tables that are named; an
// extent without any is released at once, so that what the index still reads there is missed. A reboot opens the index from its
// record and sets again what was set since, as the log above it would; moves since are lost.
//
// The whole state is one scan of everything, the same in small pages, and a lookup of every shard that ever had an entry. Some
// moves name the wrong mutation or the wrong place, and must do nothing.
//
// Blind spots: what a crash between two records leaves; entries whose chunk has several parts; damage.
type Index struct {
	course
	factory IndexFactory
	target  IndexTarget // nil while closed
	model   model.Index

	// The floors below.
	geometry extent.Geometry
	extents  model.Extents
	chunks   model.Chunks
	recorder model.Recorder
	recorded index.Metadata
	below    IndexBelow

	mutation uint64        // the newest
	flushed  uint64        // the newest that the last flush covers
	since    []index.Entry // what was set after that
	flushes  int           // since the last compaction
	moves    int
	ids      []engine.ShardID            // every one that ever had an entry
	known    map[engine.ShardID]struct{} // the same
	live     []uint32                    // as recorded last
	wantLive []uint32

	after         engine.ShardID
	got1, want1   [1]index.Entry
	entries, page []index.Entry
	wantEntries   []index.Entry
	tables        []index.Table   // as recorded last
	lain          []chunk.Locator // of tables, before a rewrite
}

// Extents below an index under test: its own, the first of which is the superblock's, and those that entries point to.
const (
	indexExtents = 64
	entryExtents = 8
)

// NewIndex returns an executor that drives indexes of f.
func NewIndex(f IndexFactory) *Index {
	x := &Index{factory: f, known: make(map[engine.ShardID]struct{})}
	x.chunks.Extents = &x.extents
	x.course = course{component: x, probes: f}
	x.below = IndexBelow{
		Chunks: &x.chunks, Recorder: x, Geometry: &x.geometry,
		Await: x.await, Pin: x.extents.Pin, Unpin: x.extents.Unpin,
	}
	return x
}

func (x *Index) format() error {
	x.geometry = GeometryOf(&x.seq.Config)
	x.geometry.Extents = indexExtents
	x.extents.Reset(&x.geometry, extent.Superblock)
	x.geometry.Extents += entryExtents
	x.chunks.Reset()
	x.recorder.Reset()
	x.model.Reset()
	x.mutation, x.flushed, x.moves, x.flushes = 0, 0, 0, 0
	x.since, x.ids, x.tables = x.since[:0], x.ids[:0], x.tables[:0]
	clear(x.known)
	x.live = slices.Grow(x.live[:0], int(x.geometry.Extents))[:x.geometry.Extents]
	clear(x.live)
	return nil
}

// open opens the index from what is recorded, and sets again what is not.
func (x *Index) open() error {
	found, err := x.recorder.Recorded(&x.recorded, &x.geometry)
	if err != nil {
		return err
	}
	x.below.Recorded, x.below.Replay = nil, x.flushed+1
	if found {
		x.below.Recorded = &x.recorded
	}
	t, err := x.factory.Open(&x.below, &x.seq.Config)
	if err != nil {
		return err
	}
	x.target = t
	for i := range x.since {
		if err := t.Set(&x.since[i]); err != nil {
			return err
		}
		_ = x.model.Set(&x.since[i])
	}
	return nil
}

// close lets go of the index; there is nothing to close.
func (x *Index) close() error {
	if x.target != nil {
		x.drop()
		x.extents.Reboot()
		x.model.Reboot()
	}
	return nil
}

func (x *Index) drop() { x.target = nil }

func (x *Index) inside() any { return x.target }

// settle has nothing to tell: a record is persistent when Flush or Compact returns.
func (x *Index) settle() {}

func (x *Index) audit() *Failure { return CheckAudit(x.target, nil, &x.scratch) }

func (x *Index) apply(op *Op) {
	switch op.Kind {
	case KindInsert:
		x.insert(op)
	case KindRemove:
		x.remove(op)
	case KindLoad, KindErase:
		x.each(op)
	case KindLookup:
		x.lookup(op)
	case KindScan:
		x.scan(op)
	case KindMove:
		x.move(op)
	case KindFlush:
		x.flush()
	case KindCompact:
		x.effect, x.got.err = x.target.Compact(context.Background())
		x.release()
	case KindRewrite:
		x.rewrite(op)
	case KindCheck:
		x.course.audit()
	case KindReboot:
		x.reboot()
	default:
		x.effect = false
	}
}

func (x *Index) insert(op *Op) {
	x.set(op, index.Entry{Kind: index.Put, Locator: x.locator(op.Fill)})
}

func (x *Index) remove(op *Op) {
	_, x.effect, _ = x.model.Get(x.seq.ShardID(op.Key))
	x.set(op, index.Entry{Kind: index.Delete})
}

// locator returns a place that no entry had before.
func (x *Index) locator(fill uint32) chunk.Locator {
	x.moves++
	n := uint32(x.moves)
	return chunk.Locator{
		Extent: extent.ID(indexExtents + (fill+n)%entryExtents), Generation: extent.Generation(n),
		Offset: x.geometry.Logical * (n % 4), Length: chunk.Overhead + fill%700,
	}
}

// set sets e on both sides. As a store does, it flushes first when the memtable is full, and compacts when there are many runs.
func (x *Index) set(op *Op, e index.Entry) {
	if len(x.since) >= int(x.seq.Config.Get(OptMemtable)) && !x.makeRoom() {
		return
	}
	x.mutation++
	e.ID, e.Mutation = x.seq.ShardID(op.Key), x.mutation
	if _, known := x.known[e.ID]; !known {
		x.known[e.ID] = struct{}{}
		x.ids = append(x.ids, e.ID)
	}
	x.since = append(x.since, e)
	x.want.err = x.model.Set(&e)
	x.got.err = x.target.Set(&x.since[len(x.since)-1])
}

// makeRoom empties the memtable, and reports whether that went well.
func (x *Index) makeRoom() bool {
	effect := x.effect
	for more := x.flushes >= 2*int(x.seq.Config.Get(OptTrigger)); more && x.got.err == nil; {
		more, x.got.err = x.target.Compact(context.Background())
		x.release()
		x.flushes = 0
	}
	if x.got.err == nil {
		x.flush()
	}
	x.effect = effect
	return x.got.err == nil
}

func (x *Index) lookup(op *Op) {
	id := x.seq.ShardID(op.Key)
	var found, wanted bool
	x.got1[0], found, x.got.err = x.target.Get(id)
	x.want1[0], wanted, x.want.err = x.model.Get(id)
	x.got.entries, x.want.entries = x.got1[:bit(found)], x.want1[:bit(wanted)]
	x.effect = found
	if x.spoiled && found {
		x.got1[0].Mutation++
	}
	x.stats.Reads += bit(found)
}

func (x *Index) scan(op *Op) {
	var after *engine.ShardID
	if op.Key != NoKey {
		x.after = x.seq.ShardID(op.Key)
		after = &x.after
	}
	limit := int(op.Len)
	if limit == 0 {
		limit = math.MaxInt32
	}
	x.entries, x.got.err = x.target.AppendEntries(x.entries[:0], after, limit)
	x.wantEntries, x.want.err = x.model.AppendEntries(x.wantEntries[:0], after, limit)
	x.got.entries, x.want.entries = x.entries, x.wantEntries
	x.effect = len(x.entries) > 0
	x.stats.Reads += bit(x.effect)
}

// move gives an entry another place. Of four moves one names the wrong place and one the wrong mutation.
func (x *Index) move(op *Op) {
	id := x.seq.ShardID(op.Key)
	e, found, _ := x.model.Get(id)
	to := x.locator(uint32(op.Key))
	switch {
	case !found, x.moves%4 == 1:
		e.Locator = to
	case x.moves%4 == 3:
		e.Mutation--
	}
	moved, err := x.target.Move(id, e.Mutation, e.Locator, to)
	wanted, _ := x.model.Move(id, e.Mutation, e.Locator, to)
	x.got.err = err
	if moved {
		x.got.place = to
	}
	if wanted {
		x.want.place = to
	}
	x.effect = moved
}

func (x *Index) flush() {
	x.effect = x.mutation > x.flushed
	x.flushed, x.since = x.mutation, x.since[:0]
	x.flushes++
	x.want.err = x.model.Flush(context.Background())
	x.got.err = x.target.Flush(context.Background())
	x.release()
}

// rewrite has a table written elsewhere: of those that lay in the extent one is named no more.
func (x *Index) rewrite(op *Op) {
	id, ok := chosenExtent(&x.course, op, indexExtents, x.holdsTables)
	if !ok {
		return
	}
	x.lain = x.lain[:0]
	for i := range x.tables {
		if l := x.tables[i].Locator; l.Extent == id {
			x.lain = append(x.lain, l)
		}
	}
	x.effect, x.got.err = x.target.Rewrite(context.Background(), id)
	if x.release(); !x.effect || x.got.err != nil {
		return
	}
	for _, l := range x.lain {
		if !slices.ContainsFunc(x.tables, func(t index.Table) bool { return t.Locator == l }) {
			return
		}
	}
	x.keep(stateFailure("tables", "", "a table that is rewritten is named no more where it lay", "a table less", fmt.Sprintf("%d tables in extent %d", len(x.lain), id)))
}

// holdsTables reports whether a recorded table lies in i.
func (x *Index) holdsTables(i extent.ID) bool {
	return slices.ContainsFunc(x.tables, func(t index.Table) bool { return t.Locator.Extent == i })
}

// Record implements index.Recorder.
func (x *Index) Record(m *index.Metadata, after iosched.Dependency) (iosched.Dependency, error) {
	x.wantLive = slices.Grow(x.wantLive[:0], len(x.live))[:len(x.live)]
	clear(x.wantLive)
	x.model.AddLive(x.wantLive)
	x.tables = appendTables(x.tables[:0], m)
	for i := range x.tables {
		l := x.tables[i].Locator
		x.wantLive[l.Extent] += l.Length
	}
	for i := range min(len(m.Live), len(x.wantLive)) {
		if m.Live[i] != x.wantLive[i] {
			x.keep(&Failure{
				Signature: Signature{Property: PropertyEqual, Field: "live bytes"}, Claim: "live bytes are exact at every record",
				Want: fmt.Sprintf("%d in extent %d", x.wantLive[i], i), Got: fmt.Sprint(m.Live[i]),
			})
			break
		}
	}
	x.live = append(x.live[:0], m.Live...)
	return x.recorder.Record(m, after)
}

// appendTables appends the tables that m names to dst.
func appendTables(dst []index.Table, m *index.Metadata) []index.Table {
	for r := range m.Runs() {
		dst = append(dst, r.Tables...)
	}
	return dst
}

// await makes everything persistent that can be.
func (x *Index) await(dep iosched.Dependency) error {
	if err := x.extents.Sync(context.Background()); err != nil {
		return err
	}
	x.recorder.Sync()
	if !dep.Persistent() {
		return errors.New("nothing makes persistent what is waited for")
	}
	return nil
}

// release frees every extent of the index in which nothing lives by its own record.
func (x *Index) release() {
	for i := range extent.ID(indexExtents) {
		if inUse(x.extents.Describe(i).Owner) && x.live[i] == 0 {
			_ = x.extents.Release(i) // pinned: the index is about to record what lies there
		}
	}
}

// equal compares one scan, the same in pages, and a lookup of every shard.
func (x *Index) equal() *Failure {
	want, _ := x.model.AppendEntries(x.wantEntries[:0], nil, math.MaxInt32)
	x.wantEntries = want
	got, err := x.target.AppendEntries(x.entries[:0], nil, math.MaxInt32)
	if err != nil {
		return stateFailure("error", siteOf(err), "the index lists its entries", entriesText(want, x.seq), errorText(err))
	}
	x.entries = got
	if !slices.EqualFunc(got, want, sameEntry) {
		return stateFailure("entries", "", "the index holds what was inserted and not removed", entriesText(want, x.seq), entriesText(got, x.seq))
	}
	if f := x.pages(want); f != nil {
		return f
	}
	for _, id := range x.ids {
		e, found, err := x.target.Get(id)
		wanted, wantFound, _ := x.model.Get(id)
		if err != nil {
			return stateFailure("error", siteOf(err), keyText(id, x.seq)+" can be looked up", "ok", errorText(err))
		}
		if found != wantFound || !sameEntry(e, wanted) {
			x.got1[0], x.want1[0] = e, wanted
			return stateFailure("entries", "", keyText(id, x.seq)+" is as it was set", entriesText(x.want1[:bit(wantFound)], x.seq), entriesText(x.got1[:bit(found)], x.seq))
		}
	}
	return nil
}

// pages wants the entries also in pages of a few.
func (x *Index) pages(want []index.Entry) *Failure {
	const limit = 5
	x.page = x.page[:0]
	for len(x.page) <= len(want) {
		var after *engine.ShardID
		n := len(x.page)
		if n > 0 {
			x.after = x.page[n-1].ID
			after = &x.after
		}
		page, err := x.target.AppendEntries(x.page, after, limit)
		if err != nil {
			return stateFailure("error", siteOf(err), "the index lists its entries in pages", "ok", errorText(err))
		}
		x.page = page
		if len(page)-n < limit {
			break
		}
	}
	if !slices.EqualFunc(x.page, want, sameEntry) {
		return stateFailure("entries", "", "pages together are the whole", entriesText(want, x.seq), entriesText(x.page, x.seq))
	}
	return nil
}
