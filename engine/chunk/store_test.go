package chunk_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/model"
)

// The chunk store on the model of the extents, whose reads are overwritten by the next call.

var none iosched.Dependency

func newStore(t *testing.T, extents uint32) (*chunk.Store, *model.Extents) {
	t.Helper()
	e := new(model.Extents)
	e.Reset(&extent.Geometry{Extents: extents, ExtentBytes: 2048, Logical: 64, Physical: 64}, extent.Superblock)
	return chunk.NewStore(e, rand.NewPCG(1, 2)), e
}

// put appends a frame of that kind whose payload is n bytes that depend on its number.
func put(t *testing.T, s *chunk.Store, kind chunk.Kind, number uint64, n int) (chunk.Header, chunk.Locator) {
	t.Helper()
	h := chunk.Header{Kind: kind, Mutation: number, Parts: 1}
	if kind == chunk.Copy {
		h.UUID = chunk.UUID{byte(number), 1}
	}
	l, _, err := s.Append(&h, n, none, func(p []byte, _ chunk.Place) { copy(p, payload(number, n)) })
	require.NoError(t, err)
	require.EqualValues(t, n, h.Length)
	require.EqualValues(t, chunk.FrameBytes(n), l.Length)
	require.NotZero(t, h.UUID)
	return h, l
}

func payload(number uint64, n int) []byte { return bytes.Repeat([]byte{byte(number)*2 + 1}, n) }

func requireChunk(t *testing.T, s *chunk.Store, l chunk.Locator, h chunk.Header) {
	t.Helper()
	got, p, err := s.Get(l)
	require.NoError(t, err)
	require.Equal(t, h, got)
	require.Equal(t, payload(h.Mutation, int(h.Length)), append([]byte{}, p...))
}

func TestChunksOfEveryKindComeBack(t *testing.T) {
	s, e := newStore(t, 11)
	owners := map[chunk.Kind]extent.Owner{chunk.Run: extent.Runs, chunk.Metadata: extent.Metadata, chunk.Copy: extent.Copies, chunk.PutPart: extent.Copies}
	for kind, owner := range owners {
		h, l := put(t, s, kind, 7, 100)
		requireChunk(t, s, l, h)
		require.Equal(t, owner, e.Describe(l.Extent).Owner, "%v", kind)
		b, err := s.Read(l, chunk.HeaderBytes+3, 5)
		require.NoError(t, err)
		require.Equal(t, payload(7, 5), b)
	}
}

func TestOnlyTheExactLocatorReads(t *testing.T) {
	s, e := newStore(t, 11)
	_, l := put(t, s, chunk.Copy, 1, 100)
	put(t, s, chunk.Copy, 2, 100)
	for name, change := range map[string]func(l *chunk.Locator){
		"offset off by one":   func(l *chunk.Locator) { l.Offset++ },
		"offset of the next":  func(l *chunk.Locator) { l.Offset += 64 },
		"a byte shorter":      func(l *chunk.Locator) { l.Length-- },
		"a byte longer":       func(l *chunk.Locator) { l.Length++ },
		"no room for a frame": func(l *chunk.Locator) { l.Length = 3 },
		"another generation":  func(l *chunk.Locator) { l.Generation++ },
		"another extent":      func(l *chunk.Locator) { l.Extent++ },
		"no such extent":      func(l *chunk.Locator) { l.Extent = 99 },
		"behind the pointer":  func(l *chunk.Locator) { l.Offset = e.Describe(l.Extent).Pointer },
		"nowhere":             func(l *chunk.Locator) { *l = chunk.Locator{} },
	} {
		forged := l
		change(&forged)
		_, _, err := s.Get(forged)
		require.ErrorIs(t, err, fault.ErrCorrupt, name)
	}
	for _, r := range [][2]int{{-1, 2}, {0, -1}, {int(l.Length) - 1, 2}, {int(l.Length) + 1, 0}} {
		_, err := s.Read(l, r[0], r[1])
		require.ErrorIs(t, err, fault.ErrCorrupt, "%v", r)
	}
}

// table is what refers to chunks.
type table struct {
	t      *testing.T
	at     map[chunk.Locator]uint64 // mutations
	copies []iosched.Dependency
	sure   bool // otherwise it does not know what it refers to
	late   bool // it refers no more once a copy is there
}

func (r *table) Holds(h *chunk.Header, l chunk.Locator) (bool, error) {
	if !r.sure {
		return false, errors.New("the index cannot be read")
	}
	m, held := r.at[l]
	if held {
		require.Equal(r.t, m, h.Mutation)
	}
	return held, nil
}

func (r *table) Moved(h *chunk.Header, from, to chunk.Locator, dep iosched.Dependency) (bool, error) {
	m, held := r.at[from]
	require.True(r.t, held, "what is not referred to is not moved")
	require.Equal(r.t, m, h.Mutation)
	if r.late {
		return false, nil
	}
	delete(r.at, from)
	r.at[to] = m
	r.copies = append(r.copies, dep)
	return true, nil
}

