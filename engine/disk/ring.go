package disk

// ring is a queue of requests that reuses its memory. The zero ring is empty.
type ring struct {
	slots []*Request // length a power of two, or 0
	head  int        // the oldest request is slots[head], if n > 0
	n     int        // requests queued, at most len(slots)
}

func (q *ring) push(r *Request) {
	if q.n == len(q.slots) {
		q.grow()
	}
	q.slots[(q.head+q.n)&(len(q.slots)-1)] = r
	q.n++
}

// grow doubles the ring; the oldest request comes to lie in slot 0.
func (q *ring) grow() {
	old := q.slots
	q.slots = make([]*Request, max(16, 2*len(old)))
	n := copy(q.slots, old[q.head:])
	copy(q.slots[n:], old[:q.head])
	q.head = 0
}

// pop takes the oldest request out, nil if there is none.
func (q *ring) pop() *Request {
	if q.n == 0 {
		return nil
	}
	r := q.slots[q.head]
	q.slots[q.head] = nil
	q.head = (q.head + 1) & (len(q.slots) - 1)
	q.n--
	return r
}

// drop forgets all requests.
func (q *ring) drop() {
	clear(q.slots)
	q.head, q.n = 0, 0
}
