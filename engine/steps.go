package engine

import (
	"context"
	"errors"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/iosched"
)

// Step names a background step that Start begins.
type Step uint8

const (
	StepFlush      Step = iota + 1 // the memtable becomes a sorted run
	StepCompact                    // runs are merged
	StepReclaim                    // the best victim is emptied, its references written to a run
	StepSuperblock                 // all that is known of the extents is recorded
)

// Start begins a step and returns; Pump and everything else that lets requests complete carries it on, so that other calls fall
// between its parts. It reports false if there is nothing to begin, or one of that kind is under way. A step that fails leaves
// the store as if it had not begun. With background work on it begins nothing: that is for the store to do. Errors as those of the
// call that does the whole step.
func (s *Store) Start(step Step) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return false, err
	}
	if s.background != nil {
		return false, nil
	}
	began, err := s.start(step)
	s.settle()
	if errors.Is(err, index.ErrBusy) {
		return false, nil
	}
	return began, err
}

func (s *Store) start(step Step) (bool, error) {
	switch step {
	case StepFlush:
		return s.startFlush(false)
	case StepCompact:
		return s.tree.StartCompact(true)
	case StepReclaim:
		return s.startReclaim()
	case StepSuperblock:
		s.extents.Touch()
		s.extents.Want()
		return true, nil
	}
	return false, nil
}

// Flush moves the memtable into a sorted run and records a root with a new replay position: what is in the run is not replayed
// again. Extents that hold nothing any more are released. It returns when the root is relied on. Errors: ErrFull, ErrReadOnly,
// ErrClosed, ErrIO if the device fails again and again, the context's; after an error the store goes on as if Flush had not been
// called. Like every step it looks at ctx before it begins; once begun it takes as long as its requests do.
func (s *Store) Flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.leaveSteps()
	return s.again(s.flush)
}

// flush ends the flush under way, if one is, and does another.
func (s *Store) flush() error { return s.flushAll(false) }

// flushAll is flush; with force it leaves one run.
func (s *Store) flushAll(force bool) error {
	if err := s.bygone(s.finishFlush()); err != nil {
		return err
	}
	if err := s.limitRuns(); err != nil {
		return err
	}
	if _, err := s.startFlush(force); err != nil {
		return err
	}
	return s.finishFlush()
}

// startFlush begins a flush of everything put so far: its run is built when that is durable, and the copies that the memtable
// names are (P13).
func (s *Store) startFlush(force bool) (bool, error) {
	if s.tree.Flushing() {
		return false, index.ErrBusy
	}
	s.log.Seal()
	w := &s.switches
	w.flushAt, w.flushMutation = s.log.Position(), s.log.NextMutation()
	began, err := s.tree.StartFlush(force, w.flushAt.Number, w.flushMutation, iosched.NewDependency(s.log, s.log.Next()-1).And(s.moved))
	if began {
		s.moved = iosched.Dependency{}
		s.forgetMoves()
	}
	return began, err
}

func (s *Store) finishFlush() error {
	err := s.tree.FinishFlush()
	s.settle()
	s.keepReserve(s.reserve(0), false)
	return err
}

// begin makes the caller the one who takes steps, or says why it may not.
func (s *Store) begin(ctx context.Context) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	return s.takeSteps(ctx)
}

// finishSteps ends what is under way.
func (s *Store) finishSteps() error {
	if err := s.bygone(s.finishFlush()); err != nil {
		return err
	}
	return s.bygone(s.tree.FinishCompact())
}

// bygone returns err, why a step failed that was begun before, unless it is that something could not be read: that may have passed, and
// what the step was to do the caller does anew.
func (s *Store) bygone(err error) error {
	if s.broken == nil && (errors.Is(err, ErrIO) || errors.Is(err, ErrCorrupt)) {
		return nil
	}
	return err
}

// limitRuns compacts before level 0 has so many runs that reads suffer, and ends a compaction under way. With background work
// off nobody else does. If there is no space to compact, the flush goes on without.
func (s *Store) limitRuns() error {
	err := s.bygone(s.tree.FinishCompact())
	for more := true; more && err == nil && s.manyRuns(); {
		more, err = s.compactOne(true)
	}
	if err == nil || noSpace(err) {
		err = s.prepareFlush()
	}
	if noSpace(err) {
		return nil
	}
	return err
}

