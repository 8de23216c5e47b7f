package conformance

import (
	"fmt"
	"slices"

	"github.com/shardproof/shardproof/engine/disk"
)

// RealDisk lends a file or a device to one sequence after the other. Each sees as much of it as its geometry asks for, blank:
// what the one before wrote is zeroed. Nothing beyond the disk's size is ever touched.
//
// Sequences must be scaled to Block, see Scaled. One runs at a time.
type RealDisk struct{ wiped wiped }

// NewRealDisk returns the lender of d; blank says that d holds zeros everywhere. d stays the caller's to close.
func NewRealDisk(d disk.Disk, blank bool) *RealDisk {
	info := d.Info()
	w := wiped{inner: d, zeros: disk.Aligned(wipeBytes), dirty: make([]bool, (info.Size+wipeBytes-1)/wipeBytes)}
	for i := range w.dirty {
		w.dirty[i] = !blank
	}
	return &RealDisk{wiped: w}
}

// Disk is a DiskSource.
func (r *RealDisk) Disk(c *Config) (disk.Disk, error) {
	have, want := r.wiped.inner.Info(), DiskInfo(c)
	if want.Size > have.Size {
		return nil, fmt.Errorf("the sequence needs a disk of %s, this one has %s",
			FormatSize(uint64(want.Size)), FormatSize(uint64(have.Size)))
	}
	want.FUA, want.PowerSafe = have.FUA, have.PowerSafe
	r.wiped.info = want
	return &r.wiped, r.wiped.wipe(want.Size)
}

// Block returns the block size in bytes that sequences are scaled to: what an interrupted write can damage, so that logical and
// physical block are one.
func (r *RealDisk) Block() uint32 { return uint32(r.wiped.inner.Info().PhysicalBlock) }

// Wipe zeroes what the last sequence wrote, so that the disk is given back blank as far as it was used.
func (r *RealDisk) Wipe() error { return r.wiped.wipe(r.wiped.used) }

// DiskBytesMax returns the bytes of the largest disk that a generated sequence asks for when scaled to that block size.
func DiskBytesMax(block uint32) int64 {
	n := int64(block)
	for _, o := range []Option{OptExtent, OptExtents} {
		info := o.Info()
		n *= int64(max(info.Default, slices.Max(append([]uint32{0}, info.Draw...))))
	}
	return n
}

// wipeBytes is the unit in which a real disk is cleared.
const wipeBytes = 64 << 10

// wiped is a disk that remembers where it was written.
type wiped struct {
	inner disk.Disk
	info  disk.Info
	dirty []bool // by wipeBytes
	used  int64  // bytes from the start that sequences have seen
	zeros []byte
}

// wipe zeroes what was written below size since the last time. It goes from the end to the start: a disk that was left in the
// middle still begins with a superblock, by which it is known as ours.
func (w *wiped) wipe(size int64) error {
	for w.inner.Reap(true) != nil { // what a failed sequence left in flight
	}
	w.used = max(w.used, size)
	end := w.inner.Info().Size
	for i := (size+wipeBytes-1)/wipeBytes - 1; i >= 0; i-- {
		if !w.dirty[i] {
			continue
		}
		off := i * wipeBytes
		r := disk.Request{Kind: disk.Write, Off: off, Data: w.zeros[:min(wipeBytes, end-off)]}
		if err := disk.Do(w.inner, &r); err != nil {
			return err
		}
		w.dirty[i] = false
	}
	return nil
}

// Info describes the part of the disk that the sequence sees.
func (w *wiped) Info() disk.Info { return w.info }

// Read implements disk.Disk.
func (w *wiped) Read(p []byte, off int64) error { return w.inner.Read(p, off) }

// Submit implements disk.Disk.
func (w *wiped) Submit(r *disk.Request) {
	if r.Kind == disk.Write {
		for i := r.Off / wipeBytes; i*wipeBytes < r.Off+int64(len(r.Data)) && i >= 0 && i < int64(len(w.dirty)); i++ {
			w.dirty[i] = true
		}
	}
	w.inner.Submit(r)
}

// Reap implements disk.Disk.
func (w *wiped) Reap(wait bool) *disk.Request { return w.inner.Reap(wait) }

// Close does nothing: the disk is the source's.
func (w *wiped) Close() error { return nil }

// Scaled returns an executor that runs sequences on e scaled to blocks of that size. The knobs that say how many logical blocks a
// physical one has are put to one: a real disk has the blocks it has.
func Scaled(e Executor, block uint32) Executor { return &scaled{inner: e, block: block} }

type scaled struct {
	inner Executor
	block uint32
	seq   Sequence
}

func (x *scaled) scale(s *Sequence) *Sequence {
	x.seq.Suite, x.seq.Config, x.seq.Keys = s.Suite, s.Config, s.Keys
	x.seq.Ops = append(x.seq.Ops[:0], s.Ops...)
	x.seq.Scale(x.block)
	x.seq.Config.Set(OptPhysical, 1)
	return &x.seq
}

// Run implements Executor.
func (x *scaled) Run(s *Sequence) Result { return x.inner.Run(x.scale(s)) }

// Explain implements Explainer.
func (x *scaled) Explain(s *Sequence) (Result, []Step) {
	if e, ok := x.inner.(Explainer); ok {
		return e.Explain(x.scale(s))
	}
	return x.Run(s), nil
}

// RunSpoiled implements Liar; an executor that cannot lie is caught by no one.
func (x *scaled) RunSpoiled(s *Sequence) Result {
	if l, ok := x.inner.(Liar); ok {
		return l.RunSpoiled(x.scale(s))
	}
	return x.Run(s)
}

// AddProbes implements ProbeSource.
func (x *scaled) AddProbes(add func(name string, count uint64)) {
	if p, ok := x.inner.(ProbeSource); ok {
		p.AddProbes(add)
	}
}

// Close implements Executor.
func (x *scaled) Close() error { return x.inner.Close() }
