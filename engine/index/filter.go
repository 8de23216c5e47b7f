package index

import "github.com/shardproof/shardproof/engine/chunk"

// A filter block, one page, says of an id that no entry of some entry blocks has it, or that one may:
//
//	0     4      6   7      8      12
//	| crc | zero | k | zero | keys | bits ...
//
// The crc covers the block's place, the table it is of and everything behind the crc. Every key has set k of the bits, which fill the page: bit n is
// bit n%8 of byte n/8. An entry block has a count where this has zeros, and zeros where this has k, so neither is taken for the
// other.
//
// The filter of a table is divided: each block of it covers a span of entry blocks that follow one another, as many as it has
// bits for. So a lookup reads one filter block and, mostly, no entry block or the right one; what is held in memory is the
// blocks in use and no whole filter.
//
// Invariants
//
//	X1  A filter never denies a key it was built from.
//	X2  A filter block that fails its check denies nothing: the entry block is read instead.
//	X3  What a key sets depends on its id, k and the page size alone, and is part of the format.
const (
	filterHeaderBytes = 12
	maxFilterBits     = 32 // bits a key; more would gain nothing
)

// filterBytes returns the size of a filter of that many keys, without its header.
func filterBytes(keys, bitsPerKey int) int { return (keys*bitsPerKey + 7) / 8 }

// filterSpan returns how many entry blocks one filter block covers; 0 if bitsPerKey is 0: then there are no filters.
func filterSpan(pageBytes uint32, bitsPerKey int) int {
	if bitsPerKey == 0 {
		return 0
	}
	free := int(pageBytes) - filterHeaderBytes
	return max(1, free*8/(PerBlock(pageBytes)*min(bitsPerKey, maxFilterBits)))
}

// filterBlocks returns how many filter blocks cover that many entry blocks.
func filterBlocks(blocks int, pageBytes uint32, bitsPerKey int) int {
	span := filterSpan(pageBytes, bitsPerKey)
	if span == 0 {
		return 0
	}
	return (blocks + span - 1) / span
}

// encodeFilter fills b, a whole page, with the filter of entries, for the given seal. There is at least one entry.
func encodeFilter(b []byte, entries []Entry, bitsPerKey int, at seal) {
	clear(b)
	b[6] = filterHashes(bitsPerKey)
	le.PutUint32(b[8:], uint32(len(entries)))
	f := filter(b)
	for i := range entries {
		f.add(&entries[i].ID)
	}
	le.PutUint32(b, at.CRC(b[4:]))
}

// filterHashes returns how many bits a key sets: bitsPerKey × ln 2, for then half of the bits are set and no other number
// lets fewer absent ids through.
func filterHashes(bitsPerKey int) uint8 {
	return uint8(max(1, (min(bitsPerKey, maxFilterBits)*69+50)/100))
}

// filter is a view of a filter block whose checksum held.
type filter []byte

// checkFilter returns b as a filter if it is one, for the given seal.
func checkFilter(b []byte, at seal) (filter, error) {
	switch {
	case len(b) <= filterHeaderBytes || le.Uint32(b) != at.CRC(b[4:]):
		return nil, at.Corrupt("index filter")
	case le.Uint16(b[4:]) != 0 || b[6] == 0 || b[6] > filterHashes(maxFilterBits) || b[7] != 0 || le.Uint32(b[8:]) == 0:
		return nil, at.Corrupt("index filter fields")
	}
	return b, nil
}

// keys returns how many keys f was built from.
func (f filter) keys() int { return int(le.Uint32(f[8:])) }

// mayHold reports whether id may be one of the keys.
func (f filter) mayHold(id *chunk.ShardID) bool {
	at, step := filterHash(id)
	set := f[filterHeaderBytes:]
	for k := f[6]; k > 0; k-- {
		n := filterBit(at, len(set))
		if set[n>>3]&(1<<(n&7)) == 0 {
			return false
		}
		at, step = at+step, step+uint32(k)
	}
	return true
}

func (f filter) add(id *chunk.ShardID) {
	at, step := filterHash(id)
	set := f[filterHeaderBytes:]
	for k := f[6]; k > 0; k-- {
		n := filterBit(at, len(set))
		set[n>>3] |= 1 << (n & 7)
		at, step = at+step, step+uint32(k)
	}
}

// filterBit maps a hash to one of the bits of n bytes, by its high bits.
func filterBit(h uint32, n int) uint32 {
	return uint32(uint64(h) * uint64(n) * 8 >> 32)
}

// filterHash returns the first position of id and the step to the next. Steps grow a little from one to the next: with equal
// ones, two keys that share a few positions share them all too often.
//
// Both words of the id go through a whole mixing: ids that differ in one of them only, as counters do, never share a hash.
func filterHash(id *chunk.ShardID) (at, step uint32) {
	h := mix(mix(le.Uint64(id[:])+0x9e3779b97f4a7c15) ^ le.Uint64(id[8:]))
	return uint32(h >> 32), uint32(h)
}

// mix is David Stafford's thirteenth variant of MurmurHash3's finalizer: every bit of x changes every bit of the result with
// probability one half, and no two x share a result.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
