package conformance

import (
	"fmt"

	"github.com/shardproof/shardproof/model"
)

// Space is what a store says of the space it has. A figure below zero is one that the store does not know; what it does not
// know is not checked.
type Space struct {
	LiveBytes   int64 // of frames of stored shards, exact as of the last flush
	Extents     int   // on the disk
	FreeExtents int
	Reserve     int   // free extents that no put gets
	UsedBytes   int64 // below the write pointers of extents that are not free, the superblock's left out
	ExtentBytes int64
	Released    int64 // times an extent became free
}

// UnknownSpace is what a store says that counts nothing.
var UnknownSpace = Space{-1, -1, -1, -1, -1, -1, -1}

// CheckSpace is SPACE at a recorded root: right after a flush or an open the live bytes are exactly what the frames of the
// model's shards take, as the store frames them. A store that counts too much never gets space back, one that counts too
// little frees what is needed. Blind to where the bytes are.
func CheckSpace(t Target, m *model.Store) *Failure {
	space := t.Space()
	if space.LiveBytes < 0 {
		return nil
	}
	var want int64
	now := m.Now()
	for i := range now {
		n := t.FrameBytes(len(now[i].Data))
		if n < 0 {
			return nil
		}
		want += n
	}
	if space.LiveBytes == want {
		return nil
	}
	site := "too-many"
	if space.LiveBytes < want {
		site = "too-few"
	}
	return spaceFailure("live", site, "live bytes are those of the stored shards", fmt.Sprintf("%d B in %d shards", want, len(now)),
		fmt.Sprintf("%d B", space.LiveBytes))
}

// CheckPlausible is the part of SPACE that holds at any moment: no figure is out of its bounds.
func CheckPlausible(s Space) *Failure {
	disk := int64(s.Extents) * s.ExtentBytes
	switch {
	case s.Extents < 0 || s.ExtentBytes < 0:
		return nil
	case s.FreeExtents > s.Extents:
		return spaceFailure("free", "too-many", "no more extents are free than there are", fmt.Sprint(s.Extents), fmt.Sprint(s.FreeExtents))
	case s.LiveBytes > disk:
		return spaceFailure("live", "too-many", "no more bytes are live than the disk has", fmt.Sprint(disk), fmt.Sprint(s.LiveBytes))
	case s.UsedBytes > disk:
		return spaceFailure("used", "too-many", "no more bytes are used than the disk has", fmt.Sprint(disk), fmt.Sprint(s.UsedBytes))
	}
	return nil
}

// CheckFull is SPACE for a refusal: ErrFull is an answer only to what would leave less than the reserve. value is the length of
// what was to be put; one of several parts may be refused when fewer extents than it needs are left above the reserve.
func CheckFull(t Target, value int) *Failure {
	s := t.Space()
	if s.FreeExtents < 0 || s.Reserve < 0 || s.ExtentBytes <= 0 {
		return nil
	}
	need := int64(0)
	if bytes := t.FrameBytes(value); bytes != int64(value)+t.FrameBytes(0) { // several parts, each with padding of its own
		need = bytes/s.ExtentBytes + 1
	}
	if int64(s.FreeExtents-s.Reserve) <= need {
		return nil
	}
	return spaceFailure("full", "too-early", "a put is refused only when the reserve is all that is left",
		fmt.Sprintf("at most %d extents free", s.Reserve), fmt.Sprintf("%d free", s.FreeExtents))
}

// CheckReleased is SPACE for a reclamation that found something to do: it has freed an extent. before is what the store said before
// it.
func CheckReleased(t Target, before Space) *Failure {
	after := t.Space()
	if before.Released < 0 || after.Released > before.Released {
		return nil
	}
	return spaceFailure("released", "none", "a reclamation that had something to do has freed an extent", "an extent more",
		fmt.Sprintf("%d extents free, %d before", after.FreeExtents, before.FreeExtents))
}

// recordExtents is how many extents an empty store may take that a new one does not: the records of an index need two.
const recordExtents = 2

// checkDrained is SPACE for a store from which everything was deleted and reclaimed: it takes no more extents than when it was new, but
// for those of its records. blank is what it said then.
func checkDrained(t Target, blank Space) *Failure {
	now := t.Space()
	if now.FreeExtents < 0 || now.FreeExtents >= blank.FreeExtents-recordExtents {
		return nil
	}
	return spaceFailure("free", "too-few", "an empty store takes no more extents than a new one, but for those of its records",
		fmt.Sprintf("%d extents free", blank.FreeExtents-recordExtents), fmt.Sprint(now.FreeExtents))
}

// filled is how many values of one length fitted, and into what.
type filled struct {
	length uint32
	count  int
	full   bool  // no more would have fitted
	used   int64 // bytes that the extents in use held before
}

// checkFit is SPACE for what is filled again: after everything was deleted and reclaimed, what fitted before fits again. The log
// goes on in the middle of an extent and a flush may come at another put, so that what lies in extents in use, and one extent,
// may be missing.
func checkFit(t Target, first, again *filled) *Failure {
	s := t.Space()
	if !again.full || again.length > first.length || s.ExtentBytes <= 0 || again.used < 0 {
		return nil
	}
	frame := t.FrameBytes(int(again.length))
	if frame <= 0 {
		return nil
	}
	missing := (again.used+frame-1)/frame + s.ExtentBytes/frame + 1
	if int64(again.count) >= int64(first.count)-missing {
		return nil
	}
	return spaceFailure("fit", "fewer", "what fitted before everything was deleted and reclaimed fits again",
		fmt.Sprintf("%d values of %d B", first.count, first.length), fmt.Sprintf("%d", again.count))
}

func spaceFailure(field, site, claim, want, got string) *Failure {
	return &Failure{Signature: Signature{PropertySpace, KindNone, field, site}, Claim: claim, Want: want, Got: got}
}
