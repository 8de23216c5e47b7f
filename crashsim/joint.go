package crashsim

import (
	"hash/crc32"
	"slices"
)

// workspace holds what a question needs for as long as it lasts.
type workspace struct {
	doubtful []doubt
	units    []int32
	rows     []uint32
	diff     []byte
	members  []int32 // of each group
	times    []int32
}

// doubt is a block of a question that may hold one of several things.
type doubt struct{ block, newest int32 }

// mixturesMax bounds the mixtures of versions that are tried one by one.
const mixturesMax = 1 << 10

// ReadUnit answers as disk.UnitReader does. It decides no more than whether check accepts the range: either all its blocks are what
// makes it whole, or not all are, which says little about any one of them (X2).
func (d *Disk) ReadUnit(p []byte, off int64, check func(p []byte) bool) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.readable(off, len(p)); err != nil {
		return false, err
	}
	for {
		d.doubts(off, int64(len(p)))
		copy(p, d.bytes[off:])
		if len(d.work.doubtful) == 0 {
			return check(p), nil
		}
		if whole, known := d.verdict(p, off, check); known {
			if whole {
				copy(p, d.bytes[off:])
			}
			return whole, nil
		}
	}
}

// doubts lists the blocks of a range that may hold one of several things, and makes the bytes of all of them the newest possible.
func (d *Disk) doubts(off, n int64) {
	d.work.doubtful = d.work.doubtful[:0]
	if d.chained == 0 {
		return
	}
	for b := int32(off >> d.shift); b < int32((off+n)>>d.shift); b++ {
		if !d.undecided(b) {
			continue
		}
		if v, alternatives := d.newest(b); alternatives {
			d.work.doubtful = append(d.work.doubtful, doubt{b, v})
		}
	}
}

// verdict answers for the range whose newest possible content is p, or decides something and says that it has to be asked again.
// A range that is whole has that content in d.bytes.
func (d *Disk) verdict(p []byte, off int64, check func(p []byte) bool) (whole, known bool) {
	if q := d.choice.foreseen(); q&aboutAll != 0 { // it was shown before that this may be asked
		if match := q&aboutOldest == 0; q == d.about(match, off, len(p)) {
			d.gather()
			return d.askAll(match, off, len(p)), true
		}
	}
	if check(p) {
		return d.allOrNot(p, off, check, true)
	}
	d.oldest(p, off)
	if check(p) {
		return d.allOrNot(p, off, check, false)
	}
	if d.noMixture(p, off, check) {
		return false, true
	}
	return d.oneByOne()
}

// oneByOne decides the first doubtful block; the question is asked again.
func (d *Disk) oneByOne() (whole, known bool) {
	d.decide(d.work.doubtful[0].block)
	return false, false
}

// oldest puts the oldest content of every doubtful block into p.
func (d *Disk) oldest(p []byte, off int64) {
	for _, x := range d.work.doubtful {
		v := x.newest
		for o := d.older(v); o != 0; o = d.older(o) {
			v = o
		}
		d.put(p, off, x.block, v)
	}
}

// put puts version v of block b into p, which lies at off.
func (d *Disk) put(p []byte, off int64, b, v int32) { copy(p[int64(b)<<d.shift-off:], d.content(v)) }

// allOrNot asks whether every doubtful block holds what p has, which makes a whole range: its newest version, or its oldest.
func (d *Disk) allOrNot(p []byte, off int64, check func(p []byte) bool, newest bool) (whole, known bool) {
	for _, x := range d.work.doubtful {
		if !d.matters(p, off, x, check, newest) {
			d.decide(x.block)
			return false, false
		}
	}
	d.gather()
	if implied, again := d.constrained(newest); implied || again {
		return false, implied
	}
	if d.anyEarlier(p, off, check, newest) {
		return d.oneByOne()
	}
	if !d.independent(off, int64(len(p))) {
		if d.mixtures() <= mixturesMax {
			return d.oneByOne()
		}
		d.assumed++
	}
	return d.askAll(newest, off, len(p)), true
}

