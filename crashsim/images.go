package crashsim

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/shardproof/shardproof/engine/disk"
)

// ImageMasksMax is how many masks Images goes through at most: 2^20, which is 20 writes that are taken or lost. If all of them
// are distinct the set of images seen takes 32 MiB.
const ImageMasksMax = 1 << 20

// ErrTooManyImages is returned when the writes, and the blocks of the torn one, can be taken in more than ImageMasksMax ways.
var ErrTooManyImages = errors.New("more than 2^20 ways to take the writes")

// PendingWrite is a write that nothing had made durable when the power went.
type PendingWrite struct {
	Off  int64  // bytes from the start of the disk
	Data []byte // what was written; never changed here
}

// Tearing says which blocks of a torn write an image may hold.
type Tearing uint8

const (
	TearPrefixes Tearing = iota + 1 // its first blocks, as many as may be, none and all included
	TearSubsets                     // any of its blocks
)

// Images visits every image that a power cut can leave on a disk, each once. An image is the base, which is durable, and on it
// the pending writes that were taken: a block holds the newest taken write that covers it, the base if there is none. Every
// write is taken or lost whole and without regard to the others; one of them, if Tear names it, block by block.
//
//	writes ──► masks in Gray order ──► classes: version, sum ──► seen before? ──no──► visit(image)
//
// A mask is one way to take the writes. Blocks that the same writes cover always hold the same write, their version; they are
// one class, and a step of the Gray code, which takes or loses one write, costs as much as that write has classes. The sum of an
// image adds up, over all blocks that do not hold what the base does, a hash of 128 bits of the block and its contents, and
// changes with the versions.
//
// Invariants
//
//	G1  Two masks whose images are equal byte for byte have equal sums, whichever writes the bytes come from.
//	G2  All masks of the first writes come before any with a later write, so an image is visited first, and only, with the
//	    mask whose newest write is the oldest possible. A check that allows for the operations up to Image.Newest is the
//	    strictest that this image deserves.
//	G3  Nothing is copied and nothing allocated per mask, but for the set of the sums seen until it has grown.
//
// Distinct images with equal sums would be taken for one: at 2^20 images the odds are 2^-89.
//
// Not here: sectors torn within a block, two torn writes in one image, and flushes, which divide the writes before they come
// here; and what the bytes mean.
//
// The zero value is an empty disk. One goroutine at a time may use an Images; several may share the base and the writes.
type Images struct {
	image Image
	by    Tearing // of the torn write

	// The plan, made anew by every Each.
	units  []imageUnit
	links  []int32 // the classes of the units, one unit after the other
	digits []imageDigit
	focus  []int // len(digits)+1; the first is the digit to move next, the others make that so without a search

	seen            imageSet
	masks, distinct int
}

// Image is one state of the disk, valid until the visitor returns. It is a view: the bytes lie in the base and the writes.
type Image struct {
	base       []byte
	blockBytes int
	writes     []PendingWrite
	torn       int // the write that Tear named; -1 if none

	edges   []int64 // where a span begins, ascending, and the size of the disk behind them
	spans   []int32 // the class of the blocks between edge i and edge i+1
	classes []imageClass

	mask   uint32 // bit w: something of write w is taken
	pieces []bool // the blocks of the torn write that are taken
	taken  int    // how many of pieces
	sum    imageSum
}

// imageClass is all blocks that the same writes cover. A block of the torn write is a class of its own. A class takes 352 bytes of
// memory; n writes make at most 2n of them, and a torn one as many more as it has blocks.
type imageClass struct {
	cover   uint32 // bit w: write w covers these blocks
	taken   uint32 // those of them that the image takes
	version int    // the newest of taken, plus 1; 0 is the base
	sums    [imageWritesMax + 1]imageSum
}

const imageWritesMax = 20 // two to this power is ImageMasksMax

// imageUnit is what one step takes or loses: a write, or a block of the torn one.
type imageUnit struct {
	write    int
	from, to int // its classes: links[from:to]
}

// imageDigit is one place of the number that the Gray code counts. Its units are taken in order: at level l the first l are.
type imageDigit struct {
	unit       int // its first
	level, top int // 0 <= level <= top
	down       bool
}

