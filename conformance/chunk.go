package conformance

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/model"
)

// Chunk executes sequences of the chunk suite: goal, to find a chunk store that loses, mixes up or keeps chunks.
//
// Method: that of every course. The executor is what refers to chunks: a table from chunk to locator, out of which `forget` takes
// one, and in which reclamation changes locators, if they still stand. The model has places of its own for the same chunks and
// never moves them; the whole state is every chunk that is referred to, read at the store's locator and at the model's. After a
// reclamation everything is made persistent and the extent released.
//
// Claimed besides the answers: no two chunks ever have places that overlap; a reclamation asks about and moves exactly what is
// referred to; what it leaves can be released whole; a locator that is not exactly that of a chunk is an error.
//
// ErrFull is a right answer while at most chunkReserve extents are free. Blind spots: references that change while a reclamation
// is under way.
type Chunk struct {
	course
	factory ChunkFactory
	target  ChunkTarget // nil while closed
	model   model.Chunks
	extents model.Extents
	fresh   bool // formatted and not opened yet

	chunks []aChunk
	places []chunk.Locator // every one that was given out, in extents that were not released since
	synced int             // dependencies that were persistent once

	// The operation under way.
	header chunk.Header
	filler filler
	moved  int // references that followed a reclamation

	read []byte
}

// aChunk is a chunk of the sequence.
type aChunk struct {
	header    chunk.Header
	at        chunk.Locator // the store's
	ref       chunk.Locator // the model's
	forgotten bool
}

// chunkReserve is the number of free extents that a chunk store may keep for what reclamation moves.
const chunkReserve = 2

// NewChunk returns an executor that drives chunk stores of f on disks of source; as NewKV.
func NewChunk(f ChunkFactory, source DiskSource) *Chunk {
	x := &Chunk{factory: f}
	x.model.Extents = &x.extents
	x.course = course{component: x, disks: source, probes: f}
	return x
}

func (x *Chunk) format() error {
	x.fresh = true
	x.chunks, x.places, x.synced = x.chunks[:0], x.places[:0], 0
	x.extents.Reset(&endless)
	x.model.Reset()
	return x.factory.Format(x.below(), &x.seq.Config)
}

// endless is a geometry in which no sequence fills the first extent.
var endless = extent.Geometry{Extents: 1, ExtentBytes: 1 << 31, Physical: 1}

func (x *Chunk) open() error {
	t, err := x.factory.Open(x.below(), &x.seq.Config)
	if err != nil {
		return err
	}
	x.target = t
	if x.fresh && x.disk != nil {
		for i := range extent.ID(t.Len()) {
			if t.Describe(i).Owner != extent.Superblock {
				x.disk.AppendOnly(t.Geometry().Base(i))
				break
			}
		}
	}
	x.fresh = false
	return nil
}

func (x *Chunk) close() error {
	t := x.target
	if t == nil {
		return nil
	}
	x.drop()
	return t.Close()
}

func (x *Chunk) drop() { x.target = nil }

func (x *Chunk) inside() any { return x.target }

// settle has nothing to tell: the model does not ask what is persistent.
func (x *Chunk) settle() {}

func (x *Chunk) audit() *Failure { return CheckAudit(x.target, x.disk, &x.scratch) }

func (x *Chunk) apply(op *Op) {
	switch op.Kind {
	case KindPutChunk:
		x.put(op)
	case KindGetChunk:
		if i, ok := x.chosen(op); ok {
			x.get(&x.chunks[i])
		}
	case KindStale:
		x.stale(op)
	case KindForget:
		if i, ok := x.chosen(op); ok {
			x.chunks[i].forgotten = true
		}
	case KindReclaim:
		x.reclaim(op)
	case KindPump:
		x.got.count, x.got.err = x.target.Pump(int(op.Len))
		x.want.count = max(0, min(x.got.count, int(op.Len)))
		x.effect = x.got.count > 0
	case KindSync:
		x.sync()
	case KindCheck:
		x.course.audit()
	case KindReboot:
		x.reboot()
	default:
		x.effect = false
	}
}

// chosen returns the index of the chunk that op means: counted back from the newest, modulo how many are referred to.
func (x *Chunk) chosen(op *Op) (int, bool) {
	n := uint64(0)
	for i := range x.chunks {
		n += bit(!x.chunks[i].forgotten)
	}
	if n == 0 {
		x.effect = false
		return 0, false
	}
	left := op.Choice % n
	for i := len(x.chunks) - 1; ; i-- {
		if !x.chunks[i].forgotten {
			if left == 0 {
				return i, true
			}
			left--
		}
	}
}

