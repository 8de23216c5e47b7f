package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// brittle is a disk with physical blocks that cannot be read until a write covers all of one.
type brittle struct {
	*disk.Memory
	powerSafe bool
	torn      map[int64]bool // by offset
	partial   int            // writes that began or ended inside a block
}

var errTorn = errors.New("unreadable block")

// brittleBlock is the physical block of a brittle disk: four logical ones.
const brittleBlock = 256

func newBrittle(extents int) *brittle {
	info := newDisk(extents).Info()
	info.PhysicalBlock = brittleBlock
	return &brittle{Memory: disk.NewMemory(info), torn: map[int64]bool{}}
}

func (d *brittle) Info() disk.Info {
	info := d.Memory.Info()
	info.PowerSafe = d.powerSafe
	return info
}

// holds returns an error if a block of a range cannot be read.
func (d *brittle) holds(off, n int64) error {
	for b := off - off%brittleBlock; b < off+n; b += brittleBlock {
		if d.torn[b] {
			return errTorn
		}
	}
	return nil
}

func (d *brittle) Read(p []byte, off int64) error {
	if err := d.holds(off, int64(len(p))); err != nil {
		return err
	}
	return d.Memory.Read(p, off)
}

func (d *brittle) Ask(off, size int64, pred func(off int64, block []byte) bool) (bool, error) {
	if err := d.holds(off, size); err != nil {
		return false, err
	}
	return d.Memory.Ask(off, size, pred)
}

func (d *brittle) Submit(r *disk.Request) {
	if r.Kind == disk.Write {
		if (r.Off|int64(len(r.Data)))%brittleBlock != 0 {
			d.partial++
		}
		for b := (r.Off + brittleBlock - 1) / brittleBlock * brittleBlock; b+brittleBlock <= r.Off+int64(len(r.Data)); b += brittleBlock {
			delete(d.torn, b)
		}
	}
	d.Memory.Submit(r)
}

// copyOf returns a disk with the contents of d, one block of which is torn.
func (d *brittle) copyOf(torn int64) *brittle {
	c := &brittle{Memory: disk.NewMemory(d.Memory.Info()), powerSafe: d.powerSafe, torn: map[int64]bool{torn: true}}
	c.Overwrite(d.Bytes(), 0)
	return c
}

// blank reports whether nothing was ever written to a block.
func (d *brittle) blank(block int64) bool {
	return bytes.Count(d.Bytes()[block:block+brittleBlock], []byte{0}) == brittleBlock
}

const brittleShards = 6

func brittleValue(i int) []byte { return bytes.Repeat([]byte{byte(i + 1)}, 200) }

// brittleKilled returns a disk on which a store was killed after it had put shards one by one, each durable before the next. The
// disk said when it was formatted that it is power-safe, or not.
func brittleKilled(t *testing.T, g engine.Geometry, powerSafe bool) *brittle {
	t.Helper()
	d := newBrittle(16)
	d.powerSafe = powerSafe
	require.NoError(t, engine.Format(d, g))
	s := open(t, d)
	for i := range brittleShards {
		_, err := s.Put(engine.ShardID{byte(i)}, brittleValue(i))
		require.NoError(t, err)
		require.NoError(t, s.Sync(context.Background()))
	}
	_, err := s.Pump(100)
	require.NoError(t, err)
	return d
}

// unitOf returns where the unit of shard i lies.
func (d *brittle) unitOf(t *testing.T, i int) (from, to int64) {
	t.Helper()
	at := bytes.LastIndex(d.Bytes()[:find(t, d.Memory, brittleValue(i))], []byte("SUnt"))
	require.Zero(t, at%brittleBlock, "units begin on physical blocks")
	from = int64(at)
	to = from + int64(binary.LittleEndian.Uint32(d.Bytes()[at+12:]))
	require.Equal(t, int64(2*brittleBlock), to-from, "a block of the header, and one of the body alone")
	return from, to
}

// requireBrittle requires the shards put by brittleKilled, but for one that answers as may says.
func requireBrittle(t *testing.T, s *engine.Store, but int, may error) {
	t.Helper()
	for i := range brittleShards {
		got, err := s.Get(engine.ShardID{byte(i)})
		if i == but {
			require.ErrorIs(t, err, may)
			continue
		}
		require.NoError(t, err, "shard %d", i)
		require.True(t, bytes.Equal(brittleValue(i), got), "shard %d", i)
	}
}

