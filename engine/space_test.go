package engine_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// An index too large to be merged whole is filled and drained: on a full disk every delete and every step has the space it takes,
// a put is refused only when the reserve is all that is left, and afterwards the space is back and takes as much again.
//
// Blind to an index of gigabytes, whose shape is this one's in larger extents.
func TestAnIndexTooLargeToMergeIsFilledAndDrained(t *testing.T) {
	for _, c := range []struct {
		name       string
		extent     int
		extents    int
		tablePages int
		memtable   int
		ascending  bool
		overwrite  bool
	}{
		{name: "tables of an extent", extent: 32 << 10, extents: 128, memtable: 100},
		{name: "tables of one page", extent: 32 << 10, extents: 112, tablePages: 1, memtable: 100},
		{name: "ascending", extent: 32 << 10, extents: 128, tablePages: 4, memtable: 200, ascending: true},
		{name: "a memtable of an extent", extent: 32 << 10, extents: 128, tablePages: 4, memtable: 1 << 16},
		{name: "overwritten", extent: 32 << 10, extents: 128, tablePages: 4, memtable: 100, overwrite: true},
		{name: "much in level 0", extent: 32 << 10, extents: 144, tablePages: 12, memtable: 20},
	} {
		if testing.Short() && c.name != "overwritten" {
			t.Logf("%s: in a full run only", c.name)
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			d := disk.NewMemory(disk.Info{Size: int64(c.extents * c.extent), LogicalBlock: 512, PhysicalBlock: 512, PowerSafe: true})
			require.NoError(t, engine.Format(d, engine.Geometry{ExtentBytes: c.extent, PageBytes: 512, WindowBytes: c.extent}))
			f := &filling{t: t, r: rand.New(rand.NewPCG(1, 2)), ascending: c.ascending, overwrite: c.overwrite}
			f.options = engine.Options{
				Rand: rand.NewPCG(1, 2), MemtableEntries: c.memtable, TablePages: c.tablePages, MergeBytes: int64(3 * c.extent), TailBytes: 1,
			}
			f.open(d)
			blank := f.s.Space()
			first := f.fill()
			require.Greater(t, f.s.Space().RunBytes, f.options.MergeBytes, "the index is as large as the test means it to be")
			f.open(d)
			f.drain()
			require.GreaterOrEqual(t, f.s.Space().Free, blank.Free-2)
			again := f.fill()
			require.GreaterOrEqual(t, again, first-first/20)
			f.drain()
			require.NoError(t, f.s.Close())
		})
	}
}

// filling fills and drains a store.
type filling struct {
	t         *testing.T
	s         *engine.Store
	r         *rand.Rand
	options   engine.Options
	ascending bool // else ids come in no order
	overwrite bool // half of the puts are to shards that are there
	next      uint64
	ids       []engine.ShardID
}

// open opens the store on d, after a clean end if it was open.
func (f *filling) open(d disk.Disk) {
	if f.s != nil {
		require.NoError(f.t, f.s.Close())
	}
	s, err := engine.Open(d, f.options)
	require.NoError(f.t, err)
	f.s = s
}

// fill puts shards of no bytes until one is refused, and returns how many there are then.
func (f *filling) fill() int {
	for {
		id, known := f.id()
		_, err := f.s.Put(id, nil)
		if errors.Is(err, engine.ErrFull) {
			space := f.s.Space()
			require.LessOrEqual(f.t, space.Free, space.Reserve)
			return len(f.ids)
		}
		require.NoError(f.t, err)
		if !known {
			f.ids = append(f.ids, id)
		}
	}
}

// id draws what to put next, and whether it is there already.
func (f *filling) id() (id engine.ShardID, known bool) {
	if f.overwrite && len(f.ids) > 0 && f.r.IntN(2) == 0 {
		return f.ids[f.r.IntN(len(f.ids))], true
	}
	f.next++
	binary.BigEndian.PutUint64(id[8:], f.next)
	if !f.ascending {
		binary.BigEndian.PutUint64(id[:], f.r.Uint64())
	}
	return id, false
}

// drain deletes all shards in no order, with steps in between, and tidies up.
func (f *filling) drain() {
	f.r.Shuffle(len(f.ids), func(i, j int) { f.ids[i], f.ids[j] = f.ids[j], f.ids[i] })
	ctx := context.Background()
	for i, id := range f.ids {
		_, err := f.s.Delete(id)
		require.NoError(f.t, err, "delete %d of %d", i, len(f.ids))
		switch f.r.IntN(1000) {
		case 0:
			require.NoError(f.t, f.s.Flush(ctx))
		case 1:
			_, err = f.s.Compact(ctx)
			require.NoError(f.t, err)
		case 2:
			if _, err = f.s.Reclaim(ctx); !errors.Is(err, engine.ErrFull) { // what it copies may have to wait for deletes
				require.NoError(f.t, err)
			}
		}
	}
	f.ids = f.ids[:0]
	for {
		require.NoError(f.t, f.s.Flush(ctx))
		merged, err := f.s.Compact(ctx)
		require.NoError(f.t, err)
		freed, err := f.s.Reclaim(ctx)
		if !errors.Is(err, engine.ErrFull) {
			require.NoError(f.t, err)
		}
		if !merged && !freed {
			break
		}
	}
	check(f.t, f.s)
	require.Zero(f.t, f.s.Space().ShardBytes)
}
