package crashsim

import (
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/shardproof/shardproof/engine/disk"
)

var (
	// ErrPower is what every request gets from the moment on at which the power failed, or the process was killed. To whoever asks
	// then the disk is gone for good: who uses it after PowerOn is somebody else.
	ErrPower = fmt.Errorf("crashsim: the power is off: %w", disk.ErrGone)
	// ErrUnreadable is the error of a read that touches a physical block which a power cut left unreadable.
	ErrUnreadable = errors.New("crashsim: the block is unreadable")
)

// Config describes a disk.
type Config struct {
	Info    disk.Info // PowerSafe is put to what Device says
	Device  Device
	Shuffle uint64 // 0: requests complete in the order submitted; else this seeds the order
	Lie     Lie
}

// Disk is a disk that can lose power. It implements disk.Disk, disk.Asker and disk.UnitReader. Safe for concurrent use as package
// disk says; the methods that are not part of those are for who alone uses it.
type Disk struct {
	mu    sync.Mutex
	info  disk.Info
	dev   Device
	lie   Lie
	block int64 // bytes: the grain at which blocks are kept or lost
	shift uint

	bytes  []byte // what each block holds; of an undecided one, nothing of meaning
	arena  []byte // the bytes of all versions
	chains        // all that Mark copies
	levels []*level
	idle   []*level // for reuse

	flight []*disk.Request // in the order submitted
	covers []uint64        // of each: how many pending versions there had been, for a flush
	fuse   int             // requests that may complete before the power fails; negative: any number
	gentle bool            // the fuse kills the process only
	dead   bool            // until PowerOn

	heard func(disk.RequestKind) // called for every request that completes; nil: nobody listens

	choice    *chooser
	main      chooser // outside of an exploration
	exploring *explorer
	resting   []*explorer // for reuse

	shift8  *[4][256]uint32 // takes a CRC one block further
	assumed int             // questions so far of which it was not shown that no mixture passes by chance
	spare   spare
	live    int // versions that compact left
	work    workspace
}

// chains is the part of a disk that changes with what is written and decided.
type chains struct {
	head     []int32 // of each block: its newest version; 0: it holds its bytes
	versions []version
	units    []unit
	groups   []group
	pend     []pending // completed, in this order, and not durable
	passed   uint64    // versions that have left pend at its front
	chained  int       // blocks with a chain
	life     int32     // power cuts so far
	writes   int32     // numbers given to writes
	hurt     hurt
	shuffled bool
	shuffle  rand.PCG // of the order of completion, if it is shuffled
}

var (
	_ disk.Disk       = (*Disk)(nil)
	_ disk.Asker      = (*Disk)(nil)
	_ disk.UnitReader = (*Disk)(nil)
)

// New returns a disk full of zeros. An impossible c panics.
func New(c Config) *Disk {
	d := new(Disk)
	d.Reset(c)
	return d
}

// Reset makes d what New(c) would return, reusing its memory.
func (d *Disk) Reset(c Config) {
	c.Info.PowerSafe = !c.Device.Unreadable
	if err := c.Info.Validate(); err != nil {
		panic(err)
	}
	d.info, d.dev, d.lie = c.Info, c.Device, c.Lie
	block := int64(c.Info.LogicalBlock)
	if c.Lie == Torn {
		block = min(block, TornBytes)
	}
	if block != d.block {
		d.block, d.shift, d.shift8 = block, uint(bits.TrailingZeros64(uint64(block))), crcShift(int(block))
	}
	d.bytes = cleared(d.bytes, int(c.Info.Size))
	d.arena, d.levels, d.live = d.arena[:0], d.levels[:0], 0
	d.chains = chains{
		head: cleared(d.head, int(c.Info.Size>>d.shift)), versions: append(d.versions[:0], version{}), units: append(d.units[:0], unit{}),
		groups: append(d.groups[:0], group{}), pend: d.pend[:0], hurt: hurt{state: d.hurt.state[:0]},
	}
	if d.dev.Unreadable {
		d.hurt.state = cleared(d.hurt.state, int(c.Info.Size/int64(c.Info.PhysicalBlock)))
	}
	d.shuffled = c.Shuffle != 0
	d.shuffle.Seed(c.Shuffle, 0x5c4a5)
	d.flight, d.covers = d.flight[:0], d.covers[:0]
	d.fuse, d.gentle, d.dead, d.heard = -1, false, false, nil
	d.main.begin(0)
	d.choice, d.exploring = &d.main, nil
}

