package engine

import (
	"errors"
	"fmt"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/engine/log"
)

// Open recovers the store on d and returns it. The disk belongs to the store until Close, which does not close it. Errors:
// ErrNoStore, ErrVersion, ErrGeometry, ErrCorrupt, ErrIO; after an error the disk is as it was, but for repairs that change no
// answer.
func Open(d disk.Disk, o Options) (*Store, error) {
	o.fill()
	s := &Store{disk: d, options: o, io: iosched.New(d), probes: o.Probes}
	if err := s.recover(); err != nil {
		if errors.Is(err, extent.ErrNoSuperblock) {
			return nil, fmt.Errorf("%w: %w", ErrNoStore, err)
		}
		return nil, err
	}
	return s, nil
}

// recover does the steps of N2 in their order.
func (s *Store) recover() error {
	if err := s.flushDevice(); err != nil {
		return err
	}
	table, err := extent.Load(s.disk, s.io)
	if err != nil {
		return err
	}
	s.table = table
	g := table.Geometry()
	s.reader = extentReader{s.disk, g}
	s.shape = index.ShapeOf(g)
	s.page = disk.Aligned(int(g.PageBytes))
	s.maxShard = log.MaxPayload(g, s.options.GroupBytes)
	if err := s.loadMetadata(); err != nil {
		return err
	}
	s.mem = index.NewMemtable(min(s.options.MemtableEntries, 1<<12))
	s.replay = replayed{table.Root.NextMutation, table.Root.Replay.Number}
	tail, err := log.Recover(s.disk, table, applier{s})
	if err != nil {
		return err
	}
	if tail.Unknown {
		s.lost = fmt.Errorf("unit %d of the log and the one after it: %w", tail.Number, &fault.Corrupt{Extent: uint32(tail.Extent), Offset: int64(tail.Offset), Check: "log unit"})
		s.broken = errors.Join(ErrReadOnly, s.lost)
		s.log = log.New(table, s.io, s.options.GroupBytes, table.Root.Epoch, tail)
		return nil
	}
	if err := tail.Rewrite(s.disk, s.io, g); err != nil {
		return err
	}
	return s.newEpoch(tail)
}

// flushDevice makes durable what the device still caches from the process before: what recovery is about to read must not
// vanish with the next power cut.
func (s *Store) flushDevice() error {
	s.io.Flush()
	for s.io.Reap() {
	}
	return s.io.Err()
}

// newEpoch records the epoch in which units from the log's end on are valid, and where that is.
func (s *Store) newEpoch(tail *log.Tail) error {
	root := &s.table.Root
	root.Epoch++
	root.Resume = tail.Number
	s.log = log.New(s.table, s.io, s.options.GroupBytes, root.Epoch, tail)
	s.noteReplay(tail)
	s.table.Touch()
	if err := s.awaitRoot(s.want()); err != nil {
		return err
	}
	s.resumeAppenders()
	s.release()
	s.prepareNext()
	return nil
}

// applier puts what the log holds into the memtable.
type applier struct{ *Store }

// Apply notes a mutation.
func (a applier) Apply(h *chunk.Header, loc chunk.Locator) error {
	e := index.Entry{ID: h.ID, Mutation: h.Mutation}
	switch h.Kind {
	case chunk.PutFinal:
		e.Kind, e.Locator = index.Put, loc
	case chunk.Tombstone:
		e.Kind = index.Delete
	case chunk.PutPart:
		return nil
	default:
		return chunk.PlaceOf(loc).Corrupt("frame kind in the log")
	}
	a.mem.Set(&e)
	return nil
}

// Damaged notes a lost mutation.
func (a applier) Damaged(id chunk.ShardID, mutation uint64) {
	a.mem.Set(&index.Entry{ID: id, Kind: index.Damaged, Mutation: mutation})
}

// loadMetadata reads the record that the root names, from the first copy that is whole.
func (s *Store) loadMetadata() error {
	root := &s.table.Root
	if root.Metadata[0].IsZero() {
		s.meta.Live = make([]uint32, s.table.Len())
		return nil
	}
	var bad error
	for _, l := range root.Metadata {
		if bad = s.readMetadata(l); bad == nil {
			return nil
		}
	}
	return bad
}

func (s *Store) readMetadata(l extent.Locator) error {
	at := chunk.PlaceOf(l)
	f, err := s.readRange(at, l.Length)
	if err != nil {
		return err
	}
	h, record, err := chunk.Decode(f, at)
	switch {
	case err != nil:
		return err
	case h.Kind != chunk.Metadata || chunk.Checksum(record) != s.table.Root.MetadataCRC:
		return at.Corrupt("metadata identity")
	}
	return s.meta.Decode(record, s.table.Geometry(), at)
}

// resumeAppenders goes on behind the recorded pointers: metadata in the extents that hold it, runs in the one with live bytes
// that has most room.
func (s *Store) resumeAppenders() {
	for i, l := range s.table.Root.Metadata {
		if !l.IsZero() {
			s.copies[i].LogExtent = extent.LogExtent{Extent: l.Extent, Generation: l.Generation}
		}
	}
	var best appender
	for i := range s.table.Len() {
		x := extent.ID(i)
		a := appender{LogExtent: extent.LogExtent{Extent: x, Generation: s.table.Entry(x).Generation}}
		if s.table.Entry(x).Owner == extent.Runs && s.meta.Live[x] > 0 && s.left(&a) > s.left(&best) {
			best = a
		}
	}
	s.runs = best
}

// Close writes everything that a later Open would otherwise have to replay, makes every dependency persistent and ends the
// store; afterwards every call answers ErrClosed. If the store is read-only it ends it as it is. Closing twice is ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	err := s.shutdown()
	s.closed = true
	for s.io.Reap() {
	}
	return err
}

func (s *Store) shutdown() error {
	if s.broken != nil {
		return s.broken
	}
	if err := s.flush(); err != nil {
		return err
	}
	if s.table.Dirty() || s.table.Writing() {
		return s.awaitRoot(s.want())
	}
	return nil
}
