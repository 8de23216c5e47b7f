package faultinject_test

import (
	"bytes"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/faultinject"
)

// J8, and a rule that matches nothing costs a lock more.
func TestADiskWithNothingToDoAllocatesNothing(t *testing.T) {
	for _, rules := range [][]string{nil, {"fail from=448", "lose from=448 nth=9"}} {
		d := faultinject.New(memory(true))
		for _, text := range rules {
			d.Add(mustParse(t, text))
		}
		p := make([]byte, 2*storyBlock)
		w, flush := write(0, "ab", true), &disk.Request{Kind: disk.Flush}
		pred, check := func(int64, []byte) bool { return false }, func([]byte) bool { return true }
		require.Zero(t, testing.AllocsPerRun(100, func() {
			d.Submit(w)
			for d.Reap(true) != nil {
			}
			if rules == nil {
				_ = disk.Do(d, flush)
			}
			_ = d.Read(p, 0)
			_, _ = d.Ask(0, 128, pred)
			_, _ = d.ReadUnit(p, 0, check)
		}))
	}
}

// The same for a disk below that answers no questions.
func TestAskOnAPlainDiskAllocatesNothing(t *testing.T) {
	d := faultinject.New(noAsker{memory(true)})
	pred := func(int64, []byte) bool { return false }
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = d.Ask(0, 512, pred) }))
}

func TestResetMakesItNew(t *testing.T) {
	d := faultinject.New(memory(true))
	d.Add(mustParse(t, "stall"))
	d.Damage(mustParse(t, "fail"), 0, 512)
	d.Submit(write(0, "a", false))
	require.True(t, d.Bad(0, 64))
	require.Equal(t, uint64(1), d.Count())
	d.Reset(memory(false))
	require.False(t, d.Info().PowerSafe)
	require.Zero(t, d.Count())
	require.Empty(t, d.Events())
	require.False(t, d.Bad(0, 512))
	require.Nil(t, d.Reap(true))
	require.NoError(t, disk.Do(d, write(0, "a", false)))
	require.Equal(t, 1, d.Add(mustParse(t, "fail")))
}

func TestCloseClosesTheDiskBelowAndKeepsTheDamage(t *testing.T) {
	below := memory(true)
	d := faultinject.New(below)
	d.Damage(mustParse(t, "fail"), 0, 1)
	d.Add(mustParse(t, "stall"))
	d.Submit(write(1, "a", false))
	require.NoError(t, d.Close())
	require.ErrorIs(t, d.Read(make([]byte, 64), 64), disk.ErrClosed)
	below.Reopen()
	require.Nil(t, d.Reap(true))
	require.Equal(t, "#.", readBlocks(d, 0, 2))
}

// What no device can do is for the device below to refuse; no rule counts it.
func TestWhatIsMisalignedOrOutsideIsRefusedBelow(t *testing.T) {
	d := faultinject.New(memory(true))
	d.Add(mustParse(t, "fail"))
	p := make([]byte, 64)
	require.ErrorIs(t, d.Read(p, 512), disk.ErrOutOfRange)
	require.ErrorIs(t, d.Read(p[:63], 0), disk.ErrMisaligned)
	require.ErrorIs(t, d.Read(nil, 0), disk.ErrMisaligned)
	require.ErrorIs(t, disk.Do(d, write(8, "a", false)), disk.ErrOutOfRange)
	require.ErrorIs(t, disk.Do(d, write(0, "", false)), disk.ErrMisaligned)
	require.ErrorIs(t, disk.Do(d, &disk.Request{Kind: 9, Data: p}), disk.ErrNotSupported)
	require.Empty(t, d.Events())
}

func TestDamageStaysWithinTheDevice(t *testing.T) {
	for _, c := range []struct {
		off, n int64
		want   string
	}{
		{-100, 101, "#......."}, {-100, 100, "........"}, {511, 1 << 62, ".......#"}, {512, 1, "........"},
		{1 << 62, 1 << 62, "........"},
		{0, 0, "........"}, {64, -1, "........"}, {63, 2, "##......"}, {-1 << 62, 1 << 62, "........"}, {-5, 1<<63 - 1, "########"},
	} {
		d := faultinject.New(memory(true))
		d.Damage(mustParse(t, "fail"), c.off, c.n)
		require.Equal(t, c.want, readBlocks(d, 0, 8), "%d B at %d", c.n, c.off)
		require.Equal(t, c.want != "........", d.Bad(c.off, c.n))
	}
}

