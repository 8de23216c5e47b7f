package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
)

// Writes and flushes fail while a store is at work, once or several times, and the store goes on as if nothing had happened:
//
//	a fixed course ──► request k fails, for k = 1, 2, 3, ... until none does ──► same answers, every wait succeeds, Check, reopen
//	courses by chance, requests that fail by chance ─┴──► power cut ──► open: what was reported, a prefix; open again: the same
//
// Blind spots: which request failed is drawn from courses of a few hundred requests on the smallest geometries; background work is
// met by random failures only.

// effect is what a failed request does all the same.
type effect int

const (
	nothing effect = iota // of a flush: what it covered is gone
	landed                // of a flush: what it covered can be read, until the power fails
	half
	effects
)

var errDevice = errors.New("the device failed the request")

// weakDisk is a disk with a volatile cache of which requests fail, and which can lose power. A failed request leaves what it covered
// undecided for ever, whatever can be read: no later flush makes it durable. Requests complete in the order submitted.
type weakDisk struct {
	mu     sync.Mutex
	medium *disk.Memory // what is read
	base   []byte       // what is durable, but for the writes
	writes []weakWrite  // completed, in their order
	flight []weakRequest
	count  int                        // requests completed, failed ones included
	fails  func(r int) bool           // whether request number r, from 1, fails
	never  func(r *disk.Request) bool // whether a write fails whenever it is tried; nil: none does
	effect effect                     // of those that do
	err    error                      // that they get
	cut    int                        // requests after which the power fails; 0: it does not
	failed int                        // requests
	dead   bool                       // the power is off
}

type weakWrite struct {
	off            int64
	data           []byte
	durable, never bool
}

type weakRequest struct {
	*disk.Request
	covers int // writes completed when it was submitted
}

func newWeakDisk(m *disk.Memory) *weakDisk {
	return &weakDisk{medium: m, base: bytes.Clone(m.Bytes()), err: errDevice, fails: func(int) bool { return false }}
}

func (d *weakDisk) Info() disk.Info { return d.medium.Info() }
func (d *weakDisk) Close() error    { return nil }

func (d *weakDisk) Read(p []byte, off int64) error { return d.medium.Read(p, off) }

func (d *weakDisk) Submit(r *disk.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flight = append(d.flight, weakRequest{r, len(d.writes)})
}

func (d *weakDisk) Reap(bool) *disk.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.flight) == 0 {
		return nil
	}
	r := d.flight[0]
	if d.cut > 0 && d.count >= d.cut && !d.dead { // what is in flight is at stake
		for _, r := range d.flight {
			if r.Kind == disk.Write {
				d.write(r, false)
			}
		}
		d.dead = true
	}
	d.flight = d.flight[1:]
	if d.dead {
		r.Err = fmt.Errorf("the power is off: %w", disk.ErrGone)
		return r.Request
	}
	d.count++
	r.Err = nil
	fails := d.fails(d.count) || d.never != nil && r.Kind == disk.Write && d.never(r.Request)
	if fails {
		r.Err = d.err
		d.failed++
	}
	if r.Kind == disk.Write {
		d.write(r, fails)
	} else {
		d.flush(r, fails)
	}
	return r.Request
}

func (d *weakDisk) write(r weakRequest, fails bool) {
	d.writes = append(d.writes, weakWrite{r.Off, bytes.Clone(r.Data), false, fails})
	data := r.Data
	if fails {
		switch d.effect {
		case nothing:
			data = nil
		case half:
			data = data[:len(data)/2]
		}
	}
	d.medium.Overwrite(data, r.Off)
}

func (d *weakDisk) flush(r weakRequest, fails bool) {
	for i := range d.writes[:r.covers] {
		w := &d.writes[i]
		if fails {
			w.never = w.never || !w.durable
		} else {
			w.durable = !w.never
		}
	}
	if fails && d.effect != landed {
		d.medium.Overwrite(d.image(func(i int) bool { return d.effect == half && i%2 == 1 || i >= r.covers }), 0)
	}
	for len(d.writes) > 0 && d.writes[0].durable { // requests in flight count from a number of writes on
		if slide := func() bool {
			for _, f := range d.flight {
				if f.covers == 0 {
					return false
				}
			}
			return true
		}(); !slide {
			break
		}
		copy(d.base[d.writes[0].off:], d.writes[0].data)
		d.writes = d.writes[1:]
		for i := range d.flight {
			d.flight[i].covers--
		}
	}
}

