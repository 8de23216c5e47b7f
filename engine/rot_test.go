package engine_test

import (
	"bytes"
	"errors"
	"flag"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/faultinject"
)

var (
	rotMiB = flag.Int64("rot-mib", 64,
		"size in `MiB` of the store of TestARottenStoreServesWhatIsWhole; above 1024 it lies in a file, with blocks of 4 KiB")
	rotSeed = flag.Uint64("rot-seed", 1, "`seed` of the same")
)

// A store of which one used block in a hundred is bad, unreadable or full of noise:
//
//	filled, closed ──► 1 % bad, superblock spared ──────► open, read everything, scrub, put over some of it, close, open, read
//	                ├► and one slot of a page ──────────► the same, for each page, its newest slot
//	                └► and all three slots of a page ───► Open says why not, and has written nothing
//
// What it may answer then says rotten_test.go.

// rotStore is where the store of a test lies, and how it is opened.
type rotStore struct {
	geometry engine.Geometry
	options  engine.Options
	below    disk.Disk
	shards   []tagged
	extents  []engine.ExtentStat // when it was closed
}

// newRotStore fills a store to about two thirds and closes it.
func newRotStore(t *testing.T) *rotStore {
	t.Helper()
	x := &rotStore{options: engine.Options{CacheBytes: 1, IndexCacheBytes: 64 << 10}}
	x.geometry.Rand = rand.NewPCG(*rotSeed, 1)
	size := *rotMiB << 20
	if *rotMiB > 1024 {
		f, err := disk.OpenFile(filepath.Join(t.TempDir(), "store"), disk.FileOptions{Size: size, Sparse: true})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, f.Close()) })
		x.below = f
	} else {
		x.below = disk.NewMemory(disk.Info{Size: size, LogicalBlock: 512, PhysicalBlock: 512, PowerSafe: true})
		x.geometry.ExtentBytes, x.geometry.PageBytes, x.options.PartBytes = 256<<10, 2<<10, 100<<10 // a superblock of several pages
	}
	require.NoError(t, engine.Format(x.below, x.geometry))
	s := x.open(t, x.below)
	x.shards = fillTagged(t, s, rand.New(rand.NewPCG(*rotSeed, 2)), size/3*2)
	for more := true; more; { // one run: no filter that is bad sends anybody elsewhere
		var err error
		more, err = s.Compact(t.Context())
		require.NoError(t, err)
	}
	check(t, s)
	require.NoError(t, s.Close())
	x.extents = s.Stats().Table
	return x
}

func (x *rotStore) open(t *testing.T, d disk.Disk) *engine.Store {
	t.Helper()
	o := x.options
	o.Rand = rand.NewPCG(*rotSeed, 3)
	s, err := engine.Open(d, o)
	require.NoError(t, err)
	return s
}

// used returns the blocks that hold anything but zeros, the superblock left out: those of the index in use, and all others.
func (x *rotStore) used(t *testing.T, extentBytes int64) (blocks, index []int64) {
	t.Helper()
	size := int64(x.below.Info().LogicalBlock)
	buf := disk.Aligned(int(extentBytes))
	zeros := make([]byte, size)
	for n, e := range x.extents {
		if e.Owner == "superblock" {
			continue
		}
		require.NoError(t, x.below.Read(buf, int64(n)*extentBytes))
		for i := int64(0); i < extentBytes; i += size {
			switch block := (int64(n)*extentBytes + i) / size; {
			case bytes.Equal(buf[i:i+size], zeros):
			case e.Live > 0 && (e.Owner == "runs" || e.Owner == "levels"):
				index = append(index, block)
			default:
				blocks = append(blocks, block)
			}
		}
	}
	return blocks, index
}

// rot is a rotStore with bad blocks.
type rot struct {
	rotten
	on     *rotStore
	faulty *faultinject.Disk
	rule   faultinject.Rule // for a slot of the superblock
	info   *engine.Info
}

// spoil makes one in a hundred of the used blocks bad, and at least one of the index.
func (x *rotStore) spoil(t *testing.T, rule faultinject.Rule, seen *rottenSeen) *rot {
	t.Helper()
	info, err := engine.Inspect(x.below)
	require.NoError(t, err)
	require.Empty(t, info.Damage)
	f := faultinject.New(x.below)
	r := &rot{on: x, faulty: f, rule: rule, info: info, rotten: rotten{
		t: t, disk: newWitness(f), shards: slices.Clone(x.shards), layout: layoutOf(t, x.below),
		extent: int64(info.Geometry.ExtentBytes), seen: seen,
	}}
	if rule.Do == faultinject.Flip { // what a slot leaves of its block
		r.rule = faultinject.Rule{Do: faultinject.Garbage}
	}
	rng := rand.New(rand.NewPCG(*rotSeed, 4))
	blocks, index := x.used(t, r.extent)
	for _, used := range [...][]int64{blocks, index} {
		rng.Shuffle(len(used), func(i, j int) { used[i], used[j] = used[j], used[i] })
		for _, b := range used[:(len(used)+99)/100] {
			f.Damage(rule, b*r.disk.block, 1)
			r.disk.bad[b] = true
		}
	}
	t.Logf("%d blocks are bad of %d used and %d of the index, %d bytes each; %d shards",
		len(r.disk.bad), len(blocks), len(index), r.disk.block, len(x.shards))
	return r
}

