package crashsim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
)

// The oracle is the rules C1 to C6 taken literally: a world is a whole disk, and a power cut makes of every world one for each way
// to keep or lose what was at stake in it. What the code under test sees of a world rules out the worlds in which it would have seen
// something else. It shares nothing with the disk but the device it imitates; its price is a copy of the disk for every way.
//
// Not seen: how many images a leaf stands for (see TestALeafStandsForExactlyItsImages).

// world is one state of a disk, after a power cut.
type world struct {
	bytes   string
	damaged int // the physical block that the last power cut made unreadable; -1: none
}

// worlds is every state that a disk may be in.
type worlds struct {
	device Device
	all    map[world]bool
	broken map[int]bool // physical blocks found to be unreadable, in all worlds

	completed, flight []*refWrite // since the last power cut, in their order
}

type refWrite struct {
	request *disk.Request
	data    []byte
	durable bool
	covers  []*refWrite // of a flush
}

func newWorlds(device Device) *worlds {
	return &worlds{device: device, all: map[world]bool{{string(make([]byte, 2048)), -1}: true}, broken: map[int]bool{}}
}

func (s *worlds) submit(r *disk.Request) {
	s.flight = append(s.flight, &refWrite{request: r, data: slices.Clone(r.Data), covers: slices.Clone(s.completed)})
}

// complete notes that r was reaped.
func (s *worlds) complete(r *disk.Request) {
	i := slices.IndexFunc(s.flight, func(w *refWrite) bool { return w.request == r })
	w := s.flight[i]
	s.flight = slices.Delete(s.flight, i, i+1)
	if r.Kind == disk.Flush {
		for _, c := range w.covers {
			c.durable = true
		}
		return
	}
	w.durable = r.FUA || !s.device.Cache
	s.completed = append(s.completed, w)
}

// kill ends the process: the cache has what was in flight.
func (s *worlds) kill() {
	for len(s.flight) > 0 {
		if s.flight[0].request.Kind == disk.Flush {
			s.flight = s.flight[1:]
		} else {
			s.complete(s.flight[0].request)
		}
	}
}

// powerOff makes every world all that it may become.
func (s *worlds) powerOff() {
	var writes []*refWrite
	for _, w := range slices.Concat(s.completed, s.flight) {
		if w.request.Kind == disk.Write {
			writes = append(writes, w)
		}
	}
	s.heal(s.completed)
	next := map[world]bool{}
	for w := range s.all {
		s.become(next, []byte(w.bytes), writes)
	}
	s.all, s.completed, s.flight = next, nil, nil
}

// become adds to next what a disk with these bytes may be once each of these writes was kept or lost, unit by unit.
func (s *worlds) become(next map[world]bool, p []byte, writes []*refWrite) {
	if len(writes) == 0 {
		next[world{string(p), -1}] = true
		return
	}
	w := writes[0]
	if w.durable {
		p = slices.Clone(p)
		copy(p[w.request.Off:], w.data)
		s.become(next, p, writes[1:])
		return
	}
	s.eachWay(p, w, 0, func(p []byte) { s.become(next, p, writes[1:]) })
}

// eachWay calls fn for each way to keep or lose the units of w from its i-th block on.
func (s *worlds) eachWay(p []byte, w *refWrite, i int, fn func(p []byte)) {
	if i == len(w.data)/64 {
		fn(p)
		return
	}
	end := i + 1
	for end < len(w.data)/64 && s.together(w, i, end) {
		end++
	}
	s.eachWay(p, w, end, fn)
	p = slices.Clone(p)
	copy(p[w.request.Off+int64(i)*64:], w.data[i*64:end*64])
	s.eachWay(p, w, end, fn)
}

// together reports whether blocks i and j of w are of one unit.
func (s *worlds) together(w *refWrite, i, j int) bool {
	if s.device.AtomicBytes == 0 {
		return false
	}
	of := func(block int) int { return (int(w.request.Off) + block*64) / s.device.AtomicBytes }
	all := of(0) == of(len(w.data)/64-1)
	return all || s.device.Pieces && of(i) == of(j)
}

// heal notes which physical blocks were wholly rewritten.
func (s *worlds) heal(writes []*refWrite) {
	for _, w := range writes {
		for p := range s.broken {
			if w.request.Off <= int64(p)*128 && int64(p+1)*128 <= w.request.Off+int64(len(w.data)) {
				delete(s.broken, p)
			}
		}
	}
}

// size bounds how many worlds a power cut would make now, if each block of each write is a unit.
func (s *worlds) size() int {
	n := len(s.all)
	for _, w := range slices.Concat(s.completed, s.flight) {
		if !w.durable && n <= worldsMax {
			n <<= len(w.data) / 64
		}
	}
	return n
}