// image returns what is there if of the blocks of writes that are not durable those are kept that keep says, by a number.
func (d *weakDisk) image(keep func(n int) bool) []byte {
	b := bytes.Clone(d.base)
	block := d.Info().LogicalBlock
	n := 0
	for _, w := range d.writes {
		for at := 0; at < len(w.data); at += block {
			if w.durable || keep(n) {
				copy(b[w.off+int64(at):], w.data[at:at+block])
			}
			if !w.durable {
				n++
			}
		}
	}
	return b
}

// after returns the disk after a power cut that kept what keep says.
func (d *weakDisk) after(keep func(n int) bool) *disk.Memory {
	m := disk.NewMemory(d.Info())
	m.Overwrite(d.image(keep), 0)
	return m
}

// course is a fixed run of operations on a store and what is known of it.
type course struct {
	t     *testing.T
	store *engine.Store
	disk  *weakDisk
	want  map[engine.ShardID]string
	done  []courseMutation // accepted, in order
	ended bool             // by a failure that was not masked
	allow func(err error) bool
}

type courseMutation struct {
	id    engine.ShardID
	value string // "" is deleted
	dep   engine.Dependency
}

func openCourse(d disk.Disk) (*engine.Store, error) {
	return engine.Open(d, engine.Options{
		Rand: rand.NewPCG(1, 2), GroupBytes: 512, MemtableEntries: 16, CacheBytes: 1024, IndexCacheBytes: 1024, Trigger: 2, Fanout: 2,
		PartBytes: 600, // several parts are in flight together
	})
}

// newCourse formats a disk of that many extents and opens it.
func newCourse(t *testing.T, m *disk.Memory) *course {
	t.Helper()
	d := newWeakDisk(m)
	s, err := openCourse(d)
	require.NoError(t, err)
	d.count = 0
	return &course{t: t, store: s, disk: d, want: map[engine.ShardID]string{}, allow: func(error) bool { return false }}
}

// ok reports whether a call succeeded, and ends the course if it failed as it may.
func (c *course) ok(err error) bool {
	switch {
	case c.ended:
		return false
	case err == nil:
		return true
	case c.allow(err):
		c.ended = true
		return false
	}
	require.NoError(c.t, err)
	return false
}

func (c *course) put(n byte, size int) {
	if c.ended {
		return
	}
	id := engine.ShardID{n}
	value := string(bytes.Repeat([]byte{byte(len(c.done) + 1), n}, size/2+1))
	dep, err := c.store.Put(id, []byte(value))
	if c.ok(err) {
		c.done = append(c.done, courseMutation{id, value, dep})
		c.want[id] = value
	}
}

func (c *course) delete(n byte) {
	if c.ended {
		return
	}
	dep, err := c.store.Delete(engine.ShardID{n})
	if c.ok(err) {
		c.done = append(c.done, courseMutation{engine.ShardID{n}, "", dep})
		delete(c.want, engine.ShardID{n})
	}
}

// wait waits for the n-th last mutation.
func (c *course) wait(n int) {
	if !c.ended {
		m := &c.done[len(c.done)-n]
		if c.ok(c.store.Wait(context.Background(), m.dep)) {
			require.Equal(c.t, engine.Persistent, m.dep.State())
		}
	}
}

func (c *course) step(fn func() error) {
	if !c.ended {
		c.ok(fn())
	}
}

func (c *course) start(step engine.Step) {
	c.step(func() error { _, err := c.store.Start(step); return err })
}

func (c *course) pump(n int) {
	c.step(func() error { _, err := c.store.Pump(n); return err })
}

func (c *course) reclaim() {
	c.step(func() error {
		_, err := c.store.Reclaim(context.Background())
		if errors.Is(err, engine.ErrFull) && !errors.Is(err, engine.ErrIO) { // the smallest disks lack space for copies at times
			return nil
		}
		return err
	})
}

