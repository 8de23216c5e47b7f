package engine

import (
	"errors"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/fault"
)

// Answers to the caller.
var (
	// ErrNotFound is returned when no shard of that id is stored.
	ErrNotFound = errors.New("shard not found")
	// ErrTooLarge is returned when a value is longer than the geometry allows.
	ErrTooLarge = errors.New("shard too large for the geometry")
	// ErrFull is returned when the space that is left is the reserve that deletes, flush and recovery need. A device that has no space
	// for a write answers to it as well as to ErrIO.
	ErrFull = extent.ErrFull
	// ErrClosed is returned by every call on a closed store.
	ErrClosed = errors.New("store closed")
	// ErrReadOnly is returned by mutations and steps of a store that was opened with Options.ReadOnly, and of any store once
	// failed writes or flushes could not be recovered from, because recovering failed too; the error then wraps that of the device.
	ErrReadOnly = errors.New("store is read-only")
	// ErrBusy is returned when a disk is to be opened that another process, another store or a file system uses, by
	// disk.OpenFile and disk.OpenDevice: a disk that is open belongs to one store.
	ErrBusy = disk.ErrInUse
)

// The disk, or its bytes, are bad.
var (
	// ErrIO is returned when the device failed a read twice, or writes and flushes again and again; the error wraps the device's own.
	ErrIO = fault.ErrIO
	// ErrCorrupt is returned when bytes of the device fail a check; the error is a *CorruptError.
	ErrCorrupt = fault.ErrCorrupt
	// ErrVersion is returned when a slot of the superblock is of another format version: the store belongs to another program than
	// this one, whatever its other slots hold.
	ErrVersion = fault.ErrVersion
	// ErrNoStore is returned when no slot of a superblock is found.
	ErrNoStore = errors.New("no store on this device")
)

// CorruptError says where bytes of the device failed which check. It answers errors.Is(err, ErrCorrupt).
type CorruptError = fault.Corrupt
