package conformance

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/iosched"
)

func TestModelIndexAgreesWithItsModel(t *testing.T) {
	requireHolds(t, NewIndex(NewModelIndexFactory()), "index", 2000)
	requireNoAllocation(t, NewIndex(NewModelIndexFactory()), "index")
}

// BenchmarkIndexHarness is what a sequence of the index suite costs without an engine.
func BenchmarkIndexHarness(b *testing.B) {
	benchmarkFloor(b, NewIndex(NewModelIndexFactory()), "index")
}

// spoiledIndexes is wrong in one way.
type spoiledIndexes struct {
	modelIndexFactory
	lies
	removed index.Entry // the last entry that was removed or replaced
	flushed bool
	opens   int
	chunk   chunk.Locator // of what a flush appended
}

func (f *spoiledIndexes) Open(b *IndexBelow, c *Config) (IndexTarget, error) {
	f.opens++
	if f.how == "cannot be opened again" && f.opens > 1 {
		return nil, engine.ErrIO
	}
	below := *b
	if f.how == "opens empty" && f.opens > 1 {
		below.Recorded = nil
	}
	_, err := f.modelIndexFactory.Open(&below, c)
	return spoiledIndex{&f.index, f}, err
}

type spoiledIndex struct {
	*modelIndex
	f *spoiledIndexes
}

func (t spoiledIndex) Set(e *index.Entry) error {
	if old, found, _ := t.modelIndex.Get(e.ID); found {
		t.f.removed = old
		switch {
		case t.f.how == "set keeps the old entry":
			return nil
		case t.f.how == "remove does nothing" && e.Kind == index.Delete:
			return nil
		}
	}
	switch t.f.how {
	case "set fails":
		return errSpoiled
	case "replay is ignored":
		if t.f.opens > 1 {
			return nil
		}
	}
	return t.modelIndex.Set(e)
}

func (t spoiledIndex) Get(id chunk.ShardID) (index.Entry, bool, error) {
	e, found, err := t.modelIndex.Get(id)
	switch {
	case t.f.how == "lookup panics":
		panic("spoiled")
	case t.f.how == "lookup misses":
		return index.Entry{}, false, nil
	case t.f.how == "lookup finds the removed" && !found && t.f.removed.ID == id:
		return t.f.removed, true, nil
	case t.f.how == "wrong mutation":
		e.Mutation++
	case t.f.how == "wrong place" && found:
		e.Locator.Offset++
	case t.f.how == "block unreadable" && found:
		return e, false, e.Locator.Place().Corrupt("index block")
	}
	return e, found, err
}

func (t spoiledIndex) AppendEntries(dst []index.Entry, after *chunk.ShardID, limit int) ([]index.Entry, error) {
	n := len(dst)
	dst, err := t.modelIndex.AppendEntries(dst, after, limit)
	switch {
	case t.f.how == "scan leaves out the last" && len(dst) > n:
		dst = dst[:len(dst)-1]
	case t.f.how == "scan out of order" && len(dst) > n+1:
		dst[n], dst[n+1] = dst[n+1], dst[n]
	case t.f.how == "scan repeats the page end" && after != nil:
		if e, found, _ := t.modelIndex.Get(*after); found {
			dst = append(dst[:n], append([]index.Entry{e}, dst[n:]...)...)
		}
	case t.f.how == "scan one too many" && limit < 100:
		return t.modelIndex.AppendEntries(dst[:n], after, limit+1)
	}
	return dst, err
}

func (t spoiledIndex) Move(id chunk.ShardID, mutation uint64, from, to chunk.Locator) (bool, error) {
	e, found, _ := t.modelIndex.Get(id)
	switch t.f.how {
	case "move ignores the place":
		from = e.Locator
	case "move ignores the mutation":
		mutation = e.Mutation
	case "move does nothing":
		return false, nil
	case "move only says so":
		return found && e.Locator == from && e.Mutation == mutation, nil
	case "move does not say so":
		_, _ = t.modelIndex.Move(id, mutation, from, to)
		return false, nil
	}
	return t.modelIndex.Move(id, mutation, from, to)
}

func (t spoiledIndex) Flush(ctx context.Context) error {
	switch t.f.how {
	case "flush fails":
		return errSpoiled
	case "flush loses an entry":
		if all, _ := t.modelIndex.AppendEntries(nil, nil, 1); len(all) > 0 {
			_ = t.modelIndex.Set(&index.Entry{ID: all[0].ID, Kind: index.Delete})
		}
	case "flush without a record":
		t.f.flushed = true
		return t.modelIndex.Index.Flush(ctx)
	case "live bytes off":
		e := index.Entry{ID: engine.ShardID{1, 2, 3}, Kind: index.Put, Locator: chunk.Locator{Extent: indexExtents, Length: 1}}
		_ = t.modelIndex.Set(&e)
	case "reads where it said nothing lives":
		_ = t.appendChunk()
	}
	return t.modelIndex.Flush(ctx)
}

