package engine

import (
	"errors"
	"fmt"

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
	mu conc.Mutex // held for the whole of every call, IO included: with background work off nobody else needs the disk

	disk    disk.Disk
	options Options
	shape   index.Shape
	reader  extentReader
	io      *iosched.Sched
	table   *extent.Table
	log     *log.Log
	probes  *probe.Set

	// The index. Mutations of numbers from replay.mutation on are in mem, all before in meta.Run.
	mem    *index.Memtable
	meta   index.Metadata // what the relied-on root names
	replay replayed

	// wanted is the change of the table that somebody waits for: an update begins when it is beyond what the last one records.
	wanted uint64

	runs   appender      // where the next table of a run goes
	copies [2]appender   // where the next copies of the metadata go
	frames []*frameWrite // frames outside the log that are not durable yet

	// maxShard is the longest value in bytes.
	maxShard int

	page    []byte        // scratch: an index block
	frame   []byte        // scratch: whole blocks around a frame
	merge   index.Merge   // scratch
	entry   index.Entry   // scratch: what find found
	entries []index.Entry // scratch: of the table that a flush builds

	closed bool
	broken error // why the store takes no mutation any more
	lost   error // damage that any answer could hide
}

// replayed says from where the log is not covered by the index, in the two measures that are bounded (N5).
type replayed struct {
	mutation uint64
	unit     uint64
}

// MaxShard returns the length in bytes of the longest value a Put takes.
func (s *Store) MaxShard() int { return s.maxShard }

// Put makes data the value of id. The value is visible to every later Get at once and survives a crash once the dependency is
// persistent; a put is all or nothing. data is not kept. Errors: ErrTooLarge, ErrFull, ErrReadOnly, ErrClosed; after any error
// nothing has changed.
func (s *Store) Put(id ShardID, data []byte) (Dependency, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(data) > s.maxShard {
		return Dependency{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(data), s.maxShard)
	}
	h := chunk.Header{Kind: chunk.PutFinal, ID: id, Parts: 1, UUID: newUUID(s.options.Rand)}
	return s.mutate(&h, data)
}

// Delete makes id absent. Deleting what is absent is no error and takes its place in the order of mutations like any other.
// Errors: ErrFull, ErrReadOnly, ErrClosed.
func (s *Store) Delete(id ShardID) (Dependency, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := chunk.Header{Kind: chunk.Tombstone, ID: id, Parts: 1, UUID: newUUID(s.options.Rand)}
	return s.mutate(&h, nil)
}

// mutate appends one frame and notes it in the memtable.
func (s *Store) mutate(h *chunk.Header, payload []byte) (Dependency, error) {
	if err := s.writable(); err != nil {
		return Dependency{}, err
	}
	if s.tailFull() {
		if err := s.flush(); err != nil {
			return Dependency{}, err
		}
	}
	if err := s.makeRoom(h.Kind, len(payload)); err != nil {
		return Dependency{}, err
	}
	loc, unit := s.log.Append(h, payload)
	e := index.Entry{ID: h.ID, Kind: index.Put, Mutation: h.Mutation, Locator: loc}
	if h.Kind == chunk.Tombstone {
		e.Kind, e.Locator = index.Delete, chunk.Locator{}
	}
	s.mem.Set(&e)
	s.noteFrame(loc)
	s.prepareNext()
	return iosched.NewDependency(s.log, unit), nil
}

// writable returns why the store takes no mutation, nil if it does.
func (s *Store) writable() error {
	switch {
	case s.closed:
		return ErrClosed
	case s.broken != nil:
		return s.broken
	}
	return nil
}

// fail makes the store read-only: a write or flush has failed, and what was not durable then never will be.
func (s *Store) fail(err error) error {
	if s.broken == nil {
		s.broken = errors.Join(ErrReadOnly, err)
	}
	return s.broken
}

func newUUID(src Rand) (u chunk.UUID) {
	putUint64(u[:8], src.Uint64())
	putUint64(u[8:], src.Uint64())
	return u
}

func putUint64(b []byte, v uint64) {
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
}
