package conformance

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
)

func TestModelChunksAgreeWithTheirModel(t *testing.T) {
	requireHolds(t, NewChunk(NewModelChunkFactory(), nil), "chunk", 2000)
	requireNoAllocation(t, NewChunk(NewModelChunkFactory(), nil), "chunk")
}

// BenchmarkChunkHarness is what a sequence of the chunk suite costs without an engine.
func BenchmarkChunkHarness(b *testing.B) {
	benchmarkFloor(b, NewChunk(NewModelChunkFactory(), nil), "chunk")
}

// spoiledChunks is wrong in one way.
type spoiledChunks struct {
	modelChunkFactory
	lies
	frames map[chunk.Locator][]byte // every payload ever written
	moved  int                      // chunks that were moved
	old    extent.ID                // the last extent that was released
	lost   chunk.Locator
}

func (c *spoiledChunks) Format(d disk.Disk, cfg *Config) error {
	c.chunks.Extents = &c.extents
	c.lies = lies{how: c.how}
	c.frames, c.moved, c.old, c.lost = map[chunk.Locator][]byte{}, 0, 0, chunk.Locator{}
	return c.modelChunkFactory.Format(d, cfg)
}

func (c *spoiledChunks) Open(d disk.Disk, cfg *Config) (ChunkTarget, error) {
	_, err := c.modelChunkFactory.Open(d, cfg)
	return spoiledChunkTarget{&c.chunks, c}, err
}

type spoiledChunkTarget struct {
	*modelChunks
	*spoiledChunks
}

func (t spoiledChunkTarget) Append(h *chunk.Header, payload int, after iosched.Dependency, fill func(p []byte, at chunk.Place)) (chunk.Locator, iosched.Dependency, error) {
	lying := fill
	switch t.how {
	case "full too early":
		return chunk.Locator{}, iosched.Dependency{}, extent.ErrFull
	case "too small a limit":
		if payload > 2000 {
			return chunk.Locator{}, iosched.Dependency{}, extent.ErrTooLarge
		}
	case "filled for the frame's place":
		lying = func(p []byte, at chunk.Place) { fill(p, at.At(-chunk.HeaderBytes)) }
	case "a place twice":
		lying = func(p []byte, at chunk.Place) { at.Offset = chunk.HeaderBytes; fill(p, at) }
	case "not filled":
		lying = func([]byte, chunk.Place) {}
	}
	l, d, err := t.modelChunks.Append(h, payload, after, lying)
	if err != nil {
		return l, d, err
	}
	_, p, _ := t.modelChunks.Get(l)
	t.frames[l] = append([]byte(nil), p...)
	switch t.how {
	case "header changed":
		h.Mutation++
	case "no uuid":
		h.UUID = chunk.UUID{}
	case "a place twice":
		l.Offset = 0
	case "locator of the payload":
		l.Length = uint32(payload)
	}
	return l, t.wrap(d), nil
}

func (t spoiledChunkTarget) Get(l chunk.Locator) (chunk.Header, []byte, error) {
	h, p, err := t.modelChunks.Get(l)
	p = append([]byte(nil), p...)
	switch {
	case t.how == "get panics":
		panic("spoiled")
	case t.how == "wrong byte" && len(p) > 0:
		p[0] ^= 1
	case t.how == "a byte short" && len(p) > 0:
		p = p[:len(p)-1]
	case t.how == "wrong header":
		h.Mutation++
	case t.how == "length is not checked" && err != nil:
		for at, old := range t.frames {
			if at.Place() == l.Place() && at.Generation == t.Describe(at.Extent).Generation {
				return h, old, nil
			}
		}
	case t.how == "generation is not checked" && err != nil:
		for at, old := range t.frames {
			if at.Extent == l.Extent && at.Offset == l.Offset {
				return h, old, nil
			}
		}
	case t.how == "reads behind the pointer" && err != nil:
		if l.Offset == t.Describe(l.Extent).Pointer && l.Offset > 0 {
			return h, make([]byte, 10), nil
		}
	case t.how == "the zero locator reads" && l.IsZero():
		return h, nil, nil
	case t.how == "stale read after release" && err != nil && t.frames[l] != nil:
		return h, t.frames[l], nil
	case t.how == "lost chunk after reboot" && t.told:
		return h, nil, l.Place().Corrupt("frame magic")
	case t.how == "reclaim damages the copy" && t.moved > 0 && len(p) > 0:
		p[0] ^= 1
	case t.how == "reclaim loses the copy" && l == t.lost:
		return h, nil, l.Place().Corrupt("frame magic")
	}
	return h, p, err
}

// spoiledReferences stands between a reclamation and the references.
type spoiledReferences struct {
	chunk.References
	c *spoiledChunks
}

func (r spoiledReferences) Holds(h *chunk.Header, l chunk.Locator) (bool, error) {
	switch r.c.how {
	case "reclaim leaves a chunk":
		return false, nil
	case "reclaim moves what is forgotten":
		return true, nil
	case "reclaim asks with another header":
		other := *h
		other.Mutation++
		h = &other
	}
	return r.References.Holds(h, l)
}