// anyEarlier reports whether the range passes the check as it was at another time: when everything up to some write had been kept.
func (d *Disk) anyEarlier(p []byte, off int64, check func(p []byte) bool, newest bool) bool {
	w := &d.work
	w.times = append(w.times[:0], 0)
	latest := int32(0)
	for _, x := range w.doubtful {
		for v := x.newest; v != 0; v = d.older(v) {
			if t := d.units[d.versions[v].unit].write; !slices.Contains(w.times, t) {
				w.times = append(w.times, t)
				latest = max(latest, t)
			}
		}
	}
	for _, t := range w.times {
		if newest && t == latest || !newest && t == 0 {
			continue
		}
		for _, x := range w.doubtful {
			d.put(p, off, x.block, d.asOf(x.newest, t))
		}
		if check(p) {
			return true
		}
	}
	return false
}

// asOf returns what a block holds whose newest version is v if every write through number t was kept, and none after.
func (d *Disk) asOf(v, t int32) int32 {
	for d.units[d.versions[v].unit].write > t {
		o := d.older(v)
		if o == 0 {
			break
		}
		v = o
	}
	return v
}

// matters reports whether another version of one block makes a whole range fail the check. Then the unit of the block's newest version
// alone says whether the block holds what it has in p. That is not so where an older version has the newest bytes, nor where the
// oldest is not the second one; both pass the check here, as another version.
func (d *Disk) matters(p []byte, off int64, x doubt, check func(p []byte) bool, newest bool) bool {
	now := x.newest
	if !newest {
		now = d.older(now)
	}
	defer d.put(p, off, x.block, now)
	for o := x.newest; o != 0; o = d.older(o) {
		if d.put(p, off, x.block, o); o != now && check(p) {
			return false
		}
	}
	return true
}

// gather lists the units of the newest versions of the doubtful blocks.
func (d *Disk) gather() {
	d.work.units = d.work.units[:0]
	for _, x := range d.work.doubtful {
		if u := d.versions[x.newest].unit; !slices.Contains(d.work.units, u) {
			d.work.units = append(d.work.units, u)
		}
	}
}

// What a question to all units of a range is about: one of these bits, where and how long, and the first unit.
const (
	aboutAll    = 1 << 62
	aboutOldest = 1 << 61
)

func (d *Disk) about(match bool, off int64, n int) uint64 {
	unit := d.versions[d.work.doubtful[0].newest].unit
	q := aboutAll | uint64(off>>d.shift)<<36&(1<<61-1) | uint64(n>>d.shift)<<24&(1<<36-1) | uint64(unit)&(1<<24-1)
	if !match {
		q |= aboutOldest
	}
	return q
}

// constrained looks at earlier answers of no. It reports whether one of them implies the next, and whether the question has to be
// asked again because a unit of one was decided.
func (d *Disk) constrained(match bool) (implied, again bool) {
	for _, u := range d.work.units {
		g := d.units[u].group
		if d.groups[g].left == 0 {
			continue
		}
		if d.within(g, match) {
			return true, false
		}
		d.decideUnit(u)
		return false, true
	}
	return false, false
}

// within reports whether group g speaks of units that are all part of the question, and of the same match.
func (d *Disk) within(g int32, match bool) bool {
	n := int32(0)
	for _, u := range d.work.units {
		if d.units[u].group == g && d.units[u].match == match {
			n++
		}
	}
	return n == d.groups[g].left
}

// askAll asks whether all units of the question match.
func (d *Disk) askAll(match bool, off int64, n int) bool {
	units := d.work.units
	yes := d.choice.ask(d.about(match, off, n))
	switch {
	case yes:
		for _, u := range units {
			d.units[u].state = stateOf(match)
		}
		for _, x := range d.work.doubtful {
			d.newest(x.block)
		}
	case len(units) == 1:
		d.units[units[0]].state = stateOf(!match)
	default:
		g := int32(len(d.groups))
		d.groups = append(d.groups, group{int32(len(units))})
		for _, u := range units {
			d.units[u].group, d.units[u].match = g, match
		}
	}
	return yes
}

