package log

import (
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
)

// Tail is where a recovered log ends.
type Tail struct {
	extent.Position        // of the next unit
	Mutation        uint64 // number of the next mutation
	Units           uint64 // replayed
	Bytes           uint64 // of the units replayed
	Unknown         bool   // units are lost whose keys nothing names: any answer could be wrong

	index     int      // of Position's extent in the root's list
	directory []byte   // of the last unit accepted
	rewrite   []placed // accepted units whose durability nothing attests; none on a disk that is not power-safe, see Rewrite
}

// placed is where an accepted unit lies.
type placed struct {
	number uint64
	place  chunk.Place
	length uint32
}

// Applier takes what recovery finds, in the order of the log.
type Applier interface {
	// Apply takes a frame of the log: a put-part, a put-final or a tombstone. Header and payload are valid during the call.
	Apply(h *chunk.Header, loc chunk.Locator, payload []byte) error
	// Damaged says that the mutation of id with that number was lost to damage.
	Damaged(id chunk.ShardID, mutation uint64)
}

// Recover reads the log of table from its replay position to its end and hands every mutation to a. It notes in table.Root the
// first number of every extent up to the end, and writes nothing. A device error that does not pass ends it, but for blocks that
// an interrupted write may have left unreadable (L9).
func Recover(d disk.Disk, b *disk.Buffers, table *extent.Table, a Applier) (*Tail, error) {
	return new(scan).recover(d, b, table, a)
}

// Recover does what the function Recover does, in memory that l keeps. The tail is valid until the next call.
func (l *Log) Recover(d disk.Disk, b *disk.Buffers, table *extent.Table, a Applier) (*Tail, error) {
	if l.scan == nil {
		l.scan = new(scan)
	}
	return l.scan.recover(d, b, table, a)
}

func (s *scan) recover(d disk.Disk, b *disk.Buffers, table *extent.Table, a Applier) (*Tail, error) {
	s.reset(d, b, table, a)
	root := s.root
	s.block = b.Get(int(s.geo.Logical))
	s.unit = b.Get(int(s.geo.Physical))
	defer s.release()
	s.mutation = root.NextMutation
	s.attested = max(root.DurableThrough, root.Resume-1)
	for s.list(s.index).Extent != root.Replay.Extent {
		s.index++
	}
	for {
		more, err := s.step()
		if err != nil {
			return nil, err
		}
		if !more {
			return s.finish(), nil
		}
	}
}

// scan is a recovery under way. It stands before unit number, which is expected at off in the listed extent index.
type scan struct {
	disk    disk.Disk
	buffers *disk.Buffers
	table   *extent.Table
	root    *extent.Root
	geo     *extent.Geometry
	applier Applier

	number uint64
	index  int
	off    uint32

	doubted  bool   // the unit was missing once, and is looked for again
	attested uint64 // units through this number are known to have been durable
	tail     Tail
	mutation uint64
	accepted []placed
	lastDir  []byte

	block []byte // one logical block
	unit  []byte // the unit being read

	// What is asked about the unit being read; made once.
	expected header
	holds    func(u []byte) bool
	frame    func(f *chunk.Header, loc chunk.Locator, frame []byte) error
}

// reset makes s stand at the beginning of the log of table, in the memory it has.
func (s *scan) reset(d disk.Disk, b *disk.Buffers, table *extent.Table, a Applier) {
	root := &table.Root
	*s = scan{
		disk: d, buffers: b, table: table, root: root, geo: &root.Geometry, applier: a, number: root.Replay.Number, off: root.Replay.Offset,
		accepted: s.accepted[:0], lastDir: s.lastDir[:0], tail: Tail{rewrite: s.tail.rewrite[:0]}, holds: s.holds, frame: s.frame,
	}
	if s.holds == nil {
		s.holds, s.frame = s.isExpected, s.apply
	}
}

func (s *scan) release() {
	s.buffers.Put(s.block)
	s.buffers.Put(s.unit)
}

// list returns the i-th extent of the log.
func (s *scan) list(i int) *extent.LogExtent { return &s.root.Log[i] }

// step accepts one unit, or passes over a damaged one. It returns false at the end of the log.
func (s *scan) step() (bool, error) {
	if s.index+1 < len(s.root.Log) && s.list(s.index+1).First == s.number {
		s.index, s.off = s.index+1, 0
	}
	if s.root.Closed && s.number > s.root.DurableThrough {
		return false, nil // L7: a block behind the end that cannot be read keeps nobody from opening
	}
	h, whole, seen, err := s.read(s.index, s.off, s.number)
	if err != nil {
		return false, err
	}
	at, off := s.index, s.off
	if !whole && s.mayHaveMoved() {
		next, moved, nextSeen, err := s.read(s.index+1, 0, s.number)
		if err != nil {
			return false, err
		}
		if moved || nextSeen && !seen {
			h, whole, seen, at, off = next, moved, nextSeen, s.index+1, 0
		}
	}
	if whole {
		return true, s.accept(&h, at, off)
	}
	from := position{at, off}
	if seen {
		from.off += s.geo.Physical
	}
	return s.hole(from)
}

