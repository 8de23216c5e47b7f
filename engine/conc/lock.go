package conc

import "sync"

// Mutex is a sync.Mutex.
type Mutex struct {
	mu  sync.Mutex
	obj Object
}

// Lock waits until nobody holds m and takes it.
func (m *Mutex) Lock() {
	if active != nil {
		m.lockAtPoint()
		return
	}
	m.mu.Lock()
}

func (m *Mutex) lockAtPoint() {
	m.obj.point(OpLock, 0)
	if !m.mu.TryLock() {
		panic("conc: the scheduler let a thread lock a mutex that is held")
	}
}

// TryLock takes m if nobody holds it, and reports whether it did.
func (m *Mutex) TryLock() bool {
	if active != nil {
		m.obj.point(OpTryLock, 0)
	}
	return m.mu.TryLock()
}

// Unlock releases m. Unlocking what is not locked panics.
func (m *Mutex) Unlock() {
	if active != nil {
		m.obj.point(OpUnlock, 0)
	}
	m.mu.Unlock()
}

// RWMutex is a sync.RWMutex.
type RWMutex struct {
	mu  sync.RWMutex
	obj Object
}

// Lock waits until nobody holds m, for writing or reading, and takes it for writing.
func (m *RWMutex) Lock() {
	if active != nil {
		m.lockAtPoint()
		return
	}
	m.mu.Lock()
}

func (m *RWMutex) lockAtPoint() {
	m.obj.point(OpLock, 0)
	if !m.mu.TryLock() {
		panic("conc: the scheduler let a thread lock a read-write mutex that is held")
	}
}

// Unlock releases m, held for writing.
func (m *RWMutex) Unlock() {
	if active != nil {
		m.obj.point(OpUnlock, 0)
	}
	m.mu.Unlock()
}

// RLock waits until nobody holds m for writing and takes it for reading.
func (m *RWMutex) RLock() {
	if active != nil {
		m.rlockAtPoint()
		return
	}
	m.mu.RLock()
}

func (m *RWMutex) rlockAtPoint() {
	m.obj.point(OpRLock, 0)
	if !m.mu.TryRLock() {
		panic("conc: the scheduler let a thread read-lock a mutex that is held for writing")
	}
}

// TryRLock takes m for reading if nobody holds it for writing, and reports whether it did.
func (m *RWMutex) TryRLock() bool {
	if active != nil {
		m.obj.point(OpTryRLock, 0)
	}
	return m.mu.TryRLock()
}

// RUnlock releases m, held for reading.
func (m *RWMutex) RUnlock() {
	if active != nil {
		m.obj.point(OpRUnlock, 0)
	}
	m.mu.RUnlock()
}
