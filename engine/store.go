package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/shardproof/shardproof/engine/bufcache"
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/conc"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/engine/log"
	"github.com/shardproof/shardproof/engine/probe"
)

// Store is one open disk.
type Store struct {
	// mu is held for the whole of every call, reads of the disk included. With background work off that goes for writes and
	// flushes too; with it on a call that waits lets go of mu meanwhile.
	mu         conc.Mutex
	background *background // nil: off

	disk    disk.Disk
	options Options
	probes  *probe.Set

	// The floors below, from the ground up.
	buffers    *disk.Buffers
	pages      *bufcache.Cache // pages of shards
	indexPages *bufcache.Cache // pages of the index
	extents    *extent.Store
	log        *log.Log
	chunks     *chunk.Store
	tree       *index.Tree
	hooks      index.Options // of the tree: the functions among them; made once
	replayed   index.Entry   // scratch of recovery

	// From here on the log is not covered by the index, in the two measures that are bounded (N5).
	tailMutation uint64
	tailUnit     uint64

	switches switches
	parts    partTable
	puts     []*openPut         // in parts, under way
	moved    iosched.Dependency // copies that the memtable names: durable before the next run is (P13)
	moves    []movedRef         // those entries that do not name durable copies for sure, in the order of the moves

	maxPayload int  // bytes of the largest payload of one frame of the log
	memtable   int  // mutations that may wait for a flush
	mergeMost  int  // extents of the largest index that is merged whole
	repacking  bool // tables are moved closer together, for which the reserve may be taken

	peak    []uint32      // by extent: the most live bytes it had, or an extent's bytes while that is not known
	entries []index.Entry // scratch of List
	taken   []uint32      // scratch of sparse
	check   checker

	opening bool // until Open is done: a failed request ends it
	closed  bool
	broken  error // why the store takes no mutation any more
	lost    error // damage that any answer could hide
	release bool  // a root has been switched: extents may have become free

	waited uint64 // somebody waits for the units through this one

	// shrunk is the change number of the newest root that reaches less than the one before. Until it is relied on a crash brings
	// back one that lists what memory no longer does, so nothing is released (N4).
	shrunk uint64

	putBytes uint64 // of the values of puts since Open

	repairs   uint64 // failed requests that the store has recovered from
	movedBack bool   // the memtable names what lies in extents that were to be reclaimed
}

// Put makes data the value of id. The value is visible to every later Get at once and survives a crash once the dependency is
// persistent; a put is all or nothing, however many parts it takes. data is not kept. Errors: ErrTooLarge, ErrFull, ErrIO if
// making room failed again and again, ErrReadOnly, ErrClosed; after any error nothing has changed.
func (s *Store) Put(id ShardID, data []byte) (Dependency, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return Dependency{}, err
	}
	if int64(len(data)) > s.maxShard() {
		return Dependency{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(data), s.maxShard())
	}
	h := chunk.Header{Kind: chunk.PutFinal, ID: id, Parts: 1, UUID: chunk.NewUUID(s.options.Rand)}
	s.putBytes += uint64(len(data))
	if len(data) > s.partBytes() {
		return s.putParts(&h, data)
	}
	return s.mutate(&h, data)
}

// Delete makes id absent. Deleting what is absent is no error and takes its place in the order of mutations like any other.
// Errors: ErrFull, ErrIO, ErrReadOnly, ErrClosed.
func (s *Store) Delete(id ShardID) (Dependency, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return Dependency{}, err
	}
	h := chunk.Header{Kind: chunk.Tombstone, ID: id, Parts: 1, UUID: chunk.NewUUID(s.options.Rand)}
	return s.mutate(&h, nil)
}

// mutate appends the frame that makes a mutation and notes it in the index.
func (s *Store) mutate(h *chunk.Header, payload []byte) (Dependency, error) {
	if err := s.makeRoom(h.Kind, len(payload)); err != nil {
		return Dependency{}, err
	}
	return s.append(h, payload, nil)
}

// append appends the frame that makes a mutation, for which there is room. parts are the other parts of a put.
func (s *Store) append(h *chunk.Header, payload []byte, parts []chunk.Locator) (Dependency, error) {
	loc, unit := s.log.Append(h, payload)
	e := index.Entry{ID: h.ID, Kind: index.Put, Mutation: h.Mutation, Locator: loc}
	switch {
	case h.Kind == chunk.Tombstone:
		e.Kind, e.Locator = index.Delete, chunk.Locator{}
	case len(parts) > 0:
		e.Kind = index.PutParts
		s.parts[loc] = parts
	}
	if err := s.tree.Set(&e); err != nil {
		return Dependency{}, err
	}
	s.noteFrame(loc)
	s.prepareNext()
	return iosched.NewDependency(s.log, unit), nil
}

// writable returns why the store takes no mutation, nil if it does.
func (s *Store) writable() error {
	switch {
	case s.closed, s.background != nil && s.background.closing:
		return ErrClosed
	case s.broken != nil:
		return s.broken
	}
	return nil
}

// ready returns why no step can be taken for a caller with that context, nil if one can.
func (s *Store) ready(ctx context.Context) error {
	if err := s.writable(); err != nil {
		return err
	}
	return ctx.Err()
}

// readable returns why the store answers no read, nil if it does.
func (s *Store) readable() error {
	if s.closed {
		return ErrClosed
	}
	return s.lost
}

// fail makes the store read-only: a write or flush has failed, and what is not durable now never will be.
func (s *Store) fail(err error) error {
	if s.broken == nil {
		s.broken = errors.Join(ErrReadOnly, err)
	}
	return s.broken
}
