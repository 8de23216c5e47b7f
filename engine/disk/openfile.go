package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// FileOptions say how to open a regular file.
type FileOptions struct {
	// Size is the size of the disk in bytes, for a file that is absent or empty: it is created, or filled. A file that has
	// bytes is never cut or grown; its size must be Size, or Size 0.
	Size int64
	// Sparse leaves a new file without blocks instead of writing zeros all over it. Writing them first (the default) finds a
	// full file system now rather than in the middle of a put, and makes later flushes cheaper: no metadata changes any more.
	Sparse bool
	// LogicalBlock and PhysicalBlock are the blocks the disk shall have, in bytes; 0 is 4096, or LogicalBlock if that is more.
	// Any power of two will do for a file, but what the device below tears in a crash stays what it is: smaller blocks than its
	// own are for tests.
	LogicalBlock, PhysicalBlock int
	// ReadOnly opens without the right to write: writes and flushes fail with ErrReadOnly. A file that somebody has cut short may
	// be read as far as whole blocks go.
	ReadOnly bool
}

// OpenFile opens the regular file at path as a disk and locks it; the lock is advisory and ends with Close or the process. The
// error is ErrInUse if another disk holds it, fs.ErrNotExist if it is absent and no Size is given, ErrNotSupported if it is
// not a regular file.
func OpenFile(path string, o FileOptions) (*File, error) {
	info, err := o.info()
	if err != nil {
		return nil, err
	}
	f, created, err := openRegular(path, o)
	if err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	if info.Size, err = prepare(f, o, info); err == nil {
		err = info.Validate()
	}
	if err == nil && created {
		err = syncDirectory(filepath.Dir(path))
	}
	if err != nil {
		f.Close()
		if created {
			os.Remove(path) // ours, and of no use
		}
		return nil, fmt.Errorf("disk %s: %w", path, err)
	}
	return newFile(path, osMedium{f}, info, o.ReadOnly), nil
}

// info returns what o says of the disk.
func (o FileOptions) info() (Info, error) {
	info := Info{Size: o.Size, LogicalBlock: o.LogicalBlock, PhysicalBlock: o.PhysicalBlock, PowerSafe: true}
	if info.LogicalBlock == 0 {
		info.LogicalBlock = 4096
	}
	if info.PhysicalBlock == 0 {
		info.PhysicalBlock = max(4096, info.LogicalBlock)
	}
	if o.Size == 0 { // the file's own, not known yet
		whole := info
		whole.Size = int64(info.PhysicalBlock)
		return info, whole.Validate()
	}
	return info, info.Validate()
}

// openRegular opens the file at path, or creates it if o gives a size, and reports whether it did.
func openRegular(path string, o FileOptions) (f *os.File, created bool, err error) {
	mode := os.O_RDWR
	if o.ReadOnly {
		mode = os.O_RDONLY
	}
	st, err := os.Stat(path) // before opening: opening some files is an act in itself
	switch {
	case err == nil && !st.Mode().IsRegular():
		return nil, false, fmt.Errorf("%s is not a regular file: %w", path, ErrNotSupported)
	case err == nil:
		f, err = os.OpenFile(path, mode, 0)
		return f, false, err
	case errors.Is(err, fs.ErrNotExist) && o.Size > 0 && !o.ReadOnly:
		f, err = os.OpenFile(path, mode|os.O_CREATE|os.O_EXCL, 0o600)
		return f, err == nil, err
	}
	return nil, false, err
}

// prepare locks f, gives it its size if it has none, and returns the size.
func prepare(f *os.File, o FileOptions, info Info) (int64, error) {
	if err := lock(f); err != nil {
		return 0, err
	}
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size := st.Size()
	if o.ReadOnly {
		size -= size % int64(info.PhysicalBlock)
	}
	switch {
	case size == 0 && info.Size > 0 && !o.ReadOnly:
		return info.Size, fill(f, info.Size, o.Sparse)
	case info.Size > 0 && size != info.Size:
		return 0, fmt.Errorf("file of %d bytes is no disk of %d", size, info.Size)
	}
	return size, nil
}

// fill makes f size zero bytes long, durably. The size comes first: whoever finds the file after a crash finds it whole.
func fill(f *os.File, size int64, sparse bool) error {
	if err := f.Truncate(size); err != nil {
		return err
	}
	if !sparse {
		zeros := make([]byte, min(size, 1<<20))
		for off := int64(0); off < size; off += int64(len(zeros)) {
			if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-off)], off); err != nil {
				return err
			}
		}
	}
	return f.Sync()
}

// osMedium is the medium of an open file.
type osMedium struct{ *os.File }

// Datasync makes what was written durable.
func (m osMedium) Datasync() error { return datasync(m.File) }