// Load takes the base and the writes that were pending, in the order they completed, which is their age where they overlap.
// They are kept, not copied, and must not change while they are loaded. No write is torn until Tear says so.
//
// The error is disk.ErrMisaligned if something is no multiple of blockBytes or a write is empty, disk.ErrOutOfRange if a write
// leaves the disk, or ErrTooManyImages; then what was loaded before remains.
func (s *Images) Load(base []byte, blockBytes int, writes []PendingWrite) error {
	if blockBytes < 1 || len(base)%blockBytes != 0 {
		return fmt.Errorf("base of %d bytes in blocks of %d: %w", len(base), blockBytes, disk.ErrMisaligned)
	}
	for i, w := range writes {
		if err := checkPending(int64(len(base)), int64(blockBytes), w); err != nil {
			return fmt.Errorf("pending write %d, %d bytes at %d: %w", i, len(w.Data), w.Off, err)
		}
	}
	if len(writes) > imageWritesMax {
		return fmt.Errorf("%d pending writes: %w", len(writes), ErrTooManyImages)
	}
	m := &s.image
	m.base, m.blockBytes, m.writes, m.torn = base, blockBytes, writes, -1
	return nil
}

func checkPending(size, blockBytes int64, w PendingWrite) error {
	n := int64(len(w.Data))
	switch {
	case n == 0 || n%blockBytes != 0 || w.Off%blockBytes != 0:
		return disk.ErrMisaligned
	case w.Off < 0 || w.Off > size-n:
		return disk.ErrOutOfRange
	}
	return nil
}

// Tear lets the write of that index be torn between any of its blocks, and no other. It must be among those loaded. The error
// is ErrTooManyImages; then nothing changes.
func (s *Images) Tear(write int, by Tearing) error {
	m := &s.image
	blocks := len(m.writes[write].Data) / m.blockBytes
	ways := blocks + 1
	switch by {
	case TearPrefixes:
	case TearSubsets:
		ways = 1 << min(blocks, imageWritesMax+1)
	default:
		panic(fmt.Sprintf("crashsim: Tearing(%d)", by))
	}
	if ways > ImageMasksMax>>(len(m.writes)-1) {
		return fmt.Errorf("%d pending writes, one of them torn in %d blocks: %w", len(m.writes), blocks, ErrTooManyImages)
	}
	m.torn, s.by = write, by
	return nil
}

// Each calls visit with every image, the base first, until it returns false. It may be ranged over. The visitor does not call
// back into s.
func (s *Images) Each(visit func(*Image) bool) {
	total := s.plan()
	s.seen.reset(total)
	s.masks, s.distinct = 1, 1
	if !visit(&s.image) {
		return
	}
	for s.step() {
		s.masks++
		if !s.seen.add(s.image.sum) {
			continue
		}
		s.distinct++
		if !visit(&s.image) {
			return
		}
	}
	if s.masks != total {
		panic(fmt.Sprintf("crashsim: went through %d of %d masks", s.masks, total))
	}
}

// Masks returns through how many ways to take the writes the last Each went, to where it was stopped.
func (s *Images) Masks() int { return s.masks }

// Distinct returns how many images the last Each visited.
func (s *Images) Distinct() int { return s.distinct }

// step goes on to the next mask and returns false when there is none. It is Knuth's loopless reflected Gray code for digits of
// any size (The Art of Computer Programming, 7.2.1.1, algorithm H): the lowest digit that is not at the end of its way moves by
// one, and those that are at the end turn round.
func (s *Images) step() bool {
	j := s.focus[0]
	if j == len(s.digits) {
		return false
	}
	s.focus[0] = 0
	d := &s.digits[j]
	if d.down {
		d.level--
		s.toggle(d.unit + d.level)
	} else {
		s.toggle(d.unit + d.level)
		d.level++
	}
	if d.level == 0 || d.level == d.top {
		d.down = !d.down
		s.focus[j] = s.focus[j+1]
		s.focus[j+1] = j + 1
	}
	return true
}

// toggle takes a unit that was lost or loses one that was taken.
func (s *Images) toggle(unit int) {
	m, u := &s.image, &s.units[unit]
	bit := uint32(1) << u.write
	if u.write == m.torn {
		m.togglePiece(unit - m.torn) // each write before the torn one is one unit
	} else {
		m.mask ^= bit
	}
	for _, c := range s.links[u.from:u.to] {
		k := &m.classes[c]
		k.taken ^= bit
		if v := bits.Len32(k.taken); v != k.version {
			m.sum.add(k.sums[v])
			m.sum.subtract(k.sums[k.version])
			k.version = v
		}
	}
}

// togglePiece takes or loses one block of the torn write.
func (m *Image) togglePiece(block int) {
	m.pieces[block] = !m.pieces[block]
	if m.pieces[block] {
		m.taken++
	} else {
		m.taken--
	}
	m.mask &^= 1 << m.torn
	if m.taken > 0 {
		m.mask |= 1 << m.torn
	}
}

