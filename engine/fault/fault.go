// Package fault holds the errors that say the disk or its bytes are bad, for every floor of the engine.
//
// Invariants
//
//	F1  An error of this package never means "absent": what it hides may exist.
//	F2  A Corrupt names the place and the check, so that a log line leads back to the bytes.
package fault

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrIO is what every device failure answers to.
	ErrIO = errors.New("disk IO failed")
	// ErrFull is what a lack of space answers to, that of the store and that of the device.
	ErrFull = errors.New("disk full")
	// ErrCorrupt is what every failed check answers to.
	ErrCorrupt = errors.New("corrupt")
	// ErrVersion is what records of an unknown format version answer to.
	ErrVersion = errors.New("unknown format version")
)

// Corrupt says which check bytes of the device failed.
type Corrupt struct {
	Extent uint32 // the extent the bytes lie in
	Offset int64  // bytes from the start of the extent
	Check  string // the check, in the words of the format: "unit header", "frame trailer", ...
}

func (c *Corrupt) Error() string {
	return fmt.Sprintf("extent %d at %d: %s: corrupt", c.Extent, c.Offset, c.Check)
}

// Is reports whether target is ErrCorrupt.
func (c *Corrupt) Is(target error) bool { return target == ErrCorrupt }

// IO is a failed device request.
type IO struct {
	Op     string // read, write, flush
	Offset int64  // bytes from the start of the device
	Err    error  // the device's own error, with its errno if it has one
}

func (e *IO) Error() string {
	return fmt.Sprintf("%s at %d: %v", e.Op, e.Offset, e.Err)
}

// Is reports whether target is ErrIO, or ErrFull if that is why the device failed.
func (e *IO) Is(target error) bool {
	return target == ErrIO || target == ErrFull && errors.Is(e.Err, syscall.ENOSPC)
}

// Unwrap returns the device's own error.
func (e *IO) Unwrap() error { return e.Err }
