package disk

// DeviceOptions say how to open a block device.
type DeviceOptions struct {
	// PowerSafe says that an interrupted write leaves every block readable, old or new. Devices whose logical and physical
	// blocks are the same size are taken to be so anyway.
	PowerSafe bool
	// ReadOnly opens without the right to write: writes and flushes fail with ErrReadOnly.
	ReadOnly bool
}
