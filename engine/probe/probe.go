package probe

type ID int

var names []string

func Register(name string) ID { names = append(names, name); return ID(len(names) - 1) }

type Set struct{ n [64]uint64 }

func (s *Set) Hit(id ID) { s.n[id]++ }
