// Package disk is the only way to storage: what a block device promises, and the devices that keep it.
//
//	iosched ──► Submit ──► device (volatile cache) ──► Reap
//	readers ──► Read, ReadUnit, Ask
//
// Invariants every Disk keeps
//
//	D1  A completed flush covers exactly the writes that had completed before the flush was submitted.
//	D2  A completed write without FUA may still be lost until a flush covers it; one with FUA may not.
//	D3  Until a request is reaped, its Data belongs to the disk: the submitter neither changes nor reuses it.
//	D4  A block is written wholly or not at all; a request of several blocks may be torn between any of them.
//	D5  After a failed write or flush nothing is known of the blocks it covered; asking again repairs nothing.
//
// Requests may complete in any order. Two writes in flight that overlap are a fault of the submitter, as is a request that is
// not aligned to Info.LogicalBlock; a disk may refuse the latter with an error.
//
// Not checked here: what the bytes mean, and who may write where; see packages extent and chunk.
package disk

import "fmt"

// Info describes a device. It does not change while the disk is open.
type Info struct {
	Size          int64 // bytes; a multiple of PhysicalBlock
	LogicalBlock  int   // bytes; the smallest write, and the alignment of every offset and length; a power of two
	PhysicalBlock int   // bytes; what one interrupted write can damage; a multiple of LogicalBlock, a power of two
	FUA           bool  // a write with FUA costs less than a write and a flush
	PowerSafe     bool  // an interrupted write leaves every block readable, old or new; false for 512e without that promise
}

// RequestKind says what a Request asks for.
type RequestKind uint8

const (
	Write RequestKind = iota + 1
	Flush
)

func (k RequestKind) String() string {
	switch k {
	case Write:
		return "write"
	case Flush:
		return "flush"
	}
	return fmt.Sprintf("RequestKind(%d)", uint8(k))
}

// Request is one write or flush. The submitter fills Kind, Off, Data and FUA and owns the struct; between Submit and Reap the
// disk owns it and Data. A Request may be reused once reaped.
type Request struct {
	Kind RequestKind
	FUA  bool
	Off  int64  // bytes from the start of the device; writes only
	Data []byte // writes only
	Err  error  // the outcome, set when reaped
	Tag  uint64 // the submitter's own
}

// Disk is a block device. Read and Submit may be called from several goroutines at once; Reap from one at a time.
//
// Submit begins a request; it may block for as long as the device takes and the request may be complete when it returns.
// Reap returns a request that is complete, in the order the device completed them, with its Err set. With wait it blocks until
// one is complete, and returns nil only when none is in flight; without wait it returns nil when none is complete yet.
//
// Read fills p from off; both are aligned to LogicalBlock. What it returns for blocks that a write in flight covers is
// undefined.
//
// Close releases the device. Requests still in flight are completed or abandoned; a flush is not implied.
type Disk interface {
	Info() Info
	Read(p []byte, off int64) error
	Submit(r *Request)
	Reap(wait bool) *Request
	Close() error
}

// Asker is a Disk that answers a yes/no question about blocks without handing out their bytes: whether pred holds for any of
// the physical blocks that start in [off, off+size). pred sees the first logical block of each, depends on nothing but its
// arguments, and keeps neither. On a disk that is not power-safe a block that cannot be read is nil to pred, on any other it is an
// error. A disk that explores crash states answers without deciding what the blocks hold as long as
// every version of every block gives the same answer.
type Asker interface {
	Ask(off, size int64, pred func(off int64, block []byte) bool) (bool, error)
}

// UnitReader is a Disk that learns no more of a range than whether check accepts it. On true p holds the bytes; on false p's
// contents are undefined and must not be used. check depends on nothing but its argument.
type UnitReader interface {
	ReadUnit(p []byte, off int64, check func(p []byte) bool) (bool, error)
}

// Ask answers as Asker does, by plain reads through scratch where d is no Asker. len(scratch) is a multiple of the physical
// block and at least one.
func Ask(d Disk, scratch []byte, off, size int64, pred func(off int64, block []byte) bool) (bool, error) {
	if a, ok := d.(Asker); ok {
		return a.Ask(off, size, pred)
	}
	info := d.Info()
	for size > 0 {
		n := min(int64(len(scratch)), size)
		err := d.Read(scratch[:n], off)
		if err != nil && info.PowerSafe {
			return false, err
		}
		for b := int64(0); b < n; b += int64(info.PhysicalBlock) {
			block := scratch[b : b+int64(info.LogicalBlock)]
			if err != nil && d.Read(block, off+b) != nil { // of these blocks not all can be read
				block = nil
			}
			if pred(off+b, block) {
				return true, nil
			}
		}
		off, size = off+n, size-n
	}
	return false, nil
}

// ReadUnit answers as UnitReader does, by a plain read where d is no UnitReader.
func ReadUnit(d Disk, p []byte, off int64, check func(p []byte) bool) (bool, error) {
	if u, ok := d.(UnitReader); ok {
		return u.ReadUnit(p, off, check)
	}
	if err := d.Read(p, off); err != nil {
		return false, err
	}
	return check(p), nil
}

// Read fills p from off as d does. A read that fails is tried once more: what ails a device may pass.
func Read(d Disk, p []byte, off int64) error {
	if d.Read(p, off) == nil {
		return nil
	}
	return d.Read(p, off)
}

// Do submits r and waits for it. It is for callers that have nothing else in flight, such as Format.
func Do(d Disk, r *Request) error {
	d.Submit(r)
	for {
		done := d.Reap(true)
		if done == nil {
			return fmt.Errorf("disk: %v at %d was lost by the device", r.Kind, r.Off)
		}
		if done == r {
			return r.Err
		}
	}
}
