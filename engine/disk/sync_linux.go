package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// datasync makes durable what was written to f, and as much of its metadata as reading it back takes.
func datasync(f *os.File) error {
	return control(f, func(fd int) error {
		for {
			if err := unix.Fdatasync(fd); err != unix.EINTR {
				return os.NewSyscallError("fdatasync", err)
			}
		}
	})
}

// writeThrough writes p durably in one system call. On a device with FUA that is one request; elsewhere the kernel flushes.
func writeThrough(f *os.File, p []byte, off int64) (n int, err error) {
	err = control(f, func(fd int) error {
		for {
			n, err = unix.Pwritev2(fd, [][]byte{p}, off, unix.RWF_DSYNC)
			switch {
			case err == unix.EINTR:
				continue
			case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
				return ErrNotSupported
			}
			return os.NewSyscallError("pwritev2", err)
		}
	})
	return max(n, 0), err
}

// control runs call on f's descriptor, which stays open meanwhile.
func control(f *os.File, call func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := raw.Control(func(fd uintptr) { result = call(int(fd)) }); err != nil {
		return os.ErrClosed // the only reason there is, in other words than elsewhere in package os
	}
	return result
}

// syncDirectory makes the names in a directory durable.
func syncDirectory(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
