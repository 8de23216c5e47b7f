package conformance

import "github.com/shardproof/shardproof/engine/disk"

// sheet is a copy of a disk: it shows what that holds, and keeps to itself what is written. Writes take effect when they are reaped, in
// the order submitted, and are durable. It is used by one goroutine.
type sheet struct {
	below  disk.Disk
	info   disk.Info
	blocks map[int64]int // of those written: where in bytes they are
	bytes  []byte
	flight []*disk.Request
}

// lay puts s on top of d, with nothing written.
func (s *sheet) lay(d disk.Disk) {
	if s.blocks == nil {
		s.blocks = map[int64]int{}
	}
	clear(s.blocks)
	clear(s.flight)
	s.below, s.info, s.bytes, s.flight = d, d.Info(), s.bytes[:0], s.flight[:0]
}

// Info describes the disk below.
func (s *sheet) Info() disk.Info { return s.info }

// Close does nothing: the disk below is not the sheet's.
func (s *sheet) Close() error { return nil }

// Read fills p from off: the blocks that were written from the sheet, all others from below.
func (s *sheet) Read(p []byte, off int64) error {
	if len(s.blocks) == 0 {
		return s.below.Read(p, off)
	}
	size := int64(s.info.LogicalBlock)
	for len(p) > 0 {
		n, at, written := s.run(off/size, int64(len(p))/size)
		if !written {
			if err := s.below.Read(p[:n*size], off); err != nil {
				return err
			}
		} else {
			copy(p[:n*size], s.bytes[at:])
		}
		p, off = p[n*size:], off+n*size
	}
	return nil
}

// run returns how many blocks from b on, of at most n, are all below; or that b was written, one block, and where it is.
func (s *sheet) run(b, n int64) (count int64, at int, written bool) {
	if at, written = s.blocks[b]; written {
		return 1, at, true
	}
	for count = 1; count < n; count++ {
		if _, found := s.blocks[b+count]; found {
			break
		}
	}
	return count, 0, false
}

// Submit begins r.
func (s *sheet) Submit(r *disk.Request) { s.flight = append(s.flight, r) }

// Reap completes the oldest request, and returns nil if there is none.
func (s *sheet) Reap(bool) *disk.Request {
	if len(s.flight) == 0 {
		return nil
	}
	r := s.flight[0]
	s.flight = append(s.flight[:0], s.flight[1:]...)
	if r.Err = nil; r.Kind == disk.Write {
		s.write(r.Data, r.Off)
	}
	return r
}

func (s *sheet) write(p []byte, off int64) {
	size := s.info.LogicalBlock
	for b := off / int64(size); len(p) > 0; b, p = b+1, p[size:] {
		at, found := s.blocks[b]
		if !found {
			at = len(s.bytes)
			s.blocks[b], s.bytes = at, append(s.bytes, p[:size]...)
			continue
		}
		copy(s.bytes[at:], p[:size])
	}
}