// Compact merges runs, one step, and reports whether there was one to take: if not, the index is one run without tombstones, or
// empty. Errors: ErrFull, ErrCorrupt or ErrIO if a run cannot be read, ErrIO if the device fails again and again, ErrReadOnly,
// ErrClosed, the context's.
func (s *Store) Compact(ctx context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return false, err
	}
	defer s.leaveSteps()
	return s.againMore(func() (bool, error) { return s.compact(true) })
}

func (s *Store) compact(force bool) (bool, error) {
	if err := s.finishSteps(); err != nil {
		return false, err
	}
	more, err := s.compactOne(force)
	if noSpace(err) && s.reserve(0).whole {
		err = s.flushAll(true) // a full flush may use what compaction leaves
		more = err == nil
	}
	return more, err
}

// Reclaim empties the extent that gives most space for least copying, switches the references to what it held, and releases it.
// It reports whether there was one worth it. Errors as Compact.
func (s *Store) Reclaim(ctx context.Context) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.begin(ctx); err != nil {
		return false, err
	}
	defer s.leaveSteps()
	return s.againMore(s.reclaim)
}

func (s *Store) reclaim() (bool, error) {
	if err := s.finishSteps(); err != nil {
		return false, err
	}
	if s.movedBack { // and pins what would be a victim
		if err := s.flush(); err != nil {
			return false, err
		}
		s.movedBack = false
	}
	x, ok := s.victim()
	if !ok {
		return s.leaveHead()
	}
	move := s.moveFrom
	if s.holdsTables(x) {
		move = s.rewriteTables
	}
	if err := move(x); err != nil {
		return false, err
	}
	return true, s.flush()
}

// leaveHead lets the log go on in its next extent if nothing in the present one is live or will be replayed, so that it can be
// released.
func (s *Store) leaveHead() (bool, error) {
	head, off := s.log.Head()
	if off == 0 || s.tree.Pending() > 0 || s.log.Pending() > 0 || s.log.Ahead() == 0 || s.tree.Metadata().Live[head.Extent] > 0 {
		return false, nil
	}
	s.log.Rotate()
	s.extents.Root.Replay = s.log.Position()
	s.log.Trim(s.extents.Root.Replay.Extent)
	s.shrunk = s.extents.Touch()
	if err := s.await(s.extents.Want()); err != nil {
		return false, err
	}
	s.release = true
	s.settle()
	s.prepareNext()
	return true, nil
}

// startReclaim empties a victim of data and begins the flush that switches its references; a victim of runs has its first table
// rewritten.
func (s *Store) startReclaim() (bool, error) {
	if s.tree.Busy() {
		return false, index.ErrBusy
	}
	x, ok := s.victim()
	if !ok {
		return false, nil
	}
	if s.holdsTables(x) {
		return s.tree.StartMove(x)
	}
	if err := s.moveFrom(x); err != nil {
		return false, err
	}
	return s.startFlush(false)
}

// victim returns the extent whose live bytes are fewest, if moving them gains anything: one that lies wholly before the replay
// position, that nobody appends to, and that has lost an eighth since it was written. What was written densely and has lost
// nothing is not moved again, so that reclamation comes to an end.
func (s *Store) victim() (extent.ID, bool) {
	best, least := extent.ID(0), uint32(0)
	live := s.tree.Metadata().Live
	for i := range s.extents.Len() {
		x := extent.ID(i)
		if n := live[x]; n == 0 || n > s.peak[x]/8*7 || best != 0 && n >= least || s.listed(x) || s.extents.Appends(x) || s.extents.Pinned(x) {
			continue
		}
		switch s.extents.Describe(x).Owner {
		case extent.Log, extent.Copies, extent.Runs, extent.Levels:
			best, least = x, live[x]
		}
	}
	return best, best != 0
}

func (s *Store) holdsTables(x extent.ID) bool {
	o := s.extents.Describe(x).Owner
	return o == extent.Runs || o == extent.Levels
}

