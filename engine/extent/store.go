package extent

import (
	"context"
	"errors"
	"fmt"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/engine/probe"
)

// Answers of a Store.
var (
	// ErrFull is returned when no extent can be spared; a device that has no space for a write answers to it too.
	ErrFull = fault.ErrFull
	// ErrTooLarge is returned when what is to be appended is larger than an extent.
	ErrTooLarge = errors.New("larger than an extent")
	// ErrPinned is returned when an extent that is pinned is to be released.
	ErrPinned = errors.New("extent is pinned")
	// ErrFree is returned when an extent that is free is to be released.
	ErrFree = errors.New("extent is free")
	// ErrClosed is returned by calls on a closed store.
	ErrClosed = errors.New("extents closed")
)

// Cache keeps pages of extents in memory. It copies what goes in and out.
type Cache interface {
	// Read appends to dst n bytes from offset off of the page that begins at a place, if it has them.
	Read(dst []byte, page Place, off, n int) ([]byte, bool)
	// Insert keeps b, the first bytes of the page at a place.
	Insert(page Place, b []byte)
	// Drop forgets the page that begins at a place.
	Drop(page Place)
	// Drain forgets every page of x.
	Drain(x ID)
}

// Options are the choices of one Open.
type Options struct {
	Queue   disk.Disk     // takes writes and flushes; nil: the disk itself
	Buffers *disk.Buffers // where buffers come from; nil makes a pool
	Cache   Cache         // of pages of Geometry.PageBytes; nil reads from the disk each time
	Probes  *probe.Set
	// ReadOnly keeps Open from flushing the disk. The Store is for reading then.
	ReadOnly bool
	// Reuse is a Store that nobody uses any more, whose memory the new one takes over.
	Reuse *Store
}

// Store keeps the extents of one disk: appends, reads, releases, and the superblock that remembers them.
//
//	Append ──► buffer ──► Sched, after: extent ready, and what the caller says
//	Read   ──► pointer and generation ──► cache ──► disk
//	Step   ──► due: root update, appends that may go, flush ──► one request completes ──► slots relied on
//
// It starts no goroutine: requests complete in Step. Callers hold the lock of whoever owns the Store.
type Store struct {
	Table

	io        *iosched.Sched
	disk      disk.Disk
	buffers   *disk.Buffers
	cache     Cache
	probes    *probe.Set
	leave     [OwnerCount]int
	appenders [OwnerCount]LogExtent // the extent each owner appends to; extent 0 is none
	pins      []uint32              // by extent
	wanted    uint64                // the change somebody waits for: an update begins when it is beyond what the last one records
	prepare   func(*Root)           // called before each update
	scratch   []byte                // whole blocks around the last range read
	joined    []byte                // the last range put together from pages
	closed    bool
}

// Open recovers the extents of d: it makes durable what the device caches, and reads the superblock. It writes nothing else; the
// first update does. Errors: ErrNoSuperblock, fault.ErrVersion, ErrGeometry, ErrCorrupt, ErrIO.
func Open(d disk.Disk, o Options) (*Store, error) {
	s := o.Reuse
	if s == nil {
		s = new(Store)
	}
	if s.io == nil {
		s.io = new(iosched.Sched)
	}
	if o.Buffers == nil {
		o.Buffers = new(disk.Buffers)
	}
	s.renew(d, o)
	if !o.ReadOnly {
		s.io.Flush()
		for s.io.Reap() {
		}
		if err := s.io.Err(); err != nil {
			return nil, err
		}
	}
	if err := s.Load(d, s.io, s.buffers); err != nil {
		return nil, err
	}
	if !o.ReadOnly {
		if err := s.Geometry().Shields(d.Info()); err != nil {
			return nil, err
		}
	}
	s.pins = append(s.pins[:0], make([]uint32, s.Len())...)
	return s, nil
}

func (s *Store) renew(d disk.Disk, o Options) {
	*s = Store{Table: s.Table, io: s.io, disk: d, buffers: o.Buffers, cache: o.Cache, probes: o.Probes, pins: s.pins, joined: s.joined[:0]}
	if o.Queue != nil {
		d = o.Queue
	}
	s.io.Reset(d, o.Buffers)
}

// Sched returns the queue of the disk below.
func (s *Store) Sched() *iosched.Sched { return s.io }