func (r spoiledReferences) Moved(h *chunk.Header, from, to chunk.Locator, dep iosched.Dependency) (bool, error) {
	r.c.moved++
	r.c.lost = to
	switch r.c.how {
	case "reclaim tells nobody":
		return true, nil
	case "reclaim moves to where it was":
		to = from
	}
	return r.References.Moved(h, from, to, r.c.wrap(dep))
}

func (t spoiledChunkTarget) Reclaim(x extent.ID, refs chunk.References) (int, error) {
	switch t.how {
	case "reclaim fails":
		return 0, errSpoiled
	case "full at a reclamation too early":
		return 0, extent.ErrFull
	}
	n, err := t.modelChunks.Reclaim(x, spoiledReferences{refs, t.spoiledChunks})
	if t.how == "reclaim miscounts" {
		n++
	}
	return n, err
}

func (t spoiledChunkTarget) Release(x extent.ID) error {
	t.old = x
	switch t.how {
	case "reclaimed extent stays pinned":
		return extent.ErrPinned
	case "release does nothing":
		return nil
	}
	return t.modelChunks.Release(x)
}

func (t spoiledChunkTarget) Describe(x extent.ID) extent.Entry {
	d := t.modelChunks.Describe(x)
	if t.how == "generation not bumped" && x == t.old && x > 0 {
		d.Generation--
	}
	return d
}

func (t spoiledChunkTarget) Pump(n int) (int, error) {
	done, err := t.modelChunks.Pump(n)
	return t.pump(n, done, err)
}
func (t spoiledChunkTarget) Sync(context.Context) error { return t.sync(t.modelChunks.Sync) }
func (t spoiledChunkTarget) Check(_ context.Context, report func(error)) error {
	return t.check(report)
}
func (t spoiledChunkTarget) Close() error { return t.close(t.modelChunks.Close()) }

