//go:build unix

package conformance

import (
	"syscall"
	"time"
)

// CPUTime returns the processor time this process has used so far, in user and in system mode, over all its threads.
func CPUTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
