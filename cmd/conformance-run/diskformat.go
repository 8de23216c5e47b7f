package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// diskFormat makes a disk an empty store. It refuses what a run would refuse, and a store besides: there is no other copy of it.
// A file that it makes stays.
func diskFormat(c *diskCall) error {
	if err := c.mayFormat(); err != nil {
		return err
	}
	size := int64(c.cfg.diskSize)
	if size == 0 {
		size = math.MaxInt64
	}
	claim, err := claimDisk(c.path, size, c.cfg.erase)
	if err != nil {
		return err
	}
	if err := c.format(claim); err != nil {
		claim.release()
		return err
	}
	claim.keep()
	return nil
}

// mayFormat looks at what claimDisk leaves to its caller: where the size comes from, and whether there is a store.
func (c *diskCall) mayFormat() error {
	size := int64(c.cfg.diskSize)
	st, err := os.Stat(c.path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && size == 0:
		return usagef("%s does not exist; --disk-size says how large a file to make", c.path)
	case err != nil || !st.Mode().IsRegular():
		// absent, or a device; claimDisk has a word on everything else
	case st.Size() == 0 && size == 0:
		return usagef("%s is empty; --disk-size says how large it shall be", c.path)
	case st.Size() > 0 && size > st.Size():
		return usagef("%s has %d bytes; a file that has any is not made larger", c.path, st.Size())
	}
	if err != nil || c.cfg.erase {
		return nil
	}
	f, err := os.Open(c.path)
	if err != nil {
		return usageError{err}
	}
	defer f.Close()
	if engine.HoldsStore(f) {
		return usagef("%s holds a store; --erase replaces it by an empty one", c.path)
	}
	return nil
}

// format writes the store. Nothing is written before all that can be asked has been asked.
func (c *diskCall) format(claim *claim) error {
	d, err := claim.openToFormat()
	if err != nil {
		return c.unusable(err)
	}
	defer d.Close()
	g := engine.Geometry{ExtentBytes: int(c.cfg.extentSize), PageBytes: int(c.cfg.pageSize)}
	if claim.size < d.Info().Size {
		g.DiskBytes = claim.size
	}
	if err := g.Suits(d.Info()); err != nil {
		return usageError{err}
	}
	if c.cfg.erase {
		if err := wipeEdges(d, g.DiskBytes == 0); err != nil {
			return err
		}
	}
	if err := engine.Format(d, g); err != nil {
		return err
	}
	i, err := engine.Inspect(d)
	if err != nil {
		return err
	}
	c.report.Store = newStoreReport(i)
	c.showInfo(i)
	return nil
}

// openToFormat opens the claimed disk with the blocks that a store shall have there.
func (c *claim) openToFormat() (disk.Disk, error) {
	if c.device {
		return disk.OpenDevice(c.path, disk.DeviceOptions{})
	}
	st, err := os.Stat(c.path)
	if err != nil {
		return nil, err
	}
	o := disk.FileOptions{}
	if st.Size() == 0 {
		o.Size = c.size
	}
	return disk.OpenFile(c.path, o)
}

// wipeEdges takes away what would make others recognize what the disk held: the store alone leaves most of it standing. The end is
// wiped if the store takes the whole of the disk; otherwise it is not the store's to write.
func wipeEdges(d disk.Disk, whole bool) error {
	size := d.Info().Size
	n := min(edgeBytes, size)
	zeros := disk.Aligned(int(n))
	for _, off := range []int64{0, size - n} {
		if off > 0 && !whole {
			break
		}
		if err := disk.Do(d, &disk.Request{Kind: disk.Write, Off: off, Data: zeros}); err != nil {
			return fmt.Errorf("wiping: %w", err)
		}
	}
	return disk.Do(d, &disk.Request{Kind: disk.Flush})
}
