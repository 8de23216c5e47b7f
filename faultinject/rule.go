package faultinject

import (
	"fmt"
	"strings"
	"syscall"
)

// Action is what goes wrong.
type Action uint8

const (
	Fail      Action = iota + 1 // the request fails
	Short                       // half of it is done, and it fails
	Full                        // it fails for want of space
	Lose                        // the write is acknowledged, and never lands
	Misdirect                   // the write lands elsewhere; the read comes from elsewhere
	Stale                       // the read returns what the blocks held before they were written last
	Flip                        // some bits of each block are wrong
	Zero                        // the blocks are zeros
	Garbage                     // the blocks are noise
	Swap                        // blocks are exchanged with each other
	Delay                       // the completion comes later than that of others
	Stall                       // the completion comes when the rule is lifted
	Gone                        // from the first hit on everything that is submitted or read fails, wherever it is
	ReadOnly                    // from the first hit on every write and every flush fails
	Lie                         // the flush does nothing, or the write is one without FUA; both succeed
	actionCount
)

// Target is a set of what rules hit.
type Target uint8

const (
	Read Target = 1 << iota // also ReadUnit and Ask
	Write
	Flush
)

const anything = Read | Write | Flush

// Effect is what the device below sees of a request that fails, is delayed or stalls.
type Effect uint8

const (
	None Effect = iota // nothing; of what is late, nothing before it is due
	Part               // the first half of its logical blocks, rounded down; none of a flush
	All                // all of it; of what is late, at once, and only the answer comes later
)

// Rule says what goes wrong, where and when. A field that is zero has its default.
type Rule struct {
	Do Action
	// On is what it hits. By default fail and gone hit everything, short reads and writes, stale reads, lie flushes, full, delay, stall
	// and readonly writes and flushes, and the others writes. Misdirect, flip, zero, garbage and swap spoil of reads only those they
	// hit; of a write, what is read there from then on.
	On Target
	// From and To are the bytes of the device that it concerns: a request that touches one of [From, To) matches. To 0 is the end. Of
	// the blocks of a request only those in there are damaged; what fails, fails as a whole. A flush matches wherever they are.
	From, To int64
	// Nth is the first of the matching requests that it hits, 1 by default, and Times how many it hits from there on; 0: until lifted.
	Nth, Times int
	// Effect is for what fails, and for delay and stall.
	Effect Effect
	// Errno is the error of what fails: by default ENOSPC for full, EROFS for readonly, EIO for all others.
	Errno syscall.Errno
	// Arg is, by action:
	//
	//	flip       its low 16 bits: how many bits of each block, 1 by default; the others change which
	//	garbage    changes the noise
	//	misdirect  how many logical blocks further, 1 by default; behind the end of the device comes its beginning
	//	swap       how far from each other the exchanged logical blocks lie, 1 by default; see Damage
	//	delay      how many other completions come first, 1 by default
	Arg uint64
}

// actions says what there is to know of each.
var actions = [actionCount]struct {
	name        string
	on, may     Target // by default, and at all
	effects     Effect // the largest that it can have
	errno       syscall.Errno
	arg, damage bool // Rule.Arg means something; Damage can do it
}{
	Fail:      {name: "fail", on: anything, may: anything, effects: All, errno: syscall.EIO, damage: true},
	Short:     {name: "short", on: Read | Write, may: Read | Write, errno: syscall.EIO},
	Full:      {name: "full", on: Write | Flush, may: Write | Flush, effects: All, errno: syscall.ENOSPC},
	Lose:      {name: "lose", on: Write, may: Write},
	Misdirect: {name: "misdirect", on: Write, may: Read | Write, arg: true},
	Stale:     {name: "stale", on: Read, may: Read},
	Flip:      {name: "flip", on: Write, may: Read | Write, arg: true, damage: true},
	Zero:      {name: "zero", on: Write, may: Read | Write, damage: true},
	Garbage:   {name: "garbage", on: Write, may: Read | Write, arg: true, damage: true},
	Swap:      {name: "swap", on: Write, may: Read | Write, arg: true, damage: true},
	Delay:     {name: "delay", on: Write | Flush, may: Write | Flush, effects: All, arg: true},
	Stall:     {name: "stall", on: Write | Flush, may: Write | Flush, effects: All},
	Gone:      {name: "gone", on: anything, may: anything, effects: All, errno: syscall.EIO},
	ReadOnly:  {name: "readonly", on: Write | Flush, may: Write | Flush, effects: All, errno: syscall.EROFS},
	Lie:       {name: "lie", on: Flush, may: Write | Flush},
}

func (a Action) String() string {
	if a == 0 || a >= actionCount {
		return fmt.Sprintf("Action(%d)", uint8(a))
	}
	return actions[a].name
}

var targetNames = []string{"read", "write", "flush"}

func (t Target) String() string {
	if t&^anything != 0 {
		return fmt.Sprintf("Target(%d)", uint8(t))
	}
	var names []string
	for i, name := range targetNames {
		if t>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

var effectNames = []string{"none", "part", "all"}

func (e Effect) String() string {
	if e > All {
		return fmt.Sprintf("Effect(%d)", uint8(e))
	}
	return effectNames[e]
}

// Validate returns what is impossible about r, or nil.
func (r Rule) Validate() error {
	if _, problem := r.problem(); problem != "" {
		return fmt.Errorf("faultinject: %s", problem)
	}
	return nil
}

// problem returns what is impossible about r, and the field that it is about.
func (r Rule) problem() (f field, problem string) {
	if r.Do == 0 || r.Do >= actionCount {
		return fieldDo, fmt.Sprintf("there is no action %d", r.Do)
	}
	a := &actions[r.Do]
	switch {
	case r.On&^a.may != 0:
		return fieldOn, fmt.Sprintf("%v hits %v only", r.Do, a.may)
	case r.From < 0:
		return fieldFrom, "from is less than 0"
	case r.To < 0 || r.To != 0 && r.To <= r.From:
		return fieldTo, "to is not behind from"
	case r.Nth < 0:
		return fieldNth, "nth is less than 0"
	case r.Times < 0:
		return fieldTimes, "times is less than 0"
	case r.Effect > a.effects || r.late() && r.Effect == Part:
		return fieldEffect, fmt.Sprintf("%v has no effect %v", r.Do, r.Effect)
	case r.Errno != 0 && a.errno == 0 || r.Errno > errnoMax:
		return fieldErrno, fmt.Sprintf("%v has no error %d", r.Do, uint64(r.Errno))
	case r.Arg != 0 && !a.arg:
		return fieldArg, fmt.Sprintf("%v has no argument", r.Do)
	}
	return 0, ""
}

// late reports whether a request that r hits succeeds, only later.
func (r *Rule) late() bool { return r.Do == Delay || r.Do == Stall }

// on returns what r hits.
func (r *Rule) on() Target {
	if r.On == 0 {
		return actions[r.Do].on
	}
	return r.On
}

// errno returns the error of what fails.
func (r *Rule) errno() syscall.Errno {
	if r.Errno == 0 {
		return actions[r.Do].errno
	}
	return r.Errno
}

// number returns r.Arg where 1 is the default, as far as an int64 goes.
func (r *Rule) number() int64 { return int64(min(max(r.Arg, 1), 1<<62)) }
