package conc

import (
	"context"
	"runtime"
	"time"
)

// Go runs fn in a goroutine. name is what reports call it. Whoever starts one waits for its end; see WaitGroup.
func Go(name string, fn func()) {
	if active != nil {
		active.Go(name, fn)
		return
	}
	go fn()
}

// Yield says that the caller has nothing to do until another thread has done something.
func Yield() {
	if active != nil {
		active.Point(OpYield, nil, 0)
		return
	}
	runtime.Gosched()
}

// Now returns the time. Differences of two are monotonic.
func Now() time.Time {
	if active != nil {
		return active.Now()
	}
	return time.Now()
}

// Sleep returns after d.
func Sleep(d time.Duration) {
	if active != nil {
		active.Sleep(d)
		return
	}
	time.Sleep(d)
}

// AfterFunc runs fn in a goroutine of its own after d. stop prevents that, and reports whether it came early enough to.
func AfterFunc(d time.Duration, fn func()) (stop func() bool) {
	if active != nil {
		return active.AfterFunc(d, fn)
	}
	return time.AfterFunc(d, fn).Stop
}

// AfterDone runs fn in a goroutine of its own once ctx is done. stop prevents that, and reports whether it came early enough
// to. Whoever waits on a Cond until ctx is done lets fn broadcast.
func AfterDone(ctx context.Context, fn func()) (stop func() bool) {
	if active != nil {
		return active.AfterDone(ctx, fn)
	}
	return context.AfterFunc(ctx, fn)
}
