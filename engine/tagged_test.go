package engine_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
)

// Values that say of every word whose it is, and a look at a disk that finds them there. So a test knows what a block holds without
// asking the engine. A word is sixteen bytes:
//
//	0        4       8         12
//	| "Mine" | shard | version | number of the word in the value |

const wordBytes = 16

var wordMagic = []byte("Mine")

// word is what one word says.
type word struct{ shard, version, number uint32 }

func (w word) append(dst []byte) []byte {
	dst = append(dst, wordMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, w.shard)
	dst = binary.LittleEndian.AppendUint32(dst, w.version)
	return binary.LittleEndian.AppendUint32(dst, w.number)
}

func wordOf(b []byte) word {
	return word{binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])}
}

// tagged is what the newest mutation of a shard left: so many words of a version; none if it was deleted.
type tagged struct{ version, words uint32 }

// value appends the value of shard n to dst.
func (v tagged) value(dst []byte, n int) []byte {
	for i := range v.words {
		dst = word{uint32(n), v.version, i}.append(dst)
	}
	return dst
}

// piece is words of one version of a shard that lie side by side on a disk.
type piece struct {
	at    int64 // bytes from the start of the disk
	first word
	words uint32
}

func (p *piece) end() int64 { return p.at + int64(p.words)*wordBytes }

// bytes returns what lies at [from, to), which are places of p.
func (p *piece) bytes(from, to int64) (b []byte) {
	first, last := (from-p.at)/wordBytes, (to-p.at+wordBytes-1)/wordBytes
	for i := first; i < last; i++ {
		b = word{p.first.shard, p.first.version, p.first.number + uint32(i)}.append(b)
	}
	return b[from-p.at-first*wordBytes:][:to-from]
}

// holds reports whether the bytes b are the next word of p.
func (p *piece) holds(b []byte) bool {
	return bytes.HasPrefix(b, wordMagic) && wordOf(b) == word{p.first.shard, p.first.version, p.first.number + p.words}
}

// findPieces returns every word on d, in order of place, wherever it lies and whether or not anybody still refers to it.
func findPieces(t *testing.T, d disk.Disk) (all []piece) {
	t.Helper()
	const step = 1 << 20
	buf := disk.Aligned(2 * step)
	kept := 0 // bytes before step, of the step before
	for off := int64(0); off < d.Info().Size; off += step {
		n := int(min(step, d.Info().Size-off))
		require.NoError(t, d.Read(buf[step:step+n], off))
		b := buf[step-kept : step+n]
		base := off - int64(kept)
		at := 0
		for at+wordBytes <= len(b) {
			if last := len(all) - 1; last >= 0 && all[last].end() == base+int64(at) && all[last].holds(b[at:]) {
				all[last].words++
				at += wordBytes
				continue
			}
			next := bytes.Index(b[at:], wordMagic)
			if next < 0 {
				at = max(at, len(b)-wordBytes+1)
				break
			}
			if at += next; at+wordBytes <= len(b) {
				all = append(all, piece{at: base + int64(at), first: wordOf(b[at:]), words: 1})
				at += wordBytes
			}
		}
		kept = len(b) - at
		copy(buf[step-kept:step], b[at:])
	}
	return all
}

// layout is where on a disk what lies.
type layout struct {
	pieces []piece            // by place
	of     map[uint32][]piece // by shard
}

func layoutOf(t *testing.T, d disk.Disk) *layout {
	l := &layout{pieces: findPieces(t, d), of: map[uint32][]piece{}}
	for _, p := range l.pieces {
		l.of[p.first.shard] = append(l.of[p.first.shard], p)
	}
	return l
}

// newest returns the pieces of the version of shard n that v is, and whether there is no second copy of any of them: then all of
// them are live.
func (l *layout) newest(n int, v tagged) (all []piece, once bool) {
	words := uint32(0)
	for _, p := range l.of[uint32(n)] {
		if v.words > 0 && p.first.version == v.version {
			all = append(all, p)
			words += p.words
		}
	}
	return all, words <= v.words
}

// anybody reports whether a shard, of whatever version, has words in [from, to).
func (l *layout) anybody(from, to int64) bool {
	i := sort.Search(len(l.pieces), func(i int) bool { return l.pieces[i].end() > from })
	return i < len(l.pieces) && l.pieces[i].at < to
}

// frameLead is how far before the first word of a piece its frame may begin: its header, and the places of other parts.
func frameLead(pieces int) int64 { return chunk.HeaderBytes + int64(pieces)*extent.LocatorBytes }

// witness is a disk that sees what is asked of it, and knows which of its blocks are bad. One goroutine uses it.
type witness struct {
	disk.Disk                // every question is a Read
	block     int64          // bytes
	bad       map[int64]bool // by number; a write makes a block good
	met       []int64        // bad blocks that were read, since somebody emptied it
	written   map[int64]bool // blocks, since the beginning
}

func newWitness(d disk.Disk) *witness {
	return &witness{Disk: d, block: int64(d.Info().LogicalBlock), bad: map[int64]bool{}, written: map[int64]bool{}}
}

func (d *witness) Read(p []byte, off int64) error {
	for b := off / d.block; len(d.bad) > 0 && b*d.block < off+int64(len(p)); b++ {
		if d.bad[b] {
			d.met = append(d.met, b)
		}
	}
	return d.Disk.Read(p, off)
}

func (d *witness) Submit(r *disk.Request) {
	for b := r.Off / d.block; b*d.block < r.Off+int64(len(r.Data)); b++ {
		delete(d.bad, b)
		d.written[b] = true
	}
	d.Disk.Submit(r)
}

// spoiled reports whether a bad block lies in [from, to).
func (d *witness) spoiled(from, to int64) bool {
	for b := max(0, from) / d.block; b*d.block < to; b++ {
		if d.bad[b] {
			return true
		}
	}
	return false
}

// taggedSizes draws the number of words of a value: 4 KiB to 1 MiB, most of them small.
func taggedSizes(r *rand.Rand) uint32 {
	n := 4 << 10 << min(r.IntN(9), r.IntN(9), r.IntN(9))
	return uint32(min(n+r.IntN(n), 1<<20) / wordBytes)
}

// fillTagged puts values one by one until they are so many bytes, puts a tenth of them a second time, deletes a tenth, and returns
// what is there then.
func fillTagged(t *testing.T, s *engine.Store, r *rand.Rand, size int64) (shards []tagged) {
	t.Helper()
	var value []byte
	put := func(n int) {
		value = shards[n].value(value[:0], n)
		_, err := s.Put(soakID(uint64(n)), value)
		require.NoError(t, err)
		size -= int64(len(value))
	}
	for size > 0 {
		shards = append(shards, tagged{1, taggedSizes(r)})
		put(len(shards) - 1)
		switch n := r.IntN(len(shards)); r.IntN(10) {
		case 0:
			shards[n] = tagged{shards[n].version + 1, taggedSizes(r)}
			put(n)
		case 1:
			_, err := s.Delete(soakID(uint64(n)))
			require.NoError(t, err)
			shards[n] = tagged{version: shards[n].version + 1}
		}
	}
	require.NoError(t, s.Sync(t.Context()))
	return slices.Clip(shards)
}
