package extent

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/shardproof/shardproof/engine/fault"
)

// Position is a place in the log: the unit of that number starts there, or, if it did not fit, at the start of the next listed
// extent.
type Position struct {
	Number     uint64
	Extent     ID
	Generation Generation
	Offset     uint32
}

// LogExtent is an extent of the log, in the order in which the log runs through them.
type LogExtent struct {
	Extent     ID
	Generation Generation
	First      uint64 // number of the first unit in it; 0 while not known
}

// StoreID tells one store from another, for ever.
type StoreID [16]byte

// Root is what recovery starts from. Only what a root reaches counts; all else on the disk is garbage.
type Root struct {
	Store          StoreID
	Geometry       Geometry
	Epoch          uint64     // units from Resume on are valid only with exactly this epoch
	Resume         uint64     // number from which Epoch holds
	Replay         Position   // the index covers every mutation before it; what lies before is never replayed
	DurableThrough uint64     // units up to this number were durable when the root was built
	Closed         bool       // and none behind them has been issued, nor will be before another root is relied on
	NextMutation   uint64     // no mutation before the replay position has this number or a higher one
	Metadata       [2]Locator // two copies of one record, in two extents; zero while there is none
	MetadataCRC    uint32     // of the record's bytes
	Log            []LogExtent
}

// FirstGeneration returns the generation that the store's extents began with.
func (r *Root) FirstGeneration() Generation { return firstGeneration(r.Store) }

// rootFixed is the encoded size of a root without its log extents:
//
//	store 16 | disk bytes 8 | extent bytes, extents, logical, physical, page, window bytes, window units, flags 4 each |
//	epoch 8 | resume 8 | replay 24 | durable through 8 | next mutation 8 | metadata 2 x 20, crc 4 | log extents 4
const rootFixed = 16 + 8 + 8*4 + 8 + 8 + 24 + 8 + 8 + 2*LocatorBytes + 4 + 4

const (
	logExtentBytes = 20 // extent 4 | generation 8 | first 8
	entryBytes     = 16 // owner 1 | zero 3 | pointer 4 | generation 8
	flagPowerSafe  = 1
	flagClosed     = 2
	numberMax      = 1 << 62 // of an epoch, a unit, a mutation, a version: no disk lives to see it, and counting on overflows nothing
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// AppendLocator appends the encoding of l to b.
func AppendLocator(b []byte, l Locator) []byte {
	b = le.AppendUint32(b, uint32(l.Extent))
	b = le.AppendUint64(b, uint64(l.Generation))
	b = le.AppendUint32(b, l.Offset)
	return le.AppendUint32(b, l.Length)
}

// DecodeLocator decodes the first LocatorBytes of b.
func DecodeLocator(b []byte) Locator {
	return Locator{ID(le.Uint32(b)), Generation(le.Uint64(b[4:])), le.Uint32(b[12:]), le.Uint32(b[16:])}
}

func (r *Root) append(b []byte) []byte {
	g := &r.Geometry
	b = append(b, r.Store[:]...)
	b = le.AppendUint64(b, uint64(g.DiskBytes))
	var flags uint32
	if g.PowerSafe {
		flags |= flagPowerSafe
	}
	if r.Closed {
		flags |= flagClosed
	}
	for _, v := range [...]uint32{g.ExtentBytes, g.Extents, g.Logical, g.Physical, g.PageBytes, g.WindowBytes, g.WindowUnits, flags} {
		b = le.AppendUint32(b, v)
	}
	b = le.AppendUint64(b, r.Epoch)
	b = le.AppendUint64(b, r.Resume)
	b = le.AppendUint64(b, r.Replay.Number)
	b = le.AppendUint32(b, uint32(r.Replay.Extent))
	b = le.AppendUint64(b, uint64(r.Replay.Generation))
	b = le.AppendUint32(b, r.Replay.Offset)
	b = le.AppendUint64(b, r.DurableThrough)
	b = le.AppendUint64(b, r.NextMutation)
	b = AppendLocator(b, r.Metadata[0])
	b = AppendLocator(b, r.Metadata[1])
	b = le.AppendUint32(b, r.MetadataCRC)
	b = le.AppendUint32(b, uint32(len(r.Log)))
	for _, l := range r.Log {
		b = le.AppendUint32(b, uint32(l.Extent))
		b = le.AppendUint64(b, uint64(l.Generation))
		b = le.AppendUint64(b, l.First)
	}
	return b
}

// decode fills r from b, whose checksum held, and returns what follows it.
func (r *Root) decode(b []byte) ([]byte, error) {
	if len(b) < rootFixed {
		return nil, rootError("root length")
	}
	copy(r.Store[:], b)
	g := &r.Geometry
	g.DiskBytes = int64(le.Uint64(b[16:]))
	var flags uint32
	b = b[24:]
	for _, v := range [...]*uint32{&g.ExtentBytes, &g.Extents, &g.Logical, &g.Physical, &g.PageBytes, &g.WindowBytes, &g.WindowUnits, &flags} {
		*v = le.Uint32(b)
		b = b[4:]
	}
	g.PowerSafe, r.Closed = flags&flagPowerSafe != 0, flags&flagClosed != 0
	if err := g.Validate(); err != nil {
		return nil, rootError("root geometry")
	}
	r.Epoch, r.Resume = le.Uint64(b), le.Uint64(b[8:])
	r.Replay = Position{le.Uint64(b[16:]), ID(le.Uint32(b[24:])), Generation(le.Uint64(b[28:])), le.Uint32(b[36:])}
	r.DurableThrough, r.NextMutation = le.Uint64(b[40:]), le.Uint64(b[48:])
	r.Metadata = [2]Locator{DecodeLocator(b[56:]), DecodeLocator(b[76:])}
	r.MetadataCRC = le.Uint32(b[96:])
	n := le.Uint32(b[100:])
	b = b[104:]
	if uint64(n)*logExtentBytes > uint64(len(b)) {
		return nil, rootError("root log list")
	}
	r.Log = slices.Grow(r.Log[:0], int(n))
	for range n {
		r.Log = append(r.Log, LogExtent{ID(le.Uint32(b)), Generation(le.Uint64(b[4:])), le.Uint64(b[12:])})
		b = b[logExtentBytes:]
	}
	return b, r.validate()
}

// validate checks what the geometry says about the places a root names.
func (r *Root) validate() error {
	g := &r.Geometry
	for _, n := range [...]uint64{r.Epoch, r.Resume, r.Replay.Number, r.NextMutation} {
		if n == 0 || n > numberMax {
			return rootError("root numbers")
		}
	}
	if r.DurableThrough > numberMax {
		return rootError("root numbers")
	}
	listed := false
	for _, l := range r.Log {
		if uint32(l.Extent) >= g.Extents || l.Extent == 0 {
			return rootError("root log list")
		}
		listed = listed || l.Extent == r.Replay.Extent && l.Generation == r.Replay.Generation
	}
	if !listed || r.Replay.Offset > g.ExtentBytes || r.Replay.Offset%g.Physical != 0 {
		return rootError("root replay position")
	}
	for _, l := range r.Metadata {
		if uint32(l.Extent) >= g.Extents || l.End() > uint64(g.ExtentBytes) {
			return rootError("root metadata locator")
		}
	}
	if r.Metadata[0].IsZero() != r.Metadata[1].IsZero() {
		return rootError("root metadata locator")
	}
	return nil
}

func rootError(check string) error { return &fault.Corrupt{Extent: 0, Offset: 0, Check: check} }