// appendChunk writes a chunk that no record will name.
func (t spoiledIndex) appendChunk() (err error) {
	h := chunk.Header{Kind: chunk.Run, Parts: 1}
	t.f.chunk, _, err = t.below.Chunks.Append(&h, 10, iosched.Dependency{}, func([]byte, chunk.Place) {})
	return err
}

func (t spoiledIndex) Compact(ctx context.Context) (bool, error) {
	switch t.f.how {
	case "compact fails":
		return false, errSpoiled
	case "compact loses an entry":
		if all, _ := t.modelIndex.AppendEntries(nil, nil, 1); len(all) > 0 {
			return true, t.modelIndex.Set(&index.Entry{ID: all[0].ID, Kind: index.Delete})
		}
	case "compact brings back the removed":
		if t.f.removed.Mutation > 0 {
			return true, t.modelIndex.Set(&t.f.removed)
		}
	}
	return t.modelIndex.Compact(ctx)
}

func (t spoiledIndex) Check(_ context.Context, report func(error)) error {
	if t.f.how == "reads where it said nothing lives" && !t.f.chunk.IsZero() {
		_, _, err := t.below.Chunks.Get(t.f.chunk)
		return err
	}
	return t.f.check(report)
}

func TestEverySpoiledIndexIsFound(t *testing.T) {
	const put, two = "insert k1 fill=2", "insert k1 fill=2; insert k2 fill=3"
	requireFound(t, "index", []spoilCase{
		{"set fails", put, Signature{"EQ", KindInsert, "error", "it-went-wrong"}, 0, "went wrong"},
		{"set keeps the old entry", put + "; " + put + "; lookup k1", Signature{"EQ", KindLookup, "entries", ""}, 2, "k1 #1"},
		{"remove does nothing", put + "; remove k1; lookup k1", Signature{"EQ", KindLookup, "entries", ""}, 2, "0 entries"},
		{"remove does nothing", put + "; remove k1", Signature{"EQ", KindNone, "entries", ""}, 2, "not removed"},
		{"lookup panics", "lookup k1", Signature{"EQ", KindLookup, "panic", "conformance.spoiledIndex.Get"}, 0, "panic"},
		{"lookup misses", put + "; lookup k1", Signature{"EQ", KindLookup, "entries", ""}, 1, "0 entries"},
		{"lookup misses", put, Signature{"EQ", KindNone, "entries", ""}, 1, "as it was set"},
		{"lookup finds the removed", put + "; remove k1; lookup k1", Signature{"EQ", KindLookup, "entries", ""}, 2, "0 entries"},
		{"lookup finds the removed", put + "; remove k1", Signature{"EQ", KindNone, "entries", ""}, 2, "k1 is as it was set"},
		{"wrong mutation", put + "; lookup k1", Signature{"EQ", KindLookup, "entries", ""}, 1, "k1 #2"},
		{"wrong place", put + "; lookup k1", Signature{"EQ", KindLookup, "entries", ""}, 1, "k1 #1"},
		{"block unreadable", put + "; lookup k1", Signature{"EQ", KindLookup, "error", "corrupt-index-block"}, 1, "index block"},
		{"block unreadable", put, Signature{"EQ", KindNone, "error", "corrupt-index-block"}, 1, "looked up"},
		{"scan leaves out the last", put + "; scan", Signature{"EQ", KindScan, "entries", ""}, 1, "0 entries"},
		{"scan leaves out the last", put, Signature{"EQ", KindNone, "entries", ""}, 1, "inserted and not removed"},
		{"scan out of order", two + "; scan", Signature{"EQ", KindScan, "entries", ""}, 2, "2 entries"},
		{"scan repeats the page end", put + "; scan after=k1", Signature{"EQ", KindScan, "entries", ""}, 1, "k1"},
		{"scan repeats the page end", "insert k1; insert k2; insert k3; insert k4; insert k5; insert k6", Signature{"EQ", KindNone, "entries", ""}, 6, "pages together"},
		{"scan one too many", two + "; scan limit=1", Signature{"EQ", KindScan, "entries", ""}, 2, "1 entries"},

		{"move ignores the place", put + "; move k1; move k1; move k1; move k1", Signature{"EQ", KindMove, "place", ""}, 4, "not moved"},
		{"move ignores the mutation", put + "; move k1; move k1", Signature{"EQ", KindMove, "place", ""}, 2, "not moved"},
		{"move does nothing", put + "; move k1", Signature{"EQ", KindMove, "place", ""}, 1, "not moved"},
		{"move does not say so", put + "; move k1", Signature{"EQ", KindMove, "place", ""}, 1, "not moved"},
		{"move only says so", put + "; move k1; lookup k1", Signature{"EQ", KindLookup, "entries", ""}, 2, "k1 #1"},

		{"flush fails", "flush", Signature{"EQ", KindFlush, "error", "it-went-wrong"}, 0, "went wrong"},
		{"flush loses an entry", put + "; flush", Signature{"EQ", KindFlush, "live bytes", ""}, 1, "exact"},
		{"live bytes off", "flush", Signature{"EQ", KindFlush, "live bytes", ""}, 0, "in extent 64"},
		{"flush without a record", put + "; flush; reboot; lookup k1", Signature{"EQ", KindLookup, "entries", ""}, 3, "0 entries"},
		{"reads where it said nothing lives", "flush; check", Signature{"AUDIT", KindCheck, "error", "corrupt"}, 1, "corrupt"},
		{"compact fails", "compact", Signature{"EQ", KindCompact, "error", "it-went-wrong"}, 0, "went wrong"},
		{"compact loses an entry", put + "; compact; lookup k1", Signature{"EQ", KindLookup, "entries", ""}, 2, "0 entries"},
		{"compact brings back the removed", put + "; remove k1; compact; scan", Signature{"EQ", KindScan, "entries", ""}, 3, "0 entries"},

		{"opens empty", put + "; flush; reboot; lookup k1", Signature{"EQ", KindLookup, "entries", ""}, 3, "0 entries"},
		{"opens empty", put + "; flush", Signature{"EQ", KindNone, "entries", ""}, 2, "not removed"},
		{"replay is ignored", put + "; flush; remove k1; reboot; lookup k1", Signature{"EQ", KindLookup, "entries", ""}, 4, "0 entries"},
		{"cannot be opened again", "reboot", Signature{"EQ", KindReboot, "open", "io"}, 0, "can be opened"},
		{"check complains", "check", Signature{"AUDIT", KindCheck, "check", "corrupt-frame-trailer"}, 0, "extent 3 at 64"},
		{"check cannot look", "check", Signature{"AUDIT", KindCheck, "error", "io"}, 0, "disk IO failed"},
	}, func(how string) Executor {
		return NewIndex(&spoiledIndexes{lies: lies{how: how}})
	})
}

