package disk

import (
	"errors"

	"github.com/shardproof/shardproof/engine/fault"
)

var (
	// ErrMisaligned is returned when an offset or length is no multiple of the logical block, or a range is empty.
	ErrMisaligned = errors.New("not aligned to the logical block")
	// ErrOutOfRange is returned when a range does not lie within the device.
	ErrOutOfRange = errors.New("outside the device")
	// ErrReadOnly is returned when a disk that was opened read-only is asked to write or flush.
	ErrReadOnly = errors.New("disk opened read-only")
	// ErrClosed is returned when the disk has been closed.
	ErrClosed = errors.New("disk closed")
	// ErrGone is what errors of a device answer to that is not there any more: no later request of it will succeed either.
	ErrGone = errors.New("device gone")
	// ErrInUse is returned when another process, a file system or another handle of this process holds the device.
	ErrInUse = errors.New("device in use")
	// ErrNotSupported is returned when this system or device cannot do what was asked.
	ErrNotSupported = errors.New("not supported on this system or device")
)

// failed is the error of one request: which, where and why.
func failed(op string, off int64, err error) error {
	return &fault.IO{Op: op, Offset: off, Err: err}
}
