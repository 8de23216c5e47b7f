package conformance

import (
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/faultinject"
)

// format makes an empty component on a blank disk and opens it. A geometry that it cannot have is no counterexample: the
// sequence asks for what does not exist, so it could not be run.
func (x *course) format() bool {
	c := &x.seq.Config
	if x.disks != nil {
		d, err := x.disks(c)
		if err != nil {
			x.fault = err
			return false
		}
		x.disk = &x.traced
		x.disk.Reset(d, &x.trace, c.Get(OptReorder) != 0 && !ordered(d), uint64(c.Get(OptSeed)))
	}
	err := x.component.format()
	if errors.Is(err, engine.ErrGeometry) {
		x.fault = err
		return false
	}
	return x.keep(lifeFailure("format", "a blank disk can be formatted", err)) && x.open()
}

// ordered reports whether requests complete in an order of d's own.
func ordered(d disk.Disk) bool {
	if f, ok := d.(*faultinject.Disk); ok {
		d = f.Below()
	}
	_, ok := d.(*crashsim.Disk)
	return ok
}

// below returns the disk for the component, nil where it needs none.
func (x *course) below() disk.Disk {
	if x.disk == nil {
		return nil
	}
	return x.disk
}

// open opens what is on the disk.
func (x *course) open() bool {
	return x.keep(lifeFailure("open", "a store that was closed cleanly can be opened", x.component.open()))
}

// reboot closes the component cleanly, asks every dependency, and opens it again.
func (x *course) reboot() bool { return x.shutdown() && x.open() }

// shutdown closes the component cleanly and asks every dependency.
func (x *course) shutdown() bool {
	err := x.component.close()
	if h, ok := x.component.(healer); ok && h.stuck(err) {
		return true
	}
	if !x.keep(lifeFailure("close", "a store can be closed", err)) {
		return false
	}
	x.component.settle()
	x.trace.Word(uint64(len(x.deps)))
	return x.keep(CheckProgress(x.deps)) && x.keep(x.idle()) && x.keep(CheckRequests(x.disk))
}

// idle is AUDIT for a component that was closed: it left no request in flight.
func (x *course) idle() *Failure {
	if x.disk == nil || x.disk.Flying() == 0 {
		return nil
	}
	return auditFailure("request", "left-in-flight", "a closed store has no request in flight", fmt.Sprint(x.disk.Flying()))
}

func lifeFailure(field, claim string, err error) *Failure {
	if err == nil {
		return nil
	}
	return &Failure{Signature: Signature{PropertyEqual, KindNone, field, siteOf(err)}, Claim: claim, Want: "ok", Got: errorText(err)}
}

// abandon closes a component that a failure left open, for what it may hold; what it answers no longer matters.
func (x *course) abandon() {
	defer func() {
		_ = recover() // it has failed already
		x.component.drop()
	}()
	if x.failure == nil || x.failure.Field != "panic" {
		_ = x.component.close()
	}
}

// catch makes a panic of the component the failure of the sequence. Its site is the function that panicked: unlike text and line
// it stays the same while a sequence is reduced.
func (x *course) catch() {
	p := recover()
	if p == nil {
		return
	}
	if _, ok := p.(runaway); ok {
		x.keep(&Failure{
			Signature: Signature{Property: PropertyProgress, Field: "hang"},
			Claim:     "every operation comes to its end",
			Want:      "an answer",
			Got:       "one request after the other",
		})
		return
	}
	text, _, _ := strings.Cut(fmt.Sprint(p), "\n")
	x.keep(&Failure{
		Signature: Signature{Property: PropertyEqual, Field: "panic", Site: panicSite()},
		Claim:     "no operation panics",
		Want:      "an answer",
		Got:       "panic: " + text,
	})
	if x.record != nil && x.op != nil {
		x.record()
	}
}

// panicSite returns the function that panicked, without the module's name. It is called by the deferred function.
func panicSite() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	panicking := false
	for {
		f, more := frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicking = true
		case panicking && !strings.HasPrefix(f.Function, "runtime."):
			return strings.TrimPrefix(f.Function, "github.com/shardproof/shardproof/")
		}
		if !more {
			return "unknown"
		}
	}
}
