package disk

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/fault"
)

func TestOpenFileNeverChangesTheSizeOfAFileWithBytes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(path, make([]byte, 3*4096), 0o600))
	for _, size := range []int64{2 * 4096, 4 * 4096} {
		_, err := OpenFile(path, FileOptions{Size: size})
		require.ErrorContains(t, err, "12288 bytes")
	}
	d, err := OpenFile(path, FileOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 3*4096, d.Info().Size)
	require.NoError(t, d.Close())
}

func TestOpenFileIsExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	d, err := OpenFile(path, FileOptions{Size: 4096})
	require.NoError(t, err)
	_, err = OpenFile(path, FileOptions{Size: 4096})
	require.ErrorIs(t, err, ErrInUse)
	_, err = OpenFile(path, FileOptions{ReadOnly: true})
	require.ErrorIs(t, err, ErrInUse)
	require.NoError(t, d.Close())
	d, err = OpenFile(path, FileOptions{})
	require.NoError(t, err, "the lock ended with Close")
	require.NoError(t, d.Close())
}

func TestOpenFileRefusals(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "odd")
	require.NoError(t, os.WriteFile(odd, make([]byte, 5000), 0o600))
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for _, c := range []struct {
		name, path string
		options    FileOptions
		want       error // nil: any
	}{
		{"absent and no size", filepath.Join(dir, "absent"), FileOptions{}, fs.ErrNotExist},
		{"absent and read-only", filepath.Join(dir, "absent"), FileOptions{Size: 4096, ReadOnly: true}, fs.ErrNotExist},
		{"in no directory", filepath.Join(dir, "no", "where"), FileOptions{Size: 4096}, fs.ErrNotExist},
		{"a directory", dir, FileOptions{}, ErrNotSupported},
		{"a size of parts of blocks", odd, FileOptions{}, nil},
		{"empty and no size", empty, FileOptions{}, nil},
		{"blocks of no power of two", filepath.Join(dir, "absent"), FileOptions{Size: 4096, LogicalBlock: 100}, nil},
		{"blocks below zero", filepath.Join(dir, "absent"), FileOptions{LogicalBlock: -4096}, nil},
		{"a size below zero", filepath.Join(dir, "absent"), FileOptions{Size: -4096}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := OpenFile(c.path, c.options)
			require.Error(t, err)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
		})
	}
	_, err := os.Stat(filepath.Join(dir, "absent"))
	require.ErrorIs(t, err, fs.ErrNotExist, "a refusal leaves no file behind")
}

func TestReadOnlyFileRefusesToWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(path, make([]byte, 4096), 0o400))
	d, err := OpenFile(path, FileOptions{ReadOnly: true})
	require.NoError(t, err)
	defer d.Close()
	require.NoError(t, d.Read(make([]byte, 4096), 0))
	require.ErrorIs(t, Do(d, &Request{Kind: Write, Data: make([]byte, 4096)}), ErrReadOnly)
	require.ErrorIs(t, Do(d, &Request{Kind: Flush}), ErrReadOnly)
}

func TestFileCutShortIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	d, err := OpenFile(path, FileOptions{Size: 8192})
	require.NoError(t, err)
	defer d.Close()
	require.NoError(t, os.Truncate(path, 5000))
	err = d.Read(make([]byte, 4096), 4096)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.ErrorIs(t, err, fault.ErrIO)
}

// fake is a medium in memory that does every call in small parts and fails when told to.
type fake struct {
	mu       sync.Mutex
	bytes    []byte
	rng      *rand.Rand
	calls    int
	writeErr error
	syncErr  func() error
}

func newFake(size int) *fake {
	return &fake{bytes: make([]byte, size), rng: rand.New(rand.NewPCG(5, 5)), syncErr: func() error { return nil }}
}

func (f *fake) part(n int) int {
	f.calls++
	return 1 + f.rng.IntN(n)
}

func (f *fake) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return copy(p[:f.part(len(p))], f.bytes[off:]), nil
}

func (f *fake) WriteAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.writeErr != nil {
		return 0, f.writeErr
	}
	return copy(f.bytes[off:], p[:f.part(len(p))]), nil
}

func (f *fake) Datasync() error { return f.syncErr() }
func (f *fake) Close() error    { return nil }

func fakeFile(f *fake) *File {
	return newFile("fake", f, Info{Size: int64(len(f.bytes)), LogicalBlock: 512, PhysicalBlock: 512}, false)
}

func TestFileGoesOnAfterShortReadsAndWrites(t *testing.T) {
	f := newFake(64 << 10)
	want := make([]byte, 32<<10)
	for i := range want {
		want[i] = byte(i >> 3)
	}
	for _, bounced := range []bool{false, true} {
		d := fakeFile(f)
		if bounced {
			d.bounce = NewPool(4096, 4096)
		}
		clear(f.bytes)
		f.calls = 0
		got := make([]byte, len(want)+1)[1:] // not aligned
		require.NoError(t, Do(d, &Request{Kind: Write, Off: 1024, Data: append(make([]byte, 1, 1+len(want)), want...)[1:]}))
		require.NoError(t, d.Read(got, 1024))
		require.Equal(t, want, got)
		require.Greater(t, f.calls, 10)
	}
}

