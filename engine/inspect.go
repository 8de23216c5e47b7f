package engine

import (
	"fmt"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
)

// Info is what the superblock of a disk tells of the store on it. Without a valid root only Slots and Damage are known.
type Info struct {
	ID       [16]byte // of the store, drawn by Format
	Format   int      // format version
	Geometry Geometry // as resolved by Format; SuperPageBytes and Rand are not recorded

	LogicalBlock, PhysicalBlock int  // bytes, of the device it was formatted on
	PowerSafe                   bool // as that device said

	Epoch          uint64 // opens and recovered failures since Format
	ReplayUnit     uint64 // the log is replayed from this unit on
	NextMutation   uint64 // the first mutation that the index does not cover, as recorded
	DurableThrough uint64 // units up to this one were durable when the root was written

	Slots   []SlotReport
	Log     []LogExtentInfo // in the order of the log; the last ones may be ready and not in use yet
	Owners  []OwnerInfo     // extents by owner, those of none left out
	Unknown int             // extents whose part of the superblock is lost

	Damage []error // what is wrong, slot by slot; nil where nothing is
}

// SlotReport is what a look at one slot of the superblock found.
type SlotReport = extent.SlotReport

// LogExtentInfo is an extent of the log.
type LogExtentInfo struct {
	Extent     int
	Generation uint64
	First      uint64 // number of its first unit, 0 while that is not known
}

// OwnerInfo counts the extents of one owner.
type OwnerInfo struct {
	Owner   string // free, superblock, log, runs, levels, metadata, metadata2, copies
	Extents int
}

// Inspect reads the superblock of d, and nothing else, and tells what it finds, however much of it is damaged: it opens no store
// and makes no judgement of what lies behind. The error says why there is no root to tell of: ErrNoStore, ErrVersion, ErrCorrupt,
// ErrIO.
func Inspect(d disk.Disk) (*Info, error) {
	s, err := extent.Examine(d, new(disk.Buffers))
	i := &Info{Slots: s.Slots}
	for _, slot := range s.Slots {
		if slot.Err != nil {
			i.Damage = append(i.Damage, fmt.Errorf("superblock page %d, slot %d at %d: %s", slot.Page, slot.Slot, slot.Offset, slot.State))
		} else {
			i.Format = slot.Format
		}
	}
	if err != nil {
		return i, openError(err)
	}
	i.root(s.Root)
	if err := s.Root.Geometry.Fits(d.Info()); err != nil {
		i.Damage = append(i.Damage, err)
	}
	i.owners(s.Entries)
	return i, nil
}

// root notes what a root says.
func (i *Info) root(r *extent.Root) {
	g := &r.Geometry
	i.ID = r.Store
	i.Geometry = Geometry{
		ExtentBytes: int(g.ExtentBytes), Extents: int(g.Extents), PageBytes: int(g.PageBytes), WindowBytes: int(g.WindowBytes),
		WindowUnits: int(g.WindowUnits), DiskBytes: g.DiskBytes,
	}
	i.LogicalBlock, i.PhysicalBlock, i.PowerSafe = int(g.Logical), int(g.Physical), g.PowerSafe
	i.Epoch, i.ReplayUnit, i.NextMutation, i.DurableThrough = r.Epoch, r.Replay.Number, r.NextMutation, r.DurableThrough
	for _, l := range r.Log {
		i.Log = append(i.Log, LogExtentInfo{Extent: int(l.Extent), Generation: uint64(l.Generation), First: l.First})
	}
}

// owners counts the entries of the table.
func (i *Info) owners(entries []extent.Entry) {
	var count [extent.OwnerCount]int
	for _, e := range entries {
		if e.Generation == 0 {
			i.Unknown++
			continue
		}
		count[e.Owner]++
	}
	for o, n := range count {
		if n > 0 {
			i.Owners = append(i.Owners, OwnerInfo{extent.Owner(o).String(), n})
		}
	}
}
