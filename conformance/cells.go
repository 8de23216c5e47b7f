package conformance

import "slices"

// A cell is an operation of one kind in one state of the component: how much of the product of the two a run has seen says more
// than how often each occurred.

// CellState is the state of a component as far as the operations and their answers tell.
type CellState uint8

const (
	CellNew       CellState = iota // nothing was ever written
	CellUnflushed                  // something was written since the last flush or sync
	CellFlushed                    // nothing was
	CellReopened                   // nothing was since the last reboot
	CellBegun                      // work was begun and is perhaps not done
	CellFull                       // the last write found no space
	cellStates
)

var cellNames = [cellStates]string{"new", "unflushed", "flushed", "reopened", "begun", "full"}

func (c CellState) String() string { return cellNames[c] }

// after returns the state after an operation that was answered with err and had an effect or none.
func (c CellState) after(o *Op, err error, effect bool) CellState {
	info := &kinds[o.Kind]
	switch {
	case classOf(err) == classFull || o.Kind == KindFill && effect:
		return CellFull
	case !effect || err != nil:
		return c
	case info.begins() && o.Which != 0:
		return CellBegun
	case o.Kind == KindFormat:
		return CellNew
	case info.Group == GroupReboot:
		return CellReopened
	case info.Group == GroupMutate:
		return CellUnflushed
	case info.Settles>>NeedUnsynced&1 != 0:
		return CellFlushed
	}
	return c
}

// reachable reports whether operations of kind k can meet state c in one of the suites: work is begun in kv alone, and what writes no
// values never fills a disk.
func (c CellState) reachable(k Kind, suites func(string) bool) bool {
	return slices.ContainsFunc(kinds[k].Suites, func(s string) bool {
		return suites(s) && (c != CellBegun || wholeStore(s)) && (c != CellFull || writerOf(s) != KindNone)
	})
}

// Cells counts operations by kind and state.
type Cells [kindCount][cellStates]uint64

// add adds the counts of o to c.
func (c *Cells) add(o *Cells) {
	for k := range c {
		for s := range c[k] {
			c[k][s] += o[k][s]
		}
	}
}

// names returns the count of every reachable cell of the given suites, by name: kind/state; nil if nothing was counted.
func (c *Cells) names(suites func(string) bool) map[string]uint64 {
	if *c == (Cells{}) {
		return nil
	}
	m := map[string]uint64{}
	for k := KindNone + 1; k < kindCount; k++ {
		if !slices.ContainsFunc(kinds[k].Suites, suites) {
			continue
		}
		for s := range cellStates {
			if !s.reachable(k, suites) {
				continue
			}
			m[k.String()+"/"+s.String()] = c[k][s]
		}
	}
	return m
}

// Emptiest returns the names of the n cells with the lowest counts, the lowest first, and how many cells were hit at all.
func (r *Report) Emptiest(n int) (names []string, hit int) { return emptiest(r.Cells, n) }
