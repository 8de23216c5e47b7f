package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/shardproof/shardproof/engine"
)

// head compares the size of a shard.
func (x *KV) head(op *Op) {
	id := x.seq.ShardID(op.Key)
	size, err := x.target.Head(id)
	if x.lacking(err) {
		return
	}
	x.got.count, x.got.err = int(size), err
	i, found := x.model.Now().Find(id)
	if x.effect = found; found {
		x.want.count = len(x.model.Now()[i].Data)
	} else {
		x.want.err = engine.ErrNotFound
	}
}

// getRange compares some bytes of a shard.
func (x *KV) getRange(op *Op) {
	id := x.seq.ShardID(op.Key)
	value, err := x.target.AppendRange(x.read[:0], id, int64(op.Off), int64(op.Len))
	if x.lacking(err) {
		return
	}
	if x.got.err = err; err == nil {
		x.read, x.got.value = value, value
	}
	if i, found := x.model.Now().Find(id); found {
		x.want.value = rangeOf(x.model.Now()[i].Data, int64(op.Off), int64(op.Len))
	} else {
		x.want.err = engine.ErrNotFound
	}
	if x.effect = len(x.got.value) > 0; x.effect {
		x.stats.Reads++
	}
}

// start begins background work; what it does shows later.
func (x *KV) start(w Work) {
	if err := x.target.Start(w); !x.lacking(err) && !x.refused(err) {
		x.got.err = err
		x.superDirty = true
	}
}

// compact merges runs, one step. It changes no answer.
func (x *KV) compact(op *Op) {
	if op.Which != 0 {
		x.start(WorkCompact)
		return
	}
	more, err := x.target.Compact(context.Background())
	x.stepped(more, err)
	x.recorded()
}

// recorded looks at what is recorded after a step, where it is known what that should be.
func (x *KV) recorded() {
	if !x.dirty && x.failure == nil && x.got.err == nil {
		x.keep(x.space(x.target))
	}
}

// reclaim frees an extent. It changes no answer. A flush may be part of it, so that what is recorded is known only if nothing was
// to be flushed.
func (x *KV) reclaim(op *Op) {
	if op.Which != 0 {
		x.start(WorkReclaim)
		return
	}
	before := x.target.Space()
	more, err := x.target.Reclaim(context.Background())
	x.stepped(more, err)
	x.recorded()
	if x.noteFaults(x.got.err); x.effect && x.failure == nil && !x.broken.inexact {
		x.keep(CheckReleased(x.target, before))
	}
}

// stepped notes the outcome of a background step: whether there was something to do is for the store to say.
func (x *KV) stepped(more bool, err error) {
	x.settle()
	if x.lacking(err) || x.refused(err) {
		return
	}
	x.got.err = err
	if x.effect = more; more {
		x.got.count, x.want.count = 1, 1
		x.superDirty = true
	}
}

func (x *KV) superblock() {
	x.effect = x.superDirty
	err := x.target.FlushSuperblock(context.Background())
	if x.lacking(err) {
		return
	}
	x.got.err = err
	x.superDirty = false
	x.settle()
}

// scrub lets the store read all it has: nothing is damaged.
func (x *KV) scrub() {
	if f := CheckScrub(x.target, x.disk, &x.scratch); f == nil || f.Field != "error" || !x.lacking(x.scratch.refusal) {
		x.keep(x.forgive(f))
	}
}

// stat looks at the figures of space: they are plausible at any time, and exact when everything is recorded.
func (x *KV) stat() {
	s := x.target.Space()
	x.got.space, x.want.space = s, s
	x.effect = s.LiveBytes >= 0
	_ = x.keep(CheckPlausible(s)) && (x.dirty || x.keep(x.space(x.target)))
}

// fillsMax bounds what one fill puts: enough to fill the disks that are drawn.
const fillsMax = 200

// freshKeys is how many keys fill takes before it begins again.
const freshKeys = uint32(NoKey - FreshKey)

