package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
)

// SalvageState says what Salvage found of a shard.
type SalvageState string

const (
	SalvagedWhole   SalvageState = "whole"   // Data is of the newest mutation that anything names
	SalvagedOlder   SalvageState = "older"   // what is newer cannot be read; Data is of a mutation before it
	SalvagedLost    SalvageState = "lost"    // there are puts, and none can be read whole
	SalvagedDeleted SalvageState = "deleted" // the newest mutation is a deletion
)

// Salvaged is what Salvage found of one shard.
type Salvaged struct {
	ID       ShardID
	State    SalvageState
	Newest   uint64 // the newest mutation that a frame or a sorted run names
	Mutation uint64 // that of Data; the newest if there is none
	Data     []byte
	Doubtful bool  // the header of the unit that held Mutation is lost: a recovery may have dropped it
	Err      error // why what is newer than Data cannot be read; nil if whole or deleted
}

// SalvageOptions say what a disk without a superblock cannot.
type SalvageOptions struct {
	// ExtentBytes is the size of an extent in bytes. It counts only where no slot of the superblock is valid.
	ExtentBytes int
}

// SalvageSummary counts what Salvage came across.
type SalvageSummary struct {
	Superblock bool  // geometry and generations are from a slot of the superblock
	Extents    int   // looked at
	Undated    int   // extents whose generation is neither recorded nor to be found: nothing can be said of them
	Unreadable int64 // bytes that the device did not deliver, or that lay behind its present end
	Frames     int   // of shards and of tables, whole or not
	Damaged    int   // of those, how many fail a check
	LostIndex  int   // blocks of sorted runs that fail a check
	Whole      int   // shards, by state
	Older      int
	Lost       int
	Deleted    int
	Doubtful   int // of these, how many are doubtful
}

// Salvage looks through every extent of d for frames that still hold, and calls fn for every shard it finds anything of, in order
// of id; an error of fn ends it. It is for a store that does not open any more: it believes neither the log's order nor the index,
// and shows more than Open would. It reads only.
//
// Of the superblock it takes geometry and generations. A checksum covers extent, generation and offset, so without the generation
// no frame can be told from garbage. Where no slot is left, log units say theirs in their header, and that of another extent is
// sought near those; what was released and not written again then counts as if it were live.
//
// Limits. A shard that was deleted may come back, or be called lost, once compaction has dropped the tombstone and while a dead
// frame or run still lies in an extent. A mutation may be shown that never was persistent. Memory grows with the number of frames,
// not with their bytes.
//
// Errors: ErrNoStore, ErrCorrupt or ErrVersion of the superblock, the first two only without ExtentBytes; ErrGeometry; fn's and
// the context's.
func Salvage(ctx context.Context, d disk.Disk, o SalvageOptions, fn func(*Salvaged) error) (*SalvageSummary, error) {
	s := &salvage{ctx: ctx, disk: d, shards: map[ShardID]*remains{}, parts: map[partKey][]chunk.Locator{}, begins: map[uint64]uint64{}}
	if err := s.orient(o); err != nil {
		return nil, err
	}
	if err := s.scan(); err != nil {
		return nil, err
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.shards), func(a, b ShardID) int { return bytes.Compare(a[:], b[:]) }) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found := s.restore(id, s.shards[id])
		if found == nil {
			continue
		}
		s.count(found)
		if err := fn(found); err != nil {
			return nil, err
		}
	}
	return &s.SalvageSummary, nil
}

func (s *salvage) count(r *Salvaged) {
	*map[SalvageState]*int{SalvagedWhole: &s.Whole, SalvagedOlder: &s.Older, SalvagedLost: &s.Lost, SalvagedDeleted: &s.Deleted}[r.State]++
	if r.Doubtful {
		s.SalvageSummary.Doubtful++
	}
}

// remains is what was found of a shard.
type remains struct {
	frames  []relic
	named   uint64 // the newest mutation that a sorted run names
	deleted bool   // and whether that is a deletion
}

// relic is a frame that is, or ends, a mutation.
type relic struct {
	at       chunk.Locator
	mutation uint64
	kind     chunk.Kind
	number   uint64 // of its unit, 0 if it lies in none
	epoch    uint64
}

// doubtful reports whether the frame lay in a unit whose header is lost.
func (r *relic) doubtful() bool { return r.kind != chunk.Copy && r.number == 0 }

