package conformance

import (
	"encoding/binary"

	"github.com/shardproof/shardproof/engine"
)

// ShardIDOf returns the sixteen bytes behind a key. Most are hashed, so that neighbours by number are strangers by id. Every
// eighth is unusual, because order, prefixes and the ends of the key space are where comparisons go wrong:
//
//	k7                  sixteen 00
//	k15                 sixteen ff
//	k23                 fifteen 00, then 01: next to k7
//	k31                 fifteen ff, then fe: next to k15
//	k39, k55, k71, ...  the id of the key before, plus one: adjacent
//	k47, k63, k79, ...  the id of the key before but for its last byte: a common prefix of fifteen bytes
//
// No two keys share an id, and the table never changes: files hold numbers.
func ShardIDOf(k KeyID) engine.ShardID {
	if k&7 != 7 {
		return hashedID(k)
	}
	switch k {
	case 7:
		return engine.ShardID{}
	case 15:
		return filledID(0xff, 0xff)
	case 23:
		return filledID(0, 1)
	case 31:
		return filledID(0xff, 0xfe)
	}
	id := hashedID(k - 1)
	if k&15 == 7 {
		lo := binary.BigEndian.Uint64(id[8:]) + 1 // hashedID is even, so nothing is carried
		binary.BigEndian.PutUint64(id[8:], lo)
		return id
	}
	id[15] ^= 0x80
	return id
}

func hashedID(k KeyID) (id engine.ShardID) {
	h := mix64(uint64(k) + 1)
	binary.BigEndian.PutUint64(id[:8], h)
	binary.BigEndian.PutUint64(id[8:], mix64(h)&^1)
	return id
}

func filledID(b, last byte) (id engine.ShardID) {
	for i := range id {
		id[i] = b
	}
	id[15] = last
	return id
}

// mix64 is the finalizer of splitmix64: a bijection whose every output bit depends on every input bit.
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// KeyDecl gives a key bytes of its own instead of those of the table.
type KeyDecl struct {
	Key KeyID
	ID  engine.ShardID
}

// ShardID returns the bytes behind k in this sequence: those of its key line, or ShardIDOf.
func (s *Sequence) ShardID(k KeyID) engine.ShardID {
	for i := range s.Keys {
		if s.Keys[i].Key == k {
			return s.Keys[i].ID
		}
	}
	return ShardIDOf(k)
}