// cleared returns n zeros, in the memory of s if that is enough.
func cleared[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// Info describes the disk.
func (d *Disk) Info() disk.Info { return d.info }

// Close does nothing: what is on the disk stays, for whoever opens it next.
func (d *Disk) Close() error { return nil }

// Submit begins r. It never blocks.
func (d *Disk) Submit(r *disk.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flight = append(d.flight, r)
	d.covers = append(d.covers, d.passed+uint64(len(d.pend)))
}

// Reap completes a request in flight and returns it, or nil when there is none. In random order, and without wait, it may return
// nil although there is one.
func (d *Disk) Reap(wait bool) *disk.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.flight) == 0 || !wait && d.shuffled && d.draw(4) == 0 {
		return nil
	}
	if d.fuse == 0 && !d.dead {
		d.stop()
	}
	i := 0
	if !d.dead {
		i = d.draw(len(d.flight))
		d.fuse--
	}
	r, cover := d.flight[i], d.covers[i]
	d.flight, d.covers = slices.Delete(d.flight, i, i+1), slices.Delete(d.covers, i, i+1)
	if r.Err = ErrPower; !d.dead {
		r.Err = d.complete(r, cover)
		if d.heard != nil {
			d.heard(r.Kind)
		}
	}
	return r
}

// Listen makes d call fn for every request that completes, in their order, until fn is another; nil is nobody.
func (d *Disk) Listen(fn func(disk.RequestKind)) { d.heard = fn }

// Reshuffle makes seed that of the order from now on, if requests complete in another than they were submitted in.
func (d *Disk) Reshuffle(seed uint64) { d.shuffle.Seed(seed, 0x5c4a5) }

// draw returns a number below n, 0 if nothing is shuffled.
func (d *Disk) draw(n int) int {
	if !d.shuffled {
		return 0
	}
	hi, _ := bits.Mul64(d.shuffle.Uint64(), uint64(n))
	return int(hi)
}

// complete carries r out.
func (d *Disk) complete(r *disk.Request, cover uint64) error {
	switch r.Kind {
	case disk.Flush:
		d.flushed(cover)
		d.forget()
		return nil
	case disk.Write:
		if err := d.check(r.Off, len(r.Data)); err != nil {
			return err
		}
		d.written(r.Off, r.Data, r.FUA)
		d.forget()
		return nil
	}
	return disk.ErrNotSupported
}

// check returns why n bytes at off cannot be asked of the disk, or nil.
func (d *Disk) check(off int64, n int) error {
	switch {
	case (off|int64(n))&int64(d.info.LogicalBlock-1) != 0 || n == 0:
		return disk.ErrMisaligned
	case off < 0 || off > d.info.Size-int64(n):
		return disk.ErrOutOfRange
	}
	return nil
}

// written makes p what is read at off, and puts it at stake unless it is durable at once (C2).
func (d *Disk) written(off int64, p []byte, fua bool) {
	first := len(d.versions)
	if !d.dev.Cache || fua && d.lie != NoFUA {
		for b := int32(off >> d.shift); b < int32((off+int64(len(p)))>>d.shift); b++ {
			if d.head[b] != 0 {
				d.unchain(b)
			}
		}
	} else {
		d.atStake(off, p)
		b := int32(off >> d.shift)
		for v := first; v < len(d.versions); v++ {
			if d.versions[v].unit != 0 {
				d.pend = append(d.pend, pending{b, int32(v)})
				b++
			}
		}
	}
	d.store(off, p)
	d.heal(off, int64(len(p)))
}

// atStake gives the blocks of a write that is not durable a version more.
func (d *Disk) atStake(off int64, p []byte) {
	data := d.keepBytes(p)
	d.writes++
	d.dev.pieces(off, int64(len(p)), d.block, func(at, n int64) {
		d.units = append(d.units, unit{write: d.writes})
		d.push(at, n, data+int32(at-off), int32(len(d.units))-1)
	})
}

// flushed makes the versions before cover durable (C1).
func (d *Disk) flushed(cover uint64) {
	if d.lie == NoFlush || cover <= d.passed {
		return
	}
	n := int(cover - d.passed)
	spared := int32(0) // the write that the flush passes over
	if d.lie == Reordered {
		spared = d.units[d.versions[d.pend[n-1].version].unit].write
	}
	for _, p := range d.pend[:n] {
		if u := d.versions[p.version].unit; spared == 0 || d.units[u].write != spared {
			d.settle(p.block, p.version)
		}
	}
	d.pend = slices.Delete(d.pend, 0, n)
	d.passed = cover
}

// at returns the bytes of block b.
func (d *Disk) at(b int32) []byte {
	off := int64(b) << d.shift
	return d.bytes[off : off+d.block]
}

// store changes the bytes at off.
func (d *Disk) store(off int64, p []byte) {
	if n := len(d.levels); n > 0 { // the others are put back to from what this one is put back to
		d.levels[n-1].save(d.bytes, off, int64(len(p)))
	}
	copy(d.bytes[off:], p)
}

func (d *Disk) String() string {
	return fmt.Sprintf("crashsim: %d bytes, %d blocks at stake, life %d", d.info.Size, d.chained, d.life)
}
