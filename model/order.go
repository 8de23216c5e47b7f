package model

import "github.com/shardproof/shardproof/engine/iosched"

// mark is the watermark of a model: what it numbers, from 1, becomes persistent in that order, and never fails.
type mark struct{ persisted uint64 }

// StateOf and ErrOf implement iosched.Watermark.
func (m *mark) StateOf(n uint64) iosched.State {
	if n <= m.persisted {
		return iosched.Persistent
	}
	return iosched.Pending
}
func (m *mark) ErrOf(uint64) error { return nil }

// order is a mark that holds back what waits for others.
type order struct {
	mark
	after []iosched.Dependency // of number i+1
}

// add numbers something that waits for after.
func (o *order) add(after iosched.Dependency) iosched.Dependency {
	o.after = append(o.after, after)
	return iosched.NewDependency(o, uint64(len(o.after)))
}

// advance makes up to n further numbers persistent and returns how many it were.
func (o *order) advance(n int) (done int) {
	for done < n && o.persisted < uint64(len(o.after)) && o.after[o.persisted].Persistent() {
		o.persisted++
		done++
	}
	return done
}