// noMixture tries every mixture of versions and reports whether none passes the check; false also if they are too many.
func (d *Disk) noMixture(p []byte, off int64, check func(p []byte) bool) bool {
	return d.mixtures() <= mixturesMax && !d.anyMixture(p, off, check, d.work.doubtful)
}

// mixtures returns how many mixtures of versions a range can be; not more than one above mixturesMax.
func (d *Disk) mixtures() int {
	total := 1
	for _, x := range d.work.doubtful {
		n := 0
		for v := x.newest; v != 0; v = d.older(v) {
			n++
		}
		if total *= n; total > mixturesMax {
			return mixturesMax + 1
		}
	}
	return total
}

func (d *Disk) anyMixture(p []byte, off int64, check func(p []byte) bool, rest []doubt) bool {
	if len(rest) == 0 {
		return check(p)
	}
	for v := rest[0].newest; v != 0; v = d.older(v) {
		d.put(p, off, rest[0].block, v)
		if d.anyMixture(p, off, check, rest[1:]) {
			return true
		}
	}
	return false
}

// independent reports whether no mixture of versions of the n bytes at off can have the CRC-32C that the newest, or any other one
// mixture, has. A CRC is affine: each difference between two versions of a block changes it by a fixed amount, whatever the other
// blocks hold, and a mixture goes unnoticed if amounts cancel out. They cannot if they are linearly independent over GF(2). More
// than 32 amounts never are, and thirty need not be. Where they are not, a few of the mixtures, one in some billions, pass by chance;
// no engine that trusts a CRC can tell these, so they count as mixtures that do not pass, and the question as Assumed.
func (d *Disk) independent(off, n int64) bool {
	w := &d.work
	w.rows = w.rows[:0]
	next := 0
	for b := int32(off >> d.shift); b < int32((off+n)>>d.shift); b++ {
		for i, r := range w.rows {
			w.rows[i] = d.shift8[0][byte(r)] ^ d.shift8[1][byte(r>>8)] ^ d.shift8[2][byte(r>>16)] ^ d.shift8[3][byte(r>>24)]
		}
		if next < len(w.doubtful) && w.doubtful[next].block == b {
			d.addRows(w.doubtful[next].newest)
			next++
		}
		if len(w.rows) > 32 {
			return false
		}
	}
	return rank(w.rows)
}

// addRows adds what each older version makes of the checksum.
func (d *Disk) addRows(v int32) {
	w := &d.work
	p := d.content(v)
	for o := d.older(v); o != 0; o = d.older(o) {
		w.diff = append(w.diff[:0], p...)
		for i, c := range d.content(o) {
			w.diff[i] ^= c
		}
		w.rows = append(w.rows, rawCRC(w.diff))
	}
}

// rank reports whether rows are linearly independent over GF(2), and reduces them.
func rank(rows []uint32) bool {
	for i := range rows {
		if rows[i] == 0 {
			return false
		}
		low := rows[i] & -rows[i]
		for j := i + 1; j < len(rows); j++ {
			if rows[j]&low != 0 {
				rows[j] ^= rows[i]
			}
		}
	}
	return true
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// rawCRC is the remainder of p without the conditioning of a CRC: it is linear in p.
func rawCRC(p []byte) uint32 { return ^crc32.Update(^uint32(0), castagnoli, p) }

// crcShift returns the tables that take the raw CRC of something to that of it with so many zero bytes behind.
func crcShift(zeros int) *[4][256]uint32 {
	var t [4][256]uint32
	pad := make([]byte, zeros)
	for bit := range 32 {
		// A raw CRC goes on from r as if r were the state: Update inverts it before and after.
		r := ^crc32.Update(^(uint32(1) << bit), castagnoli, pad)
		for v := range 256 {
			if v>>(bit&7)&1 != 0 {
				t[bit>>3][v] ^= r
			}
		}
	}
	return &t
}