// Mask returns the writes of which the image takes something: bit w for write w.
func (m *Image) Mask() uint32 { return m.mask }

// Newest returns the index of the newest write of which the image takes something, -1 if it is the base. No way to take the
// writes that gives the same image does with older ones (G2).
func (m *Image) Newest() int { return bits.Len32(m.mask) - 1 }

// Pieces returns which blocks of the torn write the image takes, to be read only; empty if no write is torn.
func (m *Image) Pieces() []bool { return m.pieces }

// Read fills p with the image's bytes from off. Neither need be aligned; the error is disk.ErrOutOfRange.
func (m *Image) Read(p []byte, off int64) error {
	if off < 0 || off > int64(len(m.base)-len(p)) {
		return fmt.Errorf("image of %d bytes, read of %d at %d: %w", len(m.base), len(p), off, disk.ErrOutOfRange)
	}
	m.fill(p, off)
	return nil
}

// AppendTo appends the whole image to p and returns the result.
func (m *Image) AppendTo(p []byte) []byte {
	at := len(p)
	p = slices.Grow(p, len(m.base))[:at+len(m.base)]
	m.fill(p[at:], 0)
	return p
}

// fill fills p with the bytes from off, all of which lie within the disk.
func (m *Image) fill(p []byte, off int64) {
	i, begins := slices.BinarySearch(m.edges, off)
	if !begins {
		i--
	}
	for len(p) > 0 {
		n := min(len(p), int(m.edges[i+1]-off))
		copy(p[:n], m.from(m.classes[m.spans[i]].version, off))
		p, off, i = p[n:], off+int64(n), i+1
	}
}

// from returns the bytes of that version from off to where the version ends. It covers off.
func (m *Image) from(version int, off int64) []byte {
	if version == 0 {
		return m.base[off:]
	}
	w := &m.writes[version-1]
	return w.Data[off-w.Off:]
}

// plan begins anew: no write is taken. It returns the number of masks.
func (s *Images) plan() (masks int) {
	m := &s.image
	m.mask, m.taken, m.sum, m.pieces = 0, 0, imageSum{}, m.pieces[:0]
	m.cut()
	m.classify()
	s.units, s.links, s.digits, s.focus = s.units[:0], s.links[:0], s.digits[:0], s.focus[:0]
	masks = 1
	for w := range m.writes {
		first := len(s.units)
		s.addUnits(w)
		masks *= s.addDigits(first, w == m.torn && s.by == TearPrefixes)
	}
	for i := range len(s.digits) + 1 {
		s.focus = append(s.focus, i)
	}
	return masks
}

// cut finds the edges: between two of them all blocks are covered by the same writes.
func (m *Image) cut() {
	m.edges = append(m.edges[:0], 0, int64(len(m.base)))
	for i, w := range m.writes {
		end := w.Off + int64(len(w.Data))
		m.edges = append(m.edges, w.Off, end)
		for at := w.Off; i == m.torn && at < end; at += int64(m.blockBytes) {
			m.edges = append(m.edges, at)
			m.pieces = append(m.pieces, false)
		}
	}
	slices.Sort(m.edges)
	m.edges = slices.Compact(m.edges)
}

// classify gives every span its class, and every version of a class its sum.
func (m *Image) classify() {
	m.classes, m.spans = m.classes[:0], m.spans[:0]
	for i, at := range m.edges[:len(m.edges)-1] {
		c := m.classOf(m.coverOf(at))
		m.spans = append(m.spans, int32(c))
		for ; m.classes[c].cover != 0 && at < m.edges[i+1]; at += int64(m.blockBytes) {
			m.addBlock(&m.classes[c], at)
		}
	}
}

// coverOf returns the writes that cover the block at off, as bits.
func (m *Image) coverOf(off int64) (cover uint32) {
	for i := range m.writes {
		if w := &m.writes[i]; off >= w.Off && off-w.Off < int64(len(w.Data)) {
			cover |= 1 << i
		}
	}
	return cover
}

// classOf returns the class of what those writes cover, a new one if need be.
func (m *Image) classOf(cover uint32) int {
	if m.torn < 0 || cover>>m.torn&1 == 0 {
		for c := range m.classes {
			if m.classes[c].cover == cover {
				return c
			}
		}
	}
	m.classes = append(m.classes, imageClass{cover: cover})
	return len(m.classes) - 1
}

