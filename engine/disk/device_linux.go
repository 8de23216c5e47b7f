package disk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bounceBytes is the size of a copy. A longer request goes in several pieces, which D4 allows.
const bounceBytes = 256 << 10

// OpenDevice opens the block device at path as a disk: past the page cache, and exclusively. Nothing is written. The error is
// ErrInUse if the device is mounted, part of another one, or open as a disk; ErrNotSupported if it is no block device.
func OpenDevice(path string, o DeviceOptions) (*File, error) {
	f, err := openExclusively(path, o.ReadOnly)
	if err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	info, err := deviceInfo(f)
	if err == nil {
		info.PowerSafe = o.PowerSafe || info.LogicalBlock == info.PhysicalBlock
		err = info.Validate()
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("disk %s: %w", path, err)
	}
	d := newFile(path, osMedium{f}, info, o.ReadOnly)
	d.writeThrough = func(p []byte, off int64) (int, error) { return writeThrough(f, p, off) }
	d.bounce = NewPool(max(bounceBytes, info.LogicalBlock), max(bufferAlign, info.LogicalBlock))
	return d, nil
}

// openExclusively opens a block device so that nobody else can: O_EXCL without O_CREAT is the kernel's word for that.
func openExclusively(path string, readOnly bool) (*os.File, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.Mode()&(os.ModeDevice|os.ModeCharDevice) != os.ModeDevice {
		return nil, fmt.Errorf("%s is not a block device: %w", path, ErrNotSupported)
	}
	mode := os.O_RDWR
	if readOnly {
		mode = os.O_RDONLY
	}
	f, err := os.OpenFile(path, mode|unix.O_EXCL|unix.O_DIRECT, 0)
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("%w: %w", ErrInUse, err)
	case errors.Is(err, unix.EINVAL):
		return nil, fmt.Errorf("direct IO %w: %w", ErrNotSupported, err)
	}
	return f, err
}

// deviceInfo asks the kernel for the sizes of f.
func deviceInfo(f *os.File) (Info, error) {
	var size uint64
	var logical, physical uint32
	err := control(f, func(fd int) error {
		// unsafe: x/sys has no call for an ioctl that fills in 64 bits. The kernel writes size and keeps no pointer.
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&size)))
		if errno != 0 {
			return os.NewSyscallError("ioctl BLKGETSIZE64", errno)
		}
		var err error
		if logical, err = unix.IoctlGetUint32(fd, unix.BLKSSZGET); err != nil {
			return os.NewSyscallError("ioctl BLKSSZGET", err)
		}
		if physical, err = unix.IoctlGetUint32(fd, unix.BLKPBSZGET); err != nil {
			return os.NewSyscallError("ioctl BLKPBSZGET", err)
		}
		return nil
	})
	info := Info{Size: int64(size), LogicalBlock: int(logical), PhysicalBlock: int(max(physical, logical)), FUA: hasFUA(f)}
	if physical != 0 {
		info.Size -= info.Size % int64(info.PhysicalBlock) // what no whole block covers is not ours to use
	}
	return info, err
}

// hasFUA reports whether the device behind f says that it can write one request durably. If it cannot, the kernel flushes the
// whole cache instead.
func hasFUA(f *os.File) bool {
	var st unix.Stat_t
	if control(f, func(fd int) error { return unix.Fstat(fd, &st) }) != nil {
		return false
	}
	rdev := uint64(st.Rdev)
	dir := fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(rdev), unix.Minor(rdev))
	for _, queue := range []string{"queue", "../queue"} { // a partition has the queue of its whole
		if b, err := os.ReadFile(filepath.Join(dir, queue, "fua")); err == nil {
			return bytes.HasPrefix(b, []byte("1"))
		}
	}
	return false
}
