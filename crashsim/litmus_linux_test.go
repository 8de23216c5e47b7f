package crashsim

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shardproof/shardproof/engine/disk"
)

// loopDevice attaches a loop device to file, or skips the test where it cannot be.
func loopDevice(t *testing.T, file string) *disk.File {
	if os.Geteuid() != 0 {
		t.Skip("NO BLOCK DEVICE TESTED: only root may attach a loop device")
	}
	out, err := exec.Command("losetup", "-f", "--show", "--direct-io=on", file).CombinedOutput()
	if err != nil {
		t.Skipf("NO BLOCK DEVICE TESTED: losetup: %v: %s", err, out)
	}
	path := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		out, err := exec.Command("losetup", "-d", path).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	d, err := disk.OpenDevice(path, disk.DeviceOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func backing(t *testing.T, size int) string {
	file := filepath.Join(t.TempDir(), "backing")
	require.NoError(t, os.WriteFile(file, make([]byte, size), 0o600))
	return file
}

// program is one of testdata/litmus.txt, where its words are explained.
type program struct {
	name  string
	steps []string
}

func programs(t *testing.T) (all []program) {
	text, err := os.ReadFile("testdata/litmus.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if name, begins := strings.CutPrefix(line, "program "); begins {
			all = append(all, program{name: name})
		} else if line != "" && line[0] != '#' {
			p := &all[len(all)-1]
			p.steps = append(p.steps, line)
		}
	}
	return all
}

func TestADeviceAndItsImitationGiveTheSameAnswers(t *testing.T) {
	device := loopDevice(t, backing(t, 1<<20))
	for _, p := range programs(t) {
		t.Run(p.name, func(t *testing.T) {
			require.NoError(t, disk.Do(device, &disk.Request{Kind: disk.Write, Data: make([]byte, device.Info().Size)}))
			imitation := New(Config{Info: device.Info(), Device: DeviceNumber(Sectors, device.Info().PhysicalBlock)})
			for i, step := range p.steps {
				words, want, _ := strings.Cut(step, " = ")
				require.Equal(t, want, perform(t, device, words), "the device, step %d: %s", i+1, words)
				require.Equal(t, want, perform(t, imitation, words), "the imitation, step %d: %s", i+1, words)
			}
		})
	}
}

// perform carries a step out and returns the answer.
func perform(t *testing.T, d disk.Disk, step string) string {
	words := strings.Fields(step)
	last := words[len(words)-1]
	if words[0] == "flush" {
		return class(disk.Do(d, &disk.Request{Kind: disk.Flush, FUA: last == "fua"}))
	}
	if words[0] == "unknown" {
		return class(disk.Do(d, &disk.Request{Kind: 9}))
	}
	info := d.Info()
	off, n := quantity(t, info, words[1]), int(quantity(t, info, words[2]))
	p := disk.Aligned(n + 1)[:n]
	if last == "odd" {
		p = disk.Aligned(n + 1)[1 : n+1]
	}
	if words[0] == "write" {
		copy(p, bytes.Repeat([]byte(words[3]), n))
		return class(disk.Do(d, &disk.Request{Kind: disk.Write, Off: off, Data: p, FUA: last == "fua"}))
	}
	if err := d.Read(p, off); err != nil {
		return class(err)
	}
	return inLetters(p, info.LogicalBlock)
}

// quantity returns the number of bytes that a word like S-2L stands for.
func quantity(t *testing.T, info disk.Info, word string) (sum int64) {
	for i, term := range strings.Split(strings.ReplaceAll(word, "-", "+-"), "+") {
		digits := strings.TrimRight(term, "LPS")
		unit := map[string]int64{"": 1, "L": int64(info.LogicalBlock), "P": int64(info.PhysicalBlock), "S": info.Size}[term[len(digits):]]
		if digits == "" || digits == "-" {
			digits += "1"
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		require.NoError(t, err, "term %d of %s", i, word)
		sum += n * unit
	}
	return sum
}

// inLetters returns one letter for each block.
func inLetters(p []byte, block int) string {
	var letters []byte
	for ; len(p) > 0; p = p[block:] {
		switch {
		case !bytes.Equal(p[:block], bytes.Repeat(p[:1], block)):
			letters = append(letters, '?')
		case p[0] == 0:
			letters = append(letters, '.')
		default:
			letters = append(letters, p[0])
		}
	}
	return string(letters)
}

func class(err error) string {
	for name, is := range map[string]error{"ok": nil, "misaligned": disk.ErrMisaligned, "range": disk.ErrOutOfRange, "unsupported": disk.ErrNotSupported} {
		if errors.Is(err, is) {
			return name
		}
	}
	return err.Error()
}

// What the classes of errors stand for: the kernel refuses the one, and does a part of the other. The device refuses both as a whole.
func TestWhatTheKernelAnswers(t *testing.T) {
	device := loopDevice(t, backing(t, 1<<20))
	size, block := device.Info().Size, int64(device.Info().LogicalBlock)
	device.Close() // it is open for one at a time
	fd, err := unix.Open(device.Path(), unix.O_RDWR|unix.O_DIRECT, 0)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	memory := disk.Aligned(int(4 * block))
	for _, c := range []struct {
		name   string
		off    int64
		p      []byte
		n      int
		write  error
		noRead error
	}{
		{"aligned", block, memory[:block], int(block), nil, nil},
		{"misaligned offset", 1, memory[:block], 0, unix.EINVAL, unix.EINVAL},
		{"misaligned length", 0, memory[:block-1], 0, unix.EINVAL, unix.EINVAL},
		{"at the end", size, memory[:block], 0, unix.ENOSPC, nil},
		{"across the end", size - block, memory[:2*block], int(block), nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := unix.Pwrite(fd, c.p, c.off)
			require.Equal(t, []any{c.n, c.write}, []any{max(n, 0), err}, "write")
			n, err = unix.Pread(fd, c.p, c.off)
			require.Equal(t, []any{c.n, c.noRead}, []any{max(n, 0), err}, "read")
		})
	}
}

// moment returns how many events there were until now.
func (h *history) moment() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.events)
}

