package crashsim

// version is what a block may hold. The versions of a block are a chain from the newest to its base, which it holds if no other
// was kept.
type version struct {
	prev int32 // the next older one; 0: this is the base
	data int32 // where in arena its bytes are
	unit int32 // what is kept or lost with it; 0 of a base
	life int32 // in which it was written; see Disk.life
}

// unit is what a power cut keeps or loses as one.
type unit struct {
	write int32 // number of the write it is part of
	state unitState
	group int32 // of the question that it was part of; 0: none
	match bool  // what group says that not all of its units are: kept
}

type unitState uint8

const (
	open unitState = iota // nobody knows yet
	kept
	lost
)

// group is the answer no to a question: of these units not all match. It is over when left is 0; group 0 is that of units without
// one, and always over.
type group struct{ left int32 }

// pending is a version that a flush would make durable.
type pending struct{ block, version int32 } // version 0: it is void

// push makes a version of data[at:] the newest one of each block in [off, off+n), all part of unit u. Blocks that had one version
// get that as their base.
func (d *Disk) push(off, n int64, data int32, u int32) {
	for b := int32(off / d.block); b < int32((off+n)/d.block); b++ {
		if d.head[b] == 0 {
			d.chained++
			base := d.keepBytes(d.at(b))
			d.head[b] = d.version(version{data: base, life: d.life})
		}
		d.head[b] = d.version(version{prev: d.head[b], data: data, unit: u, life: d.life})
		data += int32(d.block)
	}
}

func (d *Disk) version(v version) int32 {
	d.versions = append(d.versions, v)
	return int32(len(d.versions)) - 1
}

// keepBytes copies p into the arena and returns where it is.
func (d *Disk) keepBytes(p []byte) int32 {
	at := int32(len(d.arena))
	d.arena = append(d.arena, p...)
	return at
}

// content returns the bytes of a version.
func (d *Disk) content(v int32) []byte {
	at := int64(d.versions[v].data)
	return d.arena[at : at+d.block]
}

// settle makes v, which is of block b and durable, its base. Older versions are void; without newer ones nothing is at stake.
func (d *Disk) settle(b, v int32) {
	if v == 0 {
		return
	}
	if d.head[b] == v {
		d.unchain(b)
		return
	}
	for x := d.head[b]; x != 0; x = d.versions[x].prev {
		if x == v {
			d.versions[x].prev, d.versions[x].unit = 0, 0
			return
		}
	}
}

// unchain says that block b holds what its bytes are.
func (d *Disk) unchain(b int32) {
	d.head[b] = 0
	d.chained--
}

// forget drops everything once no block has more than one version, and what is void once that is more than the rest: a block that
// stays undecided does not keep all that was written since. Nothing is explored.
func (d *Disk) forget() {
	switch {
	case len(d.levels) > 0:
	case d.chained == 0:
		d.passed += uint64(len(d.pend))
		d.pend, d.arena = d.pend[:0], d.arena[:0]
		d.versions, d.units, d.groups = d.versions[:1], d.units[:1], d.groups[:1]
	case len(d.versions) > 2*d.live+compactMin:
		d.compact()
	}
}

// compactMin is how many versions are not worth looking for void ones among them.
const compactMin = 64

// undecided reports whether what block b holds is not known: its newest version is of an earlier life.
func (d *Disk) undecided(b int32) bool {
	h := d.head[b]
	return h != 0 && d.versions[h].life != d.life
}

// spare is the memory that compact copies to.
type spare struct {
	versions []version
	units    []unit
	arena    []byte
	moved    []int32 // the new number of each unit
	placed   []int32 // the new number of each version; 0: it is void
}

// compact forgets every version, unit and byte that no block has. Nothing is explored.
func (d *Disk) compact() {
	from := spare{versions: d.versions, units: d.units, arena: d.arena}
	d.versions, d.units, d.arena = append(d.spare.versions[:0], version{}), append(d.spare.units[:0], unit{}), d.spare.arena[:0]
	from.moved, from.placed = cleared(d.spare.moved, len(from.units)), cleared(d.spare.placed, len(from.versions))
	for b, v := range d.head {
		for newer := int32(0); v != 0; v = from.versions[v].prev {
			at := d.take(&from, v)
			from.placed[v] = at
			if newer == 0 {
				d.head[b] = at
			} else {
				d.versions[newer].prev = at
			}
			newer = at
		}
	}
	for i := range d.pend {
		d.pend[i].version = from.placed[d.pend[i].version]
	}
	d.spare, d.live = from, len(d.versions)
	d.dissolve()
}

// dissolve ends every group of which a unit is void: that may be the one that does not match, so the others may be anything.
func (d *Disk) dissolve() {
	here := cleared(d.work.members, len(d.groups))
	for i := range d.units {
		if u := &d.units[i]; u.state == open {
			here[u.group]++
		}
	}
	for g := range d.groups {
		if here[g] < d.groups[g].left {
			d.groups[g].left = 0
		}
	}
	d.work.members = here
}

// take copies a version, its bytes and its unit.
func (d *Disk) take(from *spare, v int32) int32 {
	o := from.versions[v]
	if o.unit != 0 {
		if from.moved[o.unit] == 0 {
			from.moved[o.unit] = int32(len(d.units))
			d.units = append(d.units, from.units[o.unit])
		}
		o.unit = from.moved[o.unit]
	}
	return d.version(version{data: d.keepBytes(from.arena[o.data : int64(o.data)+d.block]), unit: o.unit, life: o.life})
}
