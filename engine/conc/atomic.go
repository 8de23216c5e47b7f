package conc

import "sync/atomic"

// The atomics are those of sync/atomic, sequentially consistent; each operation on one is a point.

// Int32 is an atomic int32.
type Int32 struct {
	v   atomic.Int32
	obj Object
}

// Load returns the value.
func (i *Int32) Load() int32 {
	if active != nil {
		i.obj.point(OpLoad, 0)
	}
	return i.v.Load()
}

// Store sets the value.
func (i *Int32) Store(v int32) {
	if active != nil {
		i.obj.point(OpStore, 0)
	}
	i.v.Store(v)
}

// Swap sets the value and returns the one before.
func (i *Int32) Swap(v int32) int32 {
	if active != nil {
		i.obj.point(OpModify, 0)
	}
	return i.v.Swap(v)
}

// CompareAndSwap sets the value to v if it is old, and reports whether it was.
func (i *Int32) CompareAndSwap(old, v int32) bool {
	if active != nil {
		i.obj.point(OpModify, 0)
	}
	return i.v.CompareAndSwap(old, v)
}

// Add adds delta and returns the sum.
func (i *Int32) Add(delta int32) int32 {
	if active != nil {
		i.obj.point(OpModify, 0)
	}
	return i.v.Add(delta)
}

// Int64 is an atomic int64.
type Int64 struct {
	v   atomic.Int64
	obj Object
}

// Load returns the value.
func (i *Int64) Load() int64 {
	if active != nil {
		i.obj.point(OpLoad, 0)
	}
	return i.v.Load()
}

// Store sets the value.
func (i *Int64) Store(v int64) {
	if active != nil {
		i.obj.point(OpStore, 0)
	}
	i.v.Store(v)
}

// Swap sets the value and returns the one before.
func (i *Int64) Swap(v int64) int64 {
	if active != nil {
		i.obj.point(OpModify, 0)
	}
	return i.v.Swap(v)
}

// CompareAndSwap sets the value to v if it is old, and reports whether it was.
func (i *Int64) CompareAndSwap(old, v int64) bool {
	if active != nil {
		i.obj.point(OpModify, 0)
	}
	return i.v.CompareAndSwap(old, v)
}

// Add adds delta and returns the sum.
func (i *Int64) Add(delta int64) int64 {
	if active != nil {
		i.obj.point(OpModify, 0)
	}
	return i.v.Add(delta)
}

// Uint32 is an atomic uint32.
type Uint32 struct {
	v   atomic.Uint32
	obj Object
}

// Load returns the value.
func (u *Uint32) Load() uint32 {
	if active != nil {
		u.obj.point(OpLoad, 0)
	}
	return u.v.Load()
}

// Store sets the value.
func (u *Uint32) Store(v uint32) {
	if active != nil {
		u.obj.point(OpStore, 0)
	}
	u.v.Store(v)
}

// Swap sets the value and returns the one before.
func (u *Uint32) Swap(v uint32) uint32 {
	if active != nil {
		u.obj.point(OpModify, 0)
	}
	return u.v.Swap(v)
}

// CompareAndSwap sets the value to v if it is old, and reports whether it was.
func (u *Uint32) CompareAndSwap(old, v uint32) bool {
	if active != nil {
		u.obj.point(OpModify, 0)
	}
	return u.v.CompareAndSwap(old, v)
}

// Add adds delta and returns the sum.
func (u *Uint32) Add(delta uint32) uint32 {
	if active != nil {
		u.obj.point(OpModify, 0)
	}
	return u.v.Add(delta)
}

// Uint64 is an atomic uint64.
type Uint64 struct {
	v   atomic.Uint64
	obj Object
}

// Load returns the value.
func (u *Uint64) Load() uint64 {
	if active != nil {
		u.obj.point(OpLoad, 0)
	}
	return u.v.Load()
}

// Store sets the value.
func (u *Uint64) Store(v uint64) {
	if active != nil {
		u.obj.point(OpStore, 0)
	}
	u.v.Store(v)
}

// Swap sets the value and returns the one before.
func (u *Uint64) Swap(v uint64) uint64 {
	if active != nil {
		u.obj.point(OpModify, 0)
	}
	return u.v.Swap(v)
}

// CompareAndSwap sets the value to v if it is old, and reports whether it was.
func (u *Uint64) CompareAndSwap(old, v uint64) bool {
	if active != nil {
		u.obj.point(OpModify, 0)
	}
	return u.v.CompareAndSwap(old, v)
}

// Add adds delta and returns the sum.
func (u *Uint64) Add(delta uint64) uint64 {
	if active != nil {
		u.obj.point(OpModify, 0)
	}
	return u.v.Add(delta)
}

// Bool is an atomic bool.
type Bool struct {
	v   atomic.Bool
	obj Object
}

// Load returns the value.
func (b *Bool) Load() bool {
	if active != nil {
		b.obj.point(OpLoad, 0)
	}
	return b.v.Load()
}

// Store sets the value.
func (b *Bool) Store(v bool) {
	if active != nil {
		b.obj.point(OpStore, 0)
	}
	b.v.Store(v)
}

// Swap sets the value and returns the one before.
func (b *Bool) Swap(v bool) bool {
	if active != nil {
		b.obj.point(OpModify, 0)
	}
	return b.v.Swap(v)
}

// CompareAndSwap sets the value to v if it is old, and reports whether it was.
func (b *Bool) CompareAndSwap(old, v bool) bool {
	if active != nil {
		b.obj.point(OpModify, 0)
	}
	return b.v.CompareAndSwap(old, v)
}

// Pointer is an atomic *T, nil at first.
type Pointer[T any] struct {
	v   atomic.Pointer[T]
	obj Object
}

// Load returns the value.
func (p *Pointer[T]) Load() *T {
	if active != nil {
		p.obj.point(OpLoad, 0)
	}
	return p.v.Load()
}

// Store sets the value.
func (p *Pointer[T]) Store(v *T) {
	if active != nil {
		p.obj.point(OpStore, 0)
	}
	p.v.Store(v)
}

// Swap sets the value and returns the one before.
func (p *Pointer[T]) Swap(v *T) *T {
	if active != nil {
		p.obj.point(OpModify, 0)
	}
	return p.v.Swap(v)
}

// CompareAndSwap sets the value to v if it is old, and reports whether it was.
func (p *Pointer[T]) CompareAndSwap(old, v *T) bool {
	if active != nil {
		p.obj.point(OpModify, 0)
	}
	return p.v.CompareAndSwap(old, v)
}

// Counter counts what happens, for people to read. It is an atomic and no point: nothing may be decided by it (C6).
type Counter struct{ v atomic.Int64 }

// Add adds n.
func (c *Counter) Add(n int64) { c.v.Add(n) }

// Value returns the sum of what was added.
func (c *Counter) Value() int64 { return c.v.Load() }

// Reset sets the counter to 0.
func (c *Counter) Reset() { c.v.Store(0) }
