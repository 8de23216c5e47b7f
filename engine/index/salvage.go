package index

import "github.com/shardproof/shardproof/engine/chunk"

// EachSalvaged calls fn for every entry of the payload of a table, at the given place of that payload, whose block still holds,
// and returns how many blocks do not. It needs neither metadata nor whole fences, but the number of extents of the disk; e is valid
// during the call.
func EachSalvaged(payload []byte, at chunk.Place, extents uint32, fn func(e *Entry)) (lost int) {
	if len(payload) < fenceFixed {
		return 1
	}
	blocks, page := int64(le.Uint32(payload)), int64(le.Uint32(payload[8:]))
	first := int64(len(payload)) - (fenceFixed + blocks*idBytes) - blocks*page
	if blocks == 0 || page < blockHeaderBytes+entryBytes || page > 1<<20 || first < fenceFixed {
		return 1
	}
	var e Entry
	s := Shape{Extents: extents}
	sealed := seal{at, le.Uint32(payload[16:])}
	for off := first; blocks > 0; blocks, off = blocks-1, off+page {
		b, place := payload[off:off+page], sealed.At(int(off))
		if checkBlock(b, place) != nil {
			lost++
			continue
		}
		for i := range block(b).len() {
			if block(b).decode(i, &e, &s, place.Place) == nil {
				fn(&e)
			}
		}
	}
	return lost
}