func TestTheLogIsBounded(t *testing.T) {
	d := faultinject.New(memory(true))
	d.Add(mustParse(t, "gone"))
	flush := &disk.Request{Kind: disk.Flush}
	for range faultinject.EventsMax + 10 {
		require.Error(t, disk.Do(d, flush))
	}
	require.Len(t, d.Events(), faultinject.EventsMax)
	require.Equal(t, "rule 1, IO 7: gone flush", d.Events()[6].String())
}

func TestAnErrorNamesItsRule(t *testing.T) {
	d := faultinject.New(memory(true))
	d.Add(mustParse(t, "fail write errno=ENOSPC"))
	_ = d.Read(make([]byte, 64), 0)
	err := disk.Do(d, write(1, "a", false))
	require.Equal(t, &faultinject.Error{Rule: 1, IO: 2, Op: "write", Off: 64, Err: syscall.ENOSPC}, err)
	require.EqualError(t, err, "faultinject: rule 1, IO 2: write at 64: "+syscall.ENOSPC.Error())
}

// observed is a disk that notes what is read.
type observed struct {
	disk.Disk
	reads []string
}

func (o *observed) Read(p []byte, off int64) error {
	o.reads = append(o.reads, fmt.Sprintf("%d+%d", off/storyBlock, len(p)/storyBlock))
	return o.Disk.Read(p, off)
}

// J7.
func TestTheDeviceBelowIsReadForWhatIsNeeded(t *testing.T) {
	for _, c := range []struct {
		name   string
		before []string // damage AT N RULE, or a rule
		write  string   // to block 2; or it is read
		want   []string
	}{
		{"what is as below is read together", []string{"damage 3 1 zero"}, "", []string{"0+3", "4+4"}},
		{"a block that flips is read", []string{"damage 0 1 flip"}, "", []string{"0+1", "1+7"}},
		{"nothing, if it fails in any case", []string{"damage 7 1 fail"}, "", nil},
		{"nothing, if a rule fails it", []string{"fail from=448"}, "", nil},
		{"half, if it is short", []string{"short read from=448"}, "", []string{"0+4"}},
		{"what was exchanged, from where it came", []string{"damage 0 8 swap arg=4"}, "",
			[]string{"4+1", "5+1", "6+1", "7+1", "0+1", "1+1", "2+1", "3+1"}},
		{"nothing, for a write that no rule hits", []string{"lose nth=2", "damage 2 1 zero", "stale from=192"}, "ab", []string{"3+1"}},
		{"what a write loses", []string{"lose from=192"}, "ab", []string{"3+1"}},
		{"what a misdirected write spares", []string{"misdirect"}, "ab", []string{"2+1", "3+1"}},
		{"nothing, of what is damaged", []string{"damage 0 8 zero", "lose"}, "ab", nil},
		{"what a write would make forget that lies elsewhere", []string{"damage 1 2 swap"}, "ab", []string{"2+1"}},
		{"nothing, for a write that fails", []string{"fail", "damage 1 2 swap", "stale"}, "ab", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			below := &observed{Disk: memory(true)}
			d := faultinject.New(below)
			for _, text := range c.before {
				var at, n int
				var do string
				if _, err := fmt.Sscanf(text, "damage %d %d %s", &at, &n, &do); err == nil {
					_, rule, _ := bytes.Cut([]byte(text), []byte(do))
					d.Damage(mustParse(t, do+string(rule)), int64(at*storyBlock), int64(n*storyBlock))
				} else {
					d.Add(mustParse(t, text))
				}
			}
			if c.write != "" {
				_ = disk.Do(d, write(2, c.write, false))
			} else {
				_ = d.Read(make([]byte, 8*storyBlock), 0)
			}
			require.Equal(t, c.want, below.reads)
		})
	}
}

