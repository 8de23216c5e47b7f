package index_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/index"
)

// A full flush takes at most what the tree said it would, which never gets less with more shards; and however small tables are
// wanted, the metadata can name them.
func TestAFullFlushTakesAtMostWhatItIsReckonedToTake(t *testing.T) {
	for _, pages := range []int{1, 2, 3, 0} {
		f := newFloor(t, func(o *index.Options) {
			o.TablePages, o.MustMerge = pages, func(bool) bool { return true }
		})
		reckoned := int64(0)
		for n := range byte(250) {
			f.set(n, index.Put)
			if n%20 != 19 {
				continue
			}
			require.GreaterOrEqual(t, f.tree.MergedBytes(0), reckoned)
			reckoned = f.tree.MergedBytes(0)
			f.flush()
			m := f.tree.Metadata()
			require.LessOrEqual(t, extentsOf(m), int((reckoned+4095)/4096), "%d shards in tables of %d pages", n+1, pages)
			require.LessOrEqual(t, chunk.FrameBytes(index.MetadataBytes(m.Tables(), tableExtents+1)), 4096)
			require.True(t, f.tree.Fits(0))
		}
	}
}

// extentsOf returns how many extents the tables of m take if no others lie in them, one behind another.
func extentsOf(m *index.Metadata) int {
	n, left := 0, 0
	for r := range m.Runs() {
		for i := range r.Tables {
			size := (int(r.Tables[i].Locator.Length) + 63) &^ 63
			if size > left {
				n, left = n+1, 4096
			}
			left -= size
		}
	}
	return n
}

// Shards for which the largest tables are more than the metadata can name do not fit.
func TestFitsEndsWhereTheMetadataDoes(t *testing.T) {
	f := newFloor(t, nil)
	tables := 0
	for n := 0; f.tree.Fits(n); n++ {
		tables = (n + f.tree.Shape().FitEntries() - 1) / f.tree.Shape().FitEntries()
	}
	require.Positive(t, tables)
	most := (4096 - chunk.FrameBytes(index.MetadataBytes(0, tableExtents+1))) / (index.MetadataBytes(1, 0) - index.MetadataBytes(0, 0))
	require.Equal(t, most/2, tables, "the other half is for what comes beside them")
}

// What a full flush writes goes where it is not too much: no compaction is due afterwards.
func TestNothingIsDueAfterAFullFlush(t *testing.T) {
	full := false
	f := newFloor(t, func(o *index.Options) {
		o.TablePages, o.MustMerge = 1, func(bool) bool { return full }
	})
	for n := range byte(200) {
		f.set(n, index.Put)
		if n%10 == 9 {
			f.flush()
		}
	}
	require.True(t, f.tree.CompactionDue())
	full = true
	f.set(0, index.Put)
	f.flush()
	require.False(t, f.tree.CompactionDue())
	f.check()
}