// rewriteTables writes the tables of the runs that lie in x elsewhere.
func (s *Store) rewriteTables(x extent.ID) error {
	for {
		if more, err := s.tree.Rewrite(context.Background(), x); err != nil || !more {
			return err
		}
		s.settle()
	}
}

// moveFrom copies what the index refers to out of x. The references are switched in the memtable; the next flush makes that
// durable, and x can be released then.
func (s *Store) moveFrom(x extent.ID) error {
	s.keepReserve(s.reserve(0), false)
	moved, err := s.chunks.Reclaim(x, mover{s})
	if moved > 0 {
		s.probes.Hit(probeMoved)
	}
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrIO) {
		s.probes.Hit(probeUnreadable) // what cannot be read stays, and keeps its extent
		return nil
	}
	return err
}

// mover is the reverse lookup of reclamation: what the index refers to. It implements chunk.References.
type mover struct{ s *Store }

// Holds reports whether the newest put of h's shard is, or contains, the frame at l.
func (m mover) Holds(h *chunk.Header, l chunk.Locator) (bool, error) {
	e, err := m.s.tree.Find(&h.ID)
	if err != nil || e == nil {
		return false, err
	}
	if e.Locator == l {
		return true, nil
	}
	if e.Kind != index.PutParts {
		return false, nil
	}
	parts, err := m.s.partsOf(e.Locator)
	if err != nil {
		return true, err
	}
	for _, p := range parts {
		if p == l {
			return true, nil
		}
	}
	return false, nil
}

// Moved makes the index refer to the copy, if it still refers to what was copied (P13). The memtable takes all that an extent
// holds: what cannot be moved whole need not be moved at all.
func (m mover) Moved(h *chunk.Header, from, to chunk.Locator, dep iosched.Dependency) (bool, error) {
	s := m.s
	found, err := s.tree.Find(&h.ID)
	if err != nil || found == nil {
		return false, err
	}
	e := *found
	switch {
	case h.Kind == chunk.PutPart && e.Kind == index.PutParts:
		return m.movedPart(h, e, from, to, dep)
	case e.Locator != from:
		return false, nil
	}
	var parts []chunk.Locator
	if e.Kind == index.PutParts {
		if parts, err = s.partsOf(from); err != nil {
			return false, err
		}
	}
	return m.move(e, to, parts, parts, dep)
}

// move switches e to a copy at to, whose other parts are known, and so are those it has now.
func (m mover) move(e index.Entry, to chunk.Locator, parts, before []chunk.Locator, dep iosched.Dependency) (bool, error) {
	s := m.s
	if e.Kind == index.PutParts {
		s.parts[to] = parts
	}
	moved, err := s.tree.Move(e.ID, e.Mutation, e.Locator, to)
	if !moved {
		delete(s.parts, to)
		return false, err
	}
	s.moved = s.moved.And(dep)
	s.moves = append(s.moves, movedRef{e.ID, e.Mutation, e.Locator, to, before, dep})
	return true, nil
}

// movedPart writes the final frame of the put that e stands for anew, with the new place of one part.
func (m mover) movedPart(h *chunk.Header, e index.Entry, from, to chunk.Locator, dep iosched.Dependency) (bool, error) {
	s := m.s
	final, payload, err := s.frame(e.Locator)
	if err != nil || final.UUID != h.UUID {
		return false, err
	}
	payload = append([]byte(nil), payload...)
	i := int(h.Part) * extent.LocatorBytes
	if i+extent.LocatorBytes > len(payload) || extent.DecodeLocator(payload[i:]) != from {
		return false, nil
	}
	before, _, err := s.decodeParts(&final, payload, e.Locator.Place())
	if err != nil {
		return false, err
	}
	extent.AppendLocator(payload[i:i], to)
	parts, _, err := s.decodeParts(&final, payload, e.Locator.Place())
	if err != nil {
		return false, err
	}
	final.Kind = chunk.Copy
	l, written, err := s.chunks.Append(&final, len(payload), iosched.Dependency{}, func(p []byte, _ chunk.Place) { copy(p, payload) })
	if err != nil {
		return false, err
	}
	return m.move(e, l, parts, before, dep.And(written))
}
