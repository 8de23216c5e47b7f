package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// diskCheck sees that the store's records agree with each other and with what they name.
func diskCheck(c *diskCall) error { return c.walk("check", (*engine.Store).Check) }

// diskScrub reads every live byte.
func diskScrub(c *diskCall) error { return c.walk("scrub", (*engine.Store).Scrub) }

// walk opens the store and shows what a walk through it reports, and what is wrong with the superblock.
func (c *diskCall) walk(name string, walk func(*engine.Store, context.Context, func(error)) error) error {
	d, err := c.openDisk()
	if err != nil {
		return err
	}
	defer d.Close()
	s, err := c.openStore(d)
	if err != nil {
		return err
	}
	if err := c.superblock(d); err != nil {
		return err
	}
	if s == nil {
		return nil
	}
	defer s.Close()
	switch err := walk(s, c.ctx, c.find); {
	case errors.Is(err, engine.ErrCorrupt), errors.Is(err, engine.ErrIO):
		c.find(err) // damage that any answer could hide
	case err != nil:
		return err
	}
	t := s.Stats()
	fmt.Fprintf(c.stdout, "DONE %s of %s: %s; %d of %d extents in use, %s in the log to replay\n",
		name, c.path, plural(len(c.report.Findings), "finding"), t.Extents-t.Free, t.Extents, plural(int(t.TailUnits), "unit"))
	return nil
}

// superblock notes what is known of the superblock, and its damage.
func (c *diskCall) superblock(d disk.Disk) error {
	i, err := engine.Inspect(d)
	if err != nil {
		return nil // the store did not open, which has been noted
	}
	c.report.Store = newStoreReport(i)
	for _, e := range i.Damage {
		if !errors.Is(e, engine.ErrGeometry) { // why it did not open
			c.find(e)
		}
	}
	return nil
}
