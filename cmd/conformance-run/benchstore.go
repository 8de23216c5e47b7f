package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shardproof/shardproof/conformance"
	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// filled is a store that a benchmark fills, on a file or a device. Shards are numbered; number and length say what one holds.
type filled struct {
	claim *claim
	disk  disk.Disk
	store *engine.Store
	cache int // bytes of each cache; 0 is the default
	value []byte
}

// newFilled formats the disk that the flags name. A file is made sparse, of that many bytes if the flags do not say otherwise.
func newFilled(cfg *config, bytes int64) (*filled, error) {
	if cfg.disk == "memory" {
		return nil, usagef("%s needs --disk PATH", cfg.args[0])
	}
	if cfg.from["disk-size"] != "" {
		bytes = int64(cfg.diskSize)
	}
	c, err := claimDisk(cfg.disk, bytes, cfg.erase)
	if err != nil {
		return nil, err
	}
	c.sparse = true
	b := &filled{claim: c}
	if b.disk, err = c.open(); err != nil {
		c.release()
		return nil, usageError{err}
	}
	if err = engine.Format(b.disk, engine.Geometry{}); err == nil {
		err = b.open()
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// close ends the store, if it is open, and gives the disk back.
func (b *filled) close() error {
	var err error
	if b.store != nil {
		err = b.store.Close()
	}
	err = errors.Join(err, b.disk.Close())
	b.claim.release()
	return err
}

func (b *filled) open() (err error) {
	b.store, err = engine.Open(b.disk, engine.Options{CacheBytes: b.cache, IndexCacheBytes: b.cache})
	return err
}

// reopen closes the store cleanly and opens it again, with caches of that many bytes each; 0 is the default.
func (b *filled) reopen(cache int) error {
	b.cache = cache
	if err := b.store.Close(); err != nil {
		return err
	}
	b.store = nil
	return b.open()
}

// put puts the shards from one number to another, of that many bytes each.
func (b *filled) put(ctx context.Context, from, to uint64, bytes int) error {
	for n := from; n < to && ctx.Err() == nil; n++ {
		if _, err := b.store.Put(benchID(n), b.contents(n, bytes)); err != nil {
			return fmt.Errorf("shard %d: %w", n, err)
		}
	}
	return ctx.Err()
}

// read reads the shard of that number and compares it.
func (b *filled) read(n uint64, bytes int) error {
	got, err := b.store.Get(benchID(n))
	if err == nil && string(got) != string(b.contents(n, bytes)) {
		err = errors.New("other bytes than were put")
	}
	if err != nil {
		return fmt.Errorf("shard %d: %w", n, err)
	}
	return nil
}

// contents returns the bytes of a shard, valid until the next call.
func (b *filled) contents(n uint64, bytes int) []byte {
	b.value = b.value[:0]
	for r := rand.NewPCG(n, 0); len(b.value) < bytes; {
		b.value = binary.LittleEndian.AppendUint64(b.value, r.Uint64())
	}
	return b.value[:bytes]
}

// benchID spreads the ids of shards over all there are.
func benchID(n uint64) (id engine.ShardID) {
	binary.BigEndian.PutUint64(id[:], n*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

// benchOpen measures how long it takes to open a store as its live data grow: once it was closed cleanly, and once it was
// abandoned with puts in its log, as by the death of its process. Neither may grow with the data.
func benchOpen(ctx context.Context, cfg *config, stdout io.Writer) error {
	const (
		bytes  = 16 << 10 // of a shard
		behind = 1000     // puts behind the last flush of the one that is abandoned
	)
	b, err := newFilled(cfg, 16<<30)
	if err != nil {
		return err
	}
	defer func() { b.close() }()
	var clean, killed []time.Duration
	put := uint64(0)
	for _, live := range [...]uint64{100 << 20, 1 << 30, 4 << 30} {
		end := live/bytes - behind
		if err := b.put(ctx, put, end, bytes); err != nil {
			return err
		}
		if err := b.reopen(0); err != nil {
			return err
		}
		a, err := b.opens(ctx, int(cfg.rounds))
		if err != nil {
			return err
		}
		put = end + behind
		if err := b.put(ctx, end, put, bytes); err != nil {
			return err
		}
		if err := b.store.Sync(ctx); err != nil {
			return err
		}
		k, err := b.opens(ctx, int(cfg.rounds))
		if err != nil {
			return err
		}
		clean, killed = append(clean, a), append(killed, k)
		fmt.Fprintf(stdout, "%-8s live: open in %v when closed cleanly, %v with %d puts to replay\n", conformance.FormatSize(live), a, k, behind)
	}
	fmt.Fprintf(stdout, "the slowest takes %.2f times the fastest when closed cleanly, %.2f times with a log to replay\n", spread(clean), spread(killed))
	return nil
}

// opens abandons the store and opens it again, so many times, and returns the median of the times.
func (b *filled) opens(ctx context.Context, rounds int) (time.Duration, error) {
	times := make([]time.Duration, 0, rounds)
	for range rounds {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		for b.disk.Reap(true) != nil { // what a dying process has in flight completes
		}
		runtime.GC()
		began := time.Now()
		if err := b.open(); err != nil {
			return 0, err
		}
		times = append(times, time.Since(began))
	}
	slices.Sort(times)
	return times[len(times)/2].Round(time.Microsecond), nil
}

func spread(t []time.Duration) float64 { return float64(slices.Max(t)) / float64(slices.Min(t)) }

// benchMemory measures what a store keeps in memory: small shards are put, and a tenth of a percent as many large ones, it is
// opened again and 10,000 random ones are read. That is done for a quarter of the shards and for all of them, once with the default
// caches and once with small ones, that are full either way: what grew in between then grows with the shards.
func benchMemory(ctx context.Context, cfg *config, stdout io.Writer) error {
	const (
		small, large = 100, 1 << 20 // bytes of a shard
		cache        = 1 << 20      // bytes of a small one
	)
	b, err := newFilled(cfg, 1<<40)
	if err != nil {
		return err
	}
	defer func() { b.close() }()
	shards := max(4, uint64(cfg.shards))
	var kept [2]uint64
	from := uint64(0)
	heapAfter := func(n uint64, cache int) (uint64, error) {
		if err := b.reopen(cache); err != nil {
			return 0, err
		}
		r := rand.New(rand.NewPCG(cfg.seed.value, n))
		for range 10_000 {
			at, bytes := r.Uint64N(n+n/1000), small
			if at >= n {
				at, bytes = at-n+shards, large
			}
			if err := b.read(at, bytes); err != nil {
				return 0, err
			}
		}
		return heapInUse(), nil
	}
	for i, n := range [...]uint64{shards / 4, shards} {
		if err := b.put(ctx, from, n, small); err != nil {
			return err
		}
		largeFrom := shards + from/1000
		if err := b.put(ctx, largeFrom, shards+n/1000, large); err != nil {
			return err
		}
		full, err := heapAfter(n, 0)
		if err != nil {
			return err
		}
		if kept[i], err = heapAfter(n, cache); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s shards of %d bytes, %s of 1 MiB: %s in use with caches of 64 MiB, %s with caches of 1 MiB; the process took %s at most\n",
			grouped(n), small, grouped(n/1000), conformance.FormatSize(full), conformance.FormatSize(kept[i]), peakText())
		if err := b.reopen(0); err != nil {
			return err
		}
		from = n
	}
	fmt.Fprintf(stdout, "%.2f bytes for each shard more\n", (float64(kept[1])-float64(kept[0]))/float64(shards-shards/4))
	return nil
}

// heapInUse returns the bytes of everything that is still reachable.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// peakText says how much memory of the machine the process had at most, as far as the system tells.
func peakText() string {
	status, err := os.ReadFile("/proc/self/status")
	if err == nil {
		for line := range strings.Lines(string(status)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "VmHWM:" {
				if n, err := strconv.ParseUint(f[1], 10, 64); err == nil {
					return conformance.FormatSize(n << 10)
				}
			}
		}
	}
	return "an amount that this system does not tell"
}
