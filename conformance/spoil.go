package conformance

import (
	"bytes"
	"context"
	"errors"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/iosched"
)

// Spoiling is one way in which a store can be wrong. The tester is tested with each: a check that stays silent over a spoiled
// store is itself broken.
type Spoiling uint8

const (
	SpoilByte     Spoiling = iota + 1 // the first read that returns bytes has one of them wrong
	SpoilShort                        // reads return one byte too few
	SpoilLost                         // puts of a shard that is there keep the old bytes
	SpoilDelete                       // deletes do nothing
	SpoilPhantom                      // reads of absent shards return an empty one
	SpoilList                         // lists leave out the last id
	SpoilOrder                        // lists swap the first two ids
	SpoilStale                        // lists do not show the newest put
	SpoilRegress                      // what was persistent once is pending when asked again
	SpoilEarly                        // every other dependency is persistent at once, before those before it
	SpoilNever                        // nothing ever becomes persistent
	SpoilFailed                       // every dependency fails
	SpoilWait                         // waits and syncs do nothing
	SpoilClose                        // close leaves the newest mutation pending
	SpoilReopen                       // close fails
	SpoilCheck                        // check has a complaint
	SpoilBlind                        // check cannot look
	SpoilSmall                        // puts of more than half of MaxShard are too large
	SpoilPump                         // pump completes more than it was asked to
	SpoilBuffer                       // put keeps the caller's buffer
	SpoilScribble                     // put writes to the caller's buffer
	SpoilError                        // flush fails
	SpoilPanic                        // get panics
	SpoilHead                         // head counts one byte too many
	SpoilRange                        // ranges begin one byte late
	SpoilLive                         // one byte too many counts as live
	SpoilFree                         // more extents are free than there are
	SpoilDead                         // what is stored does not count as live
	SpoilFull                         // puts are refused although there is space
	SpoilLeak                         // once full, the disk takes a third as much
	SpoilEndless                      // there is always something to reclaim
	SpoilMerge                        // compaction loses the newest shard
	SpoilMove                         // reclamation brings back the newest shard, as it was put first
	SpoilScrub                        // scrub has a complaint
	SpoilStart                        // work cannot be begun
	SpoilStuck                        // a flush finds no space once a put did not
	SpoilIdle                         // reclamation says that it did something, and has not
	SpoilTaken                        // what was in use once stays so
	spoilings
)

// Spoil returns t made wrong in one way.
func Spoil(t Target, how Spoiling) Target { return &spoiled{Target: t, how: how} }

type spoiled struct {
	Target
	how    Spoiling
	lied   bool
	newest engine.ShardID
	moved  engine.ShardID // SpoilMove: a shard
	kept   []byte         // SpoilBuffer: the newest value, as the caller's buffer
	deps   []engine.Dependency
	asked  []bool
	puts   int
	after  int    // puts since the disk was full first
	most   int    // puts until the disk was full first; 0: it was not
	first  []byte // SpoilMove: the newest shard as it was put first

	refused bool // SpoilLeak: the last put was
	free    int  // SpoilTaken: the fewest extents that were free; 0: nobody asked
}

func (t *spoiled) Put(id engine.ShardID, data []byte) (engine.Dependency, error) {
	t.newest, t.kept = id, data
	switch t.how {
	case SpoilLost:
		if old, err := t.Target.AppendShard(nil, id); err == nil {
			data = old
		}
	case SpoilSmall:
		if len(data) > t.MaxShard()/2 {
			return engine.Dependency{}, engine.ErrTooLarge
		}
	case SpoilFull:
		if t.puts++; t.puts%8 == 0 {
			return engine.Dependency{}, engine.ErrFull
		}
	case SpoilLeak, SpoilStuck:
		if t.leaked() {
			return engine.Dependency{}, engine.ErrFull
		}
	case SpoilMove:
		if t.first == nil || id != t.moved {
			t.moved, t.first = id, bytes.Clone(data)
		}
	}
	d, err := t.Target.Put(id, data)
	if errors.Is(err, engine.ErrFull) && t.most == 0 {
		t.most = max(t.puts, 1)
	}
	if t.how == SpoilScribble && len(data) > 0 {
		data[0]++
	}
	return t.wrap(d), err
}

func (t *spoiled) Delete(id engine.ShardID) (engine.Dependency, error) {
	if t.how == SpoilDelete {
		return engine.Dependency{}, nil
	}
	d, err := t.Target.Delete(id)
	return t.wrap(d), err
}

func (t *spoiled) AppendShard(dst []byte, id engine.ShardID) ([]byte, error) {
	start := len(dst)
	p, err := t.Target.AppendShard(dst, id)
	got := len(p) > start && err == nil
	switch {
	case t.how == SpoilByte && got && !t.lied:
		t.lied = true
		p[start] ^= 1
	case t.how == SpoilShort && got:
		p = p[:len(p)-1]
	case t.how == SpoilBuffer && got && id == t.newest:
		p = append(p[:start], t.kept...)
	case t.how == SpoilPhantom && errors.Is(err, engine.ErrNotFound):
		return dst, nil
	case t.how == SpoilPanic:
		panic("the store is spoiled")
	}
	return p, err
}