// A block that cannot be read is for pred, or is an error.
func TestAskMeetsABlockThatCannotBeRead(t *testing.T) {
	for _, safe := range []bool{false, true} {
		d := faultinject.New(memory(safe))
		d.Damage(mustParse(t, "fail"), 128, 1)
		var seen []string
		yes, err := d.Ask(0, 512, func(off int64, p []byte) bool {
			seen = append(seen, fmt.Sprint(off, len(p)))
			return false
		})
		require.False(t, yes)
		if safe {
			require.ErrorIs(t, err, syscall.EIO)
			require.Equal(t, []string{"0 64"}, seen)
		} else {
			require.NoError(t, err)
			require.Equal(t, []string{"0 64", "128 0", "256 64", "384 64"}, seen)
		}
	}
}

// What a power cut below made unreadable stays for the disk below to say, also beside damage and through it.
func TestAskPassesOnWhatTheDiskBelowCannotRead(t *testing.T) {
	config := storyDisk()
	config.Device.Unreadable = true
	below := crashsim.New(config)
	d := faultinject.New(below)
	require.NoError(t, disk.Do(d, write(2, "a", false)))
	below.PowerOff()
	below.PowerOn(1)
	d.Damage(mustParse(t, "flip"), 128, 64)
	for _, beside := range []bool{false, true} {
		yes, err := d.Ask(0, 512, func(off int64, p []byte) bool { return p == nil && (off != 128) == beside })
		require.NoError(t, err)
		require.Equal(t, !beside, yes)
	}
	require.ErrorIs(t, d.Read(make([]byte, 64), 128), crashsim.ErrUnreadable)
	require.Same(t, below, d.Below())
}

// A question that every version of a block answers alike stays one that decides nothing, also through flipped bits.
func TestAskThroughFlippedBitsDecidesNoMoreThanItMust(t *testing.T) {
	below := crashsim.New(storyDisk())
	d := faultinject.New(below)
	require.NoError(t, disk.Do(d, write(0, "a", false)))
	below.PowerOff()
	below.PowerOn(0)
	d.Damage(mustParse(t, "flip arg=512"), 0, 64)
	for _, c := range []struct {
		first byte
		left  int // blocks undecided
	}{{'b', 1}, {'a' ^ 0xff, 0}} {
		yes, err := d.Ask(0, 128, func(_ int64, p []byte) bool { return p[0] == c.first })
		require.NoError(t, err)
		require.Equal(t, c.left == 0, yes)
		_, blocks := below.Undecided()
		require.Equal(t, c.left, blocks)
	}
}

// J6.
func TestAsManyBitsAreFlippedAsTheRuleSays(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range []struct {
		arg  uint64
		bits int
	}{{0, 1}, {1 << 16, 1}, {2, 2}, {8, 8}, {8 + 1<<16, 8}, {8 + 5<<40, 8}, {511, 511}, {512, 512}, {65535, 512}} {
		for b := range int64(8) {
			read := func() []byte {
				d := faultinject.New(memory(true))
				d.Damage(faultinject.Rule{Do: faultinject.Flip, Arg: c.arg}, b*storyBlock, 1)
				p := make([]byte, storyBlock)
				require.NoError(t, d.Read(p, b*storyBlock))
				return p
			}
			p := read()
			flipped := 0
			for _, x := range p {
				flipped += bits.OnesCount8(x)
			}
			require.Equal(t, c.bits, flipped)
			require.Equal(t, p, read())
			if c.bits == 8 {
				require.Equal(t, b > 0, seen[string(p)], "the same bits of each block, others for each argument")
				seen[string(p)] = true
			}
		}
	}
}