// mayHaveMoved reports whether the unit may lie at the start of the next listed extent because it did not fit behind the last
// one. Below the resume number the first numbers say it all (L6); above, a first number that is known and different denies it.
func (s *scan) mayHaveMoved() bool {
	return s.number >= s.root.Resume && s.index+1 < len(s.root.Log) && s.list(s.index+1).First == 0
}

// epochHolds applies L6 to the epoch of a unit.
func (s *scan) epochHolds(h header) bool {
	if h.number >= s.root.Resume {
		return h.epoch == s.root.Epoch
	}
	return h.epoch < s.root.Epoch
}

// place returns the place of an offset in the listed extent i.
func (s *scan) place(i int, off uint32) chunk.Place {
	l := s.list(i)
	return chunk.Place{Extent: l.Extent, Generation: l.Generation, Offset: off}
}

// read looks for unit number at a place. seen says that its header is there, whole that its body is too; then s.unit holds it.
func (s *scan) read(i int, off uint32, number uint64) (h header, whole, seen bool, err error) {
	if off+s.geo.Physical > s.geo.ExtentBytes {
		return h, false, false, nil
	}
	h, seen, err = s.readHeader(s.place(i, off), number)
	for try := 0; seen && !whole && err == nil && try < readTries; try++ {
		whole, err = s.readUnit(&h)
	}
	return h, whole, seen, err
}

// readTries is how often a unit is read that does not hold: a device that misreads once is right the next time, and a unit that is
// missing ends the log. A header is read once, for whoever asks whether something attests the unit sees it again; see hole.
const readTries = 2

// readHeader reads the header of unit number at a place, and reports whether it is there.
func (s *scan) readHeader(at chunk.Place, number uint64) (header, bool, error) {
	if err := s.readAt(s.block, at); err != nil {
		return header{}, false, s.fatal(err)
	}
	h, ok := decodeHeader(s.block, at, s.geo)
	return h, ok && h.number == number && s.epochHolds(h) && h.length <= s.geo.WindowBytes, nil
}

// readUnit reads the whole unit of h into s.unit and reports whether it is that unit.
func (s *scan) readUnit(h *header) (bool, error) {
	if uint32(cap(s.unit)) < h.length {
		s.buffers.Put(s.unit)
		s.unit = s.buffers.Get(int(h.length))
	}
	s.unit = s.unit[:h.length]
	off := s.geo.Base(h.place.Extent) + int64(h.place.Offset)
	s.expected = *h
	whole, err := disk.ReadUnit(s.disk, s.unit, off, s.holds)
	if err != nil {
		whole, err = disk.ReadUnit(s.disk, s.unit, off, s.holds)
	}
	if err != nil {
		return false, s.fatal(readError(off, err))
	}
	return whole, nil
}

// isExpected reports whether u is wholly the unit whose header was read.
func (s *scan) isExpected(u []byte) bool {
	again, ok := decodeHeader(u, s.expected.place, s.geo)
	return ok && again == s.expected && again.bodyHolds(u)
}

// apply takes one frame of the unit in s.unit.
func (s *scan) apply(f *chunk.Header, loc chunk.Locator, frame []byte) error {
	s.mutation = max(s.mutation, f.Mutation+1)
	s.lastDir = appendDirectory(s.lastDir, f)
	return s.applier.Apply(f, loc, frame[chunk.HeaderBytes:chunk.HeaderBytes+f.Length])
}

// accept applies the unit in s.unit and moves behind it.
func (s *scan) accept(h *header, index int, off uint32) error {
	s.lastDir = s.lastDir[:0]
	if err := h.eachFrame(s.unit, s.frame); err != nil {
		return err
	}
	s.accepted = append(s.accepted, placed{h.number, h.place, h.length})
	if h.number >= s.root.Resume {
		s.attested = max(s.attested, h.durableThrough)
	}
	s.doubted = false
	s.tail.Units++
	s.tail.Bytes += uint64(h.length)
	s.enter(index, off)
	s.off += h.length
	s.number++
	s.table.PlacePointer(h.place.Extent, s.off)
	return nil
}

// enter moves to an offset of the listed extent index, noting the first numbers of extents entered.
func (s *scan) enter(index int, off uint32) {
	if off == 0 {
		s.list(index).First = s.number
	}
	s.index, s.off = index, off
}

// finish describes the end of the log, and forgets the first numbers behind it: what comes there is still open.
func (s *scan) finish() *Tail {
	for i := s.index + 1; i < len(s.root.Log); i++ {
		s.list(i).First = 0
		s.table.PlacePointer(s.list(i).Extent, 0)
	}
	s.table.PlacePointer(s.list(s.index).Extent, s.off)
	if s.off == 0 {
		s.list(s.index).First = s.number
	}
	at := s.list(s.index)
	s.tail.Position = extent.Position{Number: s.number, Extent: at.Extent, Generation: at.Generation, Offset: s.off}
	s.tail.index, s.tail.directory, s.tail.Mutation = s.index, s.lastDir, s.mutation
	for _, p := range s.accepted {
		if p.number > s.attested && s.table.PowerSafe() {
			s.tail.rewrite = append(s.tail.rewrite, p)
		}
	}
	return &s.tail
}
