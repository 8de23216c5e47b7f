package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

func TestAFileThatWasAbsentIsMadeAndRemoved(t *testing.T) {
	name := filepath.Join(t.TempDir(), "store")
	c := call(t, "run", "--sequences", "20", "--seed", "3", "--disk", name, "--disk-size", "4MiB")
	require.Zero(t, c.code, c.stdout+c.stderr)
	_, err := os.Stat(name)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAFileOfZerosIsTakenAndGivenBackBlank(t *testing.T) {
	name := filepath.Join(t.TempDir(), "store")
	zeros := make([]byte, 8<<20)
	require.NoError(t, os.WriteFile(name, zeros, 0o600))
	c := call(t, "run", "--sequences", "20", "--seed", "3", "--disk", name, "--disk-size", "4MiB")
	require.Zero(t, c.code, c.stdout+c.stderr)
	after, err := os.ReadFile(name)
	require.NoError(t, err)
	require.True(t, bytes.Equal(zeros, after))
}

func TestWhatHoldsSomethingIsRefusedUnlessErased(t *testing.T) {
	tests := []struct {
		name   string
		at     int64
		refuse bool
		reason string
	}{
		{"first byte", 0, true, "it would be overwritten"},
		{"inside", 3 << 20, true, "it would be overwritten"},
		{"end", 64<<20 - 1, true, "partition tables have a copy at the end"},
		{"beyond", 32 << 20, false, "it is never written"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "store")
			require.NoError(t, os.WriteFile(name, nil, 0o600))
			require.NoError(t, os.Truncate(name, 64<<20))
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			require.NoError(t, err)
			defer f.Close()
			_, err = f.WriteAt([]byte{7}, tt.at)
			require.NoError(t, err)
			args := []string{"run", "--sequences", "5", "--seed", "3", "--disk", name, "--disk-size", "4MiB"}
			c := call(t, args...)
			require.Equal(t, tt.refuse, c.code == 2, tt.reason+": "+c.stderr)
			kept := make([]byte, 1)
			_, err = f.ReadAt(kept, tt.at)
			require.NoError(t, err)
			require.Equal(t, byte(7), kept[0])
			require.Zero(t, call(t, append(args, "--erase")...).code)
		})
	}
}

func TestOurOwnFormatIsTaken(t *testing.T) {
	name := filepath.Join(t.TempDir(), "store")
	d, err := disk.OpenFile(name, disk.FileOptions{Size: 8 << 20})
	require.NoError(t, err)
	require.NoError(t, engine.Format(d, engine.Geometry{}))
	require.NoError(t, d.Close())
	c := call(t, "run", "--sequences", "5", "--seed", "3", "--disk", name, "--disk-size", "4MiB")
	require.Zero(t, c.code, c.stderr)
}

func TestTheSameSequencesOnMemoryScaledAndOnAFileGiveTheSameAnswers(t *testing.T) {
	name := filepath.Join(t.TempDir(), "store")
	digest := func(seed string) string {
		c := call(t, "run", "--sequences", "50", "--seed", seed, "--disk", name)
		require.Zero(t, c.code, c.stdout+c.stderr)
		_, after, _ := strings.Cut(c.stdout, "trace digest ")
		return after[:16]
	}
	require.Equal(t, digest("5"), digest("5"))
	require.NotEqual(t, digest("5"), digest("6"))
}

// TestALoopDevice needs root and a kernel that lends loop devices; elsewhere it says so and is passed over.
func TestALoopDevice(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("NOT TESTED: block devices are driven on Linux only")
	}
	back := filepath.Join(t.TempDir(), "back")
	require.NoError(t, os.WriteFile(back, nil, 0o600))
	require.NoError(t, os.Truncate(back, 16<<20))
	out, err := exec.Command("losetup", "-f", "--show", "--direct-io=on", back).CombinedOutput()
	if err != nil {
		t.Skipf("NOT TESTED: no loop device here: %v: %s", err, bytes.TrimSpace(out))
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() { exec.Command("losetup", "-d", device).Run() })
	c := call(t, "run", "--sequences", "20", "--seed", "3", "--disk", device, "--disk-size", "8MiB")
	require.Zero(t, c.code, c.stdout+c.stderr)

	require.NoError(t, os.WriteFile(device, []byte("somebody's data"), 0))
	c = call(t, "run", "--sequences", "20", "--disk", device)
	require.Equal(t, 2, c.code)
	require.Contains(t, c.stderr, "holds something")
}
