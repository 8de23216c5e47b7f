// Package extent divides a disk into append-only extents and keeps what must be known of each: owner, generation, write
// pointer. It keeps them, and the roots of log and index, in a superblock that survives any crash and one rotten slot.
//
//	Allocate, Release, Advance ──► Table (memory) ──► pages ──► slot ─flush─► slot ─flush─► relied on
//	                                    │
//	                                    └─► Root: log extents, replay position, metadata locators, epoch
//
// Invariants
//
//	E1  Nothing of (extent, generation) is issued before a relied-on table holds that owner and generation. (P2)
//	E2  A generation grows by one when its extent is released and never repeats. Those of a store begin at a number of its own,
//	    so that what an older store left on the disk is in none of them.
//	E3  A page has three slots in different physical blocks. A new version overwrites the oldest, one slot at a time, and is
//	    relied on once a flush has covered two of them; so one crash and one rotten slot still leave it. (P16) A slot that
//	    cannot be read, or whose write or flush failed, is the oldest; no version is built twice. (P5)
//	E4  Pages of the table are relied on before the root that was built with them is written: a root never lists what the
//	    table does not know.
//	E5  An extent may be given out again as soon as it is released: nothing of its next life is issued before the table that
//	    holds its new owner and generation is relied on (E1), and until then a crash leaves it as it was, unreferenced.
//	E6  The write pointer of an extent outside the log is at or past the end of every frame a relied-on root reaches. (P14)
//
//	E7  Bytes at or past the write pointer, or of another generation, are never returned, whatever the disk holds.
//	E8  A pinned extent is not released.
//
// The decoders accept any bytes and return a value or a *fault.Corrupt.
//
// Not checked here: whether what lies in an extent is still referenced; the index counts that.
package extent

import "fmt"

// ID numbers an extent; extent x begins at byte x × ExtentBytes of the disk.
type ID uint32

// Generation counts the lives of an extent, from 1.
type Generation uint64

// Owner says what an extent is used for.
type Owner uint8

const (
	Free       Owner = iota
	Superblock       // holds slots; never allocated
	Log              // holds, or held, units of the log
	Runs             // holds sorted runs of level 0
	Levels           // holds sorted runs of deeper levels: they live longer
	Metadata         // holds one copy of the metadata records
	Metadata2        // holds the other copy
	Copies           // holds chunks that reclamation moved
	OwnerCount
)

func (o Owner) String() string {
	if o < OwnerCount {
		return [...]string{"free", "superblock", "log", "runs", "levels", "metadata", "metadata2", "copies"}[o]
	}
	return fmt.Sprintf("Owner(%d)", uint8(o))
}

// Locator is the place of a frame. The zero Locator is no place: extent 0 belongs to the superblock.
type Locator struct {
	Extent     ID
	Generation Generation
	Offset     uint32 // bytes from the start of the extent
	Length     uint32 // bytes of the whole frame
}

// IsZero reports whether l is no place.
func (l Locator) IsZero() bool { return l == Locator{} }

// Place returns where the frame begins.
func (l Locator) Place() Place { return Place{l.Extent, l.Generation, l.Offset} }

// End returns the offset behind the frame.
func (l Locator) End() uint64 { return uint64(l.Offset) + uint64(l.Length) }

func (l Locator) String() string {
	return fmt.Sprintf("%d.%d+%d:%d", l.Extent, l.Generation, l.Offset, l.Length)
}

// LocatorBytes is the size of an encoded locator: extent 4, generation 8, offset 4, length 4.
const LocatorBytes = 20

// Entry is what the table holds of one extent.
type Entry struct {
	Owner      Owner
	Generation Generation
	Pointer    uint32 // soft write pointer: bytes from the start of the extent; where appends go on

	since uint64 // change number of the last change of owner or generation; memory only
}