// Who waits for what is stalled is woken when the rule is lifted, or when something else comes.
func TestReapWaitsForWhatIsStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := faultinject.New(memory(true))
		id := d.Add(mustParse(t, "stall times=1"))
		reaped := make(chan *disk.Request)
		go func() {
			for r := d.Reap(true); r != nil; r = d.Reap(true) {
				reaped <- r
			}
			close(reaped)
		}()
		synctest.Wait()
		_, open := <-reaped
		require.False(t, open, "nothing is in flight")

		a, b := write(0, "a", false), write(1, "b", false)
		reaped = make(chan *disk.Request)
		d.Submit(a)
		go func() {
			for r := d.Reap(true); r != nil; r = d.Reap(true) {
				reaped <- r
			}
			close(reaped)
		}()
		synctest.Wait()
		d.Submit(b)
		require.Same(t, b, <-reaped)
		synctest.Wait()
		d.Lift(id)
		require.Same(t, a, <-reaped)
		_, open = <-reaped
		require.False(t, open)
	})
}

// A crash forgets what is stalled.
func TestForgetEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := faultinject.New(memory(true))
		d.Add(mustParse(t, "stall effect=all"))
		d.Submit(write(0, "a", false))
		reaped := make(chan *disk.Request)
		go func() { reaped <- d.Reap(true) }()
		synctest.Wait()
		d.Forget()
		require.Nil(t, <-reaped)
	})
}

