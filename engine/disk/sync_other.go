//go:build !linux

package disk

import "os"

// datasync makes durable what was written to f. On macOS this asks the drive to empty its cache too.
func datasync(f *os.File) error { return f.Sync() }

// syncDirectory does nothing: not every system lets a directory be opened.
func syncDirectory(string) error { return nil }
