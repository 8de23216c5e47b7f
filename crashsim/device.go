package crashsim

import "fmt"

// Device says what a power cut may do to writes that are not durable. The zero Device is write-through with blocks that are never
// torn.
type Device struct {
	// Cache: completed writes lie in a volatile cache until a flush. Without it only writes in flight are at stake.
	Cache bool
	// AtomicBytes: a write that lies within one aligned range of so many bytes is kept or lost whole; of a longer one every
	// logical block is at stake by itself. 0: every logical block always is.
	AtomicBytes int
	// Pieces: a longer write falls apart at the multiples of AtomicBytes only.
	Pieces bool
	// Unreadable: a power cut may make one physical block that was being written unreadable, until it is wholly rewritten. So do
	// disks that emulate small blocks and do not promise otherwise.
	Unreadable bool
}

// The devices that sequences run on.
const (
	Sectors      = iota // any logical block of any unflushed write (P2)
	WriteThrough        // no cache: any logical block of a write in flight (P0)
	Untorn              // physical blocks are never torn (P1)
	Unsafe              // as Sectors, and one physical block may become unreadable (P3)
	Atomic              // writes within eight physical blocks are never torn (P4)
	deviceCount
)

// DeviceNames are the names of the devices, by number.
var DeviceNames = []string{"sectors", "through", "untorn", "unsafe", "atomic"}

// DeviceNumber returns a device for disks of that physical block size, in bytes.
func DeviceNumber(n, physical int) Device {
	switch n {
	case Sectors:
		return Device{Cache: true}
	case WriteThrough:
		return Device{}
	case Untorn:
		return Device{Cache: true, AtomicBytes: physical, Pieces: true}
	case Unsafe:
		return Device{Cache: true, Unreadable: true}
	case Atomic:
		return Device{Cache: true, AtomicBytes: 8 * physical}
	}
	panic(fmt.Sprintf("crashsim: there is no device %d", n))
}

// Lie is a promise that a disk breaks, for showing that whoever relies on it is found out.
type Lie uint8

const (
	Honest    Lie = iota
	NoFlush       // a flush makes nothing durable
	NoFUA         // a write with FUA is like any other
	Reordered     // a flush passes over the last write that it covers
	Torn          // a logical block may be torn, between any TornBytes of it
)

// TornBytes is the grain of a torn logical block.
const TornBytes = 64

// pieces calls fn for each part of a write of n bytes at off that is kept or lost as one, in order. block is the grain of a disk.
func (v *Device) pieces(off, n, block int64, fn func(off, n int64)) {
	step := block
	if a := int64(v.AtomicBytes); a > 0 {
		switch {
		case off/a == (off+n-1)/a:
			step = n
		case v.Pieces:
			for end := off + n; off < end; {
				next := min((off/a+1)*a, end)
				fn(off, next-off)
				off = next
			}
			return
		}
	}
	for end := off + n; off < end; off += step {
		fn(off, step)
	}
}