// Where an interrupted write may leave a block unreadable, such a block of the last unit is a torn tail, as any other damage of it
// is. The log goes on over it.
func TestUnreadableBlockOfTheLastUnitIsATornTail(t *testing.T) {
	for _, safe := range [][2]bool{{false, false}, {true, false}, {false, true}} { // when formatted, and now
		d := brittleKilled(t, small, safe[0])
		d.powerSafe = safe[1]
		last := brittleShards - 1
		from, to := d.unitOf(t, last)
		for block := from; block < to; block += brittleBlock {
			c := d.copyOf(block)
			s := openReadOnlyOn(t, c)
			requireBrittle(t, s, last, engine.ErrNotFound)
			require.NoError(t, s.Close())

			s = open(t, c)
			requireBrittle(t, s, last, engine.ErrNotFound)
			check(t, s)
			_, err := s.Put(engine.ShardID{byte(last)}, brittleValue(last))
			require.NoError(t, err)
			require.NoError(t, s.Sync(context.Background()))
			require.Empty(t, c.torn, "the next unit is written over it")
			requireBrittle(t, open(t, c), -1, nil) // killed again
		}
	}
}

func openReadOnlyOn(t *testing.T, d *brittle) *engine.Store {
	t.Helper()
	s, err := engine.Open(d, engine.Options{Rand: rand.NewPCG(1, 2), ReadOnly: true})
	require.NoError(t, err)
	return s
}

// A disk that leaves every block readable has another reason to fail a read, which may pass: Open must not cut the log off for it.
func TestUnreadableBlockOfAPowerSafeDiskEndsOpen(t *testing.T) {
	d := brittleKilled(t, small, true)
	from, to := d.unitOf(t, brittleShards-1)
	for block := from; block <= to; block += brittleBlock { // the last is free
		c := d.copyOf(block)
		_, err := engine.Open(c, engine.Options{Rand: rand.NewPCG(1, 2)})
		require.ErrorIs(t, err, engine.ErrIO)
		require.True(t, bytes.Equal(d.Bytes(), c.Bytes()), "nothing was written")
		clear(c.torn)
		requireBrittle(t, open(t, c), -1, nil)
	}
}

// Behind the log of a store that was closed there is nothing to ask for, so a block there that cannot be read keeps nobody out; nor
// does any other block of such a store.
func TestNoUnreadableBlockOfAPowerSafeDiskKeepsAClosedStoreFromOpening(t *testing.T) {
	d := brittleKilled(t, small, true)
	require.NoError(t, open(t, d).Close())
	for block := int64(0); block < d.Info().Size; block += brittleBlock {
		c := d.copyOf(block)
		s := open(t, c)
		answersRight(t, s, fmt.Sprintf("block at %d", block))
		require.NoError(t, s.Close())
	}
}

// A unit that a later one attests is not torn: what cannot be read of it is damage, and stays so.
func TestUnreadableUnitThatIsAttestedIsDamage(t *testing.T) {
	d := brittleKilled(t, small, false)
	for lost := range brittleShards - 1 {
		from, to := d.unitOf(t, lost)
		for block := from; block < to; block += brittleBlock {
			c := d.copyOf(block)
			s := open(t, c)
			requireBrittle(t, s, lost, engine.ErrCorrupt)
			ids, err := s.List(nil, 10)
			require.NoError(t, err)
			require.Len(t, ids, brittleShards)
			require.NoError(t, s.Close())
			s = open(t, c)
			requireBrittle(t, s, lost, engine.ErrCorrupt)
			require.NoError(t, s.Close())
		}
	}
	a, _ := d.unitOf(t, 1)
	b, _ := d.unitOf(t, 2)
	c := d.copyOf(a)
	c.torn[b] = true
	s := open(t, c)
	_, err := s.Get(engine.ShardID{0})
	require.ErrorIs(t, err, engine.ErrCorrupt, "nobody knows which shards are lost")
	_, err = s.Put(engine.ShardID{9}, nil)
	require.ErrorIs(t, err, engine.ErrReadOnly)
}

// Whatever single block cannot be read, the store opens and no answer is wrong. A block of the log costs at most the shard whose
// unit lies in it, also where pages are larger; one that is free, or of a superblock slot, costs nothing, and is used again.
func TestNoUnreadableBlockCostsMoreThanItHolds(t *testing.T) {
	for _, page := range []int{128, 1024} {
		for _, clean := range []bool{false, true} {
			g := small
			g.PageBytes = page
			d := brittleKilled(t, g, false)
			if clean {
				require.NoError(t, open(t, d).Close())
			}
			owner := map[int64]int{}
			for i := range brittleShards {
				from, to := d.unitOf(t, i)
				for ; from < to; from += brittleBlock {
					owner[from] = i
				}
			}
			table := open(t, d.copyOf(-1)).Stats().Table
			for block := int64(0); block < d.Info().Size; block += brittleBlock {
				name := fmt.Sprintf("pages of %d, clean %v, block at %d", page, clean, block)
				c := d.copyOf(block)
				unit, inLog := owner[block]
				free := uint32(block%4096) >= table[block/4096].Pointer // the superblock has none
				failed := answersRight(t, open(t, c), name)
				for i := range failed {
					require.True(t, !free && (!inLog || i == unit), "%s: shard %d", name, i)
					require.False(t, failed[i] && (clean || i != brittleShards-1), "%s: shard %d not found", name, i)
				}
				if free {
					useUp(t, c, name)
				}
			}
		}
	}
}

