package engine

import (
	"fmt"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/engine/log"
)

// makeRoom returns when the log can take a frame of that payload: when the window is open and its extent relied on. It fails
// with ErrFull when only the reserve is left, even after a flush.
func (s *Store) makeRoom(kind chunk.Kind, payload int) error {
	flushed := false
	for {
		extents := 0
		switch room := s.log.Room(payload); room {
		case log.RoomWindow:
			s.probes.Hit(probeWindowFull)
			if err := s.progress(); err != nil {
				return err
			}
			continue
		case log.RoomReady:
			s.probes.Hit(probeAwaitReady)
			if err := s.awaitRoot(s.want()); err != nil {
				return err
			}
			continue
		case log.RoomExtent:
			extents = 1
		}
		switch {
		case s.spare(kind) >= extents && (extents == 0 || len(s.table.Root.Log) < s.table.MaxLog()):
			if extents == 0 {
				return nil
			}
			if err := s.extendLog(); err != nil {
				return err
			}
		case flushed:
			s.probes.Hit(probeFull)
			return fmt.Errorf("%w: %d extents free", ErrFull, s.table.FreeCount())
		default:
			flushed = true
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
}

// spare returns how many free extents there are beyond the reserve, for one more mutation of that kind.
func (s *Store) spare(kind chunk.Kind) int {
	n := s.table.FreeCount() - s.reserve()
	if kind == chunk.Tombstone {
		n += reserveDeletes
	}
	return n
}

// What no put may take (N5), in extents: one for deletes, one for a new epoch, two for metadata, and what the next flush needs
// for its run, one more mutation included.
const (
	reserveDeletes  = 1
	reserveEpoch    = 1
	reserveMetadata = 2
)

func (s *Store) reserve() int {
	return reserveDeletes + reserveEpoch + reserveMetadata + s.runExtents(s.meta.Entries+s.mem.Len()+1)
}

// runExtents returns how many empty extents take a run of that many entries.
func (s *Store) runExtents(entries int) int {
	most := s.tableEntries(entries)
	tables := (entries + most - 1) / most
	perExtent := int(s.shape.ExtentBytes) / s.roundUp(s.shape.FrameBytes(most))
	return (tables + perExtent - 1) / perExtent
}

// tableEntries returns how many entries a table of a run of that many gets: what the options say, or more if the metadata could
// not name so many tables.
func (s *Store) tableEntries(entries int) int {
	fixed := metadataFrame(0, s.table.Len())
	tables := max(1, (int(s.shape.ExtentBytes)-fixed)/(metadataFrame(1, s.table.Len())-fixed))
	return min(max(s.shape.MaxEntries(), (entries+tables-1)/tables), s.shape.FitEntries())
}

func (s *Store) roundUp(n int) int { return int(s.table.Geometry().RoundUp(uint32(n))) }

// extendLog gives the log a free extent. There is one.
func (s *Store) extendLog() error {
	x, ok, err := s.allocate(extent.Log)
	if err != nil {
		return err
	}
	if !ok {
		panic("engine: no extent where some are free")
	}
	s.table.Root.Log = append(s.table.Root.Log, x)
	return nil
}

// prepareNext makes the successor of the log's extent ready ahead of need, so that puts do not wait for the superblock. It
// does nothing if that would mean waiting now.
func (s *Store) prepareNext() {
	if s.log.Ahead() > 0 || s.spare(chunk.PutFinal) < 1 || len(s.table.Root.Log) >= s.table.MaxLog() {
		return
	}
	if x, ok := s.table.Allocate(extent.Log); ok {
		s.table.Root.Log = append(s.table.Root.Log, x)
		s.want()
	}
}

// tailFull reports whether the next mutation would pass the bound on what Open has to replay (N5).
func (s *Store) tailFull() bool {
	g := s.table.Geometry()
	return s.log.NextMutation()-s.replay.mutation >= uint64(s.options.MemtableEntries) ||
		s.log.Next()-s.replay.unit >= maxTailUnits ||
		int64(len(s.table.Root.Log)-s.log.Ahead())*int64(g.ExtentBytes) > max(s.options.TailBytes, 2*int64(g.ExtentBytes)) ||
		len(s.table.Root.Log) >= s.table.MaxLog()
}

// appender is the extent that frames of one owner outside the log are appended to. The zero appender has none.
type appender struct {
	extent.LogExtent
	spare []extent.LogExtent // allocated, to go on in
}

// left returns the bytes that still fit the extent of a.
func (s *Store) left(a *appender) int {
	if a.Extent == 0 {
		return 0
	}
	return int(s.shape.ExtentBytes - s.table.Entry(a.Extent).Pointer)
}

// provide allocates n further extents for a. It fails with ErrFull if there are not enough.
func (s *Store) provide(a *appender, owner extent.Owner, n int) error {
	for range n {
		x, ok, err := s.allocate(owner)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%w: no extent for %v", ErrFull, owner)
		}
		a.spare = append(a.spare, x)
	}
	return nil
}

// allocate takes a free extent, waiting for a release to be relied on if need be. It returns false when none is free.
func (s *Store) allocate(owner extent.Owner) (extent.LogExtent, bool, error) {
	x, ok := s.table.Allocate(owner)
	if !ok && s.table.FreeCount() > 0 {
		if err := s.awaitRoot(s.want()); err != nil {
			return x, false, err
		}
		x, ok = s.table.Allocate(owner)
	}
	if ok {
		s.want()
	}
	return x, ok, nil
}

// place reserves n bytes, whole physical blocks, behind the write pointer of a's extent, in the next one if they do not fit.
func (s *Store) place(a *appender, n int) (chunk.Place, error) {
	n = s.roundUp(n)
	if s.left(a) < n {
		if len(a.spare) == 0 {
			return chunk.Place{}, fmt.Errorf("%w: no extent was provided", ErrFull)
		}
		a.LogExtent, a.spare = a.spare[0], a.spare[1:]
	}
	p := s.table.Entry(a.Extent).Pointer
	s.table.SetPointer(a.Extent, p+uint32(n))
	return chunk.Place{Extent: a.Extent, Generation: a.Generation, Offset: p}, nil
}

// release frees every extent that nothing needs: its exact live count in the relied-on metadata is 0, the relied-on root does
// not list it in the log nor keep the metadata in it, and nobody appends to it (N4).
func (s *Store) release() {
	for i := range s.table.Len() {
		x := extent.ID(i)
		switch s.table.Entry(x).Owner {
		case extent.Free, extent.Superblock:
			continue
		}
		if s.meta.Live[x] == 0 && !s.inUse(x) {
			s.probes.Hit(probeReleased)
			s.table.Release(x)
		}
	}
}

// inUse reports whether x is in the log, holds the metadata, or is appended to.
func (s *Store) inUse(x extent.ID) bool {
	for _, l := range s.table.Root.Log {
		if l.Extent == x {
			return true
		}
	}
	for i := range s.copies {
		if s.table.Root.Metadata[i].Extent == x || s.copies[i].uses(x) {
			return true
		}
	}
	return s.runs.uses(x)
}

func (a *appender) uses(x extent.ID) bool {
	if a.Extent == x {
		return true
	}
	for _, s := range a.spare {
		if s.Extent == x {
			return true
		}
	}
	return false
}

// frameWrite is a frame outside the log on its way to the disk.
type frameWrite struct {
	buf   []byte
	write iosched.Write
}
