package iosched

// batch is one request that carries appended writes.
type batch struct {
	write   Write
	off     int64
	size    int
	members int    // writes it carries that are neither durable nor failed
	buf     []byte // the first member's own, or a joint one
}

// openBatches bounds how many of the newest batches a write looks for its neighbour in: as many as there are owners that append
// in turns, and a few more.
const openBatches = 8

// gather adds a to a batch that ends where a begins, or to a new one.
func (s *Sched) gather(a *appended) {
	for i := len(s.building) - 1; i >= max(0, len(s.building)-openBatches); i-- {
		b := s.building[i]
		if b.off+int64(b.size) == a.off && b.size+len(a.data) <= s.limits.CoalesceBytes {
			b.size += len(a.data)
			b.members++
			a.batch = b
			return
		}
	}
	b := s.newBatch()
	b.off, b.size, b.members = a.off, len(a.data), 1
	a.batch = b
	s.building = append(s.building, b)
}

func (s *Sched) newBatch() *batch {
	if n := len(s.spare) - 1; n >= 0 {
		b := s.spare[n]
		s.spare = s.spare[:n]
		return b
	}
	b := new(batch)
	s.batches = append(s.batches, b)
	return b
}

// launch submits what Issue has gathered.
func (s *Sched) launch() {
	if len(s.building) == 0 {
		return
	}
	s.join()
	for i, b := range s.building {
		b.write.batch = b
		s.submit(&b.write, b.buf, b.off)
		s.building[i] = nil
	}
	s.stats.Requests += uint64(len(s.building))
	s.building = s.building[:0]
}

// join gives every gathered batch its bytes: a single member's own buffer, or a joint one that takes the place of several.
func (s *Sched) join() {
	for i := range s.appends {
		a := &s.appends[i]
		b := a.batch
		switch {
		case b == nil || b.write.request.Data != nil || b.write.completed != 0:
			continue // waits, is in flight, or completed
		case b.members == 1:
			b.buf = a.data
			continue
		case b.buf == nil:
			b.buf = s.buffers.Get(b.size)
		}
		at := int(a.off - b.off)
		end := at + copy(b.buf[at:], a.data)
		s.buffers.Put(a.data)
		a.data = b.buf[at:end:end]
		s.stats.Joined++
	}
}

// leave takes a write that is durable or has failed out of its batch, and lets the batch go with the last one.
func (s *Sched) leave(b *batch) {
	b.members--
	if b.members == 0 && b.write.request.Data == nil {
		s.retire(b)
	}
}

// retire puts the bytes of b back and b aside. The disk does not have them.
func (s *Sched) retire(b *batch) {
	s.buffers.Put(b.buf)
	*b = batch{}
	s.spare = append(s.spare, b)
}