// do lets d, which completes requests while they are submitted, carry r out.
func (h *history) do(d disk.Disk, r *disk.Request) {
	h.note(r, false)
	d.Submit(r)
	h.note(r, true)
}

// traffic is what one goroutine asks of a disk: writes within a part of it that is its own, and now and then a flush. Each block says
// which write it is of. Writes of different goroutines never overlap, those of one never in flight together.
func traffic(h *history, d disk.Disk, seed uint64, from, to int64, requests int) {
	r := rand.New(rand.NewPCG(seed, 77))
	block := int64(d.Info().LogicalBlock)
	for i := range requests {
		if r.IntN(8) == 0 {
			h.do(d, &disk.Request{Kind: disk.Flush})
			continue
		}
		blocks := 1 + r.Int64N((to-from)/block)
		off := from + r.Int64N((to-from)/block-blocks+1)*block
		p := disk.Aligned(int(blocks * block))
		for at := range p {
			stamp := fmt.Sprintf("%d/%d/%d ", seed, i, int64(at)/block)
			p[at] = stamp[at%int(block)%len(stamp)]
		}
		h.do(d, &disk.Request{Kind: disk.Write, Off: off, Data: p, FUA: r.IntN(8) == 0})
	}
}

const trafficBytes = 32 << 10 // of a disk: few blocks, which are written again and again

// run lets workers write to d side by side, each to its own part, and returns when they are done.
func run(t *testing.T, h *history, d *disk.File, seed uint64, requests int) {
	const workers = 3
	part := d.Info().Size / workers
	part -= part % int64(d.Info().PhysicalBlock)
	var all sync.WaitGroup
	for w := range int64(workers) {
		all.Go(func() { traffic(h, d, seed*workers+uint64(w), w*part, (w+1)*part, requests) })
	}
	all.Wait()
	for r := d.Reap(true); r != nil; r = d.Reap(true) {
		require.NoError(t, r.Err)
	}
}

// What the backing file holds while writes are in flight is what the simulator allows at one of those moments.
func TestABackingFileHoldsWhatTheSimulatorAllows(t *testing.T) {
	file := backing(t, trafficBytes)
	d := loopDevice(t, file)
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_DIRECT, 0)
	require.NoError(t, err)
	defer f.Close()
	type copied struct {
		from, to int
		image    []byte
	}
	h := new(history)
	look := func() copied {
		c := copied{from: h.moment(), image: disk.Aligned(trafficBytes)}
		_, err := f.ReadAt(c.image, 0)
		require.NoError(t, err)
		c.to = h.moment()
		return c
	}
	for round := range uint64(3) {
		var done atomic.Bool
		var copies []copied
		var all sync.WaitGroup
		all.Go(func() {
			for !done.Load() && len(copies) < 12 {
				copies = append(copies, look())
			}
		})
		run(t, h, d, round, 20)
		done.Store(true)
		all.Wait()
		require.NotEmpty(t, copies)
		for _, c := range copies {
			require.Empty(t, honest.strangers(d.Info(), h, c.from, c.to, c.image), "round %d, copied between events %d and %d", round, c.from, c.to)
		}
		h.do(d, &disk.Request{Kind: disk.Flush})
		require.NoError(t, d.Reap(true).Err)
		c := look()
		require.True(t, allows(t, honest.after(d.Info(), h.events), c.image), "after a flush, with nothing in flight")
		require.False(t, allows(t, honest.after(d.Info(), h.events), make([]byte, trafficBytes)))
	}
}