// answers requires the answers of the map.
func (c *course) answers(s *engine.Store) {
	c.t.Helper()
	require.Equal(c.t, c.want, dumpShards(c.t, s))
}

func dumpShards(t *testing.T, s *engine.Store) map[engine.ShardID]string {
	t.Helper()
	ids, err := s.List(nil, 1000)
	require.NoError(t, err)
	got := map[engine.ShardID]string{}
	for _, id := range ids {
		value, err := s.Get(id)
		require.NoError(t, err, "shard %x", id[:])
		got[id] = string(value)
	}
	return got
}

// run does the whole course.
func (c *course) run() {
	ctx, s := context.Background(), c.store
	for n := range byte(4) {
		c.put(n, 100)
	}
	c.wait(2)
	c.put(4, 3500) // in parts
	c.put(1, 30)
	c.pump(2)
	c.delete(2)
	c.step(func() error { return s.Sync(ctx) })
	c.step(func() error { return s.Flush(ctx) })
	c.put(5, 300)
	c.put(4, 3000)
	c.start(engine.StepFlush)
	c.put(6, 200)
	c.pump(1)
	c.put(0, 20)
	c.start(engine.StepSuperblock)
	c.pump(2)
	c.put(7, 2200)
	c.delete(5)
	c.step(func() error { return s.Flush(ctx) })
	c.answersNow()
	c.step(func() error { _, err := s.Compact(ctx); return err })
	c.put(7, 40)
	c.put(8, 2500)
	c.wait(1)
	c.step(func() error { return s.Flush(ctx) })
	c.reclaim()
	c.put(9, 90)
	c.reclaim()
	c.step(func() error { return s.FlushSuperblock(ctx) })
	c.delete(6)
	c.put(8, 60)
	c.start(engine.StepReclaim)
	c.put(3, 1900)
	c.pump(3)
	c.start(engine.StepCompact)
	c.pump(1)
	c.delete(0)
	c.step(func() error { _, err := s.Compact(ctx); return err })
	c.reclaim()
	c.put(10, 2100)
	c.wait(1)
	c.movePuts()
}

// movePuts fills extents with puts of which one in parts stays, so that reclamation moves its parts and its final frame.
func (c *course) movePuts() {
	ctx, s := context.Background(), c.store
	for _, n := range []byte{3, 4, 7, 8, 10} {
		c.delete(n)
	}
	c.step(func() error { return s.Flush(ctx) })
	for n := byte(11); n < 15; n++ {
		c.put(n, 500)
		c.put(n+10, 1400)
	}
	c.step(func() error { return s.Flush(ctx) })
	for n := byte(11); n < 15; n++ {
		c.delete(n)
	}
	c.delete(22)
	c.step(func() error { return s.Flush(ctx) })
	c.reclaim()
	c.put(23, 30)
	c.start(engine.StepReclaim)
	c.pump(1)
	c.reclaim()
	c.answersNow()
}

func (c *course) answersNow() {
	c.answers(c.store)
	check(c.t, c.store)
}

// persistent returns how many mutations have been reported persistent.
func (c *course) persistent() (n int) {
	for i := range c.done {
		if c.done[i].dep.Persistent() {
			n = i + 1
		}
	}
	return n
}

// requirePrefix requires that s holds what a prefix of the mutations leaves, of n at least.
func (c *course) requirePrefix(s *engine.Store, n int) {
	c.t.Helper()
	got, state := dumpShards(c.t, s), map[engine.ShardID]string{}
	for i := 0; ; i++ {
		if i >= n && maps.Equal(got, state) {
			return
		}
		if i == len(c.done) {
			break
		}
		if m := &c.done[i]; m.value == "" {
			delete(state, m.id)
		} else {
			state[m.id] = m.value
		}
	}
	require.Fail(c.t, "no prefix", "%d of %d mutations were reported persistent", n, len(c.done))
}

