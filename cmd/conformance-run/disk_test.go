package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/conformance"
	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// stored is a store in a file, and what must be found in it.
type stored struct {
	path   string
	shards map[engine.ShardID][]byte
}

// newStored makes a store of 4 MiB with shards of many sizes, some deleted, some in the index and some in the log only.
func newStored(t *testing.T) stored {
	t.Helper()
	s := stored{filepath.Join(t.TempDir(), "store.img"), map[engine.ShardID][]byte{}}
	d, err := disk.OpenFile(s.path, disk.FileOptions{Size: 4 << 20})
	require.NoError(t, err)
	require.NoError(t, engine.Format(d, engine.Geometry{}))
	e, err := engine.Open(d, engine.Options{})
	require.NoError(t, err)
	for i := range 60 {
		id := engine.ShardID{byte(i), 15: byte(i)}
		data := bytes.Repeat([]byte(fmt.Sprintf("shard %d ", i)), i*40)
		if i%20 == 7 {
			data = bytes.Repeat(data, 30)
		}
		_, err := e.Put(id, data)
		require.NoError(t, err)
		s.shards[id] = data
		if i%7 == 3 {
			_, err := e.Delete(id)
			require.NoError(t, err)
			delete(s.shards, id)
		}
		if i == 30 {
			require.NoError(t, e.Flush(context.Background()))
		}
	}
	require.NoError(t, e.Sync(context.Background()))
	_, err = e.Pump(1000)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	return s
}

// overwrite changes a file behind everybody's back.
func overwrite(t *testing.T, path string, p []byte, off int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = f.WriteAt(p, off)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// slotsOf returns where the slots of the first superblock page lie.
func slotsOf(t *testing.T, path string) (at []int64) {
	t.Helper()
	d, err := disk.OpenFile(path, disk.FileOptions{ReadOnly: true})
	require.NoError(t, err)
	defer d.Close()
	i, err := engine.Inspect(d)
	require.NoError(t, err)
	for _, s := range i.Slots[:3] {
		at = append(at, s.Offset)
	}
	return at
}

// otherFormat makes a slot one of another format version.
func otherFormat(t *testing.T, path string, off int64) {
	t.Helper()
	all, err := os.ReadFile(path)
	require.NoError(t, err)
	b := all[off : off+64]
	binary.LittleEndian.PutUint16(b[4:], 9)
	place := binary.LittleEndian.AppendUint64(nil, uint64(off))
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(append(place, b[:60]...), crc32.MakeTable(crc32.Castagnoli)))
	overwrite(t, path, b, off)
}

// ext4 makes path a file with a file system on it; where nobody can make one, a file with the mark of one.
func ext4(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Truncate(path, 4<<20))
	for _, mkfs := range []string{"mkfs.ext4", "/sbin/mkfs.ext4", "/usr/sbin/mkfs.ext4"} {
		if exec.Command(mkfs, "-q", "-F", path).Run() == nil {
			return
		}
	}
	overwrite(t, path, []byte{0x53, 0xef}, 1080)
}

// condition is a state that somebody may find a disk in.
type condition struct {
	name string
	make func(t *testing.T) (path string)
	code map[string]int // by action; format is without --erase
	line string         // what stderr says where the code is not 0, "" where that depends on the action
}

func codes(format, info, check, scrub, dump, salvage int) map[string]int {
	return map[string]int{"format": format, "info": info, "check": check, "scrub": scrub, "dump": dump, "salvage": salvage}
}