func (t *spoiled) AppendList(dst []engine.ShardID, after *engine.ShardID, limit int) ([]engine.ShardID, error) {
	start := len(dst)
	ids, err := t.Target.AppendList(dst, after, limit)
	n := len(ids) - start
	switch {
	case t.how == SpoilList && n > 0:
		ids = ids[:len(ids)-1]
	case t.how == SpoilOrder && n > 1:
		ids[start], ids[start+1] = ids[start+1], ids[start]
	case t.how == SpoilStale && n > 0 && bytes.Equal(ids[len(ids)-1][:], t.newest[:]):
		ids = ids[:len(ids)-1]
	}
	return ids, err
}

func (t *spoiled) Pump(n int) (int, error) {
	done, err := t.Target.Pump(n)
	if t.how == SpoilPump {
		done = n + 1
	}
	return done, err
}

func (t *spoiled) Wait(ctx context.Context, d engine.Dependency) error {
	if t.how == SpoilWait {
		return nil
	}
	if n := d.Number(t); n > 0 {
		d = t.deps[n-1]
	}
	return t.Target.Wait(ctx, d)
}

func (t *spoiled) Sync(ctx context.Context) error {
	if t.how == SpoilWait {
		return nil
	}
	return t.Target.Sync(ctx)
}

func (t *spoiled) Flush(ctx context.Context) error {
	switch {
	case t.how == SpoilError:
		return errors.New("flush 7 went wrong")
	case t.how == SpoilStuck && t.most > 0:
		return engine.ErrFull
	}
	return t.Target.Flush(ctx)
}

func (t *spoiled) Check(ctx context.Context, report func(error)) error {
	switch t.how {
	case SpoilCheck:
		report(&engine.CorruptError{Extent: 3, Offset: 64, Check: "frame trailer"})
	case SpoilBlind:
		return engine.ErrIO
	}
	return t.Target.Check(ctx, report)
}

func (t *spoiled) Close() error {
	err := t.Target.Close()
	if t.how == SpoilReopen {
		return engine.ErrIO
	}
	t.lied = t.lied || t.how == SpoilClose
	return err
}

// leaked reports whether the space that leaked is missing now.
func (t *spoiled) leaked() bool {
	if t.most == 0 {
		t.puts++
		return false
	}
	t.after++
	t.refused = t.how == SpoilLeak && t.after > t.most/3
	return t.refused
}

func (t *spoiled) Head(id engine.ShardID) (int64, error) {
	n, err := t.Target.Head(id)
	if t.how == SpoilHead && err == nil {
		n++
	}
	return n, err
}

func (t *spoiled) AppendRange(dst []byte, id engine.ShardID, off, n int64) ([]byte, error) {
	if t.how == SpoilRange {
		off++
	}
	return t.Target.AppendRange(dst, id, off, n)
}

func (t *spoiled) Compact(ctx context.Context) (bool, error) {
	if t.how == SpoilMerge {
		_, _ = t.Target.Delete(t.newest)
	}
	return t.Target.Compact(ctx)
}

func (t *spoiled) Reclaim(ctx context.Context) (bool, error) {
	switch t.how {
	case SpoilEndless, SpoilIdle:
		return true, nil
	case SpoilMove:
		if t.first != nil {
			_, _ = t.Target.Put(t.moved, t.first)
		}
	}
	return t.Target.Reclaim(ctx)
}

func (t *spoiled) Scrub(ctx context.Context, report func(error)) error {
	if t.how == SpoilScrub {
		report(&engine.CorruptError{Extent: 3, Offset: 64, Check: "payload"})
	}
	return t.Target.Scrub(ctx, report)
}

func (t *spoiled) Start(w Work) error {
	if t.how == SpoilStart {
		return engine.ErrIO
	}
	return t.Target.Start(w)
}

func (t *spoiled) Space() Space {
	s := t.Target.Space()
	switch {
	case t.how == SpoilLive && s.LiveBytes > 0:
		s.LiveBytes++
	case t.how == SpoilFree:
		s.FreeExtents = s.Extents + 1
	case t.how == SpoilDead:
		s.LiveBytes = 0
	case t.how == SpoilLeak && t.refused:
		s.FreeExtents = s.Reserve
	case t.how == SpoilIdle:
		s.Released = 7
	case t.how == SpoilTaken:
		if t.free == 0 {
			t.free = s.FreeExtents
		}
		t.free = min(t.free, s.FreeExtents)
		s.FreeExtents = t.free
	}
	return s
}

// wrap makes d a dependency of t where t lies about dependencies.
func (t *spoiled) wrap(d engine.Dependency) engine.Dependency {
	switch t.how {
	case SpoilRegress, SpoilEarly, SpoilNever, SpoilFailed, SpoilClose:
		t.deps = append(t.deps, d)
		t.asked = append(t.asked, false)
		return iosched.NewDependency(t, uint64(len(t.deps)))
	}
	return d
}

// StateOf is the lie about dependency n.
func (t *spoiled) StateOf(n uint64) iosched.State {
	state := t.deps[n-1].State()
	switch t.how {
	case SpoilRegress:
		if t.asked[n-1] {
			return iosched.Pending
		}
		t.asked[n-1] = state == iosched.Persistent
	case SpoilEarly:
		if n%2 == 0 {
			return iosched.Persistent
		}
	case SpoilNever:
		return iosched.Pending
	case SpoilFailed:
		return iosched.Failed
	case SpoilClose:
		if t.lied && n == uint64(len(t.deps)) {
			return iosched.Pending
		}
	}
	return state
}

// ErrOf is the lie about dependency n's error.
func (t *spoiled) ErrOf(uint64) error {
	if t.how == SpoilFailed {
		return engine.ErrIO
	}
	return nil
}
