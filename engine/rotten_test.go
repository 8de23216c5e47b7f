package engine_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/fault"
)

// What may be asked of a store some of whose blocks are bad, by somebody who knows which, and what lay there (tagged_test.go):
//
//	R1  Every answer is right, or an error that answers to ErrCorrupt or ErrIO: what is there is never "not found".
//	R2  An error is explained: a bad block holds bytes of that shard's frames, or the call has read a bad block that holds no shard's
//	    bytes, which is one of the index. Blocks of other shards explain nothing.
//	R3  Scrub names every shard with live bytes in a bad block, or the index block without which nobody knows that they are live;
//	    and it names no shard that is whole, older versions included: the recorded index may still refer to those.
//
// Blind spots: where words lie on the disk twice nobody knows which of them are live, so Scrub need not name either; a table of the
// index counts as named if anything in its extent is.

// rotten is a store with bad blocks and what is known of it.
type rotten struct {
	t      *testing.T
	disk   *witness
	store  *engine.Store
	shards []tagged
	layout *layout
	unit   int64 // bytes of a unit, if those of the log's end may be lost whole; 0: the store was closed
	extent int64 // bytes
	seen   *rottenSeen
	value  []byte
	mine   []byte
}

// rottenSeen counts answers.
type rottenSeen struct {
	right, absent, corrupt, io int // answers to Get
	index                      int // of the errors, how many only a block of the index explains
	scrubbed, named            int // damaged live shards, and those of them that Scrub names by id
	lost                       int // stores that answered nothing
	refused                    int // stores that did not open
}

func (s *rottenSeen) String() string {
	return fmt.Sprintf("%d right, %d rightly absent, %d corrupt, %d unreadable, %d of these for the index alone; "+
		"of %d damaged shards scrub named %d; %d stores lost, %d refused",
		s.right, s.absent, s.corrupt, s.io, s.index, s.scrubbed, s.named, s.lost, s.refused)
}

// isDamage reports whether err says that the disk or its bytes are bad.
func isDamage(err error) bool {
	return errors.Is(err, engine.ErrCorrupt) || errors.Is(err, engine.ErrIO)
}

// hit reports whether a bad block holds bytes of frames of the newest version of shard n, or may: nobody knows where a tombstone
// lies.
func (r *rotten) hit(n int) bool {
	if v := r.shards[n]; r.unit > 0 && v.version > 0 && v.words == 0 {
		return true
	}
	pieces, _ := r.layout.newest(n, r.shards[n])
	return r.within(pieces)
}

// anyHit is hit for whatever version.
func (r *rotten) anyHit(n int) bool { return r.within(r.layout.of[uint32(n)]) }

// within reports whether a bad block holds bytes of the frames of pieces of one shard.
func (r *rotten) within(pieces []piece) bool {
	lead := frameLead(len(pieces))
	return slices.ContainsFunc(pieces, func(p piece) bool {
		return r.disk.spoiled(p.at-lead-r.unit, p.end()+chunk.TrailerBytes+wordBytes+r.unit)
	})
}

// metIndex returns a bad block that the last call has read and that holds no shard's bytes.
func (r *rotten) metIndex() (block int64, ok bool) {
	for _, b := range r.disk.met {
		if !r.layout.anybody(b*r.disk.block, (b+1)*r.disk.block) {
			return b, true
		}
	}
	return 0, false
}

// ask gets shard n and holds the answer against R1 and R2.
func (r *rotten) ask(n int) {
	r.t.Helper()
	r.disk.met = r.disk.met[:0]
	want := tagged{}
	if n < len(r.shards) {
		want = r.shards[n]
	}
	var err error
	r.value, err = r.store.AppendShard(r.value[:0], soakID(uint64(n)))
	switch {
	case err == nil:
		if r.mine = want.value(r.mine[:0], n); want.words == 0 || !bytes.Equal(r.value, r.mine) {
			r.t.Errorf("shard %d: %d bytes that are not version %d of %d words", n, len(r.value), want.version, want.words)
		}
		r.seen.right++
	case errors.Is(err, engine.ErrNotFound):
		if want.words > 0 {
			r.t.Errorf("shard %d is there: %v", n, err)
		}
		r.seen.absent++
	case errors.Is(err, engine.ErrCorrupt):
		r.seen.corrupt++
		r.explain(n, err)
	case errors.Is(err, engine.ErrIO):
		r.seen.io++
		r.explain(n, err)
	default:
		r.t.Errorf("shard %d: an error of no type: %v", n, err)
	}
}

// explain requires a reason for the error err of shard n.
func (r *rotten) explain(n int, err error) {
	r.t.Helper()
	if n < len(r.shards) && r.hit(n) {
		return
	}
	if _, ok := r.metIndex(); ok {
		r.seen.index++
		return
	}
	r.t.Errorf("shard %d is whole: %v", n, err)
}

// askAll asks for every shard, and some that never were.
func (r *rotten) askAll() {
	r.t.Helper()
	if lost := r.store.Stats().Lost; lost != nil {
		r.askLost(lost)
		return
	}
	for n := range len(r.shards) + 20 {
		r.ask(n)
	}
	r.list()
}

// askLost requires one error of every answer: units that nobody can name are lost.
func (r *rotten) askLost(lost error) {
	r.t.Helper()
	if r.unit == 0 {
		r.t.Errorf("a store that was closed lost what nobody names: %v", lost)
	}
	r.seen.lost++
	for n := range r.shards {
		if _, err := r.store.Get(soakID(uint64(n))); !errors.Is(err, engine.ErrCorrupt) {
			r.t.Errorf("shard %d of a store that is lost: %v", n, err)
		}
	}
}