// endanger lets the power cut make one block unreadable that was being written: all worlds share what was at stake.
func (s *worlds) endanger(atStake map[int]bool) {
	if !s.device.Unreadable {
		return
	}
	for w := range maps.Clone(s.all) {
		for p := range atStake {
			if !s.broken[p] {
				s.all[world{w.bytes, p}] = true
			}
		}
	}
}

// atStake returns the physical blocks of which something is at stake: a block whose newest version is not durable.
func (s *worlds) atStake() map[int]bool {
	newest := map[int64]*refWrite{}
	for _, w := range slices.Concat(s.completed, s.flight) {
		for i := range w.data {
			newest[w.request.Off+int64(i)] = w
		}
	}
	at := map[int]bool{}
	for b, w := range newest {
		if !w.durable {
			at[int(b/128)] = true
		}
	}
	return at
}

// settle keeps only the worlds in which fn returns the same, and what it has found to be broken.
func (s *worlds) settle(want uint64, fn func(disk.Disk) uint64) {
	for w := range maps.Clone(s.all) {
		d := s.disk(w)
		if fn(d) != want {
			delete(s.all, w)
		}
	}
}

// found moves the damage that was read to what is broken in all worlds; damage that nobody has read is over.
func (s *worlds) found(broken int) {
	kept := map[world]bool{}
	for w := range s.all {
		if w.damaged == broken {
			kept[world{w.bytes, -1}] = true
		}
	}
	if broken >= 0 {
		s.broken[broken] = true
	}
	s.all = kept
}

func (s *worlds) disk(w world) *worldDisk { return &worldDisk{w: w, broken: s.broken} }

// worldDisk reads one world.
type worldDisk struct {
	disk.Disk // none: nothing but reading
	w         world
	broken    map[int]bool
}

func (d *worldDisk) Info() disk.Info { return small(0).Info }

func (d *worldDisk) readable(off, n int64) error {
	if off+n > 2048 {
		return disk.ErrOutOfRange
	}
	for p := int(off / 128); p <= int((off+n-1)/128); p++ {
		if p == d.w.damaged || d.broken[p] {
			return ErrUnreadable
		}
	}
	return nil
}

func (d *worldDisk) Read(p []byte, off int64) error {
	if err := d.readable(off, int64(len(p))); err != nil {
		return err
	}
	copy(p, d.w.bytes[off:])
	return nil
}

func (d *worldDisk) Ask(off, size int64, pred func(int64, []byte) bool) (bool, error) {
	if off+size > int64(len(d.w.bytes)) {
		return false, disk.ErrOutOfRange
	}
	for at := off; at < off+size; at += 128 {
		block := []byte(d.w.bytes[at : at+64])
		if d.readable(at, 64) != nil {
			block = nil
		}
		if pred(at, block) {
			return true, nil
		}
	}
	return false, nil
}

// pair is a disk and every world that it may be.
type pair struct {
	d *Disk
	s *worlds
}

func (x *pair) submit(r *disk.Request) {
	x.d.Submit(r)
	x.s.submit(r)
}

// reap lets n requests complete, if there are so many.
func (x *pair) reap(n int) {
	for ; n > 0; n-- {
		if r := x.d.Reap(true); r != nil {
			x.s.complete(r)
		}
	}
}

// history writes at random, and flushes. What is in flight never overlaps.
func (x *pair) history(r *rand.Rand, steps int) {
	busy := map[int64]bool{}
	for range steps {
		switch r.IntN(6) {
		case 0:
			x.submit(&disk.Request{Kind: disk.Flush})
		case 1, 2:
			x.reap(len(x.d.flight))
			clear(busy)
		default:
			w := randomWrite(r)
			overlaps := false
			for b := w.Off; b < w.Off+int64(len(w.Data)); b += 64 {
				overlaps = overlaps || busy[b]
				busy[b] = true
			}
			if overlaps {
				x.reap(len(x.d.flight))
				clear(busy)
			}
			x.submit(w)
		}
		if r.IntN(8) == 0 {
			x.d.compact() // which nobody notices
		}
	}
	x.reap(r.IntN(1 + len(x.d.flight)))
}

// randomWrite is mostly within the first blocks, so that writes meet.
func randomWrite(r *rand.Rand) *disk.Request {
	blocks := 1 + r.IntN(3)
	within := 32 - blocks
	if r.IntN(4) > 0 {
		within = 8
	}
	return &disk.Request{Kind: disk.Write, Off: int64(r.IntN(within)) * 64, Data: sealed(r, blocks), FUA: r.IntN(6) == 0}
}

