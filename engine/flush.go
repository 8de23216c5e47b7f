package engine

import (
	"context"
	"fmt"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
)

// Flush moves the memtable into the sorted run and records a root with a new replay position: what is in the run is not
// replayed again. Extents that hold nothing any more are released. It returns when the root is relied on. Errors: ErrFull,
// ErrCorrupt or ErrIO if the present run cannot be read, ErrReadOnly, ErrClosed, the context's; after an error the store goes
// on as if Flush had not been called.
func (s *Store) Flush(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.flush()
}

// flush does the steps of N3 in their order: the mutations, the run and the metadata are durable before the root names them.
func (s *Store) flush() error {
	if s.mem.Len() == 0 {
		return nil
	}
	s.log.Seal()
	if err := s.awaitUnit(s.log.Next() - 1); err != nil {
		return err
	}
	if err := s.provideFlush(); err != nil {
		return err
	}
	next := index.Metadata{Replay: s.log.Next(), Live: index.EmptyLive(s.liveSpare, s.table.Geometry())}
	next.Run.Tables = s.tablesSpare[:0]
	if err := s.writeRun(&next); err != nil {
		return err
	}
	locators, crc, err := s.writeMetadata(&next)
	if err != nil {
		return err
	}
	if err := s.awaitFrames(); err != nil {
		return err
	}
	return s.switchRoot(&next, locators, crc)
}

// provideFlush allocates the extents that the run and the metadata may need, and returns when they are relied on.
func (s *Store) provideFlush() error {
	entries := s.meta.Entries + s.mem.Len()
	most := s.tableEntries(entries)
	if entries > most || s.left(&s.runs) < s.roundUp(s.shape.FrameBytes(entries)) {
		if err := s.provide(&s.runs, extent.Runs, s.runExtents(entries)-len(s.runs.spare)); err != nil {
			return err
		}
	}
	size := min(s.roundUp(metadataFrame(entries/most+1, s.table.Len())), int(s.shape.ExtentBytes))
	for i := range s.copies {
		if s.left(&s.copies[i]) < size && len(s.copies[i].spare) == 0 {
			if err := s.provide(&s.copies[i], extent.Metadata, 1); err != nil {
				return err
			}
		}
	}
	return s.awaitRoot(s.wanted)
}

// metadataFrame returns the size of the frame of a metadata record.
func metadataFrame(tables, extents int) int {
	return chunk.FrameBytes(index.MetadataBytes(tables, extents))
}

// writeRun merges memtable and run into the tables of a new run, in bounded pieces, and counts live bytes.
func (s *Store) writeRun(next *index.Metadata) error {
	if err := s.merge.Seek(s.mem, &s.meta.Run, &s.reader, &s.shape, s.page, nil); err != nil {
		return err
	}
	most := s.tableEntries(s.meta.Entries + s.mem.Len())
	s.entries = s.entries[:0]
	for {
		e, err := s.merge.Next()
		if err != nil {
			return err
		}
		if len(s.entries) == most || e == nil && len(s.entries) > 0 {
			if err := s.writeTable(next); err != nil {
				return err
			}
		}
		if e == nil {
			return nil
		}
		s.keep(e, next)
	}
}

// keep takes e into the new run. There is no deeper level, so tombstones end here.
func (s *Store) keep(e *index.Entry, next *index.Metadata) {
	if e.Kind == index.Delete {
		s.probes.Hit(probeTombstoneDropped)
		return
	}
	if e.Kind == index.Put {
		next.Live[e.Locator.Extent] += e.Locator.Length
	}
	s.entries = append(s.entries, *e)
}

// writeTable submits a table of the entries collected.
func (s *Store) writeTable(next *index.Metadata) error {
	n := s.shape.FrameBytes(len(s.entries))
	at, err := s.place(&s.runs, n)
	if err != nil {
		return err
	}
	f := s.newFrame(n)
	t := s.shape.Encode(f[:n], s.entries, newUUID(s.options.Rand), at)
	next.Run.Tables = append(next.Run.Tables, t)
	next.Entries += len(s.entries)
	next.Live[at.Extent] += t.Locator.Length
	s.entries = s.entries[:0]
	if len(next.Run.Tables) > 1 {
		s.probes.Hit(probeSeveralTables)
	}
	s.submitFrame(f, at)
	return nil
}

// newFrame returns a buffer of whole physical blocks for a frame of n bytes, zeros behind it.
func (s *Store) newFrame(n int) []byte {
	f := s.buffers.Get(s.roundUp(n))
	clear(f[n:])
	return f
}

// submitFrame hands a frame outside the log to the disk.
func (s *Store) submitFrame(f []byte, at chunk.Place) {
	w := new(frameWrite)
	if n := len(s.spares); n > 0 {
		w, s.spares = s.spares[n-1], s.spares[:n-1]
	}
	*w = frameWrite{buf: f}
	s.frames = append(s.frames, w)
	s.io.Submit(&w.write, f, s.table.Geometry().Base(at.Extent)+int64(at.Offset))
}

// awaitFrames returns when every frame submitted is durable.
func (s *Store) awaitFrames() error {
	for _, w := range s.frames {
		if err := s.awaitWrite(&w.write); err != nil {
			return err
		}
	}
	for _, w := range s.frames {
		s.buffers.Put(w.buf)
	}
	s.spares = append(s.spares, s.frames...)
	s.frames = s.frames[:0]
	return nil
}

// writeMetadata submits two copies of m's record in two extents.
func (s *Store) writeMetadata(m *index.Metadata) (locators [2]extent.Locator, crc uint32, err error) {
	s.record = m.Append(s.record[:0])
	record := s.record
	crc = chunk.Checksum(record)
	uuid := newUUID(s.options.Rand)
	n := chunk.FrameBytes(len(record))
	if n > int(s.shape.ExtentBytes) {
		return locators, 0, fmt.Errorf("%w: metadata of %d bytes, an extent has %d", ErrFull, n, s.shape.ExtentBytes)
	}
	for i := range s.copies {
		at, err := s.place(&s.copies[i], n)
		if err != nil {
			return locators, 0, err
		}
		f := s.newFrame(n)
		h := chunk.Header{Kind: chunk.Metadata, Parts: 1, UUID: uuid}
		chunk.AppendFrame(f[:0], &h, record, at)
		locators[i] = extent.Locator{Extent: at.Extent, Generation: at.Generation, Offset: at.Offset, Length: uint32(n)}
		s.submitFrame(f, at)
	}
	return locators, crc, nil
}

// switchRoot records the root that names next, returns when it is relied on, and lets go of what it made superfluous.
func (s *Store) switchRoot(next *index.Metadata, locators [2]extent.Locator, crc uint32) error {
	root := &s.table.Root
	root.Replay = s.log.Position()
	root.NextMutation = s.log.NextMutation()
	root.Metadata, root.MetadataCRC = locators, crc
	s.log.Trim(root.Replay.Extent)
	s.table.Touch()
	if err := s.awaitRoot(s.want()); err != nil {
		return err
	}
	if len(s.meta.Run.Tables) > 0 {
		s.probes.Hit(probeMerged)
	}
	s.liveSpare, s.tablesSpare = s.meta.Live, s.meta.Run.Tables
	s.meta = *next
	s.mem.Reset()
	s.replay = replayed{root.NextMutation, root.Replay.Number}
	s.release()
	return nil
}