// SetLeave makes n the number of free extents that an Append for an owner must leave.
func (s *Store) SetLeave(o Owner, n int) { s.leave[o] = n }

// SetCache makes c the cache of pages.
func (s *Store) SetCache(c Cache) { s.cache = c }

// OnUpdate makes fn see the root before each update, to complete it.
func (s *Store) OnUpdate(fn func(*Root)) { s.prepare = fn }

// Describe returns what is known of x.
func (s *Store) Describe(x ID) Entry { return s.Entry(x) }

// Append implements Extents. One extent of an owner is open at a time; what does not fit it begins another, and the rest of the
// first stays empty.
func (s *Store) Append(owner Owner, n int, after iosched.Dependency, fill func(b []byte, at Place)) (Locator, iosched.Dependency, error) {
	size := int(s.Geometry().RoundUp(uint32(n)))
	if n > int(s.Geometry().ExtentBytes) {
		return Locator{}, iosched.Dependency{}, fmt.Errorf("%w: %d bytes", ErrTooLarge, n)
	}
	if s.Left(owner) < size {
		if err := s.Extend(owner); err != nil {
			return Locator{}, iosched.Dependency{}, err
		}
	}
	a := s.appenders[owner]
	p := s.Entry(a.Extent).Pointer
	s.SetPointer(a.Extent, p+uint32(size))
	at := Place{a.Extent, a.Generation, p}
	b := s.buffers.Get(size)
	clear(b)
	fill(b[:n], at)
	dep := s.io.Append(b, s.Geometry().Base(at.Extent)+int64(at.Offset), after.And(s.ReadyWhen(at.Extent)))
	return Locator{at.Extent, at.Generation, at.Offset, uint32(n)}, dep, nil
}

// Left returns the bytes that still fit the extent that owner appends to.
func (s *Store) Left(owner Owner) int {
	a := s.appenders[owner]
	if a.Extent == 0 {
		return 0
	}
	return int(s.Geometry().ExtentBytes - s.Entry(a.Extent).Pointer)
}

// Extend gives owner a new extent to append to.
func (s *Store) Extend(owner Owner) error {
	x, err := s.Take(owner, s.leave[owner])
	if err != nil {
		return err
	}
	s.appenders[owner] = x
	s.probes.Hit(probeExtended)
	if x.Generation > s.FirstGeneration() {
		s.probes.Hit(probeAgain)
	}
	return nil
}

// Take gives owner a free extent if that leaves so many others free.
func (s *Store) Take(owner Owner, leave int) (LogExtent, error) {
	if s.FreeCount() <= leave {
		return LogExtent{}, fmt.Errorf("%w for %v: %d free, %d in reserve", ErrFull, owner, s.FreeCount(), leave)
	}
	x, _ := s.Allocate(owner)
	s.Want()
	return x, nil
}

// Resume makes x the extent that owner appends to, behind its recorded pointer.
func (s *Store) Resume(owner Owner, x LogExtent) { s.appenders[owner] = x }

// Appends reports whether somebody appends to x.
func (s *Store) Appends(x ID) bool {
	for _, a := range s.appenders {
		if a.Extent == x {
			return true
		}
	}
	return false
}

// Pin implements Extents.
func (s *Store) Pin(x ID) { s.pins[x]++ }

// Unpin implements Extents.
func (s *Store) Unpin(x ID) {
	if s.pins[x] == 0 {
		panic(fmt.Sprintf("extent: unpin of extent %d, which nobody has pinned", x))
	}
	s.pins[x]--
}

// Pins returns how many pins x has.
func (s *Store) Pins(x ID) int { return int(s.pins[x]) }

// Pinned reports whether x is pinned.
func (s *Store) Pinned(x ID) bool { return s.pins[x] > 0 }

// Appending reports whether something that was appended to x is not durable yet.
func (s *Store) Appending(x ID) bool {
	return s.io.Appending(s.Geometry().Base(x), int(s.Geometry().ExtentBytes))
}

// Release implements Extents. What is appended to it and not persistent yet must not exist: its owner waits for that.
func (s *Store) Release(x ID) error {
	switch e := s.Entry(x); {
	case e.Owner == Free, e.Owner == Superblock:
		return fmt.Errorf("%w: %d (%v)", ErrFree, x, e.Owner)
	case s.pins[x] > 0:
		return fmt.Errorf("%w: %d", ErrPinned, x)
	}
	for o := range s.appenders {
		if s.appenders[o].Extent == x {
			s.appenders[o] = LogExtent{}
		}
	}
	if s.cache != nil {
		s.cache.Drain(x)
	}
	s.Table.Release(x)
	return nil
}

