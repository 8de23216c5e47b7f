package iosched

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
)

// What was not durable when a request failed has failed for ever; what comes after a restart owes nothing to it.
func TestARestartBeginsAnEpochOfItsOwn(t *testing.T) {
	for _, kind := range []disk.RequestKind{disk.Write, disk.Flush} {
		r := newRig(t)
		kept := r.add(0, 1, 'a', Dependency{})
		r.drain()
		require.True(t, kept.Persistent())

		failed := r.add(1, 1, 'b', Dependency{})
		waits := r.add(2, 1, 'c', failed)
		r.disk.fails = func(q *disk.Request) bool { return q.Kind == kind }
		r.drain()
		refused := r.add(3, 1, 'd', Dependency{})
		r.disk.fails = nil
		require.ErrorIs(t, r.Err(), errBroken)
		require.False(t, r.Flush())

		flushes := r.Flushed()
		r.Restart()
		require.NoError(t, r.Err())
		require.False(t, r.Undurable(), "nothing has completed in this epoch")
		again := r.add(1, 1, 'e', kept)
		r.drain()
		require.True(t, again.Persistent())
		require.Greater(t, r.Flushed(), flushes)
		for _, d := range []Dependency{failed, waits, refused} {
			require.Equal(t, Failed, d.State())
			require.ErrorIs(t, d.Err(), errBroken)
		}
		require.Equal(t, Failed, r.add(4, 1, 'f', waits).State())
		require.Panics(t, r.Restart, "nothing has failed")
	}
}

// A write of an older epoch is not durable, whatever is flushed.
func TestAWriteFromBeforeARestartIsNeverDurable(t *testing.T) {
	r := newRig(t)
	var before, after Write
	r.Submit(&before, make([]byte, testBlock), 0)
	r.Reap()
	r.disk.fails = func(*disk.Request) bool { return true }
	r.Flush()
	r.Reap()
	r.disk.fails = nil
	r.Restart()
	r.Submit(&after, make([]byte, testBlock), testBlock)
	r.Reap()
	r.Flush()
	r.Reap()
	require.True(t, r.Durable(&after))
	require.False(t, r.Durable(&before))
}
