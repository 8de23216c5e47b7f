package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/model"
)

func appendChunk(t *testing.T, c chunk.Chunks, s string) chunk.Locator {
	t.Helper()
	h := chunk.Header{Kind: chunk.Run, Parts: 1}
	l, _, err := c.Append(&h, len(s), none, func(p []byte, _ chunk.Place) { copy(p, s) })
	require.NoError(t, err)
	require.NotZero(t, h.UUID)
	require.EqualValues(t, len(s), h.Length)
	require.EqualValues(t, len(s)+chunk.Overhead, l.Length)
	return l
}

func requireChunk(t *testing.T, c chunk.Chunks, l chunk.Locator, want string) {
	t.Helper()
	h, p, err := c.Get(l)
	require.NoError(t, err)
	require.Equal(t, chunk.Run, h.Kind)
	require.Equal(t, want, string(p))
	p, err = c.Read(l, chunk.HeaderBytes+1, len(want)-1)
	require.NoError(t, err)
	require.Equal(t, want[1:], string(p))
}

func TestChunksComeBackAsTheyWere(t *testing.T) {
	c := &model.Chunks{Extents: newExtents()}
	a, b := appendChunk(t, c, "one"), appendChunk(t, c, "three")
	requireChunk(t, c, a, "one")
	requireChunk(t, c, b, "three")
}

func TestOnlyExactLocatorsRead(t *testing.T) {
	c := &model.Chunks{Extents: newExtents()}
	l := appendChunk(t, c, "one")
	for name, change := range map[string]func(l *chunk.Locator){
		"offset":     func(l *chunk.Locator) { l.Offset++ },
		"length":     func(l *chunk.Locator) { l.Length-- },
		"generation": func(l *chunk.Locator) { l.Generation++ },
		"extent":     func(l *chunk.Locator) { l.Extent++ },
		"all":        func(l *chunk.Locator) { *l = chunk.Locator{} },
	} {
		other := l
		change(&other)
		_, _, err := c.Get(other)
		require.ErrorIs(t, err, fault.ErrCorrupt, name)
	}
	_, err := c.Read(l, int(l.Length)-1, 2)
	require.ErrorIs(t, err, fault.ErrCorrupt)
}

// holder refers to chunks.
type holder struct {
	refs map[chunk.Locator]chunk.Locator
}

func (h holder) Holds(_ *chunk.Header, l chunk.Locator) (bool, error) {
	_, held := h.refs[l]
	return held, nil
}

func (h holder) Moved(_ *chunk.Header, from, to chunk.Locator, _ iosched.Dependency) (bool, error) {
	h.refs[from] = to
	return true, nil
}

func TestReclaimMovesWhatIsHeld(t *testing.T) {
	c := &model.Chunks{Extents: newExtents()}
	a, b, gone := appendChunk(t, c, "one"), appendChunk(t, c, "two"), appendChunk(t, c, "gone")
	h := holder{map[chunk.Locator]chunk.Locator{a: {}, b: {}}}
	moved, err := c.Reclaim(a.Extent, h)
	require.NoError(t, err)
	require.Equal(t, 2, moved)
	requireChunk(t, c, a, "one")
	require.NoError(t, c.Release(a.Extent))
	requireChunk(t, c, h.refs[a], "one")
	requireChunk(t, c, h.refs[b], "two")
	for _, l := range []chunk.Locator{a, b, gone} {
		_, _, err := c.Get(l)
		require.ErrorIs(t, err, fault.ErrCorrupt)
	}
	require.Equal(t, extent.Free, c.Describe(a.Extent).Owner)
}