// idleIndexes are the engine's, but that a rewrite only says that it was one, or fails.
type idleIndexes struct {
	IndexFactory
	err error
}

type idleIndex struct {
	IndexTarget
	err error
}

func (f idleIndexes) Open(b *IndexBelow, c *Config) (IndexTarget, error) {
	t, err := f.IndexFactory.Open(b, c)
	return idleIndex{t, f.err}, err
}

func (t idleIndex) Rewrite(context.Context, extent.ID) (bool, error) { return true, t.err }

func TestARewriteThatMovesNothingIsFound(t *testing.T) {
	s := parsed(t, "index", "insert k1; flush; rewrite")
	require.Nil(t, NewIndex(NewIndexFactory()).Run(s).Failure)
	f := NewIndex(idleIndexes{NewIndexFactory(), nil}).Run(s).Failure
	require.NotNil(t, f)
	require.Equal(t, Signature{"EQ", KindRewrite, "tables", ""}, f.Signature)
	f = NewIndex(idleIndexes{NewIndexFactory(), errSpoiled}).Run(s).Failure
	require.NotNil(t, f)
	require.Equal(t, Signature{"EQ", KindRewrite, "error", "it-went-wrong"}, f.Signature)
}

func TestAnExtentWithoutLiveBytesIsReleased(t *testing.T) {
	x := NewIndex(&spoiledIndexes{})
	f := x.factory.(*spoiledIndexes)
	s := parsed(t, "index", "insert k1; flush; flush")
	require.Nil(t, x.Run(s).Failure)
	require.NoError(t, spoiledIndex{&f.index, f}.appendChunk())
	at := f.chunk.Extent
	x.release()
	require.Equal(t, extent.Free, x.extents.Describe(at).Owner)
}

func TestIndexExecutorCanLie(t *testing.T) {
	x := NewIndex(NewModelIndexFactory())
	s := parsed(t, "index", "insert k1 fill=2; lookup k1")
	want := x.Run(s)
	require.Equal(t, Signature{"EQ", KindLookup, "entries", ""}, x.RunSpoiled(s).Failure.Signature)
	require.Equal(t, want, x.Run(s))
}