// Requests from several goroutines, while rules come and go. Every one comes back, once; what is lifted in the end leaves nothing.
func TestRulesComeAndGoWhileOthersReadAndWrite(t *testing.T) {
	d := faultinject.New(memory(true))
	var left atomic.Int64
	var submitters, reaper sync.WaitGroup
	rules := []string{
		"fail times=2", "lose", "misdirect arg=3", "stale", "flip", "garbage read", "delay arg=2", "lie", "swap", "stall times=1",
	}
	for g := range 4 {
		submitters.Go(func() {
			p := make([]byte, 2*storyBlock)
			for i := range 200 {
				left.Add(1)
				d.Submit(write(2*g, string([]byte{byte('a' + i%26), 'z'}), i%2 == 0))
				_ = d.Read(p, int64(2*g*storyBlock))
				_, _ = d.Ask(0, 512, func(int64, []byte) bool { return false })
				d.Bad(0, 512)
			}
		})
	}
	stop := make(chan struct{})
	reaper.Go(func() {
		for {
			if r := d.Reap(false); r != nil {
				left.Add(-1)
				continue
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for i := range 300 {
		id := d.Add(mustParse(t, rules[i%len(rules)]))
		d.Damage(mustParse(t, "swap"), 0, 512)
		if i%3 == 0 {
			d.Lift(id)
		}
	}
	submitters.Wait()
	d.LiftAll()
	close(stop)
	reaper.Wait()
	for d.Reap(true) != nil {
		left.Add(-1)
	}
	require.Zero(t, left.Load())
	d.LiftAll() // of what completed since
	require.False(t, d.Bad(0, 512))
}

// Damage outlives power cuts, whatever they keep: each leaf of an exploration begins with the disk as it was saved.
func TestDamageAboveEveryImageOfACrash(t *testing.T) {
	below := crashsim.New(storyDisk())
	d := faultinject.New(below)
	require.NoError(t, disk.Do(d, write(0, "abcd", false)))
	require.NoError(t, disk.Do(d, &disk.Request{Kind: disk.Flush}))
	d.Damage(mustParse(t, "fail"), 64, 1)
	d.Add(mustParse(t, "lose from=192 to=256"))
	d.Add(mustParse(t, "fail write from=256 times=1"))
	require.NoError(t, disk.Do(d, write(0, "ABCD", false)))
	d.Damage(mustParse(t, "fail"), 128, 1)
	below.PowerOff()
	d.Forget()
	below.PowerOn(0)

	var saved faultinject.State
	d.Save(&saved)
	var images []string
	out, err := below.Explore(crashsim.Bounds{}, func(bool) (uint64, bool) {
		d.Restore(&saved)
		image := readBlocks(d, 0, 4)
		require.NoError(t, disk.Do(d, write(2, "x", false))) // ends the damage, of this leaf
		require.Error(t, disk.Do(d, write(4, "x", false)))   // the rule has not fired yet, in this leaf
		require.NoError(t, disk.Do(d, write(4, "x", false)))
		require.Equal(t, d.Count(), d.Events()[len(d.Events())-1].IO+1)
		images = append(images, image+" "+readBlocks(d, 2, 1))
		return 0, true
	})
	require.NoError(t, err)
	require.True(t, out.Whole)
	slices.Sort(images)
	require.Equal(t, []string{"AB#d x", "Ab#d x", "aB#d x", "ab#d x"}, images)
	require.Equal(t, 4, out.Leaves, "blocks 2 and 3, which nobody sees, stay undecided")

	d.Restore(&saved)
	d.LiftAll()
	require.Equal(t, "ABCD", readBlocks(d, 0, 4), "the answer is yes from here on")
}

// slow is a disk whose Reap waits for a word.
type slow struct {
	disk.Disk
	word chan struct{}
}

func (s *slow) Reap(wait bool) *disk.Request {
	<-s.word
	return s.Disk.Reap(wait)
}

// Who began to wait on a disk without rules gets what a rule has hit since.
func TestARuleComesWhileReapWaits(t *testing.T) {
	for _, rule := range []string{"lose", "delay effect=all arg=3", "stall effect=all", "fail errno=EBUSY"} {
		synctest.Test(t, func(t *testing.T) {
			below := &slow{memory(true), make(chan struct{})}
			d := faultinject.New(below)
			reaped := make(chan *disk.Request)
			go func() { reaped <- d.Reap(true) }()
			synctest.Wait()
			d.Add(mustParse(t, rule))
			w := write(0, "a", false)
			d.Submit(w)
			close(below.word)
			synctest.Wait()
			d.LiftAll()
			require.Same(t, w, <-reaped, rule)
			require.Nil(t, d.Reap(true))
			require.Equal(t, rule == "fail errno=EBUSY", w.Err != nil)
		})
	}
}

// Errors of the device below come through, and what could not be read before a write cannot be read after it was lost.
func TestTheDeviceBelowMayFailToo(t *testing.T) {
	below := faultinject.New(memory(true))
	d := faultinject.New(below)
	below.Damage(mustParse(t, "fail errno=ENXIO"), 64, 1)
	d.Damage(mustParse(t, "swap"), 0, 128)
	d.Damage(mustParse(t, "flip"), 64, 1)
	p := make([]byte, 64)
	require.ErrorIs(t, d.Read(p, 0), syscall.ENXIO)
	require.NoError(t, d.Read(p, 64), "it shows the block before")
	d.LiftAll()
	require.ErrorIs(t, d.Read(make([]byte, 512), 0), syscall.ENXIO)
	d.Add(mustParse(t, "lose times=1"))
	require.NoError(t, disk.Do(d, write(1, "a", false)))
	require.ErrorIs(t, d.Read(p, 64), syscall.ENXIO)
	require.Equal(t, "a", readBlocks(below, 1, 1))
}

// The seed of an order goes to who has one.
func TestReshuffleReachesTheDiskBelow(t *testing.T) {
	order := func(seed uint64) (letters string) {
		config := storyDisk()
		config.Shuffle = 1
		d := faultinject.New(crashsim.New(config))
		d.Reshuffle(seed)
		for b := range 8 {
			d.Submit(write(b, string([]byte{byte('a' + b)}), false))
		}
		for r := d.Reap(true); r != nil; r = d.Reap(true) {
			letters += string(r.Data[:1])
		}
		return letters
	}
	require.Equal(t, order(5), order(5))
	require.NotEqual(t, order(5), order(6))
	faultinject.New(memory(true)).Reshuffle(1)
}

// A request that the power cut below takes gets its error, whatever a rule says, and leaves no damage.
func TestThePowerGoesFirst(t *testing.T) {
	below := crashsim.New(storyDisk())
	d := faultinject.New(below)
	d.Add(mustParse(t, "fail write times=1 effect=all"))
	d.Add(mustParse(t, "lose write times=1"))
	below.Cut(0)
	for range 2 {
		require.ErrorIs(t, disk.Do(d, write(0, "a", false)), crashsim.ErrPower)
	}
	below.PowerOff()
	below.PowerOn(0)
	require.False(t, d.Bad(0, 512))
}
