package engine

import (
	"fmt"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/iosched"
)

// switches carries the state of the index from the index to the root: two copies of the metadata, and once they are durable the
// root that names them (N3). One switch is under way at a time. It is the index's Recorder, and the Watermark of its switches,
// numbered from 1.
type switches struct {
	store *Store
	begun uint64 // switches handed in. done <= begun <= done+1
	done  uint64 // switches whose root is relied on

	copies   iosched.Dependency // of the switch under way, until the root is changed
	root     iosched.Dependency // of the root, from then on
	changed  bool
	replay   extent.Position // what the root will say
	mutation uint64
	metadata [2]chunk.Locator
	crc      uint32
	record   []byte // scratch

	// flushAt is the replay position of the flush under way.
	flushAt       extent.Position
	flushMutation uint64
}

// StateOf implements iosched.Watermark.
func (w *switches) StateOf(n uint64) iosched.State {
	switch {
	case n <= w.done:
		return iosched.Persistent
	case w.store.broken != nil:
		return iosched.Failed
	}
	return iosched.Pending
}

// ErrOf implements iosched.Watermark.
func (w *switches) ErrOf(n uint64) error {
	if n <= w.done {
		return nil
	}
	return w.store.broken
}

// Record implements index.Recorder.
func (w *switches) Record(m *index.Metadata, after iosched.Dependency) (iosched.Dependency, error) {
	if w.begun != w.done {
		panic("engine: two root switches at once")
	}
	w.record = m.Append(w.record[:0])
	if n := chunk.FrameBytes(len(w.record)); n > int(w.store.extents.Geometry().ExtentBytes) {
		return iosched.Dependency{}, fmt.Errorf("%w: metadata of %d bytes does not fit an extent", ErrFull, n)
	}
	w.crc = chunk.Checksum(w.record)
	w.copies = after
	for i := range w.metadata {
		h := chunk.Header{Kind: chunk.Metadata, Part: uint16(i), Parts: 2}
		l, dep, err := w.store.chunks.Append(&h, len(w.record), after, func(p []byte, _ chunk.Place) { copy(p, w.record) })
		if err != nil {
			return iosched.Dependency{}, err
		}
		w.metadata[i], w.copies = l, w.copies.And(dep)
	}
	root := &w.store.extents.Root
	w.replay, w.mutation = root.Replay, root.NextMutation
	if m.Replay == w.flushAt.Number && m.Replay > w.replay.Number {
		w.replay, w.mutation = w.flushAt, w.flushMutation
	}
	w.begun++
	w.changed = false
	return iosched.NewDependency(w, w.begun), nil
}

// abandon gives up the switch under way, of which a copy is lost, and reports whether there is one that goes on: its copies were
// durable, the root in memory names them, and the next one recorded will do.
func (w *switches) abandon() (goesOn bool) {
	if !w.changed {
		w.begun = w.done
	}
	return w.begun > w.done
}

// advance moves the switch under way as far as persistent dependencies allow.
func (w *switches) advance() {
	if w.begun == w.done {
		return
	}
	s := w.store
	if !w.changed && w.copies.Persistent() {
		root := &s.extents.Root
		root.Replay, root.NextMutation = w.replay, w.mutation
		root.Metadata, root.MetadataCRC = w.metadata, w.crc
		s.log.Trim(root.Replay.Extent)
		s.extents.Touch()
		w.root, w.changed = s.extents.Want(), true
		s.shrunk = s.extents.Changed()
	}
	if w.changed && w.root.Persistent() {
		w.done = w.begun
		s.tailMutation, s.tailUnit = w.mutation, w.replay.Number
		s.release = true
	}
}