// courseDisks calls fn with the smallest geometries, formatted.
func courseDisks(t *testing.T, fn func(name string, fresh func() *disk.Memory)) {
	superPages := small
	superPages.SuperPageBytes = 512
	for _, g := range []struct {
		name      string
		extents   int
		geometry  engine.Geometry
		powerSafe bool
	}{
		{"one superblock page", 17, small, true},
		{"a wide window", 19, engine.Geometry{ExtentBytes: 4096, PageBytes: 128, WindowBytes: 8192, WindowUnits: 8}, true},
		{"pages of the table, not power-safe", 18, superPages, false},
	} {
		m := disk.NewMemory(disk.Info{Size: int64(g.extents) * 4096, LogicalBlock: 64, PhysicalBlock: 64, PowerSafe: g.powerSafe})
		require.NoError(t, engine.Format(m, g.geometry))
		fn(g.name, func() *disk.Memory {
			n := disk.NewMemory(m.Info())
			n.Overwrite(m.Bytes(), 0)
			return n
		})
	}
}

// A request that fails, and one or two after it, are masked: every call succeeds, every answer is right.
func TestAFailedRequestIsMasked(t *testing.T) {
	courseDisks(t, func(name string, fresh func() *disk.Memory) {
		recovered := uint64(0)
		for times := 1; times <= 3; times++ {
			for e := range effects {
				for k := 1; masked(t, name, fresh(), e, k, times, &recovered); k += sparsely(2*times - 1) {
				}
			}
		}
		require.NotZero(t, recovered)
	})
}

// masked runs a course of which requests from k on fail, and reports whether one did.
func masked(t *testing.T, name string, m *disk.Memory, e effect, k, times int, recovered *uint64) bool {
	defer sayWhere(t, "%s: effect %d of %d requests from %d on", name, e, times, k)
	c := newCourse(t, m)
	c.disk.effect = e
	c.disk.fails = func(r int) bool { return r >= k && r < k+times }
	c.run()
	c.answersNow()
	c.afterwards()
	*recovered += c.store.Stats().Recovered
	return c.disk.failed > 0
}

// sayWhere is deferred: it says where a test failed.
func sayWhere(t *testing.T, format string, args ...any) {
	if t.Failed() {
		t.Logf(format, args...)
	}
}

// sparsely returns how far apart the requests are that fail one after the other: so far, further in short tests.
func sparsely(n int) int {
	if testing.Short() {
		return 9 * n
	}
	return n
}

// afterwards requires that the store works, closes, and opens with the same answers.
func (c *course) afterwards() {
	t := c.t
	c.put(20, 500)
	c.delete(1)
	c.wait(1)
	c.step(func() error { return c.store.Flush(context.Background()) })
	c.answersNow()
	require.NoError(t, c.store.Close())
	for i := range c.done {
		require.Equal(t, engine.Persistent, c.done[i].dep.State())
	}
	s, err := openCourse(c.disk.after(func(int) bool { return false }))
	require.NoError(t, err)
	c.answers(s)
	check(t, s)
	require.NoError(t, s.Close())
}

// isFailure reports whether err is one that a device which fails for good may make of a call.
func isFailure(err error) bool {
	return (errors.Is(err, engine.ErrReadOnly) || errors.Is(err, engine.ErrIO)) && errors.Is(err, errDevice)
}

// A device that fails for good makes the store read-only: typed errors, right answers, and after a power cut a prefix with all that
// was reported.
func TestADeviceThatFailsForGoodMakesTheStoreReadOnly(t *testing.T) {
	courseDisks(t, func(name string, fresh func() *disk.Memory) {
		for e := range effects {
			for k := 1 + int(e)%2; ; k += sparsely(2) {
				c := newCourse(t, fresh())
				c.allow = isFailure
				c.disk.effect = e
				c.disk.fails = func(r int) bool { return r >= k }
				c.run()
				if c.disk.failed == 0 {
					break
				}
				require.True(t, c.ended)
				c.answersNow()
				require.True(t, isFailure(c.store.Wait(context.Background(), lastDep(c))) || lastDep(c).Persistent())
				_, err := c.store.Put(engine.ShardID{1}, nil)
				require.True(t, isFailure(err), "%v", err)
				if errors.Is(err, engine.ErrReadOnly) {
					require.ErrorIs(t, c.store.Close(), engine.ErrReadOnly)
				}
				for seed := range uint64(3) {
					c.cutAndOpen(seed, name, k)
				}
			}
		}
	})
}

