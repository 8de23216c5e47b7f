package extent

import (
	"hash/crc32"
	"math/bits"

	"github.com/shardproof/shardproof/engine/fault"
)

// A slot holds one version of one page of the superblock:
//
//	0      4        6      7      8      12      16          20     24       32        40    44        60    64
//	| magic | format | slot | zero | page | pages | page bytes | body | stride | version | crc | zero ... | crc | body ...
//
// The crc at 40 covers the slot's place and the body, the one at 60 the place and the header before it. The header fits one
// logical block, so it is old or new, never a mixture. Stride is the distance between the slots of a page: with it, one
// readable slot tells where the others are.
const (
	pageMagic       = 0x67707053 // "Sppg"
	pageFormat      = 2
	pageHeaderBytes = 64
	slots           = 3
	defaultPage     = 4096
	maxStrideBits   = 40

	// HeaderBytes is what Recognize needs of a disk.
	HeaderBytes = pageHeaderBytes
)

// layout says where the pages lie. Page 0 begins with the root; if the whole table fits behind it there is no other page.
type layout struct {
	pages     uint32
	pageBytes uint32
	stride    uint64
	perPage   uint32 // entries a table page holds
	firstPage uint32 // entries in page 0: all of them or none
	maxLog    int    // log extents a root can list
	reserved  uint32 // extents the slots take
}

// newLayout places the pages of g. pageBytes asks for that page size, 0 for the best: a single page if it is no larger than
// defaultPage, else pages of that size.
func newLayout(g *Geometry, pageBytes uint32) layout {
	whole := g.RoundUp(pageHeaderBytes + rootFixed + g.Extents*(entryBytes+logExtentBytes))
	if whole <= max(defaultPage, g.Physical) && (pageBytes == 0 || pageBytes >= whole) {
		return newPages(g, 1, whole, g.Extents)
	}
	if pageBytes == 0 {
		pageBytes = defaultPage
	}
	pageBytes = g.RoundUp(max(pageBytes, pageHeaderBytes+rootFixed+8*logExtentBytes))
	per := (pageBytes - pageHeaderBytes) / entryBytes
	return newPages(g, 1+(g.Extents+per-1)/per, pageBytes, 0)
}

func newPages(g *Geometry, pages, pageBytes, inFirst uint32) layout {
	l := layout{pages: pages, pageBytes: pageBytes, firstPage: inFirst, perPage: (pageBytes - pageHeaderBytes) / entryBytes}
	area := uint64(pages) * uint64(pageBytes)
	l.stride = 1 << bits.Len64(area-1)
	l.stride = max(l.stride, uint64(g.Physical))
	l.maxLog = min(int(g.Extents), int(pageBytes-pageHeaderBytes-rootFixed-inFirst*entryBytes)/logExtentBytes)
	l.reserved = uint32(((slots-1)*l.stride + area + uint64(g.ExtentBytes) - 1) / uint64(g.ExtentBytes))
	return l
}

// offset returns the disk offset of a slot.
func (l *layout) offset(page uint32, slot int) int64 {
	return int64(uint64(slot)*l.stride + uint64(page)*uint64(l.pageBytes))
}

// entries returns the range of extents whose entries page p holds.
func (l *layout) entries(p, extents uint32) (from, to uint32) {
	if l.firstPage > 0 {
		return 0, l.firstPage
	}
	if p == 0 {
		return 0, 0
	}
	from = (p - 1) * l.perPage
	return from, min(from+l.perPage, extents)
}

// pageOf returns the page that holds the entry of x.
func (l *layout) pageOf(x ID) uint32 {
	if l.firstPage > 0 {
		return 0
	}
	return 1 + uint32(x)/l.perPage
}

type pageHeader struct {
	slot      uint8
	page      uint32
	pages     uint32
	pageBytes uint32
	body      uint32
	stride    uint64
	version   uint64
	crc       uint32
}

// checksumAt is the checksum of b, whose place on the disk is off bytes from its start.
func checksumAt(off int64, b []byte) uint32 {
	place := crcWord(crcWord(^uint32(0), uint32(off)), uint32(off>>32))
	return crc32.Update(^place, castagnoli, b)
}

// seal writes the header of a slot at disk offset off in front of the body that b already holds.
func (h *pageHeader) seal(b []byte, off int64) {
	h.body = uint32(len(b) - pageHeaderBytes)
	h.crc = checksumAt(off, b[pageHeaderBytes:])
	clear(b[:pageHeaderBytes])
	le.PutUint32(b, pageMagic)
	le.PutUint16(b[4:], pageFormat)
	b[6] = h.slot
	le.PutUint32(b[8:], h.page)
	le.PutUint32(b[12:], h.pages)
	le.PutUint32(b[16:], h.pageBytes)
	le.PutUint32(b[20:], h.body)
	le.PutUint64(b[24:], h.stride)
	le.PutUint64(b[32:], h.version)
	le.PutUint32(b[40:], h.crc)
	le.PutUint32(b[60:], checksumAt(off, b[:60]))
}

// decodePageHeader decodes the header block of a slot at disk offset off. A header of another format is fault.ErrVersion: its
// magic, format and checksum stay where they are in every format to come.
func decodePageHeader(b []byte, off int64) (h pageHeader, err error) {
	if len(b) < pageHeaderBytes || le.Uint32(b) != pageMagic {
		return h, &fault.Corrupt{Offset: off, Check: "superblock magic"}
	}
	if le.Uint32(b[60:]) != checksumAt(off, b[:60]) {
		return h, &fault.Corrupt{Offset: off, Check: "superblock header"}
	}
	if le.Uint16(b[4:]) != pageFormat {
		return h, fault.ErrVersion
	}
	h = pageHeader{b[6], le.Uint32(b[8:]), le.Uint32(b[12:]), le.Uint32(b[16:]), le.Uint32(b[20:]), le.Uint64(b[24:]), le.Uint64(b[32:]), le.Uint32(b[40:])}
	if h.slot >= slots || h.page >= h.pages || h.pageBytes < pageHeaderBytes || h.pageBytes > 1<<20 ||
		h.body > h.pageBytes-pageHeaderBytes || h.stride > 1<<maxStrideBits || h.version == 0 || h.version > numberMax ||
		uint64(h.pages)*uint64(h.pageBytes) > h.stride {
		return h, &fault.Corrupt{Offset: off, Check: "superblock header fields"}
	}
	if want := int64(uint64(h.slot)*h.stride + uint64(h.page)*uint64(h.pageBytes)); want != off {
		return h, &fault.Corrupt{Offset: off, Check: "superblock place"}
	}
	return h, nil
}

// bodyHolds reports whether body has the checksum that h, at disk offset off, promises.
func (h *pageHeader) bodyHolds(body []byte, off int64) bool {
	return checksumAt(off, body) == h.crc
}
