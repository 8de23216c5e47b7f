package iosched

import (
	"errors"
	"fmt"
)

// appended is one write from Append until it is durable or has failed.
type appended struct {
	number uint64
	off    int64 // bytes from the start of the device
	data   []byte
	after  Dependency
	behind bool   // it overlaps an earlier one, or did when it was appended (S6)
	batch  *batch // what it was issued with; nil while it waits
}

func (a *appended) overlaps(off int64, n int) bool {
	return off < a.off+int64(len(a.data)) && a.off < off+int64(n)
}

// Append takes a write of p at off bytes that depends on after: it will be issued, by Issue, once after is persistent (S5). p
// comes from the scheduler's buffers, is whole logical blocks, belongs to the scheduler from now on, and goes back when it is
// durable or has failed. The dependency returned stands for the write alone, not for after; since it is issued later, it implies
// it. It panics if after names an append yet to come (S9).
func (s *Sched) Append(p []byte, off int64, after Dependency) Dependency {
	if n := after.Number(s); n > s.last {
		panic(fmt.Sprintf("iosched: append %d depends on append %d, which is not there yet", s.last+1, n))
	}
	s.last++
	s.stats.Appends++
	d := Dependency{s, s.last}
	if s.err != nil {
		s.refuse(s.last, p, s.err)
		return d
	}
	if after.State() == Failed {
		s.refuse(s.last, p, after.Err())
		return d
	}
	behind := false
	for i := range s.appends {
		behind = behind || s.appends[i].overlaps(off, len(p))
	}
	s.appends = append(s.appends, appended{number: s.last, off: off, data: p, after: after, behind: behind})
	s.waiting++
	return d
}

// refuse notes that append n, which was not issued, has failed, and puts its buffer back.
func (s *Sched) refuse(n uint64, p []byte, err error) {
	s.noteFailure(n, err)
	s.buffers.Put(p)
}

// Issue submits every appended write that may be issued now, in the order of Append, neighbours on the disk joined to one
// request, and returns how many requests it submitted. Those whose dependency has failed, fail (S7).
func (s *Sched) Issue() (submitted int) {
	if s.waiting == 0 {
		return 0
	}
	refused := false
	for i := range s.appends {
		a := &s.appends[i]
		if a.batch != nil {
			continue
		}
		switch a.after.State() {
		case Failed:
			s.refuse(a.number, a.data, a.after.Err())
			a.data, refused = nil, true
			s.waiting--
		case Persistent:
			if !a.behind || s.clearOf(a, i) {
				s.gather(a)
				s.waiting--
			}
		}
	}
	if refused {
		s.drop(func(a *appended) bool { return a.data == nil })
	}
	submitted = len(s.building)
	s.launch()
	return submitted
}

// clearOf reports whether none of the first n appends overlaps a (S6).
func (s *Sched) clearOf(a *appended, n int) bool {
	for i := range s.appends[:n] {
		if s.appends[i].overlaps(a.off, len(a.data)) {
			return false
		}
	}
	a.behind = false
	return true
}

// settle lets go of the appended writes that have become durable.
func (s *Sched) settle() {
	s.drop(func(a *appended) bool {
		if a.batch == nil || !s.Durable(&a.batch.write) {
			return false
		}
		s.leave(a.batch)
		return true
	})
}

// abandon fails every appended write that is not durable (S4). Buffers that the disk has go back when it is done with them.
func (s *Sched) abandon(err error) {
	s.drop(func(a *appended) bool {
		if a.batch == nil {
			s.refuse(a.number, a.data, err)
			s.waiting--
			return true
		}
		s.noteFailure(a.number, err)
		s.leave(a.batch)
		return true
	})
}

// drop removes the appends for which gone says so.
func (s *Sched) drop(gone func(a *appended) bool) {
	kept := s.appends[:0]
	for i := range s.appends {
		if a := &s.appends[i]; !gone(a) {
			kept = append(kept, *a)
		}
	}
	clear(s.appends[len(kept):])
	s.appends = kept
}

// Bytes returns the n bytes at off if one appended write that is not durable holds them all, else nil: such bytes may not be on
// the disk yet. Of several writes it takes the newest. The bytes are valid until the next call of Issue or Reap.
func (s *Sched) Bytes(off int64, n int) []byte {
	for i := len(s.appends) - 1; i >= 0; i-- {
		if a := &s.appends[i]; a.overlaps(off, n) {
			at := off - a.off
			if at < 0 || at+int64(n) > int64(len(a.data)) {
				return nil
			}
			return a.data[at : at+int64(n) : at+int64(n)]
		}
	}
	return nil
}

// Appending reports whether an appended write is not durable yet that touches the n bytes at off.
func (s *Sched) Appending(off int64, n int) bool {
	for i := range s.appends {
		if s.appends[i].overlaps(off, n) {
			return true
		}
	}
	return false
}

// Overlay writes over p, which was read from the disk at off, what appended writes that are not durable have for it, and reports
// whether they have anything.
func (s *Sched) Overlay(p []byte, off int64) (any bool) {
	for i := range s.appends {
		if a := &s.appends[i]; a.overlaps(off, len(p)) {
			if at := a.off - off; at >= 0 {
				copy(p[at:], a.data)
			} else {
				copy(p, a.data[-at:])
			}
			any = true
		}
	}
	return any
}

// Waiting returns how many appended writes have not been issued.
func (s *Sched) Waiting() int { return s.waiting }

// Stats counts since New or Reset.
type Stats struct {
	Appends  uint64 // writes appended
	Requests uint64 // requests issued for them
	Joined   uint64 // appended writes that shared a request
	Writes   uint64 // requests that write, of all kinds
	Bytes    uint64 // that they write
	Flushes  uint64
}

// Stats returns the counts.
func (s *Sched) Stats() Stats { return s.stats }

// Stranded returns an error that names the appended writes which nothing will ever issue, nil if there is none. It is for
// tests and checks: it takes for granted that everything else has been done, and walks every dependency.
func (s *Sched) Stranded() error {
	if !s.Idle() || s.Undurable() {
		return nil
	}
	var errs []error
	for i := range s.appends {
		if a := &s.appends[i]; a.batch == nil && a.after.State() == Pending {
			errs = append(errs, fmt.Errorf("append %d of %d bytes at %d waits for what is not on its way", a.number, len(a.data), a.off))
		}
	}
	return errors.Join(errs...)
}