func lastDep(c *course) engine.Dependency {
	if len(c.done) == 0 {
		return engine.Dependency{}
	}
	return c.done[len(c.done)-1].dep
}

// cutAndOpen opens what a power cut left, by chance, and requires a prefix of what was done with all that was reported persistent; and
// the same once more after a second cut.
func (c *course) cutAndOpen(seed uint64, name string, k int) {
	t := c.t
	defer sayWhere(t, "%s: request %d fails, %d completed, seed %d", name, k, c.disk.count, seed)
	n := c.persistent()
	r := rand.New(rand.NewPCG(seed, uint64(k)))
	keep := func(int) bool { return r.IntN(2) == 0 }
	switch seed {
	case 0:
		keep = func(int) bool { return true }
	case 1:
		keep = func(int) bool { return false }
	}
	d := newWeakDisk(c.disk.after(keep))
	s, err := openCourse(d)
	require.NoError(t, err)
	c.requirePrefix(s, n)
	check(t, s)
	first := dumpShards(t, s)
	s, err = openCourse(d.after(keep))
	require.NoError(t, err, "again")
	require.Equal(t, first, dumpShards(t, s))
}

// The power fails some requests after one that failed: all that was reported persistent is there.
func TestWhatIsReportedAfterAFailureSurvivesThePowerCut(t *testing.T) {
	courseDisks(t, func(name string, fresh func() *disk.Memory) {
		for e := range effects {
			for k := 1 + 3*int(e); ; k += sparsely(13) {
				failed := true
				for after := 1; after < 40; after += 1 + after/6 {
					c := newCourse(t, fresh())
					c.allow = func(err error) bool { return errors.Is(err, engine.ErrReadOnly) && errors.Is(err, disk.ErrGone) }
					c.disk.effect = e
					c.disk.fails = func(r int) bool { return r == k }
					c.disk.cut = k + after
					c.run()
					failed = c.disk.failed > 0
					if !failed {
						break
					}
					for seed := range uint64(3) {
						c.cutAndOpen(seed, name, k)
					}
				}
				if !failed {
					break
				}
			}
		}
	})
}

// What is done, and which requests fail, is drawn by chance, up to a failure that cannot be masked, a power cut, or the end.
func TestRandomCoursesWithRandomFailures(t *testing.T) {
	seeds := uint64(300)
	if testing.Short() {
		seeds = 30
	}
	courseDisks(t, func(name string, fresh func() *disk.Memory) {
		for seed := range seeds {
			randomCourse(t, name, fresh(), seed)
		}
	})
}

func randomCourse(t *testing.T, name string, m *disk.Memory, seed uint64) {
	defer sayWhere(t, "%s: course %d", name, seed)
	r, fails := rand.New(rand.NewPCG(seed, 99)), rand.New(rand.NewPCG(seed, 98))
	c := newCourse(t, m)
	odds := 5 + r.IntN(100)
	c.disk.effect = effect(r.IntN(int(effects)))
	c.disk.fails = func(int) bool { return fails.IntN(odds) == 0 }
	if r.IntN(2) == 0 {
		c.disk.cut = 1 + r.IntN(800)
	}
	c.allow = func(err error) bool { return errors.Is(err, engine.ErrReadOnly) }
	for range 150 {
		c.random(r)
	}
	c.answersNow()
	if !c.ended && r.IntN(2) == 0 {
		c.disk.cut = 0
		c.disk.fails = func(int) bool { return false }
		require.NoError(t, c.store.Close())
	}
	for keep := range uint64(3) {
		c.cutAndOpen(keep, name, int(seed))
	}
}

