package faultinject

import "fmt"

// EventsMax is how many events are kept: the first.
const EventsMax = 1 << 16

// Event is one thing that was injected.
type Event struct {
	Rule int    // its id
	IO   uint64 // the number of the request or read, from 1; of Damage, that of the last one before
	Do   Action
	On   Target // what was hit; 0: Damage hit what was there
	Off  int64  // of the blocks that were hit, in bytes from the start of the device
	Len  int64  // bytes; 0 for a flush
}

func (e Event) String() string {
	what := "damage"
	if e.On != 0 {
		what = e.On.String()
	}
	if e.On == Flush {
		return fmt.Sprintf("rule %d, IO %d: %v flush", e.Rule, e.IO, e.Do)
	}
	return fmt.Sprintf("rule %d, IO %d: %v %s of %d B at %d", e.Rule, e.IO, e.Do, what, e.Len, e.Off)
}

// Error is an error that was injected.
type Error struct {
	Rule int    // the id of the rule
	IO   uint64 // the number of the request or read, from 1
	Op   string // read, write or flush
	Off  int64  // bytes from the start of the device; of an unreadable block, its own
	Err  error  // a syscall.Errno
}

func (e *Error) Error() string {
	return fmt.Sprintf("faultinject: rule %d, IO %d: %s at %d: %v", e.Rule, e.IO, e.Op, e.Off, e.Err)
}

// Unwrap returns the error number.
func (e *Error) Unwrap() error { return e.Err }
