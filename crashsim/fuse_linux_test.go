package crashsim

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shardproof/shardproof/engine/disk"
)

// A file that notes what is asked of it, below a loop device. From the stream of its writes and flushes come the images that a power
// cut could leave of it, which no process can see of a file of the kernel's own; each must be among what the simulator allows for what
// had been asked of the device above by then.
//
//	File ──► loop device ──► /dev/fuse ──► fuseFile: notes, and keeps the bytes
//
// The file system is the file: its root is no directory. It speaks as much of the protocol as a loop device needs.

// fuseFile is a file in this process.
type fuseFile struct {
	fd    int      // of /dev/fuse
	above *history // of the device

	mu      sync.Mutex
	bytes   []byte
	below   history // of the file
	moments []int   // of each event of below: the events of above until then
	serving sync.WaitGroup
}

// The opcodes, flags and sizes of linux/fuse.h that are used here.
const (
	fuseForget, fuseGetattr, fuseSetattr, fuseOpen = 2, 3, 4, 14
	fuseRead, fuseWrite, fuseStatfs, fuseRelease   = 15, 16, 17, 18
	fuseFsync, fuseFlush, fuseInit                 = 20, 25, 26
	fuseInterrupt, fuseDestroy, fuseBatchForget    = 36, 38, 42

	fuseInHeader, fuseOutHeader, fuseWriteIn = 40, 16, 40
	fuseDirectIO                             = 1 // of open: past the page cache
	fuseAsyncRead, fuseBigWrites             = 1, 1 << 5
	fuseMaxWrite                             = 128 << 10
)

// mountFuse mounts a file of that size at a path, or skips the test where it cannot be.
func mountFuse(t *testing.T, above *history, size int) (f *fuseFile, path string) {
	if os.Geteuid() != 0 {
		t.Skip("NO FUSE FILE TESTED: only root may mount")
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("NO FUSE FILE TESTED: /dev/fuse: %v", err)
	}
	path = filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	if err := unix.Mount("shardproof", path, "fuse", unix.MS_NOSUID|unix.MS_NODEV, "fd="+strconv.Itoa(fd)+",rootmode=100600,user_id=0,group_id=0"); err != nil {
		unix.Close(fd)
		t.Skipf("NO FUSE FILE TESTED: mount: %v", err)
	}
	f = &fuseFile{fd: fd, above: above, bytes: make([]byte, size)}
	f.serving.Go(f.serve)
	t.Cleanup(func() {
		require.NoError(t, unix.Unmount(path, unix.MNT_DETACH))
		f.serving.Wait() // the kernel ends the conversation when nothing uses the file
		unix.Close(fd)
	})
	return f, path
}

// serve answers until the file is unmounted. Requests are carried out side by side.
func (f *fuseFile) serve() {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		p := make([]byte, fuseMaxWrite+4096)
		n, err := unix.Read(f.fd, p)
		switch err {
		case nil:
			all.Go(func() { f.handle(p[:n]) })
		case unix.EINTR, unix.EAGAIN, unix.ENOENT: // the last: the request was withdrawn
		default:
			return // ENODEV: unmounted
		}
	}
}

func (f *fuseFile) handle(p []byte) {
	opcode, unique := binary.LittleEndian.Uint32(p[4:]), binary.LittleEndian.Uint64(p[8:])
	answer, errno := f.answer(opcode, p[fuseInHeader:])
	switch opcode {
	case fuseForget, fuseInterrupt, fuseBatchForget:
		return // these have no answer
	}
	out := binary.LittleEndian.AppendUint32(nil, uint32(fuseOutHeader+len(answer)))
	out = binary.LittleEndian.AppendUint32(out, uint32(-int32(errno)))
	out = binary.LittleEndian.AppendUint64(out, unique)
	unix.Write(f.fd, append(out, answer...)) // an error: nobody waits for the answer any more
}

