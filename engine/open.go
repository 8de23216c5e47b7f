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
	s := o.Reuse
	if s == nil {
		s = &Store{buffers: new(disk.Buffers), io: new(iosched.Sched), table: new(extent.Table), log: new(log.Log), mem: new(index.Memtable)}
	}
	s.renew(d, o)
	if err := s.recover(); err != nil {
		s.closed = true
		if errors.Is(err, extent.ErrNoSuperblock) {
			return nil, fmt.Errorf("%w: %w", ErrNoStore, err)
		}
		return nil, err
	}
	return s, nil
}

// renew makes s a store on d of which nothing is known, in the memory of the one it was.
func (s *Store) renew(d disk.Disk, o Options) {
	o.Reuse = nil
	s.buffers.Reset()
	s.io.Reset(d, s.buffers)
	s.mem.Reset()
	*s = Store{
		disk: d, options: o, probes: o.Probes, buffers: s.buffers, io: s.io, table: s.table, log: s.log, mem: s.mem,
		meta: s.meta, liveSpare: s.liveSpare, tablesSpare: s.tablesSpare, spares: append(s.spares, s.frames...), frames: s.frames[:0],
		entries: s.entries[:0], record: s.record, check: s.check,
	}
}

// recover does the steps of N2 in their order.
func (s *Store) recover() error {
	if err := s.flushDevice(); err != nil {
		return err
	}
	if err := s.table.Load(s.disk, s.io, s.buffers); err != nil {
		return err
	}
	g := s.table.Geometry()
	s.reader = extentReader{disk: s.disk, geo: g, buffers: s.buffers}
	s.shape = index.ShapeOf(g, s.options.TablePages)
	s.page = s.buffers.Get(int(g.PageBytes))
	s.maxShard = log.MaxPayload(g, s.options.GroupBytes)
	if err := s.loadMetadata(); err != nil {
		return err
	}
	s.replay = replayed{s.table.Root.NextMutation, s.table.Root.Replay.Number}
	tail, err := log.Recover(s.disk, s.buffers, s.table, applier{s})
	if err != nil {
		return err
	}
	if tail.Unknown {
		s.lost = fmt.Errorf("unit %d of the log and the one after it: %w", tail.Number, &fault.Corrupt{Extent: uint32(tail.Extent), Offset: int64(tail.Offset), Check: "log unit"})
		s.broken = errors.Join(ErrReadOnly, s.lost)
		s.log.Start(s.table, s.io, s.buffers, s.options.GroupBytes, s.table.Root.Epoch, tail)
		return nil
	}
	if err := tail.Rewrite(s.disk, s.buffers, s.io, g); err != nil {
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
	s.log.Start(s.table, s.io, s.buffers, s.options.GroupBytes, root.Epoch, tail)
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
		return loc.Place().Corrupt("frame kind in the log")
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
		s.meta.Run.Tables, s.meta.Entries = s.meta.Run.Tables[:0], 0
		s.meta.Live = index.EmptyLive(s.meta.Live, s.table.Geometry())
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
	at := l.Place()
	f, err := s.reader.ReadRange(at, l.Length)
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