// slots returns the slots of a page, the newest first.
func (r *rot) slots(page uint32) (slots []engine.SlotReport) {
	for _, s := range r.info.Slots {
		if s.Page == page {
			slots = append(slots, s)
		}
	}
	slices.SortStableFunc(slots, func(a, b engine.SlotReport) int { return int(b.Version) - int(a.Version) })
	return slots
}

// serve opens the store and asks for everything.
func (r *rot) serve(scrub bool) {
	r.t.Helper()
	r.store = r.on.open(r.t, r.disk)
	r.askAll()
	if scrub {
		r.scrub()
	}
}

// lose makes every slot of a page bad, and requires that Open refuses and writes nothing.
func (r *rot) lose(page uint32) {
	r.t.Helper()
	var rules []int
	for _, s := range r.slots(page) {
		rules = append(rules, r.faulty.Damage(r.rule, s.Offset, 1))
	}
	before := len(r.disk.written)
	_, err := engine.Open(r.disk, r.on.options)
	if !isDamage(err) && !errors.Is(err, engine.ErrNoStore) {
		r.t.Errorf("open without page %d of the superblock: %v", page, err)
	}
	if n := len(r.disk.written) - before; n != 0 {
		r.t.Errorf("open without page %d of the superblock has written %d blocks", page, n)
	}
	for _, id := range rules {
		r.faulty.Lift(id)
	}
	r.seen.refused++
}

// reopens opens the store after the log has gone on, and reports whether it could be opened. Where it could not be closed, a block
// behind the log's end that cannot be read may hold the unit that says that the log goes on, which ends Open: a declared limit.
func (r *rot) reopens(closed bool) bool {
	r.t.Helper()
	r.disk.met = r.disk.met[:0]
	before := len(r.disk.written)
	o := r.on.options
	o.Rand = rand.NewPCG(*rotSeed, 6)
	s, err := engine.Open(r.disk, o)
	r.store = s
	if err == nil {
		return true
	}
	r.seen.refused++
	info, infoErr := engine.Inspect(r.disk)
	require.NoError(r.t, infoErr)
	ahead := slices.ContainsFunc(info.Log, func(l engine.LogExtentInfo) bool {
		return slices.ContainsFunc(r.disk.met, func(b int64) bool { return b*r.disk.block/r.extent == int64(l.Extent) })
	})
	if closed || !errors.Is(err, engine.ErrIO) || !ahead || len(r.disk.written) != before {
		r.t.Errorf("open: %v, with a bad block in the log: %v, %d blocks written", err, ahead, len(r.disk.written)-before)
	}
	return false
}

// check is Check, but for one rule: what could not be looked up when it was replaced counts as live.
func (r *rot) check() {
	r.t.Helper()
	require.NoError(r.t, r.store.Check(r.t.Context(), func(err error) {
		var i *engine.Inconsistency
		if !errors.As(err, &i) || i.Rule != "live bytes are exact" {
			r.t.Errorf("check: %v", err)
		}
	}))
}

func TestARottenStoreServesWhatIsWhole(t *testing.T) {
	x := newRotStore(t)
	for _, text := range []string{"fail", "garbage", "flip arg=3"} {
		whole := t.Run(text, func(t *testing.T) {
			rule, err := faultinject.ParseRule(text)
			require.NoError(t, err)
			seen := &rottenSeen{}
			r := x.spoil(t, rule, seen)
			pages := r.info.Slots[len(r.info.Slots)-1].Page + 1
			for page := range pages {
				r.lose(page)
			}
			r.serve(true)
			require.NoError(t, r.store.Close())
			for page := range pages {
				r.info, err = engine.Inspect(r.disk)
				require.NoError(t, err)
				r.faulty.Damage(r.rule, r.slots(page)[0].Offset, 1)
				r.serve(false)
				require.NoError(t, r.store.Close())
			}
			t.Log(seen)
			require.Positive(t, seen.right)
			require.Positive(t, seen.corrupt+seen.io)
			require.Positive(t, seen.index, "no block of the index was bad: choose another seed")

			r.serve(false)
			r.change(rand.New(rand.NewPCG(*rotSeed, 5)), 50)
			r.askAll()
			closed := r.store.Close()
			if closed != nil && !isDamage(closed) {
				t.Errorf("close: %v", closed)
			}
			if r.reopens(closed == nil) {
				r.askAll()
				require.NoError(t, r.store.Close())
			}
			t.Log(seen)

			r.faulty.LiftAll()
			clear(r.disk.bad)
			r.serve(true)
			r.check()
			require.NoError(t, r.store.Close())
			x.shards, x.extents = r.shards, r.store.Stats().Table
		})
		if !whole {
			return // the store goes on from one to the next
		}
	}
}
