package engine_test

import (
	"bytes"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

var (
	deviceRounds = flag.Int("device-rounds", 0,
		"`number` of rounds of TestADeviceIsDamagedAtRandom on a loop device, which takes root; a few on a file if 0")
	deviceSeed = flag.Uint64("device-seed", 1, "`seed` of the same")
)

// A device is damaged at random places while the store on it is closed, by writes to the file below:
//
//	closed, or killed ──► zeros, noise, a bit, another block's bytes ──► open, read everything, scrub ─┬─► close ──► restored
//	                                                                put, delete, read, close, open, read ─┘
//
// What the store may answer then says rotten_test.go. A store that was killed had recorded that its log was durable, so that the
// log's end is no torn tail; of a damaged unit there every shard may be lost.
//
// Blind spot: blocks that cannot be read; see rot_test.go.

const (
	deviceBytes  = 32 << 20
	deviceGroup  = 32 << 10
	deviceExtent = 256 << 10
)

// device is a disk that can be damaged from below.
type device struct {
	t      *testing.T
	file   *os.File
	open   func() (disk.Disk, error)
	shards []tagged
	images [2][]byte // what it holds after the store was killed, and after it was closed
}

// newDevice returns an empty device: a loop device, or a file.
func newDevice(t *testing.T, loop bool) *device {
	t.Helper()
	path := filepath.Join(t.TempDir(), "below")
	f, err := os.Create(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	require.NoError(t, f.Truncate(deviceBytes))
	d := &device{t: t, file: f}
	d.open = func() (disk.Disk, error) {
		return disk.OpenFile(path, disk.FileOptions{LogicalBlock: 512, PhysicalBlock: 512})
	}
	if loop {
		at := attachLoop(t, path)
		d.open = func() (disk.Disk, error) { return disk.OpenDevice(at, disk.DeviceOptions{}) }
	}
	return d
}

// attachLoop returns a loop device on the file at path, or skips the test.
func attachLoop(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("losetup", "-f", "--show", "--direct-io=on", path).CombinedOutput()
	if err != nil {
		t.Skipf("NO DEVICE DAMAGED: a loop device takes Linux, losetup and root: %v: %s", err, out)
	}
	at := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		out, err := exec.Command("losetup", "-d", at).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	return at
}

// on opens the device, and closes it when fn has returned.
func (d *device) on(fn func(x *witness)) {
	d.t.Helper()
	x, err := d.open()
	require.NoError(d.t, err)
	defer func() { require.NoError(d.t, x.Close()) }()
	fn(newWitness(x))
}

func deviceOptions() engine.Options {
	return engine.Options{
		Rand: rand.NewPCG(*deviceSeed, 1), GroupBytes: deviceGroup, MemtableEntries: 64, PartBytes: 100 << 10, CacheBytes: 1,
		IndexCacheBytes: 16 << 10,
	}
}

// fill makes the two images.
func (d *device) fill() {
	d.t.Helper()
	rng := rand.New(rand.NewPCG(*deviceSeed, 2))
	d.on(func(x *witness) {
		g := engine.Geometry{ExtentBytes: deviceExtent, PageBytes: 512, Rand: rand.NewPCG(*deviceSeed, 3)}
		require.NoError(d.t, engine.Format(x, g))
		s, err := engine.Open(x, deviceOptions())
		require.NoError(d.t, err)
		d.shards = fillTagged(d.t, s, rng, deviceBytes/3*2)
		for n := range d.shards[:30] { // in units of their own, as far as the window lets them
			d.shards[n] = tagged{d.shards[n].version + 1, taggedSizes(rng)}
			dep, err := s.Put(soakID(uint64(n)), d.shards[n].value(nil, n))
			require.NoError(d.t, err)
			require.NoError(d.t, s.Wait(d.t.Context(), dep))
		}
		require.NoError(d.t, s.FlushSuperblock(d.t.Context()))
	})
	d.images[0] = d.read()
	d.on(func(x *witness) {
		s, err := engine.Open(x, deviceOptions())
		require.NoError(d.t, err)
		require.Positive(d.t, s.Stats().TailUnits, "a store that was killed has something to replay")
		require.NoError(d.t, s.Close())
	})
	d.images[1] = d.read()
}

func (d *device) read() []byte {
	b := make([]byte, deviceBytes)
	_, err := d.file.ReadAt(b, 0)
	require.NoError(d.t, err)
	return b
}

// write changes the file below at off, so that the device sees it.
func (d *device) write(p []byte, off int64) {
	_, err := d.file.WriteAt(p, off)
	require.NoError(d.t, err)
}

// damage restores an image, damages blocks of it at random, and returns which.
func (d *device) damage(rng *rand.Rand, image []byte, size int64) map[int64]bool {
	d.t.Helper()
	d.write(image, 0)
	bad := map[int64]bool{}
	spoil := func(b int64) {
		if p := spoiled(rng, image, b, size); !bytes.Equal(p, image[b*size:(b+1)*size]) {
			bad[b] = true
			d.write(p, b*size)
		}
	}
	blocks := int64(len(image)) / size
	for range 1 + rng.IntN(1<<rng.IntN(9)) {
		b := rng.Int64N(blocks)
		for rng.IntN(8) > 0 && bytes.Count(image[b*size:(b+1)*size], []byte{0}) == int(size) { // seven of eight where something lies
			b = rng.Int64N(blocks)
		}
		for end := b + 1<<rng.IntN(5)/4; b <= end && b < blocks; b++ {
			spoil(b)
		}
	}
	if rng.IntN(4) == 0 { // the superblock is small, and seldom met by chance
		spoil(rng.Int64N(3 * 4096 / size))
	}
	require.NoError(d.t, d.file.Sync())
	return bad
}

// spoiled returns what becomes of block b of image.
func spoiled(rng *rand.Rand, image []byte, b, size int64) []byte {
	p := slices.Clone(image[b*size : (b+1)*size])
	switch rng.IntN(4) {
	case 0:
		clear(p)
	case 1:
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
	case 2:
		p[rng.IntN(len(p))] ^= 1 << rng.IntN(8)
	case 3:
		from := rng.Int64N(int64(len(image))/size) * size
		copy(p, image[from:])
	}
	return p
}

// opens opens the store of r, and reports whether it could: what takes more than one bad block.
func (d *device) opens(r *rotten) bool {
	d.t.Helper()
	r.disk.met = r.disk.met[:0]
	before := len(r.disk.written)
	s, err := engine.Open(r.disk, deviceOptions())
	if r.store = s; err == nil {
		return true
	}
	r.seen.refused++
	slices.Sort(r.disk.met)
	met := slices.Compact(slices.Clone(r.disk.met))
	met = slices.DeleteFunc(met, func(b int64) bool { return r.layout.anybody(b*r.disk.block, (b+1)*r.disk.block) })
	if !isDamage(err) && !errors.Is(err, engine.ErrNoStore) || len(met) < 2 || len(r.disk.written) != before {
		d.t.Errorf("open: %v, of %d bad blocks that are no shard's; %d blocks written", err, len(met), len(r.disk.written)-before)
	}
	return false
}

// round damages an image and asks the store that is left for everything.
func (d *device) round(round int, layouts []*layout, seen *rottenSeen) {
	rng := rand.New(rand.NewPCG(*deviceSeed, 10+uint64(round)))
	image := round % len(d.images)
	bad := d.damage(rng, d.images[image], 512)
	d.on(func(x *witness) {
		require.EqualValues(d.t, 512, x.block)
		x.bad = bad
		r := &rotten{t: d.t, disk: x, shards: slices.Clone(d.shards), layout: layouts[image], extent: deviceExtent, seen: seen}
		if image == 0 {
			r.unit = deviceGroup
		}
		if !d.opens(r) {
			return
		}
		r.askAll()
		r.scrub()
		if round%3 == 0 {
			r.change(rng, 20)
			r.askAll()
			if err := r.store.Close(); err != nil && !isDamage(err) && !errors.Is(err, engine.ErrReadOnly) {
				d.t.Errorf("close: %v", err)
			}
			if !d.opens(r) {
				return
			}
			r.askAll()
		}
		if err := r.store.Close(); err != nil && !isDamage(err) && !errors.Is(err, engine.ErrReadOnly) {
			d.t.Errorf("close: %v", err)
		}
	})
}

func TestADeviceIsDamagedAtRandom(t *testing.T) {
	d := newDevice(t, *deviceRounds > 0)
	d.fill()
	var layouts []*layout
	for _, image := range d.images {
		m := disk.NewMemory(disk.Info{Size: deviceBytes, LogicalBlock: 512, PhysicalBlock: 512})
		m.Overwrite(image, 0)
		layouts = append(layouts, layoutOf(t, m))
	}
	rounds, seen := *deviceRounds, &rottenSeen{}
	if rounds == 0 {
		rounds = 12
	}
	if testing.Short() && *deviceRounds == 0 {
		rounds = 4
	}
	for round := range rounds {
		d.round(round, layouts, seen)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	t.Logf("%d rounds, %d shards: %v", rounds, len(d.shards), seen)
	require.Positive(t, seen.right)
	require.Positive(t, seen.corrupt)
	require.Positive(t, seen.named)
}
