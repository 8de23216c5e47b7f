package iosched

// State is what is known of a dependency.
type State uint8

const (
	Pending    State = iota // not yet known to be on the medium
	Persistent              // will survive any crash; final
	Failed                  // will never become persistent; final
)

func (s State) String() string { return [...]string{"pending", "persistent", "failed"}[s] }

// Watermark tells how far a sequence of numbered writes is persistent. The log is one: its units become persistent in order, so
// one number stands for all below it.
type Watermark interface {
	// StateOf returns the state of number n. Number 0 is always persistent.
	StateOf(n uint64) State
	// ErrOf returns why n failed, nil if it did not.
	ErrOf(n uint64) error
}

// Unordered is a Watermark whose numbers become persistent in any order, such as a Sched: each stands for itself alone.
type Unordered interface {
	Watermark
	Unordered()
}

// Dependency stands for the persistence of one or several writes. It is a small value: copy it, compare it only through its
// methods. The zero Dependency is persistent. It stays valid after its store is closed.
type Dependency struct {
	mark   Watermark
	number uint64
}

// NewDependency returns the dependency on number n of m.
func NewDependency(m Watermark, n uint64) Dependency { return Dependency{m, n} }

// State returns what is known of d now. Persistent and Failed never change again.
func (d Dependency) State() State {
	if d.mark == nil {
		return Persistent
	}
	return d.mark.StateOf(d.number)
}

// Persistent reports whether all that d stands for will survive any crash.
func (d Dependency) Persistent() bool { return d.State() == Persistent }

// Err returns why d failed, or nil.
func (d Dependency) Err() error {
	if d.mark == nil {
		return nil
	}
	return d.mark.ErrOf(d.number)
}

// And returns the dependency on both d and e. It allocates unless one of them implies the other as far as is known by now.
func (d Dependency) And(e Dependency) Dependency {
	switch {
	case d.mark == nil:
		return e
	case e.mark == nil:
		return d
	case d == e:
		return d
	case d.mark == e.mark && !d.unordered():
		return Dependency{d.mark, max(d.number, e.number)}
	case d.unordered() && d.Persistent():
		return e
	case e.unordered() && e.Persistent():
		return d
	}
	return Dependency{pair{d, e}, 1}
}

// unordered reports whether d's number stands for itself alone.
func (d Dependency) unordered() bool {
	_, yes := d.mark.(Unordered)
	return yes
}

// pair is the conjunction of two dependencies: failed if one is, persistent if both are. Its number says nothing.
type pair struct{ a, b Dependency }

func (p pair) StateOf(uint64) State {
	a, b := p.a.State(), p.b.State()
	switch {
	case a == Failed || b == Failed:
		return Failed
	case a == Persistent && b == Persistent:
		return Persistent
	}
	return Pending
}

func (p pair) Unordered() {}

func (p pair) ErrOf(uint64) error {
	if err := p.a.Err(); err != nil {
		return err
	}
	return p.b.Err()
}

// Number returns the highest number of m that d waits for, 0 if none: a store asks it of dependencies it handed out itself.
func (d Dependency) Number(m Watermark) uint64 {
	if p, ok := d.mark.(pair); ok {
		return max(p.a.Number(m), p.b.Number(m))
	}
	if d.mark == m {
		return d.number
	}
	return 0
}
