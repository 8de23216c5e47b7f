package chunk

import (
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
)

// Chunks is this floor as the floors above see it: frames outside the log. Store is one, and so is the reference model.
type Chunks interface {
	// Append writes a frame of h and payload bytes, which fill writes for the place they get (the place of the payload, not of
	// the frame). The locator is unique for ever and can be read at once; the dependency covers the frame. h.Length is
	// set, and so is h.UUID unless the frame is a copy, which keeps its own. Errors as extent.Extents.Append.
	Append(h *Header, payload int, after iosched.Dependency, fill func(p []byte, at Place)) (Locator, iosched.Dependency, error)
	// Get reads and checks the frame at l and returns its header and payload, valid until the next call. Errors: ErrIO,
	// ErrCorrupt: never another chunk's bytes, whatever l is.
	Get(l Locator) (Header, []byte, error)
	// Read returns n bytes inside the frame at l, off bytes from its beginning, unchecked: who asks has a checksum of its own.
	Read(l Locator, off, n int) ([]byte, error)
	// Doubt says that what Read returned for a range failed that checksum: the next Read asks the device, whatever is cached.
	Doubt(l Locator, off, n int)
	// Reclaim moves every chunk that refs still refers to out of extent x, and reports how many it moved. The old places stay
	// readable; x can be released when what refs recorded in their stead is persistent. An unreadable frame stays where it is
	// and makes the error ErrCorrupt or ErrIO, after all others have been moved.
	Reclaim(x extent.ID, refs References) (moved int, err error)
}

// References says what refers to chunks: the reverse lookup of reclamation.
type References interface {
	// Holds reports whether something refers to the frame of h at l. An error means that nobody knows; then it counts as held.
	Holds(h *Header, l Locator) (bool, error)
	// Moved says that a copy of the frame of h at from will be at to once dep is persistent. Whoever refers to from, and still
	// does, refers to to from then on (compare and swap); it reports whether somebody did. An error, as that there is no space to
	// note it in, ends the reclamation; what was moved before stays so.
	Moved(h *Header, from, to Locator, dep iosched.Dependency) (bool, error)
}
