package engine

import (
	"errors"

	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
)

// Answers to the caller.
var (
	// ErrNotFound is returned when no shard of that id is stored.
	ErrNotFound = errors.New("shard not found")
	// ErrTooLarge is returned when a value is longer than the geometry allows.
	ErrTooLarge = errors.New("shard too large for the geometry")
	// ErrFull is returned when the space that is left is the reserve that deletes, flush and recovery need.
	ErrFull = extent.ErrFull
	// ErrClosed is returned by every call on a closed store.
	ErrClosed = errors.New("store closed")
)

// The disk, or its bytes, are bad.
var (
	// ErrIO is returned when the device failed a request; the error wraps the device's own.
	ErrIO = fault.ErrIO
	// ErrCorrupt is returned when bytes of the device fail a check; the error is a *CorruptError.
	ErrCorrupt = fault.ErrCorrupt
	// ErrReadOnly is returned by mutations once a failed write or flush could not be recovered from.
	ErrReadOnly = errors.New("store is read-only")
	// ErrVersion is returned when the device holds a store of another format version.
	ErrVersion = fault.ErrVersion
	// ErrNoStore is returned when the device holds no store.
	ErrNoStore = errors.New("no store on this device")
)

// CorruptError says where bytes of the device failed which check. It answers errors.Is(err, ErrCorrupt).
type CorruptError = fault.Corrupt
