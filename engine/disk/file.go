package disk

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/shardproof/shardproof/engine/conc"
)

// File is a disk on a regular file (OpenFile) or a block device (OpenDevice), which it holds exclusively.
//
//	Submit ──► pwrite, fdatasync on the caller's goroutine ──► completions ──► Reap
//
// Submit returns when the request is complete; requests run in parallel as far as the callers do. Buffers may lie anywhere in
// memory: a device that wants them aligned gets a copy where they are not.
//
// A failed request is never tried again (D5). The operating system reports that it could not write back a block once, to
// whoever flushes next, and takes the block for clean from then on. So a failed flush, or a failed write with FUA, says that
// nothing is known of any write that completed before that failure, and flushes waiting at that moment fail with it.
//
// Safe for concurrent use as Disk says.
type File struct {
	path     string
	f        medium
	info     Info
	readOnly bool
	queue    *completions

	// Devices only; nil for regular files.
	bounce       *Pool                                        // copies for buffers not aligned to info.LogicalBlock
	writeThrough func(p []byte, off int64) (n int, err error) // a write with FUA, in one request if the device can

	// One flush runs at a time: of two at once on one file, only one would hear of a failure. syncing is therefore held across
	// disk IO. Reads and plain writes never take it.
	syncing  conc.Mutex
	failures conc.Uint64 // flushes that failed. Added to under syncing only.
}

// medium is the open file below a File. Methods may do part of the work, as the system calls may.
type medium interface {
	io.ReaderAt
	io.WriterAt
	// Datasync makes durable what was written before.
	Datasync() error
	Close() error
}

var _ Disk = (*File)(nil)

// newFile returns the disk on f.
func newFile(path string, f medium, info Info, readOnly bool) *File {
	return &File{path: path, f: f, info: info, readOnly: readOnly, queue: newCompletions()}
}

// Path returns the name the disk was opened under.
func (d *File) Path() string { return d.path }

// Info describes the disk.
func (d *File) Info() Info { return d.info }

// Read fills p from off.
func (d *File) Read(p []byte, off int64) error {
	err := d.info.checkRange(off, len(p))
	if err == nil {
		err = d.read(p, off)
	}
	if err != nil {
		return failed("read", off, asClosed(err))
	}
	return nil
}

func (d *File) read(p []byte, off int64) error {
	if d.bounce == nil || isAligned(p, d.info.LogicalBlock) {
		return readFull(d.f, p, off)
	}
	b := d.bounce.Get()
	defer d.bounce.Put(b)
	for len(p) > 0 {
		part := b[:min(len(b), len(p))]
		if err := readFull(d.f, part, off); err != nil {
			return err
		}
		copy(p, part)
		p, off = p[len(part):], off+int64(len(part))
	}
	return nil
}

// Submit carries r out.
func (d *File) Submit(r *Request) {
	d.queue.begin()
	err := d.carryOut(r)
	if err != nil {
		err = failed(r.Kind.String(), r.Off, asClosed(err))
	}
	d.queue.finish(r, err)
}

func (d *File) carryOut(r *Request) error {
	if err := d.info.checkRequest(r); err != nil {
		return err
	}
	switch {
	case d.readOnly:
		return ErrReadOnly
	case r.Kind == Flush:
		return d.flush()
	case r.FUA:
		return d.writeDurably(r.Data, r.Off)
	}
	return d.write(r.Data, r.Off, d.f.WriteAt)
}

// Reap returns a request that is complete.
func (d *File) Reap(wait bool) *Request { return d.queue.reap(wait) }

// write writes p at off in the way given.
func (d *File) write(p []byte, off int64, writeAt func([]byte, int64) (int, error)) error {
	if d.bounce == nil || isAligned(p, d.info.LogicalBlock) {
		return writeFull(writeAt, p, off)
	}
	b := d.bounce.Get()
	defer d.bounce.Put(b)
	for len(p) > 0 {
		part := b[:copy(b, p)]
		if err := writeFull(writeAt, part, off); err != nil {
			return err
		}
		p, off = p[len(part):], off+int64(len(part))
	}
	return nil
}

// writeDurably writes with FUA: by the device's own means, or by a write and a flush.
func (d *File) writeDurably(p []byte, off int64) error {
	if d.writeThrough != nil {
		if err := d.write(p, off, d.writeThrough); !errors.Is(err, ErrNotSupported) {
			return err
		}
	}
	if err := d.write(p, off, d.f.WriteAt); err != nil {
		return err
	}
	return d.flush()
}

func (d *File) flush() error { return d.flushSince(d.failures.Load()) }

// flushSince flushes on behalf of a request that began when there had been before failures.
func (d *File) flushSince(before uint64) error {
	d.syncing.Lock()
	defer d.syncing.Unlock()
	if d.failures.Load() != before {
		return errFlushFailed // while this one waited, and what it was to cover may be lost
	}
	if err := d.f.Datasync(); err != nil {
		d.failures.Add(1)
		return err
	}
	return nil
}

var errFlushFailed = errors.New("another flush failed meanwhile")

// Close gives the file up. Requests that other goroutines are carrying out end as they end; later ones fail with ErrClosed.
func (d *File) Close() error {
	if err := d.f.Close(); err != nil {
		return fmt.Errorf("disk: %w", asClosed(err))
	}
	return nil
}

// asClosed puts our word for the system's.
func asClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return ErrClosed
	}
	return err
}

// readFull fills p from off, in as many pieces as it takes.
func readFull(f io.ReaderAt, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := f.ReadAt(p, off)
		if n == len(p) {
			return nil
		}
		if err == io.EOF || (err == nil && n == 0) {
			return io.ErrUnexpectedEOF // somebody cut the file short
		}
		if err != nil {
			return err
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// writeFull writes p at off, in as many pieces as it takes.
func writeFull(writeAt func([]byte, int64) (int, error), p []byte, off int64) error {
	for len(p) > 0 {
		n, err := writeAt(p, off)
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrShortWrite
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}
