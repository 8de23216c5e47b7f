package log

import (
	"fmt"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
	"github.com/shardproof/shardproof/engine/iosched"
)

// Rewrite writes again, in place and byte for byte, every accepted unit whose durability nothing attests, and flushes: what
// recovery is about to show must survive the next power cut, even if so far it is only in the device's cache or half of it
// comes from a write whose flush failed. It does nothing when there is none.
//
// Nor does it where an interrupted write may leave a block unreadable. What nothing attests may have been acknowledged all the
// same, and this is its only copy: power lost during the write would cost what two power cuts must not cost. The flush that Open
// begins with makes durable what the device has. What is given up: units of a write or flush that failed, whose process ended and
// which recovery then found whole, may be damage after a later power cut, with all that damage entails. None of them had been
// reported persistent before.
func (t *Tail) Rewrite(d disk.Disk, b *disk.Buffers, io *iosched.Sched, g *extent.Geometry) error {
	if len(t.rewrite) == 0 {
		return nil
	}
	writes := make([]iosched.Write, len(t.rewrite))
	for i, p := range t.rewrite {
		u := b.Get(int(p.length))
		defer b.Put(u)
		off := g.Base(p.place.Extent) + int64(p.place.Offset)
		if err := disk.Read(d, u, off); err != nil {
			return &fault.IO{Op: "read", Offset: off, Err: err}
		}
		if h, ok := decodeHeader(u, p.place, g); !ok || !h.bodyHolds(u) {
			return fmt.Errorf("%w: unit %d changed while it was recovered", p.place.Corrupt("unit"), p.number)
		}
		io.Submit(&writes[i], u, off)
	}
	for io.Reap() {
	}
	io.Flush()
	for io.Reap() {
	}
	return io.Err()
}