// answersRight requires that every shard answers rightly or with a typed error, and returns those that do not answer, and
// whether that is for want of them.
func answersRight(t *testing.T, s *engine.Store, name string) map[int]bool {
	t.Helper()
	failed := map[int]bool{}
	for i := range brittleShards {
		got, err := s.Get(engine.ShardID{byte(i)})
		switch {
		case err == nil:
			require.True(t, bytes.Equal(brittleValue(i), got), "%s: shard %d", name, i)
		case errors.Is(err, engine.ErrCorrupt), errors.Is(err, engine.ErrIO), errors.Is(err, engine.ErrNotFound):
			failed[i] = errors.Is(err, engine.ErrNotFound)
		default:
			t.Fatalf("%s: shard %d: %v", name, i, err)
		}
	}
	return failed
}

// useUp puts and overwrites until every extent has been used, and requires that no block gets in the way.
func useUp(t *testing.T, d *brittle, name string) {
	t.Helper()
	s := open(t, d)
	for i := range 120 {
		_, err := s.Put(engine.ShardID{byte(brittleShards + i%20)}, brittleValue(i))
		require.NoError(t, err, name)
		if i%20 == 0 {
			require.NoError(t, s.Flush(context.Background()), name)
		}
	}
	require.NoError(t, s.Close(), name)
	s = open(t, d)
	requireBrittle(t, s, -1, nil)
	check(t, s)
	require.NoError(t, s.Scrub(context.Background(), func(err error) { t.Errorf("%s: scrub: %v", name, err) }))
	require.NoError(t, s.Close(), name)
}

// A slot of which any part cannot be read counts as the oldest: Open does without it, and writes it first.
func TestUnreadableSlotIsDoneWithoutAndWrittenFirst(t *testing.T) {
	for _, superPage := range []int{0, 512} {
		g := small
		g.SuperPageBytes = superPage
		d := brittleKilled(t, g, false)
		i, err := engine.Inspect(d)
		require.NoError(t, err)
		require.Equal(t, superPage > 0, len(i.Slots) > 3)
		for _, slot := range i.Slots {
			for block := slot.Offset; block < slot.Offset+512; block += brittleBlock {
				if d.blank(block) && block > slot.Offset {
					continue // no slot has anything there
				}
				name := fmt.Sprintf("page %d, slot %d, block at %d", slot.Page, slot.Slot, block)
				c := d.copyOf(block)
				s := open(t, c)
				requireBrittle(t, s, -1, nil)
				if slot.Page == 0 {
					require.Empty(t, c.torn, name)
				}
				require.NoError(t, s.Close())
				require.Empty(t, c.torn, name)
				requireBrittle(t, open(t, c), -1, nil)
			}
		}
	}
}

// On a disk of which no block can be read before it is written whole, a store can be made and lives as on any other.
func TestStoreLivesOnADiskOfUnreadableBlocks(t *testing.T) {
	for _, superPage := range []int{0, 512} {
		d := newBrittle(24)
		for b := int64(0); b < d.Info().Size; b += brittleBlock {
			d.torn[b] = true
		}
		g := small
		g.SuperPageBytes = superPage
		require.NoError(t, engine.Format(d, g))
		s := open(t, d)
		r, want := rand.New(rand.NewPCG(3, uint64(superPage))), map[engine.ShardID][]byte{}
		for range 4 {
			live(t, s, r, want)
			require.NoError(t, s.Sync(context.Background()))
			s = open(t, d) // killed
			_, err := s.Reclaim(context.Background())
			require.NoError(t, err)
			require.NoError(t, s.Close())
			s = open(t, d)
			requireShards(t, s, want)
		}
		require.Zero(t, d.partial)
	}
}

// Where units and slots of a store would share a physical block of the disk it has come to, an interrupted write would damage
// what is persistent. Such a store is for reading.
func TestStoreOfSmallerBlocksIsOnlyReadWhereWritesAreNotPowerSafe(t *testing.T) {
	old := newDisk(16)
	require.NoError(t, engine.Format(old, small))
	require.NoError(t, open(t, old).Close())
	d := newBrittle(16)
	d.Overwrite(old.Bytes(), 0)
	_, err := engine.Open(d, engine.Options{Rand: rand.NewPCG(1, 2)})
	require.ErrorIs(t, err, engine.ErrGeometry)
	require.True(t, bytes.Equal(old.Bytes(), d.Bytes()))
	require.NoError(t, openReadOnlyOn(t, d).Close())
	d.powerSafe = true
	require.NoError(t, open(t, d).Close())
}