// powerCycle cuts the power, or only ends the process.
func (x *pair) powerCycle(gentle bool) {
	if gentle {
		x.d.Kill(0)
		x.s.kill()
		x.d.PowerOff()
		x.d.PowerOn(0)
		return
	}
	at := x.s.atStake()
	x.d.pinDown()
	x.s.found(int(x.d.hurt.decided()) - 1)
	x.s.powerOff()
	x.s.endanger(at)
	x.d.Cut(0)
	x.d.PowerOff()
	x.d.PowerOn(0)
}

// outcomes returns what fn returns in each of the worlds.
func (s *worlds) outcomes(fn func(disk.Disk) uint64) (all []uint64) {
	for w := range s.all {
		all = append(all, fn(s.disk(w)))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// explored returns what fn returns in each of the leaves.
func explored(t *testing.T, d *Disk, fn func(disk.Disk) uint64) (all []uint64) {
	out, err := d.Explore(Bounds{Plain: 3}, func(bool) (uint64, bool) {
		all = append(all, fn(d))
		write(t, d, 0, fill(2048, 0xee)) // which is gone in the next leaf
		flush(t, d)
		return all[len(all)-1], true
	})
	require.NoError(t, err)
	require.True(t, out.Whole)
	slices.Sort(all)
	return slices.Compact(all)
}

const worldsMax = 256

// Several lives: in each one some of what is undecided is read, some is written again, some stays as it is.
func TestTheStatesOfADiskAreTheWorldsThatTheRulesAllow(t *testing.T) {
	compared := 0
	for device := range deviceCount {
		for seed := range uint64(250) {
			r := rand.New(rand.NewPCG(seed, uint64(device)))
			config := small(device)
			config.Shuffle = seed % 3
			x := &pair{New(config), newWorlds(config.Device)}
			for life := range 4 {
				x.history(r, 1+r.IntN(9))
				gentle := r.IntN(6) == 0
				if !gentle && x.s.size() > worldsMax {
					break
				}
				x.powerCycle(gentle)
				program := func(d disk.Disk) uint64 { return reader(d, seed*4+uint64(life)) }
				name := fmt.Sprintf("device %s seed %d life %d", DeviceNames[device], seed, life)
				if !gentle {
					require.Equal(t, x.s.outcomes(program), explored(t, x.d, program), name)
					compared += len(x.s.all)
					x.d.main.begin(r.Uint64() & r.Uint64())
				}
				if r.IntN(2) == 0 && !gentle {
					x.s.settle(program(x.d), program)
					require.NotEmpty(t, x.s.all, name)
				}
			}
		}
	}
	require.Greater(t, compared, 20_000)
}

// An exploration within an exploration: the power fails again while what the first cut left is looked at.
func TestPowerCutsWithinAnExploration(t *testing.T) {
	for device := range deviceCount {
		for seed := range uint64(60) {
			r := rand.New(rand.NewPCG(seed, uint64(device)))
			x := &pair{New(small(device)), newWorlds(small(device).Device)}
			x.history(r, 6)
			if x.s.size() > 64 {
				continue
			}
			x.powerCycle(false)
			last := randomWrite(r)
			first := func(d disk.Disk) uint64 { return reader(d, seed) }
			second := func(d disk.Disk) uint64 { return reader(d, seed+1) }

			want := map[[2]uint64]bool{}
			for w := range x.s.all {
				s := &worlds{device: x.s.device, all: map[world]bool{w: true}, broken: map[int]bool{}}
				one := first(s.disk(w))
				if w.damaged >= 0 {
					s.found(damageSeen(x.s, w, one, first))
				}
				s.submit(last)
				at := s.atStake()
				s.powerOff()
				s.endanger(at)
				for _, two := range s.outcomes(second) {
					want[[2]uint64{one, two}] = true
				}
			}

			got := map[[2]uint64]bool{}
			out, err := x.d.Explore(Bounds{}, func(bool) (uint64, bool) {
				one := first(x.d)
				powerCycle(x.d, last)
				inner, err := x.d.Explore(Bounds{}, func(bool) (uint64, bool) {
					two := second(x.d)
					got[[2]uint64{one, two}] = true
					write(t, x.d, 0, fill(2048, 0xee)) // which is gone in the next leaf
					flush(t, x.d)
					return two, true
				})
				require.NoError(t, err)
				require.True(t, inner.Whole)
				return one, true
			})
			require.NoError(t, err)
			require.True(t, out.Whole)
			require.Equal(t, want, got, "device %s seed %d", DeviceNames[device], seed)
		}
	}
}

// damageSeen returns the damage of w if the program has met it; what it has not met is over with the next power cut.
func damageSeen(s *worlds, w world, digest uint64, program func(disk.Disk) uint64) int {
	if program(s.disk(world{w.bytes, -1})) == digest {
		return -1
	}
	return w.damaged
}