var conditions = []condition{
	{"absent", func(t *testing.T) string {
		return filepath.Join(t.TempDir(), "none")
	}, codes(2, 2, 2, 2, 2, 2), "none"},
	{"empty file", func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "empty")
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		return path
	}, codes(2, 2, 2, 2, 2, 2), "empty"},
	{"folder", func(t *testing.T) string {
		return t.TempDir()
	}, codes(2, 2, 2, 2, 2, 2), "is neither a file nor a block device"},
	{"file system", func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "ext4")
		ext4(t, path)
		return path
	}, codes(2, 2, 2, 2, 2, 2), "holds "},
	{"as it should be", func(t *testing.T) string {
		return newStored(t).path
	}, codes(2, 0, 0, 0, 0, 0), "holds a store; --erase replaces it by an empty one"},
	{"in use", func(t *testing.T) string {
		path := newStored(t).path
		d, err := disk.OpenFile(path, disk.FileOptions{})
		require.NoError(t, err)
		t.Cleanup(func() { d.Close() })
		return path
	}, codes(2, 2, 2, 2, 2, 2), ""},
	{"cut short", func(t *testing.T) string {
		path := newStored(t).path
		require.NoError(t, os.Truncate(path, 600_001))
		return path
	}, codes(2, 1, 1, 1, 1, 1), ""},
	{"later version", func(t *testing.T) string {
		path := newStored(t).path
		for _, off := range slotsOf(t, path) {
			otherFormat(t, path, off)
		}
		return path
	}, codes(2, 2, 2, 2, 2, 2), "holds a store"},
	{"first slot rotten", func(t *testing.T) string {
		path := newStored(t).path
		overwrite(t, path, bytes.Repeat([]byte{0xa5}, 64), 0)
		return path
	}, codes(2, 1, 1, 1, 0, 0), ""},
	{"a slot's body rotten", func(t *testing.T) string {
		path := newStored(t).path
		overwrite(t, path, bytes.Repeat([]byte{0xa5}, 64), slotsOf(t, path)[1]+256)
		return path
	}, codes(2, 1, 1, 1, 0, 0), ""},
	{"all slots rotten", func(t *testing.T) string {
		path := newStored(t).path
		for _, off := range slotsOf(t, path) {
			overwrite(t, path, bytes.Repeat([]byte{0xa5}, 64), off)
		}
		return path
	}, codes(2, 2, 2, 2, 2, 2), "holds "},
	{"all slots rotten behind their headers", func(t *testing.T) string {
		path := newStored(t).path
		for _, off := range slotsOf(t, path) {
			overwrite(t, path, bytes.Repeat([]byte{0xa5}, 64), off+256)
		}
		return path
	}, codes(2, 1, 1, 1, 1, 2), ""},
}

// contents is what must not change: nothing of a file, or that there is none.
func contents(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		return regexp.MustCompile(`.*: `).ReplaceAllString(err.Error(), "")
	}
	return fmt.Sprintf("%d bytes %x", len(data), sha256.Sum256(data))
}

// Whatever state a disk is in, every action says in one line what is the matter, ends with the code for it, and changes nothing.
func TestEveryActionOnEveryDiskSaysWhatIsTheMatterAndChangesNothing(t *testing.T) {
	for _, condition := range conditions {
		t.Run(condition.name, func(t *testing.T) {
			path := condition.make(t)
			before := contents(t, path)
			for _, action := range diskActions {
				args := []string{"disk", action.name, path}
				if action.name == "salvage" {
					args = append(args, "--out", filepath.Join(t.TempDir(), "out"))
				}
				c := call(t, args...)
				require.Equal(t, condition.code[action.name], c.code, "%s: %s%s", action.name, c.stdout, c.stderr)
				if c.code == 0 {
					require.Empty(t, c.stderr, action.name)
				} else {
					require.Equal(t, 1, strings.Count(c.stderr, "\n"), "%s: one line: %s", action.name, c.stderr)
					require.Contains(t, c.stderr, "conformance-run disk", action.name)
					require.Contains(t, c.stderr, condition.line, action.name)
				}
				if c.code == 2 {
					require.Empty(t, c.stdout, action.name)
				}
				require.Equal(t, before, contents(t, path), action.name)
			}
		})
	}
}

func TestAStoreInUseIsNotFormattedEither(t *testing.T) {
	s := newStored(t)
	before := contents(t, s.path)
	d, err := disk.OpenFile(s.path, disk.FileOptions{})
	require.NoError(t, err)
	defer d.Close()
	c := call(t, "disk", "format", s.path, "--erase")
	require.Equal(t, 2, c.code)
	require.Equal(t, "conformance-run disk: "+s.path+" is in use by another store or process\n", c.stderr)
	require.Equal(t, before, contents(t, s.path))
}

func TestFormatErasesWhatItIsToldTo(t *testing.T) {
	for _, condition := range conditions {
		if condition.name == "absent" || condition.name == "folder" || condition.name == "in use" || condition.name == "cut short" {
			continue
		}
		t.Run(condition.name, func(t *testing.T) {
			path := condition.make(t)
			args := []string{"disk", "format", path, "--erase"}
			if condition.name == "empty file" {
				args = append(args, "--disk-size", "4MiB")
			}
			c := call(t, args...)
			require.Zero(t, c.code, c.stderr)
			c = call(t, "disk", "check", path)
			require.Zero(t, c.code, c.stdout+c.stderr)
			c = call(t, "disk", "dump", path)
			require.Zero(t, c.code)
			require.Empty(t, c.stdout)
		})
	}
}

func TestFormatMakesAFileThatStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new")
	c := call(t, "disk", "format", path, "--disk-size", "3MiB", "--extent-size", "128KiB", "--page-size", "8KiB", "--json", path+".json")
	require.Zero(t, c.code, c.stderr)
	require.Contains(t, c.stdout, "3 MiB in 24 extents of 128 KiB, index pages of 8 KiB")
	st, err := os.Stat(path)
	require.NoError(t, err)
	require.EqualValues(t, 3<<20, st.Size())
	var r diskReport
	readReport(t, path+".json", &r)
	require.Equal(t, 24, r.Store.Extents)
	require.True(t, r.Clean)
	require.Nil(t, made.Load(), "a second interrupt must not remove it")
}

func TestAFormatThatCannotBeLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	require.NoError(t, os.WriteFile(old, bytes.Repeat([]byte("mine"), 1<<19), 0o600))
	before := contents(t, old)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"new", "--disk-size", "1MiB", "--extent-size", "512KiB"}, "unusable geometry: 2 extents, want 11"},
		{[]string{"new", "--disk-size", "1KiB"}, "a disk has at least 1MiB"},
		{[]string{"new", "--disk-size", "2MiB", "--extent-size", "5GiB"}, "unusable geometry"},
		{[]string{"old", "--erase", "--page-size", "100"}, "unusable geometry: index page of 100 bytes"},
		{[]string{"old", "--erase", "--disk-size", "1GiB"}, "a file that has any is not made larger"},
		{[]string{"old"}, "holds something: byte 0 is not zero"},
	} {
		args := append([]string{"disk", "format", filepath.Join(dir, tt.args[0])}, tt.args[1:]...)
		c := call(t, args...)
		require.Equal(t, 2, c.code, c.stderr)
		require.Contains(t, c.stderr, tt.want)
		require.Equal(t, before, contents(t, old))
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

// What lies behind the part that a store is to take is not touched, also when what is in front is erased.
func TestFormatOfAPartLeavesTheRest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte{7}, 8<<20), 0o600))
	c := call(t, "disk", "format", path, "--erase", "--disk-size", "4MiB")
	require.Zero(t, c.code, c.stderr)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(bytes.Repeat([]byte{7}, 4<<20), after[4<<20:]))
	require.Zero(t, call(t, "disk", "check", path).code)
}

func readReport(t *testing.T, path string, r *diskReport) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, r))
}

func TestDumpListsEveryShardAndWritesOne(t *testing.T) {
	s := newStored(t)
	c := call(t, "disk", "dump", s.path, "--json", "-")
	require.Zero(t, c.code, c.stderr)
	var r diskReport
	require.NoError(t, json.Unmarshal([]byte(c.stdout), &r))
	require.Len(t, r.Shards, len(s.shards))
	text := call(t, "disk", "dump", s.path)
	require.Equal(t, len(s.shards), strings.Count(text.stdout, "\n"))
	seen := map[uint64]bool{}
	for _, shard := range r.Shards {
		id, err := parseShardID(shard.ID)
		require.NoError(t, err)
		require.EqualValues(t, len(s.shards[id]), shard.Size)
		require.False(t, seen[shard.Mutation], "a mutation is of one shard")
		seen[shard.Mutation] = true
		require.Contains(t, text.stdout, fmt.Sprintf("%s  %12d  mutation %d\n", shard.ID, shard.Size, shard.Mutation))
		c := call(t, "disk", "dump", s.path, "--get", shard.ID)
		require.Zero(t, c.code, c.stderr)
		require.True(t, c.stdout == string(s.shards[id]))
	}
}

func TestDumpWritesAFileAndNeverOver(t *testing.T) {
	s := newStored(t)
	id := engine.ShardID{7, 15: 7}
	out := filepath.Join(t.TempDir(), "shard")
	args := []string{"disk", "dump", s.path, "--get", fmt.Sprintf("%x", id), "-o", out}
	require.Zero(t, call(t, args...).code)
	got, err := os.ReadFile(out)
	require.NoError(t, err)
	require.True(t, bytes.Equal(s.shards[id], got))
	require.Equal(t, 2, call(t, args...).code)

	c := call(t, "disk", "dump", s.path, "--get", strings.Repeat("ff", 16))
	require.Equal(t, 1, c.code)
	require.Empty(t, c.stdout)
	require.Contains(t, c.stderr, "shard not found")
	require.Equal(t, 1, strings.Count(c.stderr, "\n"))
}

// A shard whose bytes rot is found by scrub, with its id; dump writes nothing of it.
func TestScrubFindsARottenShard(t *testing.T) {
	s := newStored(t)
	id := engine.ShardID{25, 15: 25}
	all, err := os.ReadFile(s.path)
	require.NoError(t, err)
	at := bytes.Index(all, s.shards[id])
	require.Positive(t, at)
	overwrite(t, s.path, []byte{0xff}, int64(at)+100)
	for _, action := range []string{"check", "scrub"} {
		c := call(t, "disk", action, s.path)
		require.Equal(t, 1, c.code)
		require.Contains(t, c.stdout, fmt.Sprintf("%x", id))
		require.Contains(t, c.stderr, fmt.Sprintf("conformance-run disk %s: %s: shard %x", action, s.path, id))
	}
	c := call(t, "disk", "dump", s.path, "--get", fmt.Sprintf("%x", id))
	require.Equal(t, 1, c.code)
	require.Empty(t, c.stdout)
}

