package conc_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shardproof/shardproof/engine/conc"
)

// BenchmarkSeam puts each primitive beside the one of the standard library that it stands for. Without a scheduler the seam
// costs at most 1 ns a call.
func BenchmarkSeam(b *testing.B) {
	b.Run("Mutex/std", func(b *testing.B) {
		var m sync.Mutex
		for b.Loop() {
			m.Lock()
			m.Unlock() //lint:ignore SA2001 the empty section is what is measured
		}
	})
	b.Run("Mutex/conc", func(b *testing.B) {
		var m conc.Mutex
		for b.Loop() {
			m.Lock()
			m.Unlock() //lint:ignore SA2001 the empty section is what is measured
		}
	})
	b.Run("RWMutex/std", func(b *testing.B) {
		var m sync.RWMutex
		for b.Loop() {
			m.RLock()
			m.RUnlock() //lint:ignore SA2001 the empty section is what is measured
		}
	})
	b.Run("RWMutex/conc", func(b *testing.B) {
		var m conc.RWMutex
		for b.Loop() {
			m.RLock()
			m.RUnlock() //lint:ignore SA2001 the empty section is what is measured
		}
	})
	b.Run("Load/std", func(b *testing.B) {
		var v atomic.Int64
		for b.Loop() {
			sink += v.Load()
		}
	})
	b.Run("Load/conc", func(b *testing.B) {
		var v conc.Int64
		for b.Loop() {
			sink += v.Load()
		}
	})
	b.Run("Add/std", func(b *testing.B) {
		var v atomic.Int64
		for b.Loop() {
			v.Add(1)
		}
	})
	b.Run("Add/conc", func(b *testing.B) {
		var v conc.Int64
		for b.Loop() {
			v.Add(1)
		}
	})
	b.Run("Pointer/std", func(b *testing.B) {
		var v atomic.Pointer[int64]
		v.Store(new(int64))
		for b.Loop() {
			sink += *v.Load()
		}
	})
	b.Run("Pointer/conc", func(b *testing.B) {
		var v conc.Pointer[int64]
		v.Store(new(int64))
		for b.Loop() {
			sink += *v.Load()
		}
	})
	b.Run("Once/std", func(b *testing.B) {
		var o sync.Once
		for b.Loop() {
			o.Do(func() {})
		}
	})
	b.Run("Once/conc", func(b *testing.B) {
		var o conc.Once
		for b.Loop() {
			o.Do(func() {})
		}
	})
	b.Run("Chan/std", func(b *testing.B) {
		c := make(chan int64, 1)
		for b.Loop() {
			c <- 1
			sink += <-c
		}
	})
	b.Run("Chan/conc", func(b *testing.B) {
		c := conc.NewChan[int64](1)
		for b.Loop() {
			c.Send(1)
			v, _ := c.Recv()
			sink += v
		}
	})
	b.Run("Signal/std", func(b *testing.B) {
		c := sync.NewCond(new(sync.Mutex))
		for b.Loop() {
			c.Signal()
		}
	})
	b.Run("Signal/conc", func(b *testing.B) {
		c := conc.NewCond(new(conc.Mutex))
		for b.Loop() {
			c.Signal()
		}
	})
	b.Run("WaitGroup/std", func(b *testing.B) {
		var g sync.WaitGroup
		for b.Loop() {
			g.Add(1)
			g.Done()
		}
	})
	b.Run("WaitGroup/conc", func(b *testing.B) {
		var g conc.WaitGroup
		for b.Loop() {
			g.Add(1)
			g.Done()
		}
	})
	b.Run("Now/std", func(b *testing.B) {
		for b.Loop() {
			when = time.Now()
		}
	})
	b.Run("Now/conc", func(b *testing.B) {
		for b.Loop() {
			when = conc.Now()
		}
	})
}

var (
	sink int64
	when time.Time
)
