package conc

// Chan is a channel with a buffer.
type Chan[T any] struct {
	ch  chan T
	obj Object
}

// NewChan returns a channel that buffers up to capacity values. A capacity below 1 panics: a value is handed over through the
// buffer, so that sending and receiving are two operations.
func NewChan[T any](capacity int) *Chan[T] {
	if capacity < 1 {
		panic("conc: a channel needs a buffer")
	}
	return &Chan[T]{ch: make(chan T, capacity)}
}

// Send waits for room and buffers v. Sending on a closed channel panics.
func (c *Chan[T]) Send(v T) {
	if active != nil {
		c.obj.point(OpChanSend, cap(c.ch))
	}
	c.ch <- v
}

// TrySend buffers v if there is room, and reports whether there was.
func (c *Chan[T]) TrySend(v T) bool {
	if active != nil {
		c.obj.point(OpChanTrySend, cap(c.ch))
	}
	select {
	case c.ch <- v:
		return true
	default:
		return false
	}
}

// Recv waits for a value and returns it; ok is false once the channel is closed and empty.
func (c *Chan[T]) Recv() (v T, ok bool) {
	if active != nil {
		c.obj.point(OpChanRecv, cap(c.ch))
	}
	v, ok = <-c.ch
	return v, ok
}

// TryRecv returns a value if one is buffered. ok is false if there was none, be the channel closed or not.
func (c *Chan[T]) TryRecv() (v T, ok bool) {
	if active != nil {
		c.obj.point(OpChanTryRecv, cap(c.ch))
	}
	select {
	case v, ok = <-c.ch:
		return v, ok
	default:
		return v, false
	}
}

// Close ends the channel: receivers get what is buffered, then nothing.
func (c *Chan[T]) Close() {
	if active != nil {
		c.obj.point(OpChanClose, 0)
	}
	close(c.ch)
}