// stuck is a medium that never gets anywhere and never says why.
type stuck struct{ *fake }

func (stuck) ReadAt([]byte, int64) (int, error)  { return 0, nil }
func (stuck) WriteAt([]byte, int64) (int, error) { return 0, nil }

func TestFileDoesNotLoopOverNothing(t *testing.T) {
	d := newFile("stuck", stuck{newFake(4096)}, Info{Size: 4096, LogicalBlock: 512, PhysicalBlock: 512}, false)
	require.ErrorIs(t, d.Read(make([]byte, 512), 0), io.ErrUnexpectedEOF)
	require.ErrorIs(t, Do(d, &Request{Kind: Write, Data: make([]byte, 512)}), io.ErrShortWrite)
}

func TestFileErrorsKeepTheirErrno(t *testing.T) {
	f := newFake(4096)
	d := fakeFile(f)
	f.writeErr = &fs.PathError{Op: "pwrite", Path: "fake", Err: syscall.ENOSPC}
	f.syncErr = func() error { return os.NewSyscallError("fdatasync", syscall.EIO) }
	for _, c := range []struct {
		request *Request
		want    syscall.Errno
	}{
		{&Request{Kind: Write, Off: 512, Data: make([]byte, 512)}, syscall.ENOSPC},
		{&Request{Kind: Flush}, syscall.EIO},
	} {
		err := Do(d, c.request)
		require.ErrorIs(t, err, c.want)
		require.ErrorIs(t, err, fault.ErrIO)
	}
}

func TestFailedFlushIsNotTriedAgain(t *testing.T) {
	f := newFake(4096)
	d := fakeFile(f)
	tries := 0
	f.syncErr = func() error { tries++; return syscall.EIO }
	require.ErrorIs(t, Do(d, &Request{Kind: Flush}), syscall.EIO)
	require.ErrorIs(t, Do(d, &Request{Kind: Write, FUA: true, Data: make([]byte, 512)}), syscall.EIO)
	require.Equal(t, 2, tries)
}

// The system tells one flush of a failure and no other. Whoever waited for the same blocks must hear of it too.
func TestFlushThatWaitedForAFailedOneFails(t *testing.T) {
	f := newFake(4096)
	d := fakeFile(f)
	begun := d.failures.Load()
	f.syncErr = func() error { return syscall.EIO }
	require.Error(t, Do(d, &Request{Kind: Flush}))
	f.syncErr = func() error { return nil }
	require.ErrorIs(t, d.flushSince(begun), errFlushFailed)
	require.NoError(t, Do(d, &Request{Kind: Flush}), "a later one covers what is written later")
}

func TestDeviceWithoutFUAWritesAndFlushes(t *testing.T) {
	f := newFake(4096)
	flushes := 0
	f.syncErr = func() error { flushes++; return nil }
	d := fakeFile(f)
	d.writeThrough = func([]byte, int64) (int, error) { return 0, ErrNotSupported }
	require.NoError(t, Do(d, &Request{Kind: Write, FUA: true, Data: make([]byte, 512)}))
	require.Equal(t, 1, flushes)
	d.writeThrough = func([]byte, int64) (int, error) { return 0, errors.New("broken") }
	require.ErrorContains(t, Do(d, &Request{Kind: Write, FUA: true, Data: make([]byte, 512)}), "broken")
	require.Equal(t, 1, flushes)
}

func TestAlignedBuffers(t *testing.T) {
	for _, n := range []int{0, 1, 511, 4096, 100_000} {
		b := Aligned(n)
		require.Len(t, b, n)
		require.Equal(t, n, cap(b), "nothing behind the buffer can be reached")
		if n > 0 {
			require.True(t, isAligned(b, bufferAlign))
		}
	}
	p := NewPool(8192, 512)
	a, b := p.Get(), p.Get()
	require.True(t, isAligned(a, 512))
	p.Put(a)
	p.Put(b)
	require.Same(t, &b[0], &p.Get()[0], "last in, first out")
	require.Panics(t, func() { p.Put(b[:100]) })
	require.Panics(t, func() { p.Put(make([]byte, 8192+1)[1:]) })
	require.Panics(t, func() { NewPool(0, 512) })
	require.Panics(t, func() { NewPool(512, 3) })
}

func TestAFileCutShortCanBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	require.NoError(t, os.WriteFile(path, make([]byte, 9001), 0o600))
	_, err := OpenFile(path, FileOptions{})
	require.ErrorContains(t, err, "size of 9001 bytes")
	d, err := OpenFile(path, FileOptions{ReadOnly: true})
	require.NoError(t, err)
	defer d.Close()
	require.EqualValues(t, 8192, d.Info().Size)
	p := make([]byte, 8192)
	require.NoError(t, d.Read(p, 0))
	require.ErrorIs(t, d.Read(p, 4096), ErrOutOfRange)
}
