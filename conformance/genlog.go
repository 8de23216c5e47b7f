package conformance

// logGuess follows the log of the store under test as far as the operations tell: where the next frame would begin. Sizes that
// put the end of a frame on an edge need it. It may be wrong, since waiting, full windows and full memtables close units too;
// it is right about edges of blocks even then, because every unit begins on one.
type logGuess struct {
	at      uint32 // where in its extent the open unit begins, or the next one will; bytes
	unit    uint32 // bytes of the open unit, 0 if none is
	limit   uint32 // what it may grow to
	frames  uint32 // in the open unit
	before  uint32 // in the unit before: its directory is repeated
	sizes   *sizeLimits
	profile *Profile
}

// begin makes l an empty log.
func (l *logGuess) begin(s *sizeLimits, p *Profile) { *l = logGuess{sizes: s, profile: p} }

// head returns the bytes of a new unit before its first frame.
func (l *logGuess) head() uint32 { return l.profile.UnitHeader + l.before*l.profile.DirectoryEntry }

// next returns where in its unit and where in its extent the next frame would begin.
func (l *logGuess) next() (inUnit, inExtent uint32) {
	inUnit = l.unit
	if inUnit == 0 {
		inUnit = l.head()
	}
	return inUnit, l.at + inUnit
}

// note follows o.
func (l *logGuess) note(o *Op) {
	switch info := &kinds[o.Kind]; {
	case info.Group == GroupMutate:
		for range o.mutations() {
			l.frame(o.Len + l.sizes.overhead)
		}
	case info.Group != GroupRead:
		l.seal()
	}
}

// frame adds a frame.
func (l *logGuess) frame(bytes uint32) {
	if l.unit > 0 && l.unit+bytes > l.limit {
		l.seal()
	}
	if l.unit == 0 {
		l.unit = l.head()
		if l.at+l.unit+bytes > l.sizes.extent {
			l.at = 0
		}
		l.limit = min(max(l.unit+bytes, l.sizes.group), l.sizes.extent-l.at)
	}
	l.unit += bytes
	l.frames++
	if l.unit >= l.sizes.group {
		l.seal()
	}
}

// seal closes the open unit.
func (l *logGuess) seal() {
	if l.unit == 0 {
		return
	}
	l.at += (l.unit + l.sizes.physical - 1) &^ (l.sizes.physical - 1)
	l.unit, l.before, l.frames = 0, l.frames, 0
}