// addBlock adds the block at off to the sums of the versions of its class. Contents are told apart by the lowest version that
// has them, which costs no hashing and leaves nothing to chance; contents of the base add nothing.
func (m *Image) addBlock(k *imageClass, off int64) {
	for rest := k.cover; rest != 0; rest &= rest - 1 {
		v := bits.TrailingZeros32(rest) + 1
		if u := m.lowest(k.cover, v, off); u > 0 {
			k.sums[v].add(sumOf(uint64(off)/uint64(m.blockBytes), u))
		}
	}
}

// lowest returns the lowest version of the block at off whose bytes are those of version v.
func (m *Image) lowest(cover uint32, v int, off int64) int {
	bytesOf := func(v int) []byte { return m.from(v, off)[:m.blockBytes] }
	if bytes.Equal(bytesOf(v), bytesOf(0)) {
		return 0
	}
	for older := cover & (1<<(v-1) - 1); older != 0; older &= older - 1 {
		u := bits.TrailingZeros32(older) + 1
		if bytes.Equal(bytesOf(v), bytesOf(u)) {
			return u
		}
	}
	return v
}

// addUnits adds the units of write w: itself with all its classes, or its blocks, which are classes in their order.
func (s *Images) addUnits(w int) {
	from := len(s.links)
	for c := range s.image.classes {
		if s.image.classes[c].cover>>w&1 == 0 {
			continue
		}
		s.links = append(s.links, int32(c))
		if w == s.image.torn {
			s.units = append(s.units, imageUnit{w, len(s.links) - 1, len(s.links)})
		}
	}
	if w != s.image.torn {
		s.units = append(s.units, imageUnit{w, from, len(s.links)})
	}
}

// addDigits adds the digits of the units from first on, one for each or one for all, and returns in how many ways they can be
// taken.
func (s *Images) addDigits(first int, together bool) (ways int) {
	if together {
		top := len(s.units) - first
		s.digits = append(s.digits, imageDigit{unit: first, top: top})
		return top + 1
	}
	for u := first; u < len(s.units); u++ {
		s.digits = append(s.digits, imageDigit{unit: u, top: 1})
	}
	return 1 << (len(s.units) - first)
}

// imageSum is a sum of hashes, 128 bits as two sums of 64. That of the base is zero.
type imageSum struct{ a, b uint64 }

func (s *imageSum) add(t imageSum)      { s.a, s.b = s.a+t.a, s.b+t.b }
func (s *imageSum) subtract(t imageSum) { s.a, s.b = s.a-t.a, s.b-t.b }

// sumOf hashes a block and the lowest version with its contents: the two outputs of the generator SplitMix64
// that belong to them.
func sumOf(block uint64, version int) imageSum {
	const step = 0x9e3779b97f4a7c15
	at := (block*(imageWritesMax+1) + uint64(version)) * 2
	return imageSum{scramble(at * step), scramble((at + 1) * step)}
}

// scramble is the output function of SplitMix64.
func scramble(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// imageSet is a set of sums, open-addressed. Zero marks a free slot, and is found in any: the sum of the base, which is visited
// before all others, is in the set from the start.
type imageSet struct {
	slots []imageSum // a power of two of them, at most half in use
	count int
}

const imageSlotsMin = 256 // 4 KiB

// reset empties the set. That many sums will be asked for at most: a set that once was larger is cleared, and used, in part.
func (s *imageSet) reset(sums int) {
	if s.slots == nil {
		s.slots = make([]imageSum, imageSlotsMin)
	}
	enough := max(imageSlotsMin, 2<<bits.Len(uint(sums-1)))
	s.slots = s.slots[:min(cap(s.slots), enough)]
	clear(s.slots)
	s.count = 0
}

// add adds a sum and reports whether it was not in the set.
func (s *imageSet) add(sum imageSum) bool {
	at := s.slotOf(sum)
	if s.slots[at] == sum {
		return false
	}
	s.slots[at] = sum
	if s.count++; s.count > len(s.slots)/2 {
		s.grow()
	}
	return true
}

// slotOf returns where sum is, or the free slot where it belongs.
func (s *imageSet) slotOf(sum imageSum) int {
	last := len(s.slots) - 1
	at := int(sum.a) & last
	for s.slots[at] != sum && s.slots[at] != (imageSum{}) {
		at = (at + 1) & last
	}
	return at
}

func (s *imageSet) grow() {
	old := s.slots
	s.slots = make([]imageSum, 2*len(old))
	for _, sum := range old {
		if sum != (imageSum{}) {
			s.slots[s.slotOf(sum)] = sum
		}
	}
}
