package log

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
)

const blockBytes = 64

// geometry has extents of 16 blocks; a unit of one small frame takes 3.
var geometry = extent.Geometry{
	DiskBytes: 16 * 1024, ExtentBytes: 1024, Extents: 16, Logical: blockBytes, Physical: blockBytes, PageBytes: blockBytes,
	WindowBytes: 768, WindowUnits: 4, PowerSafe: true,
}

// tape is a memory disk that can be told to take writes and never carry them out: they are what a crash decides about. Chosen
// blocks, and chosen reads, fail.
type tape struct {
	*disk.Memory
	holding bool
	held    []*disk.Request
	torn    map[int64]bool // offsets of blocks that cannot be read until they are written
	reads   int
	failing int // number of the one read that fails; 0 is none
}

var errTape = errors.New("unreadable")

// holds returns an error if a read of n bytes at off fails.
func (d *tape) holds(off, n int64) error {
	d.reads++
	for b := off; b < off+n; b += blockBytes {
		if d.torn[b] {
			return errTape
		}
	}
	if d.reads == d.failing {
		return errTape
	}
	return nil
}

func (d *tape) Read(p []byte, off int64) error {
	if err := d.holds(off, int64(len(p))); err != nil {
		return err
	}
	return d.Memory.Read(p, off)
}

func (d *tape) Ask(off, size int64, pred func(off int64, block []byte) bool) (bool, error) {
	if err := d.holds(off, size); err != nil {
		return false, err
	}
	return d.Memory.Ask(off, size, pred)
}

func (d *tape) Submit(r *disk.Request) {
	if d.holding && r.Kind == disk.Write {
		d.held = append(d.held, r)
		return
	}
	for b := r.Off; b < r.Off+int64(len(r.Data)); b += blockBytes {
		delete(d.torn, b)
	}
	d.Memory.Submit(r)
}

// world is a log on a disk, and all it needs.
type world struct {
	disk    *tape
	buffers *disk.Buffers
	sched   *iosched.Sched
	table   *extent.Table
	log     *Log
	seen    []frame // what recovery applied
	damaged []chunk.ShardID
	tail    *Tail
}

// frame is a mutation as recovery tells of it.
type frame struct {
	id       byte
	mutation uint64
}

func (w *world) Apply(h *chunk.Header, _ chunk.Locator, _ []byte) error {
	w.seen = append(w.seen, frame{h.ID[0], h.Mutation})
	return nil
}

func (w *world) Damaged(id chunk.ShardID, _ uint64) { w.damaged = append(w.damaged, id) }

// formatted returns the bytes of a disk that holds an empty log.
func formatted(t *testing.T) []byte {
	t.Helper()
	d := disk.NewMemory(disk.Info{Size: geometry.DiskBytes, LogicalBlock: blockBytes, PhysicalBlock: blockBytes, PowerSafe: true})
	g := geometry
	require.NoError(t, extent.Format(d, g, 0, extent.StoreID{1}))
	return slices.Clone(d.Bytes())
}

// newTape returns a disk with those bytes.
func newTape(image []byte, powerSafe bool) *tape {
	m := disk.NewMemory(disk.Info{Size: geometry.DiskBytes, LogicalBlock: blockBytes, PhysicalBlock: blockBytes, PowerSafe: powerSafe})
	m.Overwrite(image, 0)
	return &tape{Memory: m}
}

// open recovers what is on a disk with those bytes and goes on behind it, in an epoch of its own that is relied on.
func open(t *testing.T, image []byte, group int) *world {
	t.Helper()
	return openTape(t, newTape(image, true), group)
}

func openTape(t *testing.T, d *tape, group int) *world {
	t.Helper()
	w := &world{disk: d, buffers: new(disk.Buffers), sched: new(iosched.Sched), table: new(extent.Table), log: new(Log)}
	w.sched.Reset(w.disk, w.buffers)
	require.NoError(t, w.table.Load(w.disk, w.sched, w.buffers))
	tail, err := Recover(w.disk, w.buffers, w.table, w)
	require.NoError(t, err)
	w.tail = tail
	if tail.Unknown {
		return w
	}
	require.NoError(t, tail.Rewrite(w.disk, w.buffers, w.sched, &geometry))
	root := &w.table.Root
	root.Epoch++
	root.Resume, root.DurableThrough = tail.Number, tail.Number-1
	w.log.Start(w.table, w.sched, w.buffers, group, root.Epoch, tail)
	w.record()
	return w
}

// record makes every change of the table relied on.
func (w *world) record() {
	change := w.table.Touch()
	w.table.Begin()
	for !w.table.Relied(change) {
		w.settle()
	}
}

// settle makes everything submitted durable.
func (w *world) settle() {
	for w.sched.Reap() {
	}
	w.sched.Flush()
	for w.sched.Reap() {
	}
	w.log.Advance()
	w.table.Advance()
}

// add appends a put of id, for which there is room now.
func (w *world) add(id byte, payload int) (chunk.Locator, uint64) {
	h := chunk.Header{Kind: chunk.PutFinal, ID: chunk.ShardID{id}, Parts: 1, UUID: chunk.UUID{id}}
	return w.log.Append(&h, make([]byte, payload))
}

// put appends a unit of one frame.
func (w *world) put(id byte, payload int) (chunk.Locator, uint64) {
	w.log.Room(payload)
	l, n := w.add(id, payload)
	w.log.Seal()
	return l, n
}

// hold makes the disk keep what is submitted from now on in the air.
func (w *world) hold() { w.disk.holding = true }

// blocks returns how many blocks are in the air.
func (w *world) blocks() (n int) {
	for _, r := range w.disk.held {
		n += len(r.Data) / blockBytes
	}
	return n
}

// crash returns what is on the disk when, of the blocks in the air, those remain whose bit is set, and how many units in a row
// are whole.
func (w *world) crash(keep uint64) (image []byte, whole int) {
	image = slices.Clone(w.disk.Bytes())
	torn := false
	for _, r := range w.disk.held {
		for at := 0; at < len(r.Data); at += blockBytes {
			if keep&1 != 0 {
				copy(image[int(r.Off)+at:], r.Data[at:at+blockBytes])
			} else {
				torn = true
			}
			keep >>= 1
		}
		if !torn {
			whole++
		}
	}
	return image, whole
}