// put writes a frame: of a part of a shard, whose UUID is the store's to draw, or a copy, which has one.
func (x *Chunk) put(op *Op) {
	payload := int(op.Len)
	fill := x.filler.begin(op, payload)
	n := uint64(len(x.chunks)) + 1
	put := chunk.Header{Kind: chunk.PutPart, ID: ShardIDOf(KeyID(op.Fill % 64)), Mutation: n, Parts: 2}
	if op.Fill&1 != 0 {
		put = chunk.Header{Kind: chunk.Copy, Mutation: n, Parts: 1, UUID: chunk.UUID{byte(n), byte(n >> 8), 1}}
	}
	x.header = put
	at, dep, err := x.target.Append(&x.header, payload, iosched.Dependency{}, fill)
	x.got.err = err
	switch {
	case uint64(chunk.FrameBytes(payload)) > uint64(x.target.Geometry().ExtentBytes):
		x.want.err = extent.ErrTooLarge
	case err != nil && x.full():
		x.refused(err)
	}
	if err != nil || x.want.err != nil {
		x.effect = false
		return
	}
	put.Length = uint32(payload)
	if put.Kind != chunk.Copy {
		put.UUID = x.header.UUID
	}
	if x.header != put || put.UUID == (chunk.UUID{}) && x.seq.Config.Get(OptUUIDBits) >= 64 {
		x.keep(&Failure{
			Signature: Signature{Property: PropertyEqual, Field: "header"}, Claim: "an append completes the header with length and UUID, and leaves the rest",
			Want: fmt.Sprintf("%+v", put), Got: fmt.Sprintf("%+v", x.header),
		})
	}
	x.keep(x.filler.check(at.Place().At(chunk.HeaderBytes)))
	x.placed(at, payload)
	ref, _, err := x.model.Append(&put, payload, iosched.Dependency{}, fill)
	if err != nil {
		x.fault = err
	}
	x.chunks = append(x.chunks, aChunk{header: x.header, at: at, ref: ref})
	x.deps = append(x.deps, dep)
	x.got.place, x.want.place = at, at // the place is the store's to choose
	x.got.count, x.want.count = len(x.deps), len(x.deps)
}

// full reports whether a store may say that it is.
func (x *Chunk) full() bool {
	free := 0
	for i := range extent.ID(x.target.Len()) {
		if x.target.Describe(i).Owner == extent.Free {
			free++
		}
	}
	return free <= chunkReserve
}

// placed notes the place of a new frame, which is in the present generation of its extent and overlaps no other there.
func (x *Chunk) placed(at chunk.Locator, payload int) {
	if now := x.target.Describe(at.Extent).Generation; at.Generation != now {
		x.keep(&Failure{
			Signature: Signature{Property: PropertyEqual, Field: "place"}, Claim: "a chunk gets a place in the present generation of an extent",
			Want: fmt.Sprintf("generation %d", now), Got: at.String(),
		})
	}
	for _, p := range x.places {
		if p.Extent == at.Extent && uint64(p.Offset) < at.End() && uint64(at.Offset) < p.End() {
			x.keep(&Failure{
				Signature: Signature{Property: PropertyEqual, Field: "place"}, Claim: "no two chunks ever have places that overlap",
				Want: "a place behind " + p.String(), Got: at.String(),
			})
		}
	}
	if int(at.Length) != chunk.FrameBytes(payload) {
		x.keep(&Failure{
			Signature: Signature{Property: PropertyEqual, Field: "place"}, Claim: "a locator has the length of the frame",
			Want: fmt.Sprint(chunk.FrameBytes(payload)), Got: at.String(),
		})
	}
	x.places = append(x.places, at)
}

// bytes returns the payload of c as the model has it.
func (x *Chunk) bytes(c *aChunk) []byte {
	p, err := x.extents.View(c.ref.Place().At(chunk.HeaderBytes), int(c.header.Length))
	if err != nil {
		x.fault = err
	}
	return p
}

// get reads a chunk on both sides.
func (x *Chunk) get(c *aChunk) {
	h, p, err := x.target.Get(c.at)
	x.got.err = err
	if err == nil {
		x.read = append(x.read[:0], p...)
		x.got.value, x.got.header = x.read, h
		if x.spoiled && len(p) > 0 {
			x.read[0] ^= 1
		}
		x.stats.Reads++
	}
	x.effect = err == nil
	x.want.header, x.want.value = c.header, x.bytes(c)
}

// stale reads at a locator that is almost that of a chunk. One that happens to be exact is no business of this operation.
func (x *Chunk) stale(op *Op) {
	i, ok := x.chosen(op)
	if !ok {
		return
	}
	l := x.forged(x.chunks[i].at, op.Which)
	if slices.Contains(x.places, l) {
		x.effect = false
		return
	}
	h, p, err := x.target.Get(l)
	x.got.err, x.want.err = err, fault.ErrCorrupt
	if err == nil {
		x.read = append(x.read[:0], p...)
		x.got.value, x.got.header = x.read, h
	}
}

// forged returns l with one thing wrong; see ForgeryNames.
func (x *Chunk) forged(l chunk.Locator, how uint8) chunk.Locator {
	switch g := x.target.Geometry(); how {
	case 0:
		l.Offset++
	case 1:
		l.Offset += g.Physical
	case 2:
		l.Length--
	case 3:
		l.Length++
	case 4:
		l.Generation--
	case 5:
		l.Extent++
	case 6:
		l.Offset = x.target.Describe(l.Extent).Pointer
	default:
		l = chunk.Locator{}
	}
	return l
}