// fill puts values until there is no space, under keys that it has not used yet.
func (x *KV) fill(op *Op) {
	again := filled{length: op.Len, used: x.target.Space().UsedBytes}
	empty := x.empty
	put := Op{Kind: KindPut, Len: op.Len}
	for again.count < fillsMax {
		put.Key = FreshKey + KeyID(x.fresh%freshKeys)
		put.Fill = 2 + x.fresh
		x.got, x.want, x.effect = answer{}, answer{}, true
		if x.put(&put); x.failure != nil || x.got.err != nil || x.want.err != nil {
			break
		}
		x.fresh++
		again.count++
	}
	if x.failure != nil {
		return
	}
	if again.full = classOf(x.got.err) == classFull && classOf(x.want.err) == classFull; again.full || x.got.err == nil {
		x.got, x.want = answer{count: again.count}, answer{count: again.count} // a full disk is what was asked for
	}
	x.effect = again.count > 0
	switch {
	case x.filled.length == 0 && x.filled.count == 0:
		if again.full {
			x.filled = again
		}
	case empty:
		x.keep(checkFit(x.target, &x.filled, &again))
	}
}

// drain deletes all shards and lets the store tidy up until nothing is left to do. That it comes to an end is PROGRESS, that
// it works on a full disk and leaves no live byte SPACE.
func (x *KV) drain() {
	count := 0
	x.wantIDs = x.wantIDs[:0]
	for _, shard := range x.model.Now() {
		x.wantIDs = append(x.wantIDs, shard.ID)
	}
	for _, id := range slices.Backward(x.wantIDs) { // from the end: the model need not move what is behind
		dep, err := x.target.Delete(id)
		if classOf(err) == classFull {
			if !x.tidyUp() {
				return
			}
			dep, err = x.target.Delete(id)
		}
		if classOf(err) == classFull && !x.reclaims {
			x.refused(err) // nothing gives back what the log holds
			return
		}
		if classOf(err) == classFull {
			x.keep(spaceFailure("full", "delete", "a delete fits on a disk that was flushed and reclaimed", "ok", errorText(err)))
			return
		}
		x.got, x.want = answer{}, answer{}
		x.grow(-x.sizeOf(id))
		_, x.want.err = x.model.Delete(id)
		if x.accept(dep, err); x.got.err != nil {
			return
		}
		count++
	}
	if !x.tidyUp() {
		return
	}
	x.dirty, x.superDirty, x.empty = false, true, true
	x.got, x.want = answer{count: count}, answer{count: count}
	x.effect = count > 0
	x.settle()
	_ = x.keep(x.space(x.target)) && x.keep(checkDrained(x.target, x.blankSpace))
}

// tidyUp flushes, compacts and reclaims until the store says that there is nothing left to do.
func (x *KV) tidyUp() bool {
	ctx := context.Background()
	rounds := 64 + 8*int(x.seq.Config.Get(OptExtents))
	for range rounds {
		if err := x.target.Flush(ctx); err != nil {
			return x.keep(tidyFailure("flush", err))
		}
		merged, err := x.target.Compact(ctx)
		if !x.tolerable(err) {
			return x.keep(tidyFailure("compact", err))
		}
		before := x.target.Space()
		freed, err := x.target.Reclaim(ctx)
		x.reclaims = !errors.Is(err, errors.ErrUnsupported)
		if !x.tolerable(err) {
			return x.keep(tidyFailure("reclaim", err))
		}
		if freed && !x.keep(CheckReleased(x.target, before)) {
			return false
		}
		if !merged && !freed {
			return true
		}
	}
	return x.keep(&Failure{
		Signature: Signature{Property: PropertyProgress, Field: "drain", Site: "endless"},
		Claim:     "compaction and reclamation come to an end",
		Want:      "nothing left to do", Got: fmt.Sprintf("still something after %d rounds", rounds),
	})
}

// tolerable reports whether a step of a drain may answer err: that it is not there, or that it lacks the space.
func (x *KV) tolerable(err error) bool {
	return err == nil || errors.Is(err, errors.ErrUnsupported) || classOf(err) == classFull
}

func tidyFailure(step string, err error) *Failure {
	return spaceFailure(step, siteOf(err), "flush, compact and reclaim work on any disk that is not damaged", "ok", errorText(err))
}
