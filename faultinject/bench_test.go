package faultinject_test

import (
	"testing"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/faultinject"
)

// What a Disk adds to a request: bare is the device below by itself, idle a Disk that never had a rule, armed one whose rule is for
// another place.
func BenchmarkOverhead(b *testing.B) {
	armed := faultinject.New(memory(true))
	armed.Add(faultinject.Rule{Do: faultinject.Fail, From: 448})
	for _, c := range []struct {
		name string
		d    disk.Disk
	}{{"bare", memory(true)}, {"idle", faultinject.New(memory(true))}, {"armed", armed}} {
		b.Run("read/"+c.name, func(b *testing.B) {
			p := make([]byte, storyBlock)
			b.ReportAllocs()
			for b.Loop() {
				_ = c.d.Read(p, 0)
			}
		})
		b.Run("write/"+c.name, func(b *testing.B) {
			r := write(0, "a", false)
			b.ReportAllocs()
			for b.Loop() {
				c.d.Submit(r)
				c.d.Reap(true)
			}
		})
	}
}
