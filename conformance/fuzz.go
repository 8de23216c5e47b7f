package conformance

import (
	"encoding/binary"
	"slices"
)

// The bytes of a sequence, for fuzzing: a byte for each option in their order, four for the seed, two for the first key, and then
// fuzzOpBytes an operation:
//
//	0      1                                    8
//	| kind | arguments in the order of the table |
//
// An option's byte is a place in the list that the generator draws it from. A kind is its number. Keys take one byte, counted
// from the first, and the last of which is no key; sizes, offsets, fills and counts that are drawn from more than 256 two,
// little-endian, trails three; all else one. So one flipped bit changes one argument, bytes moved by whole operations are
// operations, and no byte is without meaning for long.
const (
	fuzzHeaderBytes = int(optionCount) + 4 + 2
	fuzzOpBytes     = 8
	fuzzOpsMax      = 512
	fuzzNoKey       = 0xff
	fuzzNamedFills  = 0x10000 - 3 // fills from here up are those with names
)

// DecodeFuzz makes dst a sequence of suite out of any bytes: missing ones count as zeros, those behind the last operation that
// fits are ignored. Options and arguments are within what the generator draws from and what two bytes hold, so that running it
// takes milliseconds.
func DecodeFuzz(dst *Sequence, suite string, b []byte) {
	*dst = Sequence{Suite: suite, Config: defaultConfig, Ops: dst.Ops[:0]}
	header := append(make([]byte, 0, fuzzHeaderBytes), b[:min(len(b), fuzzHeaderBytes)]...)[:fuzzHeaderBytes]
	for o := range optionCount {
		if draw := options[o].Draw; len(draw) > 0 && slices.Contains(options[o].Suites, suite) {
			dst.Config.Set(o, draw[int(header[o])%len(draw)])
		}
	}
	dst.Config.Set(OptSeed, binary.LittleEndian.Uint32(header[optionCount:]))
	dst.Config.fit()
	first := uint64(binary.LittleEndian.Uint16(header[optionCount+4:])) % (uint64(NoKey) - fuzzNoKey)
	all := kindsOf(suite)
	for b = b[min(len(b), fuzzHeaderBytes):]; len(b) >= fuzzOpBytes && len(dst.Ops) < fuzzOpsMax; b = b[fuzzOpBytes:] {
		k := Kind(b[0])
		if k >= kindCount || !kinds[k].In(suite) {
			k = all[int(k)%len(all)]
		}
		dst.Ops = append(dst.Ops, decodeFuzzOp(k, suite, first, b[1:fuzzOpBytes]))
	}
}

// AppendFuzz appends the bytes of s. Decoded they are s again if its options are drawn ones and its arguments fit; what does not
// fit loses its high bits. Keys with bytes of their own, and text, are lost.
func AppendFuzz(dst []byte, s *Sequence) []byte {
	for o := range optionCount {
		at := 0
		for i, v := range options[o].Draw {
			if v == s.Config.Get(o) {
				at = i
			}
		}
		dst = append(dst, byte(at))
	}
	dst = binary.LittleEndian.AppendUint32(dst, s.Config.Get(OptSeed))
	first := s.firstKey()
	dst = binary.LittleEndian.AppendUint16(dst, uint16(first))
	for i := range s.Ops {
		dst = appendFuzzOp(dst, &s.Ops[i], s.Suite, uint64(first))
	}
	return dst
}

// firstKey returns the lowest key that operations name, or the last one from which a byte counts on to the end, if that is lower; 0 if
// they name none.
func (s *Sequence) firstKey() KeyID {
	first := NoKey
	for i := range s.Ops {
		first = min(first, s.Ops[i].Key)
	}
	if first == NoKey {
		return 0
	}
	return min(first, NoKey-fuzzNoKey-1)
}

func decodeFuzzOp(k Kind, suite string, first uint64, b []byte) Op {
	o := NewOp(k)
	for i := range kinds[k].Args {
		a := &kinds[k].Args[i]
		if !a.in(suite) {
			continue
		}
		var whole [8]byte
		b = b[copy(whole[:a.fuzzBytes()], b):]
		v := binary.LittleEndian.Uint64(whole[:])
		o.Set(a.Field, a.fromFuzz(v, first))
	}
	return o
}

func appendFuzzOp(dst []byte, o *Op, suite string, first uint64) []byte {
	end := len(dst) + fuzzOpBytes
	dst = append(dst, byte(o.Kind))
	for i := range kinds[o.Kind].Args {
		a := &kinds[o.Kind].Args[i]
		if !a.in(suite) {
			continue
		}
		v := a.toFuzz(o.Get(a.Field), first)
		for range a.fuzzBytes() {
			dst = append(dst, byte(v))
			v >>= 8
		}
	}
	return append(dst, make([]byte, end-len(dst))...)
}

// fuzzBytes returns how many bytes the argument takes.
func (a *Arg) fuzzBytes() int {
	switch a.Role {
	case RoleSize, RoleOffset, RoleRange, RoleFill:
		return 2
	case RoleTrail:
		return 3
	}
	if a.Draw > 0xff {
		return 2
	}
	return 1
}

// fromFuzz returns the value that v, the argument's bytes, stands for; toFuzz is its inverse. Keys count from first.
func (a *Arg) fromFuzz(v, first uint64) uint64 {
	switch {
	case a.Role == RoleAfter && v == fuzzNoKey:
		return uint64(NoKey)
	case a.Field == FieldKey:
		return first + v
	case a.Role == RoleFill && v >= fuzzNamedFills:
		return FillMax + v - fuzzNamedFills
	case v <= a.Max:
		return v
	}
	return v % (a.Max + 1)
}

func (a *Arg) toFuzz(v, first uint64) uint64 {
	switch {
	case a.Role == RoleAfter && v == uint64(NoKey):
		return fuzzNoKey
	case a.Field == FieldKey:
		return v - first
	case a.Role == RoleFill && v >= FillMax:
		return fuzzNamedFills + v - FillMax
	}
	return v
}

// kindsOf returns the kinds of suite, in order.
func kindsOf(suite string) (all []Kind) {
	for k := KindNone + 1; k < kindCount; k++ {
		if kinds[k].In(suite) {
			all = append(all, k)
		}
	}
	return all
}