// partKey names a part of a put, wherever it lies.
type partKey struct {
	id   ShardID
	uuid chunk.UUID
	part uint16
}

// restore puts together the newest mutation of a shard that can be read. It returns nil if all that was found has been dropped.
func (s *salvage) restore(id ShardID, r *remains) *Salvaged {
	frames := slices.DeleteFunc(r.frames, func(f relic) bool { return f.number != 0 && s.dropped(f.number, f.epoch) })
	slices.SortStableFunc(frames, func(a, b relic) int {
		if c := cmp.Compare(b.mutation, a.mutation); c != 0 || a.doubtful() == b.doubtful() {
			return c
		}
		return map[bool]int{true: 1, false: -1}[a.doubtful()]
	})
	out := &Salvaged{ID: id, State: SalvagedLost, Newest: r.named}
	switch {
	case len(frames) > 0 && frames[0].mutation >= r.named:
		out.Newest = frames[0].mutation
	case r.named == 0:
		return nil
	case r.deleted:
		out.State, out.Mutation = SalvagedDeleted, r.named
		return out
	default:
		out.Err = fmt.Errorf("mutation %d is in a sorted run, its frame is not found: %w", r.named, ErrCorrupt)
	}
	out.Mutation = out.Newest
	s.restoreFrom(out, frames)
	return out
}

// restoreFrom tries frames, the newest first.
func (s *salvage) restoreFrom(out *Salvaged, frames []relic) {
	for i := range frames {
		f := &frames[i]
		if f.kind == chunk.Tombstone {
			if out.Err == nil {
				out.State, out.Doubtful = SalvagedDeleted, f.doubtful()
			}
			return
		}
		data, err := s.assemble(out.ID, f)
		if err != nil {
			if out.Err == nil {
				out.Err = fmt.Errorf("mutation %d: %w", f.mutation, err)
			}
			continue
		}
		out.State, out.Mutation, out.Data, out.Doubtful = SalvagedOlder, f.mutation, data, f.doubtful()
		if f.mutation == out.Newest {
			out.State, out.Err = SalvagedWhole, nil
		}
		return
	}
}

// assemble returns the bytes of the put that the frame of f ends.
func (s *salvage) assemble(id ShardID, f *relic) ([]byte, error) {
	final, payload, err := s.frame(f.at)
	if err != nil {
		return nil, err
	}
	n := (int(final.Parts) - 1) * extent.LocatorBytes
	if n > len(payload) {
		return nil, f.at.Place().Corrupt("locators of parts")
	}
	var data []byte
	for i := range int(final.Parts) - 1 {
		part, err := s.part(id, &final, i, extent.DecodeLocator(payload[i*extent.LocatorBytes:]))
		if err != nil {
			return nil, fmt.Errorf("part %d of %d: %w", i, final.Parts, err)
		}
		data = append(data, part...)
	}
	return append(data, payload[n:]...), nil
}

// part returns the bytes of part i of the put that final ends: from where final says, or from a copy that was found elsewhere.
func (s *salvage) part(id ShardID, final *chunk.Header, i int, named chunk.Locator) ([]byte, error) {
	var bad error
	for _, l := range append([]chunk.Locator{named}, s.parts[partKey{id, final.UUID, uint16(i)}]...) {
		h, payload, err := s.frame(l)
		if err == nil && (h.ID != id || !isPart(&h, final, i)) {
			err = l.Place().Corrupt("identity of a part")
		}
		if err == nil {
			return payload, nil
		}
		bad = errors.Join(bad, err)
	}
	return nil, bad
}

// frame reads and checks the frame at l, which may be anything.
func (s *salvage) frame(l chunk.Locator) (chunk.Header, []byte, error) {
	if l.Extent >= s.extents || l.Length < chunk.Overhead || l.End() > uint64(s.extentBytes) {
		return chunk.Header{}, nil, l.Place().Corrupt("place of a frame")
	}
	begin := int64(l.Extent)*int64(s.extentBytes) + int64(l.Offset)
	block := int64(s.disk.Info().LogicalBlock)
	lead := begin % block
	whole := (lead + int64(l.Length) + block - 1) / block * block
	b := disk.Aligned(int(whole))
	if err := s.disk.Read(b, begin-lead); err != nil {
		return chunk.Header{}, nil, err
	}
	return chunk.Decode(b[lead:lead+int64(l.Length)], l.Place())
}
