package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// claim is a disk that may be written to from its first byte to its size. The rules, in the order they are asked:
//
//	nothing there          a file is made, and removed when the claim is released
//	a device that is used  refused: mounted, swapped on, or part of another device; also with --erase
//	--erase                taken, whatever it holds
//	only zeros             taken
//	our own format         taken
//	anything else          refused
//
// What is looked at is all that would be written, and the first and last mebibyte of the device, where file systems and partition
// tables leave their signatures.
type claim struct {
	path    string
	size    int64
	device  bool
	created bool // by the claim: absent before
	sparse  bool // a file that is created gets no blocks before they are written
}

// edgeBytes is how much of both ends of a disk is looked at even where it would not be written.
const edgeBytes = 1 << 20

// claimDisk applies the rules to path. Every refusal is the user's to resolve.
func claimDisk(path string, size int64, erase bool) (*claim, error) {
	if size < edgeBytes {
		return nil, usagef("--disk-size %d: a disk has at least 1MiB", size)
	}
	c := &claim{path: path, size: size &^ 4095}
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, c.create()
	case err != nil:
		return nil, usageError{err}
	case st.Mode().IsRegular():
		if st.Size() > 0 {
			c.size = min(c.size, st.Size()&^4095)
		}
	case st.Mode()&os.ModeDevice != 0 && st.Mode()&os.ModeCharDevice == 0:
		c.device = true
		if err := deviceInUse(path); err != nil {
			return nil, usagef("%s is refused: %w", path, err)
		}
	default:
		return nil, usagef("%s is neither a file nor a block device", path)
	}
	if erase {
		return c, nil
	}
	return c, c.inspect()
}

// create sees that the file can be made; what is below /dev is a device that is missing, not a file to be made.
func (c *claim) create() error {
	abs, err := filepath.Abs(c.path)
	if err != nil {
		return usageError{err}
	}
	if strings.HasPrefix(abs, "/dev/") && !strings.HasPrefix(abs, "/dev/shm/") {
		return usagef("%s: there is no such device", c.path)
	}
	f, err := os.OpenFile(c.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return usageError{err}
	}
	c.created = true
	made.Store(c)
	return f.Close()
}

// open opens the claimed disk.
func (c *claim) open() (disk.Disk, error) {
	if c.device {
		d, err := disk.OpenDevice(c.path, disk.DeviceOptions{})
		if err != nil {
			return nil, err
		}
		return d, nil
	}
	o := disk.FileOptions{LogicalBlock: fileBlock, PhysicalBlock: fileBlock}
	if c.created {
		o.Size, o.Sparse = c.size, c.sparse
	}
	d, err := disk.OpenFile(c.path, o)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// fileBlock is the block size of a disk in a file, in bytes: that of most devices.
const fileBlock = 512

// made is the claim whose file this process made, for an end that lets nothing finish.
var made atomic.Pointer[claim]

// release removes a file that the claim made.
func (c *claim) release() {
	if c.created {
		os.Remove(c.path)
	}
}

// keep makes a file that the claim made stay.
func (c *claim) keep() {
	c.created = false
	made.CompareAndSwap(c, nil)
}

// inspect looks for anything that might be missed.
func (c *claim) inspect() error {
	f, err := os.Open(c.path)
	if err != nil {
		return usageError{err}
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return usageError{err}
	}
	if engine.HoldsStore(f) { // a store may be replaced by another
		return nil
	}
	for _, part := range []struct{ from, to int64 }{{0, max(c.size, edgeBytes)}, {end - edgeBytes, end}} {
		at, err := firstByte(f, max(part.from, 0), min(part.to, end))
		if err != nil {
			return usageError{err}
		}
		if at >= 0 {
			return usagef("%s holds something: byte %d is not zero; --erase takes it all the same", c.path, at)
		}
	}
	return nil
}

// firstByte returns where the first byte that is not zero lies between from and to, -1 if there is none.
func firstByte(f io.ReaderAt, from, to int64) (int64, error) {
	buf := make([]byte, 1<<20)
	for from < to {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), to-from)], from)
		for i, b := range buf[:n] {
			if b != 0 {
				return from + int64(i), nil
			}
		}
		if n == 0 {
			if err == io.EOF {
				break
			}
			return -1, fmt.Errorf("reading at %d: %w", from, err)
		}
		from += int64(n)
	}
	return -1, nil
}