// random does one operation. What finds no space, or fails again and again, has not been done.
func (c *course) random(r *rand.Rand) {
	ctx, s := context.Background(), c.store
	unlessRefused := func(err error) error {
		if !errors.Is(err, engine.ErrReadOnly) && (errors.Is(err, engine.ErrFull) || errors.Is(err, engine.ErrIO)) {
			return nil
		}
		return err
	}
	mutate := func(id engine.ShardID, value string, dep engine.Dependency, err error) {
		switch {
		case err != nil:
			c.ok(unlessRefused(err))
			return
		case value == "":
			delete(c.want, id)
		default:
			c.want[id] = value
		}
		c.done = append(c.done, courseMutation{id, value, dep})
	}
	if c.ended {
		return
	}
	id := engine.ShardID{byte(r.IntN(14))}
	switch op := r.IntN(16); {
	case op < 6:
		value := make([]byte, 1+r.IntN([]int{400, 400, 400, 3000}[r.IntN(4)]))
		for i := range value {
			value[i] = byte(r.Uint32())
		}
		dep, err := s.Put(id, value)
		mutate(id, string(value), dep, err)
	case op < 9:
		dep, err := s.Delete(id)
		mutate(id, "", dep, err)
	case op == 9:
		c.step(func() error { return unlessRefused(s.Flush(ctx)) })
	case op == 10:
		c.step(func() error { _, err := s.Compact(ctx); return unlessRefused(err) })
	case op == 11:
		c.step(func() error { _, err := s.Reclaim(ctx); return unlessRefused(err) })
	case op == 12:
		c.step(func() error { _, err := s.Start(engine.Step(1 + r.IntN(4))); return unlessRefused(err) })
	case op == 13:
		c.pump(r.IntN(5))
	case op == 14:
		c.step(func() error { return s.Sync(ctx) })
	default:
		c.answersNow()
	}
}

// A lack of space of the device is a failed write, and says so when it surfaces.
func TestADeviceWithoutSpaceAnswersErrFull(t *testing.T) {
	m := newDisk(16)
	require.NoError(t, engine.Format(m, small))
	c := newCourse(t, m)
	c.disk.err = syscall.ENOSPC
	c.disk.fails = func(int) bool { return true }
	dep, err := c.store.Put(engine.ShardID{1}, []byte("value"))
	require.NoError(t, err)
	err = c.store.Wait(context.Background(), dep)
	require.ErrorIs(t, err, engine.ErrFull)
	require.ErrorIs(t, err, engine.ErrReadOnly)
	require.ErrorIs(t, err, engine.ErrIO)
	require.Equal(t, engine.Failed, dep.State())
	require.ErrorIs(t, dep.Err(), syscall.ENOSPC)
}

// The superblock can be written, and nothing else: the repair that succeeds by half each time ends.
func TestADeviceThatTakesNoUnitsMakesTheStoreReadOnly(t *testing.T) {
	m := newDisk(16)
	require.NoError(t, engine.Format(m, small))
	c := newCourse(t, m)
	c.disk.err = syscall.ENOSPC
	c.disk.never = func(r *disk.Request) bool { return r.Off >= 4096 }
	c.put(1, 100)
	require.ErrorIs(t, c.store.Wait(context.Background(), lastDep(c)), engine.ErrFull)
	require.ErrorIs(t, c.store.Stats().ReadOnly, engine.ErrReadOnly)
	c.answersNow()
	require.ErrorIs(t, c.store.Close(), engine.ErrReadOnly)
}

// Nothing but sorted runs and metadata fails to be written: flushes fail, and the store goes on.
func TestAFlushThatFailsAgainAndAgainIsAnError(t *testing.T) {
	m := newDisk(16)
	require.NoError(t, engine.Format(m, small))
	c := newCourse(t, m)
	c.disk.never = func(r *disk.Request) bool { return bytes.HasPrefix(r.Data, chunk.Magic) }
	c.put(1, 100)
	c.wait(1)
	for range 2 {
		err := c.store.Flush(context.Background())
		require.ErrorIs(t, err, engine.ErrIO)
		require.ErrorIs(t, err, errDevice)
		require.NotErrorIs(t, err, engine.ErrReadOnly)
		c.put(2, 100)
		c.wait(1)
		c.answersNow()
	}
	c.disk.never = nil
	c.run()
	c.answersNow()
	c.afterwards()
}

// weakReads fails every read the first time it is tried.
type weakReads struct {
	disk.Disk
	tried map[int64]bool
}

func (d *weakReads) Read(p []byte, off int64) error {
	if !d.tried[off] {
		d.tried[off] = true
		return errDevice
	}
	delete(d.tried, off)
	return d.Disk.Read(p, off)
}