func TestInfoIsMachineReadable(t *testing.T) {
	s := newStored(t)
	off := slotsOf(t, s.path)[2]
	overwrite(t, s.path, make([]byte, 4096), off)
	c := call(t, "disk", "info", s.path, "--json", "-")
	require.Equal(t, 1, c.code)
	var r diskReport
	require.NoError(t, json.Unmarshal([]byte(c.stdout), &r))
	require.False(t, r.Clean)
	require.Equal(t, []string{fmt.Sprintf("superblock page 0, slot 2 at %d: empty", off)}, r.Findings)
	require.Equal(t, 32, r.Store.Extents)
	require.Equal(t, "empty", r.Store.Slots[2].State)
	require.Equal(t, "valid", r.Store.Slots[1].State)
	require.Len(t, r.Store.ID, 32)
}

func TestAnInterruptedCheckSaysSo(t *testing.T) {
	s := newStored(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(conformance.ErrInterrupted)
	for _, action := range []string{"check", "scrub"} {
		require.Equal(t, 130, callWith(ctx, nil, "disk", action, s.path).code)
	}
}

func TestDiskCallsThatMakeNoSense(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "format, info, check, scrub, dump"},
		{[]string{"inf", "x"}, "disk inf; did you mean info?"},
		{[]string{"info"}, "info: 0 disks are named, want one"},
		{[]string{"info", "a", "b"}, "info: 2 disks are named, want one"},
		{[]string{"check", "a", "--erase"}, "check takes no --erase"},
		{[]string{"dump", "a", "--get", "12"}, "a shard id is 32 hexadecimal digits"},
		{[]string{"dump", "a", "-o", "b"}, "-o is for the bytes of one shard"},
		{[]string{"info", "a", "--json", "no/where.json"}, "the report no/where.json cannot be written"},
	} {
		c := call(t, append([]string{"disk"}, tt.args...)...)
		require.Equal(t, 2, c.code)
		require.Contains(t, c.stderr, tt.want)
		require.Equal(t, 1, strings.Count(c.stderr, "\n"))
	}
}

func TestSalvageWritesEveryShardAndNothingOver(t *testing.T) {
	for _, slots := range []bool{true, false} {
		s := newStored(t)
		out := filepath.Join(t.TempDir(), "out")
		args := []string{"disk", "salvage", s.path, "--out", out, "--json", out + ".json"}
		if !slots {
			for _, off := range slotsOf(t, s.path) {
				overwrite(t, s.path, make([]byte, 4096), off)
			}
			c := call(t, args...)
			require.Equal(t, 2, c.code)
			require.Contains(t, c.stderr, "--extent-size says how to look without")
			args = append(args, "--extent-size", "128KiB")
		}
		before := contents(t, s.path)
		c := call(t, args...)
		require.Zero(t, c.code, c.stdout+c.stderr)
		files, err := os.ReadDir(out)
		require.NoError(t, err)
		require.Len(t, files, len(s.shards))
		for id, data := range s.shards {
			got, err := os.ReadFile(filepath.Join(out, fmt.Sprintf("%x", id)))
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got))
		}
		var r diskReport
		readReport(t, out+".json", &r)
		require.Equal(t, len(s.shards), r.Salvage.Whole)
		require.Equal(t, slots, r.Salvage.Superblock)

		c = call(t, args...)
		require.Equal(t, 1, c.code)
		require.Equal(t, len(s.shards), strings.Count(c.stdout, "is not written"))
		require.Equal(t, before, contents(t, s.path))
	}
}

func TestSalvageSaysWhatIsLost(t *testing.T) {
	s := newStored(t)
	id := engine.ShardID{25, 15: 25}
	all, err := os.ReadFile(s.path)
	require.NoError(t, err)
	overwrite(t, s.path, []byte{0xff}, int64(bytes.Index(all, s.shards[id]))+100)
	out := filepath.Join(t.TempDir(), "out")
	c := call(t, "disk", "salvage", s.path, "--out", out)
	require.Equal(t, 1, c.code)
	require.Contains(t, c.stdout, fmt.Sprintf("shard %x is lost: ", id))
	files, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Len(t, files, len(s.shards)-1)
}

// TestTheReadmeShowsAStoreInYourHands runs the commands of that section one after the other.
func TestTheReadmeShowsAStoreInYourHands(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(text), "\n## A store in your hands\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	t.Chdir(t.TempDir())
	shown := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\./conformance-run (disk .*)$`).FindAllStringSubmatch(section, -1) {
		args := strings.Fields(m[1])
		shown[args[1]] = true
		c := call(t, args...)
		require.Zero(t, c.code, "%s: %s", m[0], c.stderr)
	}
	require.Len(t, shown, len(diskActions))
}
