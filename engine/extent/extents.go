package extent

import "github.com/shardproof/shardproof/engine/iosched"

// Extents is this floor as the floors above see it; Store is one, and so is the reference model.
//
// An extent is appended to at its write pointer, read below it, and released as a whole. What is released cannot be read any
// more: its generation has passed.
type Extents interface {
	// Geometry returns the geometry of the disk.
	Geometry() *Geometry
	// Append reserves n bytes, rounded up to whole physical blocks, behind the write pointer of the extent that owner appends
	// to, or of a new one if they do not fit; lets fill write the n bytes, which are zero before, for the place they get; and
	// hands them to the disk as soon as after is persistent. The locator can be read at once. The dependency covers the bytes,
	// and that owner and generation of their extent are relied on; not the write pointer behind them.
	// Errors: ErrFull if no extent can be spared, ErrTooLarge if n is more than an extent.
	Append(owner Owner, n int, after iosched.Dependency, fill func(b []byte, at Place)) (Locator, iosched.Dependency, error)
	// Read returns n bytes that begin at a place, below the write pointer. They are valid until the next call. Errors: ErrIO;
	// ErrCorrupt if the extent is in another generation or the write pointer comes first.
	Read(at Place, n int) ([]byte, error)
	// Doubt says that n bytes at a place, as Read gave them, failed a check: nothing that is cached of them is believed any more, and the
	// next Read asks the device. What is stored may be right where what was read is not.
	Doubt(at Place, n int)
	// Pin keeps x from being released until Unpin has been called as often as Pin.
	Pin(x ID)
	Unpin(x ID)
	// Release frees x: it gets the next generation and no bytes, and is given out again once that is relied on. Errors:
	// ErrPinned; ErrFree if it is free already.
	Release(x ID) error
	// Describe returns what is known of x; Len how many extents there are, those of the superblock included.
	Describe(x ID) Entry
	Len() int
}