// list requires that List names all shards that are there, and no others, or a bad block of the index.
func (r *rotten) list() {
	r.t.Helper()
	r.disk.met = r.disk.met[:0]
	var after *engine.ShardID
	there := map[engine.ShardID]bool{}
	for {
		ids, err := r.store.List(after, 500)
		if _, met := r.metIndex(); err != nil && isDamage(err) && met {
			return
		}
		if err != nil {
			r.t.Errorf("list: %v", err)
			return
		}
		for _, id := range ids {
			there[id] = true
		}
		if len(ids) < 500 {
			break
		}
		after = &ids[len(ids)-1]
	}
	want := map[engine.ShardID]bool{}
	for n, v := range r.shards {
		if v.words > 0 {
			want[soakID(uint64(n))] = true
		}
	}
	if !maps.Equal(want, there) {
		r.t.Errorf("list names %d shards, want %d", len(there), len(want))
	}
}

// scrub holds what Scrub reports against R3. Nothing has been written since the blocks went bad, but for what Open writes.
func (r *rotten) scrub() {
	r.t.Helper()
	if r.store.Stats().Lost != nil {
		require.ErrorIs(r.t, r.store.Scrub(context.Background(), func(error) {}), engine.ErrCorrupt)
		return
	}
	named, extents := map[engine.ShardID]bool{}, map[int64]bool{}
	report := func(err error) {
		if !isDamage(err) {
			r.t.Errorf("scrub reports an error of no type: %v", err)
		}
		if id, ok := scrubbedShard(err); ok {
			named[id] = true
			return
		}
		var corrupt *engine.CorruptError
		var failed *fault.IO
		switch {
		case errors.As(err, &failed):
			extents[failed.Offset/r.extent] = true
		case errors.As(err, &corrupt):
			extents[int64(corrupt.Extent)] = true
		default:
			r.t.Errorf("scrub reports damage and no place: %v", err)
		}
	}
	require.NoError(r.t, r.store.Scrub(context.Background(), report))
	for n, v := range r.shards {
		id := soakID(uint64(n))
		if named[id] && !r.hit(n) && !r.anyHit(n) {
			r.t.Errorf("scrub names shard %d, which is whole", n)
		}
		pieces, once := r.layout.newest(n, v)
		live := slices.ContainsFunc(pieces, r.broken)
		if !once || !live {
			continue
		}
		r.seen.scrubbed++
		if named[id] {
			r.seen.named++
			continue
		}
		if block, ok := r.hides(n); !ok {
			r.t.Errorf("scrub does not name shard %d, which has lost bytes", n)
		} else if !extents[block*r.disk.block/r.extent] {
			r.t.Errorf("scrub names neither shard %d nor block %d of the index, which hides it", n, block)
		}
	}
}

// broken reports whether a bad block holds bytes of p that do not read as they should.
func (r *rotten) broken(p piece) bool {
	if !r.disk.spoiled(p.at, p.end()) {
		return false
	}
	block := make([]byte, r.disk.block)
	for off := p.at / r.disk.block * r.disk.block; off < p.end(); off += r.disk.block {
		if !r.disk.spoiled(off, off+1) {
			continue
		}
		from, to := max(off, p.at), min(off+r.disk.block, p.end())
		if r.disk.Disk.Read(block, off) != nil || !bytes.Equal(block[from-off:to-off], p.bytes(from, to)) {
			return true
		}
	}
	return false
}

// hides returns the block of the index that hides shard n, if one does.
func (r *rotten) hides(n int) (block int64, ok bool) {
	r.disk.met = r.disk.met[:0]
	_, err := r.store.Head(soakID(uint64(n)))
	if err == nil {
		return 0, false
	}
	return r.metIndex()
}

// scrubbedShard returns the shard that an error of Scrub is about, if it is about one.
func scrubbedShard(err error) (id engine.ShardID, ok bool) {
	rest, ok := strings.CutPrefix(err.Error(), "shard ")
	if !ok {
		return id, false
	}
	name, _, ok := strings.Cut(rest, ":")
	b, bad := hex.DecodeString(name)
	if !ok || bad != nil || len(b) != len(id) {
		return id, false
	}
	return engine.ShardID(b), true
}

// change puts and deletes, damaged shards among others, and wants that to last.
func (r *rotten) change(rng *rand.Rand, times int) {
	r.t.Helper()
	var last engine.Dependency
	for range times {
		n := rng.IntN(len(r.shards) + 1)
		if n == len(r.shards) {
			r.shards = append(r.shards, tagged{})
		}
		next := tagged{version: r.shards[n].version + 1}
		var dep engine.Dependency
		var err error
		if rng.IntN(4) == 0 {
			dep, err = r.store.Delete(soakID(uint64(n)))
		} else {
			next.words = taggedSizes(rng)
			dep, err = r.store.Put(soakID(uint64(n)), next.value(nil, n))
		}
		switch {
		case err == nil:
			r.shards[n], last = next, dep
		case !isDamage(err) && !errors.Is(err, engine.ErrFull) && !errors.Is(err, engine.ErrReadOnly):
			r.t.Errorf("changing shard %d: %v", n, err)
		}
	}
	require.NoError(r.t, r.store.Wait(context.Background(), last), "the disk writes what it is told")
}
