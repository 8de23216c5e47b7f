package crashsim

import (
	"slices"

	"github.com/shardproof/shardproof/engine/disk"
)

// Cut lets the power fail once n more requests have completed and another one is waited for: then as much is in flight as can be.
// From there on every request fails with ErrPower and changes nothing, until PowerOn. If that moment never comes, PowerOff is it.
func (d *Disk) Cut(n int) { d.arm(n, false) }

// Kill is Cut for a process that dies while the power stays on: requests in flight reach the cache, and nothing is lost yet.
func (d *Disk) Kill(n int) { d.arm(n, true) }

func (d *Disk) arm(n int, gentle bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fuse, d.gentle = n, gentle
}

// PowerOff makes what Cut or Kill announced happen now, and reports whether it had happened before.
func (d *Disk) PowerOff() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dead {
		return true
	}
	d.stop()
	return false
}

// stop ends all requests. The writes in flight are at stake; if only the process dies, the cache has them.
func (d *Disk) stop() {
	d.dead = true
	for _, r := range d.flight {
		if r.Kind != disk.Write || d.check(r.Off, len(r.Data)) != nil {
			continue
		}
		if d.gentle {
			d.written(r.Off, r.Data, r.FUA)
		} else {
			d.atStake(r.Off, r.Data)
		}
	}
}

// Poison says that a flush has failed: what it would have made durable stays at stake until it is written again, whatever is flushed
// later. Nobody may rely on a second flush.
func (d *Disk) Poison() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.passed += uint64(len(d.pend))
	d.pend = d.pend[:0]
}

// PowerOn makes a stopped disk work again. After a power cut every version that was not durable is undecided. Outside of an
// exploration the first questions about them are answered by lost, the first one by its lowest bit: 1 is no. After these the
// answer is always yes: kept, whole, readable.
func (d *Disk) PowerOn(lost uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead, d.fuse = false, -1
	d.flight, d.covers = d.flight[:0], d.covers[:0]
	if d.gentle {
		d.gentle = false
		return
	}
	d.pinDown()
	if d.exploring != nil {
		d.exploring.freeze(lost)
		d.exploring.cut = true
	} else {
		d.main.begin(lost)
	}
	d.pend = d.pend[:0]
	d.life++
	d.endanger()
	if len(d.levels) == 0 {
		d.compact()
	}
}

// GoOn ends the questions of the leaf under exploration: it stands for all images that agree with the answers so far, and what is asked
// from here on is answered by lost, as after another power cut. Outside of an exploration it does nothing.
func (d *Disk) GoOn(lost uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.exploring != nil {
		d.exploring.freeze(lost)
	}
}

// Undecided returns how many writes, and how many blocks, are at stake: blocks that may hold one of several things, and the writes
// that decide which.
func (d *Disk) Undecided() (writes, blocks int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	numbers := d.work.times[:0]
	for b := range int32(len(d.head)) {
		if !d.undecided(b) {
			continue
		}
		v, alternatives := d.newest(b)
		if !alternatives {
			continue
		}
		blocks++
		for ; v != 0; v = d.older(v) {
			if d.state(v) == open {
				numbers = append(numbers, d.units[d.versions[v].unit].write)
			}
		}
	}
	slices.Sort(numbers)
	d.work.times = numbers
	return len(slices.Compact(numbers)), blocks
}
