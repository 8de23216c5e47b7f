package iosched

var _ Unordered = (*Sched)(nil)

// Unordered says that a later append may be persistent before an earlier one.
func (s *Sched) Unordered() {}

// failure is a range of appends that failed for one reason.
type failure struct {
	first, last uint64
	err         error
}

// noteFailure remembers that append n has failed. What fails with the epoch shares one range, or a few.
func (s *Sched) noteFailure(n uint64, err error) {
	i := len(s.failures)
	for i > 0 && s.failures[i-1].last > n {
		i--
	}
	if i > 0 && s.failures[i-1].last == n-1 && err == s.err && s.failures[i-1].err == s.err {
		s.failures[i-1].last = n
		return
	}
	s.failures = append(s.failures, failure{})
	copy(s.failures[i+1:], s.failures[i:])
	s.failures[i] = failure{n, n, err}
}

func (s *Sched) failureOf(n uint64) *failure {
	for i := len(s.failures) - 1; i >= 0; i-- {
		if f := &s.failures[i]; f.first <= n && n <= f.last {
			return f
		}
	}
	return nil
}

// StateOf returns the state of append n. One that has not been made is pending.
func (s *Sched) StateOf(n uint64) State {
	switch {
	case n > s.last || s.undurable(n):
		return Pending
	case s.failureOf(n) != nil:
		return Failed
	}
	return Persistent
}

// undurable reports whether append n waits, is in flight, or has completed without a flush. Numbers ascend without repeats, so
// n stands no further from the first than the difference.
func (s *Sched) undurable(n uint64) bool {
	if len(s.appends) == 0 || n < s.appends[0].number {
		return false
	}
	i := min(n-s.appends[0].number, uint64(len(s.appends)-1))
	for s.appends[i].number > n {
		i--
	}
	return s.appends[i].number == n && s.appends[i].data != nil
}

// ErrOf returns why append n failed, nil if it did not.
func (s *Sched) ErrOf(n uint64) error {
	if f := s.failureOf(n); f != nil && !s.undurable(n) {
		return f.err
	}
	return nil
}