func TestEverySpoiledChunkIsFound(t *testing.T) {
	const put, small = "putchunk len=100 fill=2", "putchunk len=60 fill=4"
	requireFound(t, "chunk", []spoilCase{
		{"wrong byte", put + "; getchunk", Signature{"EQ", KindGetChunk, "value", ""}, 1, "100 B"},
		{"wrong byte", put, Signature{"EQ", KindNone, "value", ""}, 1, "chunk 1 reads as it was put"},
		{"a byte short", put + "; getchunk", Signature{"EQ", KindGetChunk, "value", ""}, 1, "99 B"},
		{"wrong header", put + "; getchunk", Signature{"EQ", KindGetChunk, "header", ""}, 1, "chunk 2"},
		{"wrong header", put, Signature{"EQ", KindNone, "header", ""}, 1, "header it was put with"},
		{"header changed", put, Signature{"EQ", KindPutChunk, "header", ""}, 0, "leaves the rest"},
		{"no uuid", put, Signature{"EQ", KindPutChunk, "header", ""}, 0, "UUID"},
		{"not filled", put, Signature{"EQ", KindPutChunk, "fill", ""}, 0, "0 times"},
		{"filled for the frame's place", put, Signature{"EQ", KindPutChunk, "fill", ""}, 0, "once"},
		{"a place twice", put + "; " + put, Signature{"EQ", KindPutChunk, "place", ""}, 1, "overlap"},
		{"locator of the payload", put, Signature{"EQ", KindPutChunk, "place", ""}, 0, "length of the frame"},
		{"full too early", put, Signature{"EQ", KindPutChunk, "error", "full"}, 0, "full"},
		{"too small a limit", "putchunk len=3000", Signature{"EQ", KindPutChunk, "error", "too-large"}, 0, "larger than an extent"},
		{"get panics", put + "; getchunk", Signature{"EQ", KindGetChunk, "panic", "conformance.spoiledChunkTarget.Get"}, 1, "panic"},

		{"length is not checked", put + "; stale how=shorter", Signature{"EQ", KindStale, "error", "ok"}, 1, "corrupt"},
		{"length is not checked", put + "; stale how=longer", Signature{"EQ", KindStale, "error", "ok"}, 1, "corrupt"},
		{"generation is not checked", put + "; stale how=generation", Signature{"EQ", KindStale, "error", "ok"}, 1, "corrupt"},
		{"reads behind the pointer", put + "; stale how=pointer", Signature{"EQ", KindStale, "error", "ok"}, 1, "corrupt"},
		{"the zero locator reads", put + "; stale how=zero", Signature{"EQ", KindStale, "error", "ok"}, 1, "corrupt"},
		{"stale read after release", put + "; reclaim", Signature{"EQ", KindReclaim, "error", "ok"}, 1, "what was released cannot be read"},

		{"reclaim leaves a chunk", put + "; reclaim", Signature{"EQ", KindReclaim, "references", ""}, 1, "1 left"},
		{"reclaim moves what is forgotten", put + "; " + small + "; forget; reclaim", Signature{"EQ", KindReclaim, "references", ""}, 3, "nothing that is forgotten"},
		{"reclaim asks with another header", put + "; reclaim", Signature{"EQ", KindReclaim, "header", ""}, 1, "their own headers"},
		{"reclaim tells nobody", put + "; reclaim", Signature{"EQ", KindReclaim, "references", ""}, 1, "0 moved, 1 left"},
		{"reclaim moves to where it was", put + "; reclaim", Signature{"EQ", KindReclaim, "place", ""}, 1, "overlap"},
		{"reclaim miscounts", put + "; reclaim", Signature{"EQ", KindReclaim, "count", ""}, 1, "2 moved"},
		{"reclaim fails", put + "; reclaim", Signature{"EQ", KindReclaim, "error", "it-went-wrong"}, 1, "went wrong"},
		{"full at a reclamation too early", put + "; reclaim", Signature{"EQ", KindReclaim, "error", "full"}, 1, "full"},
		{"reclaim damages the copy", put + "; reclaim; getchunk", Signature{"EQ", KindGetChunk, "value", ""}, 2, "100 B"},
		{"reclaim damages the copy", put + "; reclaim", Signature{"EQ", KindNone, "value", ""}, 2, "chunk 1"},
		{"reclaim loses the copy", put + "; reclaim", Signature{"EQ", KindNone, "error", "corrupt-frame-magic"}, 2, "can be read"},
		{"reclaimed extent stays pinned", put + "; reclaim", Signature{"EQ", KindReclaim, "error", "pinned"}, 1, "pinned"},
		{"release does nothing", put + "; reclaim", Signature{"EQ", KindReclaim, "extent", ""}, 1, "keeps no space"},
		{"generation not bumped", put + "; reclaim", Signature{"EQ", KindReclaim, "extent", ""}, 1, "generation 1"},

		{"lost chunk after reboot", put + "; reboot; getchunk", Signature{"EQ", KindGetChunk, "error", "corrupt-frame-magic"}, 2, "frame magic"},
		{"lost chunk after reboot", put, Signature{"EQ", KindNone, "error", "corrupt-frame-magic"}, 1, "can be read"},
		{"pump overshoots", "pump n=2", Signature{"EQ", KindPump, "count", ""}, 0, "3 completed"},
		{"dependency never persistent", put + "; sync", Signature{"PROGRESS", KindSync, "state", "pending"}, 1, "waited for"},
		{"dependency never persistent", put, Signature{"PROGRESS", KindNone, "state", "pending"}, 1, "dep=1"},
		{"dependency failed", put + "; reboot", Signature{"PROGRESS", KindReboot, "state", "failed"}, 1, "disk IO failed"},
		{"sync does nothing", put + "; sync", Signature{"PROGRESS", KindSync, "state", "pending"}, 1, "waited for"},
		{"close leaves the newest pending", put + "; reboot", Signature{"PROGRESS", KindReboot, "state", "pending"}, 1, "dep=1"},
		{"close fails", "reboot", Signature{"EQ", KindReboot, "close", "io"}, 0, "closed"},
		{"check complains", "check", Signature{"AUDIT", KindCheck, "check", "corrupt-frame-trailer"}, 0, "extent 3 at 64"},
		{"check cannot look", "check", Signature{"AUDIT", KindCheck, "error", "io"}, 0, "disk IO failed"},
	}, func(how string) Executor {
		return NewChunk(&spoiledChunks{lies: lies{how: how}}, nil)
	})
}

func TestForgottenChunksAreLeftBehind(t *testing.T) {
	s := parsed(t, "chunk", "putchunk len=100 fill=2; putchunk len=90 fill=4; forget; reclaim; getchunk; getchunk pick=1; reclaim")
	x := NewChunk(NewModelChunkFactory(), nil)
	r, steps := x.Explain(s)
	require.Nil(t, r.Failure)
	require.Equal(t, "1 moved", steps[3].Model)
	require.Equal(t, steps[4].Engine, steps[5].Engine, "one is left, whatever is picked")
}

func TestAReclamationWithoutRoomLeavesEverythingReadable(t *testing.T) {
	ops := "options extents=11"
	for range 10 {
		ops += "; putchunk len=1900 fill=2; putchunk len=1900 fill=3"
	}
	r := NewChunk(NewModelChunkFactory(), nil).Run(parsed(t, "chunk", ops+"; putchunk len=100; reclaim; reclaim extent=3; getchunk"))
	require.Nil(t, r.Failure)
	require.EqualValues(t, 3, r.Stats.Refused)
}

func TestChunkExecutorCanLie(t *testing.T) {
	x := NewChunk(NewModelChunkFactory(), nil)
	s := parsed(t, "chunk", "putchunk len=100 fill=2; getchunk")
	want := x.Run(s)
	require.Equal(t, Signature{"EQ", KindGetChunk, "value", ""}, x.RunSpoiled(s).Failure.Signature)
	require.Equal(t, want, x.Run(s))
}