// sync makes everything persistent, and wants it to be.
func (x *Chunk) sync() {
	x.got.err = x.target.Sync(context.Background())
	x.want.state, x.got.state = iosched.Persistent, iosched.Persistent
	for _, d := range x.deps[x.synced:] {
		if s := d.State(); s != iosched.Persistent {
			x.got.state = s
		}
	}
	x.synced = len(x.deps)
}

// reclaim moves what is referred to out of an extent and releases it. If there is no room for the copies, those that were made
// are referred to, and the extent stays.
func (x *Chunk) reclaim(op *Op) {
	id, ok := chosenExtent(&x.course, op, x.target.Len(), func(i extent.ID) bool { return inUse(x.target.Describe(i).Owner) })
	if !ok {
		return
	}
	before := x.target.Describe(id)
	x.moved = 0
	live := x.refersTo(id)
	x.got.count, x.got.err = x.target.Reclaim(id, x)
	x.want.count = live
	if x.got.err != nil && x.full() && x.refused(x.got.err) {
		x.want.count = x.moved
		return
	}
	if x.got.err != nil || x.failure != nil {
		return
	}
	if n := x.refersTo(id); n > 0 || x.moved != live {
		x.keep(&Failure{
			Signature: Signature{Property: PropertyEqual, Field: "references"}, Claim: "a reclamation moves exactly what is referred to",
			Want: fmt.Sprintf("%d moved, none left", live), Got: fmt.Sprintf("%d moved, %d left", x.moved, n),
		})
		return
	}
	x.sync()
	if x.got.err = x.target.Release(id); x.got.err != nil {
		return
	}
	if x.disk != nil {
		x.disk.Release(x.target.Geometry().Base(id), int64(x.target.Geometry().ExtentBytes))
	}
	want := extent.Entry{Owner: extent.Free, Generation: before.Generation + 1}
	if after := x.target.Describe(id); !sameExtent(&after, &want) {
		x.keep(stateFailure("extent", "", "what is forgotten keeps no space once its extent is reclaimed", extentText(&want), extentText(&after)))
	}
	kept := x.places[:0]
	for _, l := range x.places {
		if l.Extent != id {
			kept = append(kept, l)
		} else if _, p, err := x.target.Get(l); err == nil {
			x.keep(stateFailure("error", "ok", "what was released cannot be read", "corrupt", valueText(p)))
		}
	}
	x.places = kept
}

// refersTo returns how many chunks that are referred to lie in an extent.
func (x *Chunk) refersTo(id extent.ID) (n int) {
	for i := range x.chunks {
		if !x.chunks[i].forgotten && x.chunks[i].at.Extent == id {
			n++
		}
	}
	return n
}

// Holds implements chunk.References.
func (x *Chunk) Holds(h *chunk.Header, l chunk.Locator) (bool, error) {
	return x.reference(h, l) >= 0, nil
}

// Moved implements chunk.References.
func (x *Chunk) Moved(h *chunk.Header, from, to chunk.Locator, dep iosched.Dependency) (bool, error) {
	x.placed(to, int(h.Length))
	x.deps = append(x.deps, dep)
	i := x.reference(h, from)
	if i < 0 {
		x.keep(stateFailure("references", "", "a reclamation moves nothing that is forgotten", "a chunk that is referred to", from.String()))
		return false, nil
	}
	x.chunks[i].at = to
	x.moved++
	return true, nil
}

// reference returns the index of the chunk that is referred to at l, -1 if there is none. The header is the chunk's.
func (x *Chunk) reference(h *chunk.Header, l chunk.Locator) int {
	for i := range x.chunks {
		c := &x.chunks[i]
		if c.forgotten || c.at != l {
			continue
		}
		if *h != c.header {
			x.keep(stateFailure("header", "", "a reclamation names chunks by their own headers", fmt.Sprintf("%+v", c.header), fmt.Sprintf("%+v", *h)))
		}
		return i
	}
	return -1
}

// equal compares every chunk that is referred to.
func (x *Chunk) equal() *Failure {
	for i := range x.chunks {
		c := &x.chunks[i]
		if c.forgotten {
			continue
		}
		want := x.bytes(c)
		header, got, err := x.target.Get(c.at)
		switch {
		case err != nil:
			return stateFailure("error", siteOf(err), chunkText(i)+" can be read", valueText(want), errorText(err))
		case header != c.header:
			return stateFailure("header", "", chunkText(i)+" has the header it was put with", fmt.Sprintf("%+v", c.header), fmt.Sprintf("%+v", header))
		case !bytes.Equal(got, want):
			return stateFailure("value", "", chunkText(i)+" reads as it was put", valueText(want), valueText(got))
		}
	}
	return nil
}

func chunkText(i int) string { return fmt.Sprintf("chunk %d", i+1) }
