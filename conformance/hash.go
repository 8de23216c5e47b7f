package conformance

import "encoding/binary"

// Hash returns a hash of what is executed: suite, options, keys and operations. Sequences that differ only in origin, fail line
// or comments have equal hashes. It is the same on every machine and takes no part in any file.
func (s *Sequence) Hash() uint64 {
	h := uint64(len(s.Ops))
	for i := range len(s.Suite) {
		h = hashWord(h, uint64(s.Suite[i]))
	}
	for _, v := range s.Config.values {
		h = hashWord(h, uint64(v))
	}
	for i := range s.Keys {
		k := &s.Keys[i]
		h = hashWord(h, uint64(k.Key))
		h = hashWord(h, binary.LittleEndian.Uint64(k.ID[:8]))
		h = hashWord(h, binary.LittleEndian.Uint64(k.ID[8:]))
	}
	for i := range s.Ops {
		o := &s.Ops[i]
		h = hashWord(h, uint64(o.Kind)|uint64(o.Key)<<8|uint64(o.Len)<<24|uint64(o.Which)<<56)
		h = hashWord(h, uint64(o.Fill)|uint64(o.Off)<<32)
		h = hashWord(h, o.Choice)
	}
	return mix64(h)
}

// hashWord is a bijection of h for each w, and of w for each h.
func hashWord(h, w uint64) uint64 {
	h = (h ^ w) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}
