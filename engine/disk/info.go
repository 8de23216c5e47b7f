package disk

import "fmt"

// Validate returns what is impossible about i, or nil.
func (i Info) Validate() error {
	switch {
	case !isPowerOfTwo(i.LogicalBlock):
		return fmt.Errorf("disk: logical block of %d bytes is no power of two", i.LogicalBlock)
	case !isPowerOfTwo(i.PhysicalBlock) || i.PhysicalBlock < i.LogicalBlock:
		return fmt.Errorf("disk: physical block of %d bytes is no power of two from %d up", i.PhysicalBlock, i.LogicalBlock)
	case i.Size <= 0 || i.Size%int64(i.PhysicalBlock) != 0:
		return fmt.Errorf("disk: size of %d bytes is no multiple of the physical block of %d", i.Size, i.PhysicalBlock)
	}
	return nil
}

func isPowerOfTwo(n int) bool { return n > 0 && n&(n-1) == 0 }

// checkRange returns why n bytes at off cannot be asked of the device, or nil.
func (i *Info) checkRange(off int64, n int) error {
	if mask := int64(i.LogicalBlock - 1); (off|int64(n))&mask != 0 || n == 0 {
		return ErrMisaligned
	}
	if off < 0 || off > i.Size-int64(n) {
		return ErrOutOfRange
	}
	return nil
}

// checkRequest returns why r cannot be asked of the device, or nil.
func (i *Info) checkRequest(r *Request) error {
	switch r.Kind {
	case Write:
		return i.checkRange(r.Off, len(r.Data))
	case Flush:
		return nil
	}
	return ErrNotSupported
}
