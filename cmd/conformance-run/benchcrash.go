package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/shardproof/shardproof/conformance"
	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/model"
)

// benchCrash measures what it costs to look at what a power cut can leave: as images, each made and opened; as states that the engine
// can tell apart, each recovered, read and compared; and how many of these there are where the log alone is at stake.
func benchCrash(ctx context.Context, cfg *config, stdout io.Writer) error {
	for _, n := range [...]int{8, 12, 16} {
		if err := benchImages(ctx, cfg, n, stdout); err != nil {
			return err
		}
	}
	if err := benchCycles(ctx, cfg, stdout); err != nil {
		return err
	}
	for _, superblock := range [...]bool{false, true} {
		if err := benchLeaves(superblock, stdout); err != nil {
			return err
		}
	}
	return nil
}

// rates is what one thing achieves per second of processor time, in several rounds, ascending.
type rates []float64

// measureRates calls do, which returns how much it did, until the processor time of each round is used up.
func measureRates(ctx context.Context, cfg *config, do func() (int, error)) (all rates, err error) {
	for range cfg.rounds {
		count := 0
		began, spent := conformance.CPUTime(), time.Duration(0)
		for spent < cfg.cpu {
			if ctx.Err() != nil {
				return nil, verdict(verdictOf(context.Cause(ctx)))
			}
			n, err := do()
			if err != nil {
				return nil, err
			}
			count += n
			spent = conformance.CPUTime() - began
		}
		all = append(all, float64(count)/spent.Seconds())
	}
	slices.Sort(all)
	return all, nil
}

func (r rates) String() string {
	return fmt.Sprintf("%s (%s to %s)", grouped(uint64(r[len(r)/2])), grouped(uint64(r[0])), grouped(uint64(r[len(r)-1])))
}

const (
	imageDiskBytes  = 1 << 20
	imageBlockBytes = 512
	imageOpenBytes  = 4096 // the superblock: two slots of half that
)

// benchImages measures how many distinct images of n pending writes are enumerated, and how many are opened as well: the superblock
// is read, and its checksum computed.
func benchImages(ctx context.Context, cfg *config, n int, stdout io.Writer) error {
	base, writes := pendingWrites(n)
	castagnoli, p := crc32.MakeTable(crc32.Castagnoli), make([]byte, imageOpenBytes)
	var images crashsim.Images
	var failed error
	sum := uint32(0)
	visits := []func(m *crashsim.Image) bool{
		func(*crashsim.Image) bool { return true },
		func(m *crashsim.Image) bool {
			failed = m.Read(p, 0)
			sum ^= crc32.Checksum(p, castagnoli)
			return failed == nil
		},
	}
	var measured [2]rates
	for i, visit := range visits {
		var err error
		measured[i], err = measureRates(ctx, cfg, func() (int, error) {
			err := images.Load(base, imageBlockBytes, writes)
			if err == nil {
				images.Each(visit)
			}
			return images.Distinct(), errors.Join(err, failed)
		})
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "%d writes of 1 MiB at stake: %s, %v enumerated and %v opened per second of processor time\n", n,
		plural(images.Distinct(), "image"), measured[0], measured[1])
	return nil
}

// pendingWrites returns a disk and n writes as a storage engine leaves them pending, in rounds of eight: appends of 4 KiB, a rewrite of
// the half of the last one, one slot of the superblock, the other, and one that changes nothing.
func pendingWrites(n int) (base []byte, writes []crashsim.PendingWrite) {
	r := rand.NewChaCha8([32]byte{0: 1})
	base = make([]byte, imageDiskBytes)
	_, _ = r.Read(base) // never fails
	end := int64(2 * imageOpenBytes)
	fresh := func(off int64, size int) {
		w := crashsim.PendingWrite{Off: off, Data: make([]byte, size)}
		_, _ = r.Read(w.Data)
		writes = append(writes, w)
	}
	for i := range n {
		switch i % 8 {
		case 1:
			fresh(end-2048, 2048)
		case 2:
			fresh(0, imageOpenBytes/2)
		case 5:
			writes = append(writes, crashsim.PendingWrite{Off: imageOpenBytes, Data: base[imageOpenBytes : 2*imageOpenBytes]})
		case 6:
			fresh(imageOpenBytes/2, imageOpenBytes/2)
		default:
			fresh(end, 4096)
			end += 4096
		}
	}
	return base, writes
}

// crashed is a store that has lost its power, with a model that knows what it may hold.
type crashed struct {
	disk   *crashsim.Disk
	config conformance.Config
	stores conformance.Factory
	model  model.Store

	// Of the state that was read last.
	ids   []engine.ShardID
	bytes []byte
	found model.State
}

