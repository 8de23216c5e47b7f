package disk_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/fault"
)

const testDiskBytes = 1 << 20

// disks are the disks there are, each of testDiskBytes and full of zeros.
var disks = []struct {
	name string
	open func(t *testing.T) disk.Disk
}{
	{"memory", func(*testing.T) disk.Disk { return disk.NewMemory(smallInfo(testDiskBytes)) }},
	{"file", func(t *testing.T) disk.Disk { return openFile(t, disk.FileOptions{Size: testDiskBytes}) }},
	{"sparse file of small blocks", func(t *testing.T) disk.Disk {
		return openFile(t, disk.FileOptions{Size: testDiskBytes, Sparse: true, LogicalBlock: 64, PhysicalBlock: 128})
	}},
	{"loop device", func(t *testing.T) disk.Disk { return openDevice(t, loopDevice(t)) }},
}

func openFile(t *testing.T, o disk.FileOptions) *disk.File {
	d, err := disk.OpenFile(filepath.Join(t.TempDir(), "disk"), o)
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func openDevice(t *testing.T, path string) *disk.File {
	d, err := disk.OpenDevice(path, disk.DeviceOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

// loopDevice returns the path of a block device of zeros, or skips the test where there can be none.
func loopDevice(t *testing.T) string {
	if runtime.GOOS != "linux" {
		t.Skip("NO BLOCK DEVICE TESTED: they are opened on Linux only")
	}
	if os.Geteuid() != 0 {
		t.Skip("NO BLOCK DEVICE TESTED: only root may attach a loop device")
	}
	file := filepath.Join(t.TempDir(), "backing")
	require.NoError(t, os.WriteFile(file, make([]byte, testDiskBytes), 0o600))
	out, err := exec.Command("losetup", "-f", "--show", "--direct-io=on", file).CombinedOutput()
	if err != nil {
		t.Skipf("NO BLOCK DEVICE TESTED: losetup: %v: %s", err, out)
	}
	path := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		out, err := exec.Command("losetup", "-d", path).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	return path
}

// forEachDisk runs claim on each disk there is.
func forEachDisk(t *testing.T, claim func(t *testing.T, d disk.Disk)) {
	for _, x := range disks {
		t.Run(x.name, func(t *testing.T) { claim(t, x.open(t)) })
	}
}

func TestDiskReadsBackWhatWasWritten(t *testing.T) {
	forEachDisk(t, func(t *testing.T, d disk.Disk) {
		rng := rand.New(rand.NewPCG(3, 3))
		info := d.Info()
		want := make([]byte, info.Size)
		memory := make([]byte, 300<<10)
		for i := range 200 {
			n := info.LogicalBlock * (1 + rng.IntN(1+rng.IntN((len(memory)-1)/info.LogicalBlock)))
			off := int64(info.LogicalBlock) * rng.Int64N((info.Size-int64(n))/int64(info.LogicalBlock)+1)
			p := memory[rng.IntN(len(memory)-n+1):][:n] // anywhere in memory, rarely aligned
			switch rng.IntN(5) {
			case 0, 1:
				for i := range p {
					p[i] = byte(rng.Uint32())
				}
				copy(want[off:], p)
				require.NoError(t, disk.Do(d, &disk.Request{Kind: disk.Write, Off: off, Data: p, FUA: rng.IntN(4) == 0}))
			case 2:
				require.NoError(t, disk.Do(d, &disk.Request{Kind: disk.Flush}))
			default:
				require.NoError(t, d.Read(p, off))
				require.Equal(t, want[off:off+int64(n)], p, "step %d: %d bytes at %d", i, n, off)
			}
		}
	})
}

func TestDiskRefusesWhatIsNotItsOwn(t *testing.T) {
	forEachDisk(t, func(t *testing.T, d disk.Disk) {
		info := d.Info()
		block := info.LogicalBlock
		for _, c := range []struct {
			name string
			off  int64
			n    int
			want error
		}{
			{"offset within a block", int64(block / 2), block, disk.ErrMisaligned},
			{"length within a block", 0, block / 2, disk.ErrMisaligned},
			{"nothing", 0, 0, disk.ErrMisaligned},
			{"over the end", info.Size - int64(block), 2 * block, disk.ErrOutOfRange},
			{"behind the end", info.Size, block, disk.ErrOutOfRange},
			{"before the beginning", -int64(block), block, disk.ErrOutOfRange},
			{"where sums overflow", math.MaxInt64 - int64(block) + 1, block, disk.ErrOutOfRange},
		} {
			t.Run(c.name, func(t *testing.T) {
				p := make([]byte, c.n)
				for _, err := range []error{
					d.Read(p, c.off),
					disk.Do(d, &disk.Request{Kind: disk.Write, Off: c.off, Data: p}),
				} {
					require.ErrorIs(t, err, c.want)
					require.ErrorIs(t, err, fault.ErrIO)
					var io *fault.IO
					require.ErrorAs(t, err, &io)
					require.Equal(t, c.off, io.Offset)
				}
			})
		}
		require.ErrorIs(t, disk.Do(d, &disk.Request{}), disk.ErrNotSupported, "a request of no kind")
	})
}

func TestDiskReapsEachRequestOnce(t *testing.T) {
	forEachDisk(t, func(t *testing.T, d disk.Disk) {
		require.Nil(t, d.Reap(true), "nothing is in flight, so there is nothing to wait for")
		block := d.Info().LogicalBlock
		seen := map[uint64]bool{}
		for i := range 40 {
			r := &disk.Request{Kind: disk.Write, Off: int64(i * block), Data: filled(block, byte(i)), Tag: uint64(i)}
			if i%10 == 9 {
				r = &disk.Request{Kind: disk.Flush, Tag: uint64(i)}
			}
			r.Err = errors.New("left from the request's last use")
			d.Submit(r)
		}
		for r := d.Reap(true); r != nil; r = d.Reap(true) {
			require.NoError(t, r.Err)
			require.False(t, seen[r.Tag])
			seen[r.Tag] = true
		}
		require.Len(t, seen, 40)
	})
}

func TestDiskServesManyGoroutines(t *testing.T) {
	forEachDisk(t, func(t *testing.T, d disk.Disk) {
		const writers, rounds = 4, 25
		block := d.Info().LogicalBlock
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() { // each writer has blocks of its own
				p := make([]byte, block)
				for i := range rounds {
					d.Submit(&disk.Request{Kind: disk.Write, Off: int64((w*rounds + i) * block), Data: filled(block, byte(w+1))})
					d.Submit(&disk.Request{Kind: disk.Flush})
					_ = d.Read(p, int64((writers*rounds+w)*block)) // where nobody writes
				}
			})
		}
		for range writers * rounds * 2 {
			r := d.Reap(true)
			for ; r == nil; r = d.Reap(true) { // nothing in flight at this moment
				runtime.Gosched()
			}
			require.NoError(t, r.Err)
		}
		wg.Wait()
		require.Nil(t, d.Reap(true))
		p := make([]byte, block)
		for i := range writers * rounds {
			require.NoError(t, d.Read(p, int64(i*block)))
			require.Equal(t, filled(block, byte(i/rounds+1)), p)
		}
	})
}

func TestDiskAnswersQuestionsAboutItsBlocks(t *testing.T) {
	forEachDisk(t, func(t *testing.T, d disk.Disk) {
		info := d.Info()
		block, physical := info.LogicalBlock, int64(info.PhysicalBlock)
		require.NoError(t, disk.Do(d, &disk.Request{Kind: disk.Write, Off: 5 * physical, Data: filled(block, 1)}))
		scratch := disk.Aligned(2 * info.PhysicalBlock)
		ask := func(off, size int64) (yes bool, asked []int64) {
			yes, err := disk.Ask(d, scratch, off, size, func(off int64, b []byte) bool {
				require.Len(t, b, block)
				asked = append(asked, off)
				return b[0] == 1
			})
			require.NoError(t, err)
			return yes, asked
		}
		yes, asked := ask(physical, 4*physical)
		require.False(t, yes)
		require.Equal(t, []int64{physical, 2 * physical, 3 * physical, 4 * physical}, asked)
		yes, asked = ask(3*physical, 4*physical)
		require.True(t, yes)
		require.Equal(t, []int64{3 * physical, 4 * physical, 5 * physical}, asked, "a yes ends it")
		yes, asked = ask(0, 0)
		require.False(t, yes)
		require.Empty(t, asked)
		_, err := disk.Ask(d, scratch, info.Size, physical, func(int64, []byte) bool { return true })
		require.ErrorIs(t, err, disk.ErrOutOfRange)

		p := make([]byte, block)
		whole, err := disk.ReadUnit(d, p, 5*physical, func(p []byte) bool { return p[0] == 1 })
		require.NoError(t, err)
		require.True(t, whole)
	})
}

func TestDiskReadsAndWritesDoNotAllocate(t *testing.T) {
	forEachDisk(t, func(t *testing.T, d disk.Disk) {
		block := d.Info().LogicalBlock
		r := &disk.Request{Kind: disk.Write, Data: filled(block+1, 1)[1:]}
		p := make([]byte, block+1)[1:]
		require.Zero(t, testing.AllocsPerRun(100, func() {
			d.Submit(r)
			d.Reap(true)
			_ = d.Read(p, 0)
		}))
	})
}

func TestDiskFailsEveryCallAfterClose(t *testing.T) {
	forEachDisk(t, func(t *testing.T, d disk.Disk) {
		require.NoError(t, d.Close())
		p := make([]byte, d.Info().LogicalBlock)
		require.ErrorIs(t, d.Read(p, 0), disk.ErrClosed)
		require.ErrorIs(t, disk.Do(d, &disk.Request{Kind: disk.Write, Data: p}), disk.ErrClosed)
		require.ErrorIs(t, disk.Do(d, &disk.Request{Kind: disk.Flush}), disk.ErrClosed)
	})
}

func TestDeviceIsHeldExclusively(t *testing.T) {
	path := loopDevice(t)
	d := openDevice(t, path)
	info := d.Info()
	require.EqualValues(t, testDiskBytes, info.Size)
	require.NoError(t, info.Validate())
	_, err := disk.OpenDevice(path, disk.DeviceOptions{})
	require.ErrorIs(t, err, disk.ErrInUse)
	require.NoError(t, d.Close())

	again, err := disk.OpenDevice(path, disk.DeviceOptions{ReadOnly: true, PowerSafe: true})
	require.NoError(t, err)
	require.True(t, again.Info().PowerSafe)
	require.ErrorIs(t, disk.Do(again, &disk.Request{Kind: disk.Write, Data: make([]byte, info.LogicalBlock)}), disk.ErrReadOnly)
	require.NoError(t, again.Close())
}

func TestOpenDeviceRefusesWhatIsNone(t *testing.T) {
	for _, path := range []string{t.TempDir(), os.DevNull, filepath.Join(t.TempDir(), "absent")} {
		_, err := disk.OpenDevice(path, disk.DeviceOptions{})
		require.Error(t, err)
		require.Truef(t, errors.Is(err, disk.ErrNotSupported) || errors.Is(err, os.ErrNotExist), "%v", err)
	}
}

func TestDeviceMountedIsInUse(t *testing.T) {
	path := loopDevice(t)
	if out, err := exec.Command("mke2fs", "-q", "-F", path).CombinedOutput(); err != nil {
		t.Skipf("NO MOUNTED DEVICE TESTED: mke2fs: %v: %s", err, out)
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", path, dir).CombinedOutput(); err != nil {
		t.Skipf("NO MOUNTED DEVICE TESTED: mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		out, err := exec.Command("umount", dir).CombinedOutput()
		require.NoError(t, err, "%s", out)
	})
	_, err := disk.OpenDevice(path, disk.DeviceOptions{})
	require.ErrorIs(t, err, disk.ErrInUse)
}

func ExampleOpenFile() {
	dir, _ := os.MkdirTemp("", "disk")
	defer os.RemoveAll(dir)
	d, err := disk.OpenFile(filepath.Join(dir, "disk"), disk.FileOptions{Size: 1 << 20})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()

	block := disk.Aligned(d.Info().LogicalBlock)
	copy(block, "hello")
	d.Submit(&disk.Request{Kind: disk.Write, Off: 8192, Data: block})
	fmt.Println("write:", d.Reap(true).Err)
	d.Submit(&disk.Request{Kind: disk.Flush})
	fmt.Println("flush:", d.Reap(true).Err)

	back := make([]byte, len(block))
	fmt.Println("read:", d.Read(back, 8192), string(back[:5]))
	// Output:
	// write: <nil>
	// flush: <nil>
	// read: <nil> hello
}

func BenchmarkWriteBlock(b *testing.B) {
	d, err := disk.OpenFile(filepath.Join(b.TempDir(), "disk"), disk.FileOptions{Size: testDiskBytes})
	require.NoError(b, err)
	defer d.Close()
	r := &disk.Request{Kind: disk.Write, Data: disk.Aligned(4096)}
	for b.Loop() {
		d.Submit(r)
		d.Reap(true)
	}
}
