package engine

import (
	"errors"
	"fmt"

	"github.com/shardproof/shardproof/engine/bufcache"
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/log"
)

// Open recovers the store on d and returns it. The disk belongs to the store until Close, which does not close it. Errors:
// ErrNoStore, ErrVersion, ErrGeometry, ErrCorrupt, ErrIO; after an error the disk is as it was, but for repairs that change no
// answer, and with Options.ReadOnly in any case. That a disk is in use is found out by who opens the disk: see ErrBusy.
func Open(d disk.Disk, o Options) (*Store, error) {
	o.fill()
	o.Background = o.Background && !o.ReadOnly
	s := o.Reuse
	if s == nil {
		s = &Store{
			buffers: new(disk.Buffers), pages: new(bufcache.Cache), indexPages: new(bufcache.Cache),
			extents: new(extent.Store), log: new(log.Log), chunks: new(chunk.Store), parts: partTable{},
		}
	}
	s.renew(d, o)
	var queue *disk.Queue
	if o.Background {
		queue = disk.NewQueue(d, queueWorkers)
	}
	if err := s.recover(queue); err != nil {
		s.closed = true
		if queue != nil {
			_ = queue.Close() // never fails
		}
		return nil, openError(err)
	}
	s.opening = false
	if queue != nil {
		s.startBackground(queue)
	}
	return s, nil
}

// openError puts the caller's word for a superblock that is not there.
func openError(err error) error {
	if errors.Is(err, extent.ErrNoSuperblock) {
		return fmt.Errorf("%w: %w", ErrNoStore, err)
	}
	return err
}

// renew makes s a store on d of which nothing is known, in the memory of the one it was.
func (s *Store) renew(d disk.Disk, o Options) {
	o.Reuse = nil
	s.buffers.Reset()
	clear(s.parts)
	*s = Store{
		disk: d, options: o, probes: o.Probes, buffers: s.buffers, pages: s.pages, indexPages: s.indexPages,
		extents: s.extents, log: s.log, chunks: s.chunks, tree: s.tree, hooks: s.hooks, parts: s.parts,
		entries: s.entries[:0], taken: s.taken[:0], peak: s.peak[:0], check: s.check,
		switches: switches{record: s.switches.record[:0]}, moves: s.moves[:0], opening: true,
	}
	s.switches.store = s
}

// recover does the steps of N2 in their order. Requests go through queue if it is not nil.
func (s *Store) recover(queue *disk.Queue) error {
	o := extent.Options{Buffers: s.buffers, Probes: s.probes, Reuse: s.extents, ReadOnly: s.options.ReadOnly}
	if queue != nil {
		o.Queue = queue
	}
	x, err := extent.Open(s.disk, o)
	if err != nil {
		return err
	}
	s.extents = x
	g := x.Geometry()
	if err := holds(g); err != nil {
		return err
	}
	s.pages.Reset(int64(s.options.CacheBytes), int(g.PageBytes), s.buffers)
	s.indexPages.Reset(int64(s.options.IndexCacheBytes), int(g.PageBytes), s.buffers)
	x.SetCache(s.pages)
	x.OnUpdate(func(r *extent.Root) { r.DurableThrough = s.log.Durable() })
	s.chunks.Reset(x, s.options.Rand)
	s.chunks.SetWalker(extent.Log, log.Walk)
	s.chunks.SetProbes(s.probes)
	s.maxPayload = log.MaxPayload(g, s.options.GroupBytes)
	s.tailMutation, s.tailUnit = x.Root.NextMutation, x.Root.Replay.Number
	meta, err := s.loadMetadata()
	if err != nil {
		return err
	}
	s.openTree(meta)
	return s.replayLog()
}

// openTree opens the index that meta describes.
func (s *Store) openTree(meta *index.Metadata) {
	if s.hooks.Await == nil {
		s.hooks = index.Options{
			Await: s.await, Parts: s.partsOf, Hold: s.hold, Drop: s.drop, Pin: s.extents.Pin, Unpin: s.extents.Unpin,
			MustMerge: s.mustMerge, MayGrow: s.mayGrow,
		}
	}
	o := s.hooks
	o.Geometry, o.TablePages, o.FilterBits = s.extents.Geometry(), s.options.TablePages, s.options.FilterBits
	o.Trigger, o.Fanout, o.Cache, o.Probes, o.Reuse = s.options.Trigger, s.options.Fanout, s.indexPages, s.probes, s.tree
	s.tree = index.Open(s.chunks, &s.switches, meta, s.tailMutation, o)
	s.memtable = max(1, min(s.options.MemtableEntries, s.tree.Shape().ExtentEntries()))
	s.mergeMost = s.extents.Len()
	if size := int64(s.extents.Geometry().ExtentBytes); size >= leastSliced {
		s.mergeMost = int(or(s.options.MergeBytes, max(defaultMerge, mostMerge*size)) / size)
	}
}

// replayLog recovers the log, makes durable what nothing attests, and records the new epoch. A store that is opened to be read
// ends with the first of the three.
func (s *Store) replayLog() error {
	g := s.extents.Geometry()
	tail, err := s.log.Recover(s.disk, s.buffers, &s.extents.Table, applier{s})
	if err != nil {
		return err
	}
	if tail.Unknown {
		s.lost = fmt.Errorf("unit %d of the log and the one after it: %w", tail.Number, &fault.Corrupt{Extent: uint32(tail.Extent), Offset: int64(tail.Offset), Check: "log unit"})
		s.broken = errors.Join(ErrReadOnly, s.lost)
		s.log.Start(&s.extents.Table, s.extents.Sched(), s.buffers, s.options.GroupBytes, s.extents.Root.Epoch, tail)
		return nil
	}
	if s.options.ReadOnly {
		s.broken = ErrReadOnly
		s.log.Start(&s.extents.Table, s.extents.Sched(), s.buffers, s.options.GroupBytes, s.extents.Root.Epoch, tail)
		s.noteReplay(tail)
		return nil
	}
	if err := tail.Rewrite(s.disk, s.buffers, s.extents.Sched(), g); err != nil {
		return err
	}
	return s.newEpoch(tail)
}

