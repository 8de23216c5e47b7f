//go:build !linux

package disk

import "fmt"

// OpenDevice fails with ErrNotSupported: block devices are opened on Linux only.
func OpenDevice(path string, _ DeviceOptions) (*File, error) {
	return nil, fmt.Errorf("disk %s: block device: %w", path, ErrNotSupported)
}
