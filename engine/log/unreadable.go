package log

import (
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/fault"
)

// A block that recovery cannot read is either damage, or what a crash left of a write: a disk that is not power-safe may fail
// every read of a physical block whose write was interrupted, until another write covers all of it. The two look alike. On a
// power-safe disk it is damage, and it may pass, so recovery fails and the disk stays as it is. On any other the block holds no
// valid unit, and is judged as such a place always is (L7): it is damage if something attests the unit that should be there,
// otherwise the log ends before it, and the next unit is written over it.
//
// Every read that fails is tried once more before that.
//
// Not seen here: a device that is gone. Recovery of a disk that is not power-safe may take it for the log's end, but what Open
// writes next fails.

// fatal returns err, why a read failed, if that ends recovery; nil if the place counts as one without a valid unit.
func (s *scan) fatal(err error) error {
	if s.table.PowerSafe() {
		return err
	}
	return nil
}

func readError(off int64, err error) error { return &fault.IO{Op: "read", Offset: off, Err: err} }

// readAt fills p from a place.
func (s *scan) readAt(p []byte, at chunk.Place) error {
	off := s.geo.Base(at.Extent) + int64(at.Offset)
	if err := disk.Read(s.disk, p, off); err != nil {
		return readError(off, err)
	}
	return nil
}

// askDisk is disk.Ask, of the blocks that the geometry has. Blocks that cannot be read, and that do not end recovery, answer no.
func (s *scan) askDisk(scratch []byte, off, size int64, pred func(off int64, block []byte) bool) (bool, error) {
	if size > int64(s.geo.Physical) && s.disk.Info().PhysicalBlock > int(s.geo.Physical) { // it would pass over units inside its own
		return s.askEach(scratch, off, size, pred)
	}
	yes, err := disk.Ask(s.disk, scratch, off, size, pred)
	if err != nil {
		yes, err = disk.Ask(s.disk, scratch, off, size, pred)
	}
	if err == nil {
		return yes, nil
	}
	if err := s.fatal(readError(off, err)); err != nil {
		return false, err
	}
	return s.askEach(scratch, off, size, pred)
}

// askEach asks a range of several blocks, of which not all can be read or seen at once, block by block.
func (s *scan) askEach(scratch []byte, off, size int64, pred func(off int64, block []byte) bool) (bool, error) {
	block := int64(s.geo.Physical)
	for end := off + size; size > block && off < end; off += block {
		if yes, err := s.askDisk(scratch, off, block, pred); yes || err != nil {
			return yes, err
		}
	}
	return false, nil
}
