package conformance

// toy is an Executor without an engine: each of its bugs watches the operations and says when it shows. It is deterministic, so
// what the reducer and the rapid glue promise can be tested without anything else being right.
type toy struct {
	bugs []toyBug
	runs int
}

// toyBug says after how many operations of s it shows, or -1.
type toyBug struct {
	name    string
	shows   func(s *Sequence) int
	kind    Kind
	opsBest int // of the smallest sequence that shows it
	bytes   uint64
}

func (t *toy) Close() error { return nil }

func (t *toy) Run(s *Sequence) Result {
	t.runs++
	var f *Failure
	for i := range t.bugs {
		b := &t.bugs[i]
		if at := b.shows(s); at >= 0 && (f == nil || at < f.At) {
			f = &Failure{At: at, Claim: b.name, Signature: Signature{Property: "EQ", Kind: b.kind, Field: "value", Site: b.name}}
		}
	}
	return Result{Failure: f, Trace: s.Hash()}
}

// lostWrite: a put after a flush is lost in an audit followed by a reboot. Deleting the key on the way hides it.
var lostWrite = toyBug{name: "lost write", kind: KindGet, opsBest: 6, bytes: 2, shows: func(s *Sequence) int {
	stage := map[KeyID]int{}
	step := func(from int) {
		for k, v := range stage {
			if v == from {
				stage[k]++
			}
		}
	}
	for i, o := range s.Ops {
		switch o.Kind {
		case KindPut:
			switch {
			case o.Len == 0:
				delete(stage, o.Key)
			case stage[o.Key] == 2:
				stage[o.Key] = 3
			case stage[o.Key] != 3:
				stage[o.Key] = 1
			}
		case KindDelete:
			delete(stage, o.Key)
		case KindFlush:
			step(1)
		case KindCheck:
			step(3)
		case KindReboot:
			step(4)
		case KindGet:
			if stage[o.Key] == 5 {
				return i
			}
		}
	}
	return -1
}}

// twoKeys: a, b, a, delete b, then a is gone.
var twoKeys = toyBug{name: "two keys", kind: KindGet, opsBest: 5, bytes: 0, shows: func(s *Sequence) int {
	var trail []Op
	for i, o := range s.Ops {
		switch o.Kind {
		case KindPut, KindDelete:
			trail = append(trail, o)
		case KindGet:
			n := len(trail)
			if n < 4 {
				continue
			}
			a, b, c, d := trail[n-4], trail[n-3], trail[n-2], trail[n-1]
			if a.Kind == KindPut && b.Kind == KindPut && c.Kind == KindPut && d.Kind == KindDelete &&
				a.Key == c.Key && b.Key == d.Key && a.Key != b.Key && o.Key == a.Key {
				return i
			}
		}
	}
	return -1
}}

// parity: a stored key cannot be read after an odd number of waits, three at least.
var parity = toyBug{name: "parity", kind: KindGet, opsBest: 5, bytes: 0, shows: func(s *Sequence) int {
	stored, n := map[KeyID]bool{}, 0
	for i, o := range s.Ops {
		switch o.Kind {
		case KindPut:
			stored[o.Key] = true
		case KindWait:
			n++
		case KindGet:
			if stored[o.Key] && n >= 3 && n%2 == 1 {
				return i
			}
		}
	}
	return -1
}}

// pageEdge: a value of one or two bytes less than a number of pages cannot be read.
var pageEdge = toyBug{name: "page edge", kind: KindGet, opsBest: 2, bytes: 126, shows: func(s *Sequence) int {
	stored, page := map[KeyID]uint32{}, s.Config.Page()
	for i, o := range s.Ops {
		switch o.Kind {
		case KindPut:
			stored[o.Key] = o.Len
		case KindDelete:
			delete(stored, o.Key)
		case KindGet:
			if n := stored[o.Key]; n > 0 && (n+2)%page < 2 {
				return i
			}
		}
	}
	return -1
}}

// zeroLength: the small bug next to the big ones.
var zeroLength = toyBug{name: "zero length", kind: KindGet, opsBest: 2, shows: func(s *Sequence) int {
	zero := map[KeyID]bool{}
	for i, o := range s.Ops {
		switch o.Kind {
		case KindPut:
			zero[o.Key] = o.Len == 0
		case KindGet:
			if zero[o.Key] {
				return i
			}
		}
	}
	return -1
}}

// smallMemtable: a reboot loses something if the memtable is small and the disk reorders: options are part of the failure. It
// shows only after the last operation.
var smallMemtable = toyBug{name: "small memtable", kind: KindNone, opsBest: 3, bytes: 3, shows: func(s *Sequence) int {
	if s.Config.Get(OptMemtable) > 4 || s.Config.Get(OptReorder) == 0 {
		return -1
	}
	n, bytes := 0, uint32(0)
	for _, o := range s.Ops {
		if o.Kind == KindPut {
			n++
			bytes += o.Len
		}
		if o.Kind == KindReboot && n >= 2 && bytes >= 3 {
			return len(s.Ops)
		}
	}
	return -1
}}

// fullDisk: a get fails once a fifth of the disk is written, however many operations that took. Which shape needs the fewest
// depends on where it started.
var fullDisk = toyBug{name: "full disk", kind: KindGet, opsBest: 11, bytes: 1 << 20, shows: func(s *Sequence) int {
	written, disk := uint32(0), s.Config.Get(OptExtents)*s.Config.Get(OptExtent)*s.Config.Get(OptBlock)
	for i, o := range s.Ops {
		switch o.Kind {
		case KindPut:
			if o.Len <= s.Config.ValueMax() {
				written += o.Len + 88
			}
		case KindGet:
			if written >= disk/5 {
				return i
			}
		}
	}
	return -1
}}

var toyBugs = []toyBug{lostWrite, twoKeys, parity, pageEdge, smallMemtable, fullDisk}