func TestAReadThatFailsOnceIsMasked(t *testing.T) {
	m := newDisk(16)
	require.NoError(t, engine.Format(m, small))
	c := newCourse(t, m)
	c.run()
	require.NoError(t, c.store.Close())
	s, err := openCourse(&weakReads{m, map[int64]bool{}})
	require.NoError(t, err)
	c.answers(s)
	check(t, s)
}

// Requests fail by chance under background work: every put is waited for and persistent.
func TestBackgroundWorkMasksFailures(t *testing.T) {
	for seed := range uint64(4) {
		m := disk.NewMemory(disk.Info{Size: 2 << 20, LogicalBlock: 512, PhysicalBlock: 1024, PowerSafe: true})
		require.NoError(t, engine.Format(m, engine.Geometry{ExtentBytes: 32 << 10, PageBytes: 1024, WindowBytes: 64 << 10, WindowUnits: 16}))
		d := newWeakDisk(m)
		r := rand.New(rand.NewPCG(seed, 1))
		s, err := engine.Open(d, backgroundOptions(seed))
		require.NoError(t, err)
		d.mu.Lock()
		d.effect = effect(seed % uint64(effects))
		d.fails = func(int) bool { return r.IntN(60) == 0 }
		d.mu.Unlock()
		var group sync.WaitGroup
		for w := range uint64(4) {
			group.Go(func() {
				for n := range uint64(60) {
					id := soakID(w<<8 | n%20)
					dep, err := s.Put(id, versionBytes(nil, w<<8|n%20, n/20+1, 200<<(n%6)))
					if err == nil {
						err = s.Wait(t.Context(), dep)
					}
					if err != nil {
						t.Errorf("seed %d: %v", seed, err)
						return
					}
				}
			})
		}
		group.Go(func() {
			for range 5 {
				if err := s.Flush(t.Context()); err != nil {
					t.Errorf("seed %d: flush: %v", seed, err)
				}
				if _, err := s.Reclaim(t.Context()); err != nil {
					t.Errorf("seed %d: reclaim: %v", seed, err)
				}
			}
		})
		group.Wait()
		require.NoError(t, s.Check(t.Context(), func(err error) { t.Error(err) }))
		require.NotZero(t, s.Stats().Recovered)
		require.NoError(t, s.Close())
		again, err := engine.Open(d.after(func(int) bool { return false }), engine.Options{})
		require.NoError(t, err)
		for w := range uint64(4) {
			for n := range uint64(20) {
				version, err := storedVersion(again, w<<8|n)
				require.NoError(t, err)
				require.EqualValues(t, 3, version)
			}
		}
		require.NoError(t, again.Check(t.Context(), func(err error) { t.Error(err) }))
	}
}

func backgroundOptions(seed uint64) engine.Options {
	o := durableOptions(seed)
	o.Background = true
	return o
}

// Under background work a put that waits for a flush gets the error of the flush, and works again once flushes do.
func TestPutsGetTheErrorOfTheFlushTheyWaitFor(t *testing.T) {
	m := disk.NewMemory(disk.Info{Size: 2 << 20, LogicalBlock: 512, PhysicalBlock: 1024, PowerSafe: true})
	require.NoError(t, engine.Format(m, engine.Geometry{ExtentBytes: 32 << 10, PageBytes: 1024, WindowBytes: 64 << 10, WindowUnits: 16}))
	d := newWeakDisk(m)
	d.never = func(r *disk.Request) bool { return bytes.HasPrefix(r.Data, chunk.Magic) }
	s, err := engine.Open(d, backgroundOptions(1))
	require.NoError(t, err)
	n := uint64(0)
	for ; err == nil; n++ {
		_, err = s.Put(soakID(n), []byte("value"))
	}
	require.ErrorIs(t, err, engine.ErrIO)
	require.NotErrorIs(t, err, engine.ErrReadOnly)
	require.NoError(t, s.Sync(t.Context()))
	d.mu.Lock()
	d.never = nil
	d.mu.Unlock()
	require.NoError(t, s.Flush(t.Context()))
	_, err = s.Put(soakID(n), []byte("value"))
	require.NoError(t, err)
	require.NoError(t, s.Check(t.Context(), func(err error) { t.Error(err) }))
	require.NoError(t, s.Close())
}