func (f *fuseFile) answer(opcode uint32, in []byte) (out []byte, errno unix.Errno) {
	switch opcode {
	case fuseInit:
		return packed(uint32(7), uint32(31), uint32(fuseMaxWrite), uint32(fuseAsyncRead|fuseBigWrites), uint16(16), uint16(12),
			uint32(fuseMaxWrite), uint32(1), uint16(0), uint16(0), [8]uint32{}), 0
	case fuseGetattr, fuseSetattr:
		size := uint64(len(f.bytes))
		return packed(uint64(1), [2]uint32{}, uint64(1), size, size/512, [3]uint64{}, [3]uint32{}, uint32(unix.S_IFREG|0o600), uint32(1),
			[3]uint32{}, uint32(4096), uint32(0)), 0
	case fuseOpen:
		return packed(uint64(1), uint32(fuseDirectIO), uint32(0)), 0
	case fuseStatfs:
		return make([]byte, 80), 0
	case fuseRelease, fuseFlush, fuseDestroy:
		return nil, 0
	case fuseRead:
		return f.read(in), 0
	case fuseWrite:
		return f.write(in), 0
	case fuseFsync:
		r := &disk.Request{Kind: disk.Flush}
		f.note(r, false, nil)
		f.note(r, true, nil)
		return nil, 0
	}
	return nil, unix.ENOSYS
}

func packed(fields ...any) (p []byte) {
	for _, x := range fields {
		p, _ = binary.Append(p, binary.LittleEndian, x)
	}
	return p
}

// read and write take the file handle, the offset and the size, and more that is of no interest.
func (f *fuseFile) read(in []byte) []byte {
	off, n := binary.LittleEndian.Uint64(in[8:]), uint64(binary.LittleEndian.Uint32(in[16:]))
	f.mu.Lock()
	defer f.mu.Unlock()
	size := uint64(len(f.bytes))
	return append([]byte(nil), f.bytes[min(off, size):min(off+n, size)]...)
}

func (f *fuseFile) write(in []byte) []byte {
	r := &disk.Request{Kind: disk.Write, Off: int64(binary.LittleEndian.Uint64(in[8:])), Data: in[fuseWriteIn:]}
	f.note(r, false, nil)
	f.note(r, true, func() { copy(f.bytes[r.Off:], r.Data) })
	return packed(uint32(len(r.Data)), uint32(0))
}

// note notes that a request began or ended, and when that was for who looks from above.
func (f *fuseFile) note(r *disk.Request, ended bool, do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if do != nil {
		do()
	}
	f.below.note(r, ended)
	f.moments = append(f.moments, f.above.moment())
}

// crash returns one of the images that a power cut after these events of the file may leave of it.
func crash(info disk.Info, events []event, r *rand.PCG) (image []byte) {
	d := honest.after(info, events)
	d.choice.random = r
	image = make([]byte, info.Size)
	for off := int64(0); off < info.Size; off += d.block {
		if err := d.Read(image[off:off+d.block], off); err != nil {
			panic(err)
		}
	}
	return image
}

func TestWhatAPowerCutLeavesOfAFileIsWhatTheSimulatorAllows(t *testing.T) {
	h := new(history)
	f, path := mountFuse(t, h, trafficBytes)
	d := loopDevice(t, path)
	run(t, h, d, 5, 30)
	f.mu.Lock()
	defer f.mu.Unlock()
	images, unflushed, tooStrict := 0, 0, map[string]int{}
	r := rand.NewPCG(1, 1)
	for at := 0; at < len(f.moments); at += 3 {
		above := h.events[:f.moments[at]] // until then
		image := crash(d.Info(), f.below.events[:at+1], r)
		require.True(t, allows(t, honest.after(d.Info(), above), image), "after event %d of the file, %d of the device", at, len(above))
		images++
		for name, s := range strict {
			tooStrict[name] += int(bit(!allows(t, s.after(d.Info(), above), image)))
		}
		image = crash(d.Info(), withoutFlushes(f.below.events[:at+1]), r)
		unflushed += int(bit(!allows(t, honest.after(d.Info(), above), image)))
	}
	t.Log(images, "images; of these, not allowed where", tooStrict)
	require.Greater(t, images, 50)
	require.Positive(t, tooStrict["completed writes are durable"])
	require.Positive(t, tooStrict["writes are never torn"])
	require.Positive(t, unflushed, "a device that kept its flushes to itself would be found out")
}

func withoutFlushes(events []event) (writes []event) {
	for _, e := range events {
		if e.request.Kind == disk.Write {
			writes = append(writes, e)
		}
	}
	return writes
}