// Want asks for the newest change of the table to be relied on, and returns the dependency on that.
func (s *Store) Want() iosched.Dependency {
	s.wanted = s.Changed()
	return iosched.NewDependency(&s.Table, s.wanted)
}

// Step submits what is due and lets one request complete. It returns false when there is nothing to do.
func (s *Store) Step() bool {
	s.Submit()
	if !s.io.Reap() {
		return false
	}
	s.Advance()
	return true
}

// Restart begins a new epoch of the device after a failed request (S4). Nothing is in flight. An update of the superblock that was
// in progress is given up, and so is every append that was not persistent: its place stays empty. The next update records all that
// memory holds.
func (s *Store) Restart() {
	s.abandon()
	s.io.Restart()
}

// Note takes note of a request that the caller has reaped from the disk.
func (s *Store) Note(r *disk.Request) {
	s.io.Note(r)
	s.Advance()
}

// Submit submits what may go: a root update that somebody waits for, appends whose dependencies are persistent, and a flush
// once no write is in flight that it should wait for.
func (s *Store) Submit() {
	switch due := s.wanted > s.Recording(); {
	case due && s.Writing():
		s.probes.Hit(probeQueued)
	case due:
		if s.prepare != nil {
			s.prepare(&s.Root)
		}
		s.Begin()
	}
	s.io.Issue()
	if s.io.Undurable() && s.io.Writes() == 0 {
		s.io.Flush()
	}
}

// Pump lets up to n requests complete and returns how many did; fewer than n means that nothing is left to do.
func (s *Store) Pump(n int) (int, error) {
	if s.closed {
		return 0, ErrClosed
	}
	for i := range n {
		if !s.Step() {
			return i, s.io.Err()
		}
	}
	return n, s.io.Err()
}

// Sync returns when every append is persistent and recorded with the pointers behind it.
func (s *Store) Sync(ctx context.Context) error {
	if s.closed {
		return ErrClosed
	}
	for s.Step() {
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return s.FlushSuperblock(ctx)
}

// FlushSuperblock returns when all that is known of the extents is relied on, pointers included.
func (s *Store) FlushSuperblock(ctx context.Context) error {
	if s.closed {
		return ErrClosed
	}
	s.Touch()
	for dep := s.Want(); dep.State() == iosched.Pending; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !s.Step() {
			panic("extent: waiting for a superblock that nothing writes")
		}
	}
	return s.io.Err()
}

// Close makes everything persistent and ends the store. Calls afterwards answer ErrClosed.
func (s *Store) Close() error {
	err := s.Sync(context.Background())
	s.closed = true
	return err
}

// Check reports every inconsistency of the table with itself.
func (s *Store) Check(_ context.Context, report func(error)) error {
	if s.closed {
		return ErrClosed
	}
	var owned [OwnerCount]int
	for x := range s.Len() {
		e := s.Entry(ID(x))
		owned[e.Owner]++
		if e.Owner == Free && (e.Pointer != 0 || s.pins[x] != 0 || s.Appends(ID(x))) {
			report(fmt.Errorf("free extent %d is in use: pointer %d, %d pins", x, e.Pointer, s.pins[x]))
		}
	}
	for o, n := range owned {
		if count := s.OwnedCount(Owner(o)); n != count {
			report(fmt.Errorf("%d extents are of the owner %v, the count says %d", n, Owner(o), count))
		}
	}
	for o, a := range s.appenders {
		if e := s.Entry(a.Extent); a.Extent != 0 && (e.Owner != Owner(o) || e.Generation != a.Generation) {
			report(fmt.Errorf("%v appends to extent %d, which belongs to %v in generation %d", Owner(o), a.Extent, e.Owner, e.Generation))
		}
	}
	return nil
}

// ReadAt fills p, whole logical blocks, from the disk, whatever pointers and generations say. It is for recovery and scans. A read
// that fails is tried once more.
func (s *Store) ReadAt(p []byte, at Place) error {
	off := s.Geometry().Base(at.Extent) + int64(at.Offset)
	if err := disk.Read(s.disk, p, off); err != nil {
		return &fault.IO{Op: "read", Offset: off, Err: err}
	}
	return nil
}