// newEpoch records the epoch in which units from the log's end on are valid, and where that is.
func (s *Store) newEpoch(tail *log.Tail) error {
	root := &s.extents.Root
	root.Epoch++
	root.Resume = tail.Number
	s.log.Start(&s.extents.Table, s.extents.Sched(), s.buffers, s.options.GroupBytes, root.Epoch, tail)
	s.noteReplay(tail)
	root.Closed = false // before any unit is issued
	s.extents.Touch()
	if err := s.await(s.extents.Want()); err != nil {
		return err
	}
	s.resumeAppenders()
	s.keepReserve(s.reserve(0), false)
	for range s.extents.Len() {
		s.peak = append(s.peak, s.extents.Geometry().ExtentBytes)
	}
	s.releaseDead()
	s.prepareNext()
	return nil
}

// applier puts what the log holds into the memtable.
type applier struct{ s *Store }

// Apply notes a mutation.
func (a applier) Apply(h *chunk.Header, loc chunk.Locator, payload []byte) error {
	e := &a.s.replayed
	*e = index.Entry{ID: h.ID, Mutation: h.Mutation}
	switch h.Kind {
	case chunk.PutFinal:
		e.Kind, e.Locator = index.Put, loc
		if h.Parts > 1 {
			parts, _, err := a.s.decodeParts(h, payload, loc.Place())
			if err != nil {
				return err
			}
			e.Kind = index.PutParts
			a.s.parts[loc] = parts
		}
	case chunk.Tombstone:
		e.Kind = index.Delete
	case chunk.PutPart:
		return nil
	default:
		return loc.Place().Corrupt("frame kind in the log")
	}
	return a.s.tree.Set(e)
}

// Damaged notes a lost mutation.
func (a applier) Damaged(id chunk.ShardID, mutation uint64) {
	_ = a.s.tree.Set(&index.Entry{ID: id, Kind: index.Damaged, Mutation: mutation})
}

// loadMetadata returns the record that the root names, from the first copy that is whole, or that of an empty store.
func (s *Store) loadMetadata() (*index.Metadata, error) {
	root := &s.extents.Root
	m := new(index.Metadata)
	if root.Metadata[0].IsZero() {
		m.Reset(s.extents.Len())
		m.Replay = root.Replay.Number
		return m, nil
	}
	var bad error
	for i := range root.Metadata {
		record, err := s.metadataCopy(i)
		if err == nil {
			err = m.Decode(record, s.extents.Geometry(), root.Metadata[i].Place())
		}
		if err == nil {
			return m, nil
		}
		bad = err
	}
	return nil, bad
}

// metadataCopy reads copy i of the metadata, which the root names, and makes sure that it is what the root means.
func (s *Store) metadataCopy(i int) ([]byte, error) {
	root := &s.extents.Root
	h, record, err := s.chunks.Get(root.Metadata[i])
	if err == nil && (h.Kind != chunk.Metadata || chunk.Checksum(record) != root.MetadataCRC) {
		err = root.Metadata[i].Place().Corrupt("identity of the metadata")
	}
	return record, err
}

// resumeAppenders goes on behind the recorded pointers: metadata in the extents that hold it, runs and copies in the one with
// live bytes that has most room.
func (s *Store) resumeAppenders() {
	x := s.extents
	for i, o := range [...]extent.Owner{extent.Metadata, extent.Metadata2} {
		l := x.Root.Metadata[i]
		if e := x.Entry(l.Extent); !l.IsZero() && e.Owner == o && e.Generation == l.Generation {
			x.Resume(o, extent.LogExtent{Extent: l.Extent, Generation: l.Generation})
		}
	}
	live := s.tree.Metadata().Live
	for i := range x.Len() {
		id := extent.ID(i)
		e := x.Entry(id)
		if e.Owner != extent.Runs && e.Owner != extent.Levels && e.Owner != extent.Copies || live[id] == 0 {
			continue
		}
		if int(x.Geometry().ExtentBytes-e.Pointer) > x.Left(e.Owner) {
			x.Resume(e.Owner, extent.LogExtent{Extent: id, Generation: e.Generation})
		}
	}
}

// Close writes everything that a later Open would otherwise have to replay, makes every dependency persistent and ends the
// store, its goroutines included; afterwards every call answers ErrClosed. If the store is read-only it ends it as it is, without
// an error where Options.ReadOnly asked for that. After ErrIO, of a device that fails again and again, what a later Open finds is
// all that was persistent, and maybe more. Closing twice is ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.background
	if s.closed || b != nil && b.closing {
		return ErrClosed
	}
	if b != nil {
		s.endBackground()
	}
	err := s.again(s.shutdown)
	if b != nil {
		s.endDriver()
	}
	s.closed = true
	for b == nil && s.extents.Sched().Reap() {
	}
	if b != nil {
		b.changed.Broadcast()
	}
	return err
}

func (s *Store) shutdown() error {
	if s.options.ReadOnly {
		return nil
	}
	if s.broken != nil {
		return s.broken
	}
	if err := s.bygone(s.tree.FinishCompact()); err != nil && !noSpace(err) {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.settle()
	if s.log.Pending() == 0 { // there may be parts of a put that failed
		s.extents.Root.Closed = true
		s.extents.Touch()
	}
	if s.extents.Dirty() || s.extents.Writing() {
		return s.await(s.extents.Want())
	}
	return nil
}
