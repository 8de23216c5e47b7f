package engine_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

var kills = flag.Int("kills", 3, "`number` of rounds of TestAKilledProcessLosesNothingItReported")

// killedChild is the environment variable that makes the test program a child to be killed: the path of the store.
const killedChild = "ENGINE_TEST_KILLED_CHILD"

const killedShards = 200

func TestMain(m *testing.M) {
	if path := os.Getenv(killedChild); path != "" {
		fmt.Fprintln(os.Stderr, killedProcess(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// ack is what a child reports: that a version of a shard is persistent.
type ack struct{ Shard, Version uint64 }

// killedProcess puts until it is killed, and reports on its standard output what is persistent.
func killedProcess(path string) error {
	d, err := disk.OpenFile(path, disk.FileOptions{})
	if err != nil {
		return err
	}
	s, err := engine.Open(d, engine.Options{Background: true, MemtableEntries: 500})
	if err != nil {
		return err
	}
	var out sync.Mutex
	var shards [killedShards]sync.Mutex
	var last [killedShards]uint64
	for shard := range last {
		if last[shard], err = storedVersion(s, uint64(shard)); err != nil {
			return err
		}
	}
	errs := make(chan error)
	for writer := range uint64(8) {
		go func() {
			r := rand.New(rand.NewPCG(writer, last[0]))
			for {
				shard := r.Uint64N(killedShards)
				shards[shard].Lock()
				last[shard]++
				version := last[shard]
				dep, err := s.Put(soakID(shard), versionBytes(nil, shard, version, 8<<r.IntN(14)))
				shards[shard].Unlock()
				if err == nil {
					err = s.Wait(context.Background(), dep)
				}
				if err != nil {
					errs <- err
					return
				}
				out.Lock()
				err = binary.Write(os.Stdout, binary.LittleEndian, ack{shard, version})
				out.Unlock()
				if err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	return <-errs
}

// storedVersion returns which version of a shard s holds, 0 if none.
func storedVersion(s *engine.Store, shard uint64) (uint64, error) {
	value, err := s.Get(soakID(shard))
	if errors.Is(err, engine.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("shard %d: %w", shard, err)
	}
	n, err := versionOf(nil, value, shard)
	if err != nil {
		return 0, fmt.Errorf("shard %d: %w", shard, err)
	}
	return n, nil
}

// A process that is killed leaves what it wrote to the system, which goes on: so this shows that recovery works, not that anything
// is durable. The store is killed again and again, and opened each time by the child as well as here.
func TestAKilledProcessLosesNothingItReported(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	d, err := disk.OpenFile(path, disk.FileOptions{Size: 64 << 20, Sparse: true})
	require.NoError(t, err)
	require.NoError(t, engine.Format(d, engine.Geometry{}))
	require.NoError(t, d.Close())
	var reported [killedShards]uint64
	total := 0
	r := rand.New(rand.NewPCG(1, 1))
	for range *kills {
		n := runAndKill(t, path, &reported, time.Duration(20+r.IntN(400))*time.Millisecond)
		total += n
		d, err := disk.OpenFile(path, disk.FileOptions{})
		require.NoError(t, err)
		s, err := engine.Open(d, engine.Options{})
		require.NoError(t, err)
		require.NoError(t, s.Stats().ReadOnly)
		require.NoError(t, s.Check(t.Context(), func(err error) { t.Error(err) }))
		for shard := range reported {
			got, err := storedVersion(s, uint64(shard))
			require.NoError(t, err)
			if got < reported[shard] {
				t.Errorf("shard %d has version %d, version %d was reported persistent", shard, got, reported[shard])
			}
		}
		require.NoError(t, d.Close()) // the store is abandoned again
	}
	t.Logf("%d versions reported in %d rounds", total, *kills)
	require.NotZero(t, total)
}

// runAndKill runs a child for about that long, kills it, and notes what it had reported.
func runAndKill(t *testing.T, path string, reported *[killedShards]uint64, after time.Duration) (count int) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), killedChild+"="+path)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	timer := time.AfterFunc(after, func() { _ = child.Process.Kill() })
	defer timer.Stop()
	in := bufio.NewReader(out)
	for {
		var a ack
		err := binary.Read(in, binary.LittleEndian, &a)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		require.NoError(t, err)
		reported[a.Shard] = max(reported[a.Shard], a.Version)
		count++
	}
	err = child.Wait()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, -1, exit.ExitCode(), "the child ends because it is killed")
	return count
}