func TestReclaimMovesWhatIsReferredTo(t *testing.T) {
	for size := range 200 {
		s, e := newStore(t, 11)
		refs := &table{t: t, at: map[chunk.Locator]uint64{}, sure: true}
		headers := map[uint64]chunk.Header{}
		var old []chunk.Locator
		for m := range uint64(8) {
			h, l := put(t, s, chunk.PutPart, m, size+int(m)*7%90)
			if m%3 != 0 {
				refs.at[l], headers[m] = m, h
			}
			old = append(old, l)
		}
		x := old[0].Extent
		n := 0
		for l := range refs.at {
			if l.Extent == x {
				n++
			}
		}
		e.Reboot() // nothing appends to x any more
		moved, err := s.Reclaim(x, refs)
		require.NoError(t, err, "size %d", size)
		require.Equal(t, n, moved)
		require.False(t, n > 0 && refs.copies[0].Persistent())
		require.NoError(t, e.Sync(context.Background()))
		for _, d := range refs.copies {
			require.True(t, d.Persistent())
		}
		require.NoError(t, e.Release(x))
		for l, m := range refs.at {
			require.NotEqual(t, x, l.Extent)
			requireChunk(t, s, l, headers[m])
		}
		for _, l := range old {
			if l.Extent == x {
				_, _, err := s.Get(l)
				require.ErrorIs(t, err, fault.ErrCorrupt)
			}
		}
	}
}

func TestWhatNobodyKnowsOfStays(t *testing.T) {
	s, e := newStore(t, 11)
	h, l := put(t, s, chunk.Copy, 1, 100)
	e.Reboot()
	moved, _ := s.Reclaim(l.Extent, &table{t: t})
	require.Zero(t, moved)
	requireChunk(t, s, l, h)
}

func TestAReferenceThatChangedMeanwhileIsNotMoved(t *testing.T) {
	s, e := newStore(t, 11)
	_, l := put(t, s, chunk.Copy, 1, 100)
	e.Reboot()
	moved, err := s.Reclaim(l.Extent, &table{t: t, at: map[chunk.Locator]uint64{l: 1}, sure: true, late: true})
	require.NoError(t, err)
	require.Zero(t, moved)
}

func TestReclaimWithoutRoomSaysSo(t *testing.T) {
	s, e := newStore(t, 3)
	refs := &table{t: t, at: map[chunk.Locator]uint64{}, sure: true}
	headers := map[uint64]chunk.Header{}
	for m := range uint64(2) {
		h, l := put(t, s, chunk.PutPart, m, 1500)
		refs.at[l], headers[m] = m, h
	}
	e.Reboot()
	_, err := s.Reclaim(1, refs)
	require.ErrorIs(t, err, extent.ErrFull)
	for l, m := range refs.at {
		requireChunk(t, s, l, headers[m])
	}
}

func TestAFrameThatCannotBeReadStaysAndTheOthersMove(t *testing.T) {
	s, e := newStore(t, 11)
	rotten := &rot{Extents: e}
	s.Reset(rotten, rand.NewPCG(1, 2))
	refs := &table{t: t, at: map[chunk.Locator]uint64{}, sure: true}
	var all []chunk.Locator
	for m := range uint64(5) {
		_, l := put(t, s, chunk.Copy, m, 100)
		refs.at[l] = m
		all = append(all, l)
	}
	e.Reboot()
	for _, what := range []uint32{chunk.HeaderBytes + 9, 20} { // a byte of the payload, of the header
		rotten.at = all[2].Place().At(int(what))
		moved, err := s.Reclaim(all[0].Extent, refs)
		require.ErrorIs(t, err, fault.ErrCorrupt)
		if what > chunk.HeaderBytes {
			require.Equal(t, 4, moved)
		}
		require.Contains(t, refs.at, all[2])
	}
}

// rot is extents with one byte that is read wrong.
type rot struct {
	*model.Extents
	at extent.Place
}

func (r *rot) Read(at extent.Place, n int) ([]byte, error) {
	b, err := r.Extents.Read(at, n)
	if i := int(r.at.Offset) - int(at.Offset); err == nil && at.Extent == r.at.Extent && i >= 0 && i < n {
		b[i] ^= 4
	}
	return b, err
}

func TestPoorUUIDsDoNoHarm(t *testing.T) {
	e := new(model.Extents)
	e.Reset(&extent.Geometry{Extents: 11, ExtentBytes: 2048, Logical: 64, Physical: 64}, extent.Superblock)
	s := chunk.NewStore(e, zero{})
	var headers []chunk.Header
	var at []chunk.Locator
	for m := range uint64(5) {
		h := chunk.Header{Kind: chunk.Run, Mutation: m, Parts: 1}
		l, _, err := s.Append(&h, 50, none, func(p []byte, _ chunk.Place) { copy(p, payload(m, 50)) })
		require.NoError(t, err)
		headers, at = append(headers, h), append(at, l)
	}
	for i := range at {
		requireChunk(t, s, at[i], headers[i])
	}
}

// zero is a source of zeros.
type zero struct{}

func (zero) Uint64() uint64 { return 0 }