// newCrashed puts shards and waits for them, then others of that many bytes, each in a unit of its own, and lets the power fail while
// all of these are in flight; with superblock set a slot of the superblock is, too.
func newCrashed(shards, units, bytes int, superblock bool) (*crashed, error) {
	c := &crashed{config: conformance.DefaultConfig(), stores: conformance.NewEngineFactory()}
	for option, value := range map[conformance.Option]uint32{
		conformance.OptExtent: 256, conformance.OptGroup: 16, conformance.OptWindowUnits: 32, conformance.OptWindow: 256, conformance.OptMemtable: 64,
	} {
		c.config.Set(option, value)
	}
	d, err := conformance.CrashDisks()(&c.config)
	if err != nil {
		return nil, err
	}
	c.disk = d.(*crashsim.Disk)
	if err := c.stores.Format(d, &c.config, 0); err != nil {
		return nil, err
	}
	s, err := c.stores.Open(d, &c.config)
	if err != nil {
		return nil, err
	}
	if err := c.fill(s, shards, units, bytes); err != nil {
		return nil, err
	}
	c.disk.Cut(0)
	end := s.Sync
	if superblock {
		end = s.FlushSuperblock
	}
	if err := end(context.Background()); !errors.Is(err, crashsim.ErrPower) {
		return nil, fmt.Errorf("the power was to fail, and %v came", err)
	}
	c.disk.PowerOn(0)
	return c, nil
}

// fill puts what newCrashed says.
func (c *crashed) fill(s conformance.Target, shards, units, bytes int) error {
	value := make([]byte, bytes)
	for n := range shards + units {
		id := benchID(uint64(n % shards)) // those in flight supersede the others
		_, _ = rand.NewChaCha8([32]byte{0: byte(n)}).Read(value)
		_, err := s.Put(id, value)
		if err == nil {
			_, err = c.model.Put(id, value)
		}
		if err == nil && n == shards-1 {
			c.model.Persist(uint64(shards))
			err = errors.Join(s.Flush(context.Background()), s.FlushSuperblock(context.Background()))
		}
		if err == nil {
			_, err = s.Pump(0) // the unit is complete
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// recover opens the store in the state that the disk is exploring, reads every shard and compares with what the model allows.
func (c *crashed) recover() (err error) {
	s, err := c.stores.Open(c.disk, &c.config)
	if err != nil {
		return err
	}
	if c.ids, err = s.AppendList(c.ids[:0], nil, 1<<20); err != nil {
		return err
	}
	c.found, c.bytes = c.found[:0], c.bytes[:0]
	for _, id := range c.ids {
		start := len(c.bytes)
		if c.bytes, err = s.AppendShard(c.bytes, id); err != nil {
			return err
		}
		c.found = append(c.found, model.Shard{ID: id, Data: c.bytes[start:]})
	}
	if _, explained := c.model.Explain(c.found); !explained {
		return errors.New("the store holds what no power cut can have left")
	}
	return nil
}

// explore recovers the store in every state that it can tell apart.
func (c *crashed) explore() (crashsim.Exploration, error) {
	var failed error
	found, err := c.disk.Explore(crashsim.Bounds{Leaves: 1 << 20}, func(bool) (uint64, bool) {
		failed = c.recover()
		return 0, failed == nil
	})
	return found, errors.Join(err, failed)
}

// benchCycles measures full cycles of recovery.
func benchCycles(ctx context.Context, cfg *config, stdout io.Writer) error {
	c, err := newCrashed(8, 6, 40, true)
	if err != nil {
		return err
	}
	var last crashsim.Exploration
	measured, err := measureRates(ctx, cfg, func() (int, error) {
		last, err = c.explore()
		return last.Runs, err
	})
	if err != nil {
		return err
	}
	writes, blocks := c.disk.Undecided()
	fmt.Fprintf(stdout, "%d writes, %d blocks, of a store of 8 shards at stake: %s, %v recovered, read and compared per second of processor time\n",
		writes, blocks, plural(last.Leaves, "state"), measured)
	return nil
}

// benchLeaves counts the states that a store can tell apart with 16 units of nine blocks at stake. Recovery stops at the first unit that
// is not whole, and asks whether one behind it attests it: two states for each unit, and one in which all are whole; with a slot of the
// superblock in flight, whole or not, twice as many.
func benchLeaves(superblock bool, stdout io.Writer) error {
	c, err := newCrashed(8, 16, 380, superblock)
	if err != nil {
		return err
	}
	found, err := c.explore()
	if err != nil {
		return err
	}
	writes, blocks := c.disk.Undecided()
	what := "the log alone"
	if superblock {
		what = "the log and a slot of the superblock"
	}
	fmt.Fprintf(stdout, "%d writes, %d blocks, of %s at stake: %s\n", writes, blocks, what, plural(found.Leaves, "state"))
	return nil
}
