//go:build (!unix && !windows) || aix

package disk

import (
	"fmt"
	"os"
)

// lock fails: without it two stores could write over each other.
func lock(*os.File) error { return fmt.Errorf("file lock: %w", ErrNotSupported) }
