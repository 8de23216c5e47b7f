package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/model"
)

var none iosched.Dependency

// newExtents returns five extents of eight blocks of 64 bytes, the first of them the superblock's.
func newExtents() *model.Extents {
	e := new(model.Extents)
	e.Reset(&extent.Geometry{Extents: 5, ExtentBytes: 512, Logical: 64, Physical: 64}, extent.Superblock)
	return e
}

// appendText appends s for an owner.
func appendText(t *testing.T, e extent.Extents, owner extent.Owner, s string, after iosched.Dependency) (extent.Locator, iosched.Dependency) {
	t.Helper()
	var placed extent.Place
	l, d, err := e.Append(owner, len(s), after, func(b []byte, at extent.Place) {
		require.Equal(t, make([]byte, len(s)), b, "zero before")
		copy(b, s)
		placed = at
	})
	require.NoError(t, err)
	require.Equal(t, placed, l.Place())
	return l, d
}

func requireText(t *testing.T, e extent.Extents, l extent.Locator, want string) {
	t.Helper()
	b, err := e.Read(l.Place(), int(l.Length))
	require.NoError(t, err)
	require.Equal(t, want, string(b))
}

func requireEntry(t *testing.T, e extent.Extents, x extent.ID, owner extent.Owner, generation extent.Generation, pointer uint32) {
	t.Helper()
	d := e.Describe(x)
	require.Equal(t, []any{owner, generation, pointer}, []any{d.Owner, d.Generation, d.Pointer})
}

func TestAppendsOfAnOwnerFollowEachOther(t *testing.T) {
	e := newExtents()
	a, _ := appendText(t, e, extent.Runs, "one", none)
	b, _ := appendText(t, e, extent.Metadata, "two", none)
	c, _ := appendText(t, e, extent.Runs, "three", none)
	require.Equal(t, extent.Locator{Extent: 1, Generation: 1, Offset: 0, Length: 3}, a)
	require.Equal(t, extent.Locator{Extent: 2, Generation: 1, Offset: 0, Length: 3}, b)
	require.Equal(t, extent.Locator{Extent: 1, Generation: 1, Offset: 64, Length: 5}, c)
	requireText(t, e, a, "one")
	requireText(t, e, b, "two")
	requireText(t, e, c, "three")
	requireEntry(t, e, 0, extent.Superblock, 1, 0)
	requireEntry(t, e, 1, extent.Runs, 1, 128)
	requireEntry(t, e, 3, extent.Free, 1, 0)
}

func TestWhatDoesNotFitBeginsAnotherExtent(t *testing.T) {
	e := newExtents()
	appendText(t, e, extent.Runs, string(make([]byte, 400)), none)
	l, _ := appendText(t, e, extent.Runs, string(make([]byte, 100)), none)
	require.EqualValues(t, 2, l.Extent)
	e.Next = 4
	l, _ = appendText(t, e, extent.Runs, string(make([]byte, 500)), none)
	require.EqualValues(t, 4, l.Extent, "the one that is asked for")
	l, _ = appendText(t, e, extent.Runs, string(make([]byte, 500)), none)
	require.EqualValues(t, 3, l.Extent, "that one is not free")
	_, _, err := e.Append(extent.Runs, 1, none, nil)
	require.ErrorIs(t, err, extent.ErrFull)
	_, _, err = e.Append(extent.Runs, 513, none, nil)
	require.ErrorIs(t, err, extent.ErrTooLarge)
}

func TestNothingIsReadBehindThePointerOrInAnotherGeneration(t *testing.T) {
	e := newExtents()
	l, _ := appendText(t, e, extent.Runs, "one", none)
	for name, at := range map[string]extent.Place{
		"behind the pointer": l.Place().At(62),
		"another generation": {Extent: 1, Generation: 2},
		"no such extent":     {Extent: 5, Generation: 1},
		"nothing appended":   {Extent: 2, Generation: 1},
	} {
		_, err := e.Read(at, 3)
		require.ErrorIs(t, err, fault.ErrCorrupt, name)
	}
	require.NoError(t, e.Release(1))
	requireEntry(t, e, 1, extent.Free, 2, 0)
	_, err := e.Read(l.Place(), 3)
	require.ErrorIs(t, err, fault.ErrCorrupt)
	again, _ := appendText(t, e, extent.Runs, "two", none)
	require.Equal(t, extent.Place{Extent: 1, Generation: 2}, again.Place())
	_, err = e.Read(l.Place(), 3)
	require.ErrorIs(t, err, fault.ErrCorrupt)
}

func TestReleaseIsRefused(t *testing.T) {
	e := newExtents()
	require.ErrorIs(t, e.Release(0), extent.ErrFree, "the superblock's")
	require.ErrorIs(t, e.Release(1), extent.ErrFree)
	appendText(t, e, extent.Runs, "one", none)
	e.Pin(1)
	e.Pin(1)
	e.Unpin(1)
	require.ErrorIs(t, e.Release(1), extent.ErrPinned)
	e.Reboot()
	require.NoError(t, e.Release(1), "pins are of one life")
}

func TestWhatIsLentIsTakenBack(t *testing.T) {
	e := newExtents()
	l, _ := appendText(t, e, extent.Runs, "one", none)
	b, err := e.Read(l.Place(), 3)
	require.NoError(t, err)
	appendText(t, e, extent.Runs, "two", none)
	require.NotEqual(t, "one", string(b))
	requireText(t, e, l, "one")
}

func TestAppendsBecomePersistentAfterWhatTheyWaitFor(t *testing.T) {
	e, other := newExtents(), newExtents()
	_, first := appendText(t, other, extent.Runs, "elsewhere", none)
	_, a := appendText(t, e, extent.Runs, "one", none)
	_, b := appendText(t, e, extent.Runs, "two", first)
	n, err := e.Pump(4)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.True(t, a.Persistent())
	require.False(t, b.Persistent())
	require.NoError(t, other.Sync(ctx))
	require.NoError(t, e.Sync(ctx))
	require.True(t, b.Persistent())
	require.NoError(t, b.Err())
}

func TestExtentsSurviveAReboot(t *testing.T) {
	e := newExtents()
	l, d := appendText(t, e, extent.Runs, "one", none)
	e.Reboot()
	require.True(t, d.Persistent())
	requireText(t, e, l, "one")
	requireEntry(t, e, 1, extent.Runs, 1, 64)
	again, _ := appendText(t, e, extent.Runs, "two", none)
	require.EqualValues(t, 2, again.Extent, "every life begins its own")
	e.Reset(e.Geometry(), extent.Superblock)
	requireEntry(t, e, 1, extent.Free, 1, 0)
}
