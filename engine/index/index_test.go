package index

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
)

func id(n int) (s chunk.ShardID) {
	binary.BigEndian.PutUint32(s[8:], uint32(n))
	return s
}

func entry(n int) Entry {
	return Entry{ID: id(n), Kind: Put, Mutation: uint64(n) + 1, Locator: chunk.Locator{Extent: 5, Generation: 2, Offset: uint32(n) * 64, Length: 100}}
}

// image is an extent in memory.
type image struct{ b []byte }

func (m *image) ReadAt(p []byte, at chunk.Place) error {
	copy(p, m.b[at.Offset:])
	return nil
}

func (m *image) ReadRange(at chunk.Place, n uint32) ([]byte, error) {
	return m.b[at.Offset : at.Offset+n], nil
}

var geometry = extent.Geometry{
	DiskBytes: 1 << 20, ExtentBytes: 1 << 16, Extents: 16, Logical: 64, Physical: 64, PageBytes: 192, WindowBytes: 2048, WindowUnits: 4,
}

// build lays out a run of the even numbers below 2n, in tables of that many pages.
func build(t *testing.T, n, tablePages int) (*Run, *image, *Shape) {
	t.Helper()
	s := ShapeOf(&geometry, tablePages)
	m := &image{b: make([]byte, geometry.ExtentBytes)}
	r := &Run{}
	at := chunk.Place{Extent: 9, Generation: 4, Offset: 128}
	for i := 0; i < n; {
		var entries []Entry
		for ; i < n && len(entries) < s.MaxEntries(); i++ {
			entries = append(entries, entry(2*i))
		}
		size := s.FrameBytes(len(entries))
		f := m.b[at.Offset:][:size]
		table := s.Encode(f, entries, chunk.UUID{1}, at)
		_, _, err := chunk.Decode(f, at)
		require.NoError(t, err, "a table is a frame")
		table.fences = nil
		r.Tables = append(r.Tables, table)
		at.Offset += geometry.RoundUp(uint32(size))
	}
	return r, m, &s
}

func TestRunFindsWhatItHoldsAndNothingElse(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 7, 50, 200} {
		for _, pages := range []int{1, 2, 5, 0} {
			t.Run(fmt.Sprintf("%d entries, tables of %d pages", n, pages), func(t *testing.T) {
				r, m, s := build(t, n, pages)
				page := make([]byte, s.PageBytes)
				for i := -1; i <= 2*n; i++ {
					if i < 0 {
						continue
					}
					want := id(i)
					var e Entry
					found, err := r.Get(m, s, page, &want, &e)
					require.NoError(t, err)
					require.Equal(t, i%2 == 0 && i < 2*n, found, "entry %d", i)
					if found {
						require.Equal(t, entry(i), e)
					}
					var c RunCursor
					require.NoError(t, c.Seek(r, m, s, page, &want))
					for next := i + i%2; next < 2*n; next += 2 {
						require.NotNil(t, c.Entry())
						require.Equal(t, entry(next), *c.Entry())
						require.NoError(t, c.Next())
					}
					require.Nil(t, c.Entry())
				}
			})
		}
	}
}

// Every byte of a table is covered: a damaged block is an error for its own keys alone, damaged fences have a second copy.
func TestDamagedByteOfATableIsNeverAWrongAnswer(t *testing.T) {
	const n = 40
	r, m, s := build(t, n, 4)
	page := make([]byte, s.PageBytes)
	for i := range r.Tables[0].Locator.Length {
		at := r.Tables[0].Locator.Offset + i
		m.b[at] ^= 0x40
		bad := 0
		for k := range n {
			r.Tables[0].fences = nil
			want := id(2 * k)
			var e Entry
			found, err := r.Get(m, s, page, &want, &e)
			switch {
			case err != nil:
				require.ErrorIs(t, err, fault.ErrCorrupt)
				bad++
			default:
				require.True(t, found)
				require.Equal(t, entry(2*k), e)
			}
		}
		require.LessOrEqual(t, bad, PerBlock(s.PageBytes), "byte %d", i)
		m.b[at] ^= 0x40
	}
}

func TestMemtableKeepsTheNewestInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var m Memtable
	m.Reset()
	want := map[int]Entry{}
	for i := range 3000 {
		e := entry(r.IntN(700))
		e.Mutation = uint64(i)
		m.Set(&e)
		want[int(binary.BigEndian.Uint32(e.ID[8:]))] = e
	}
	require.Equal(t, len(want), m.Len())
	keys := make([]int, 0, len(want))
	for k := range want {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	c := m.Seek(nil)
	for _, k := range keys {
		require.Equal(t, want[k], *c.Entry())
		wanted := id(k)
		require.Equal(t, want[k], *m.Get(&wanted))
		c.Next()
	}
	require.Nil(t, c.Entry())
}

func TestMergeShowsTheNewerOfEqualShards(t *testing.T) {
	r, m, s := build(t, 20, 2)
	var mem Memtable
	mem.Reset()
	for _, k := range []int{0, 3, 4, 38, 41} {
		e := entry(k)
		e.Mutation = 1000
		mem.Set(&e)
	}
	var g Merge
	require.NoError(t, g.Seek(&mem, r, m, s, make([]byte, s.PageBytes), nil))
	var got []string
	for {
		e, err := g.Next()
		require.NoError(t, err)
		if e == nil {
			break
		}
		if e.Mutation == 1000 || binary.BigEndian.Uint32(e.ID[8:])%2 == 1 {
			got = append(got, fmt.Sprint(binary.BigEndian.Uint32(e.ID[8:])))
		}
	}
	require.Equal(t, []string{"0", "3", "4", "38", "41"}, got)
}

func TestMetadataComesBackAsItWasAndNoTruncationDoes(t *testing.T) {
	r, _, _ := build(t, 60, 2)
	m := Metadata{Replay: 9, Run: *r, Live: make([]uint32, geometry.Extents)}
	m.Live[9], m.Live[15] = 4000, 1
	record := m.Append(nil)
	require.Len(t, record, m.Bytes())
	var got Metadata
	require.NoError(t, got.Decode(record, &geometry, chunk.Place{}))
	require.Equal(t, m.Live, got.Live)
	require.Equal(t, m.Replay, got.Replay)
	require.Equal(t, 60, got.Entries)
	require.Equal(t, record, got.Append(nil))
	for n := range record {
		require.ErrorIs(t, got.Decode(record[:n], &geometry, chunk.Place{}), fault.ErrCorrupt)
	}
}
