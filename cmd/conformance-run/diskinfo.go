package main

import (
	"encoding/hex"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/shardproof/shardproof/conformance"
	"github.com/shardproof/shardproof/engine"
)

// storeReport is what the superblock tells of a store.
type storeReport struct {
	ID             string         `json:"id"`
	Format         int            `json:"format"`
	DiskBytes      int64          `json:"disk_bytes"`
	ExtentBytes    int            `json:"extent_bytes"`
	Extents        int            `json:"extents"`
	PageBytes      int            `json:"page_bytes"`
	WindowBytes    int            `json:"window_bytes"`
	LogicalBlock   int            `json:"logical_block"`
	PhysicalBlock  int            `json:"physical_block"`
	PowerSafe      bool           `json:"power_safe"`
	Epoch          uint64         `json:"epoch"`
	ReplayUnit     uint64         `json:"replay_unit"`
	NextMutation   uint64         `json:"next_mutation"`
	Owners         map[string]int `json:"extents_by_owner"`
	UnknownExtents int            `json:"extents_unknown"`
	Log            []int          `json:"log_extents"`
	Slots          []slotReport   `json:"slots"`
}

type slotReport struct {
	Page    uint32 `json:"page"`
	Slot    int    `json:"slot"`
	Offset  int64  `json:"offset"`
	State   string `json:"state"`
	Format  int    `json:"format,omitempty"`
	Version uint64 `json:"version,omitempty"`
}

func newStoreReport(i *engine.Info) *storeReport {
	r := &storeReport{
		ID: hex.EncodeToString(i.ID[:]), Format: i.Format, DiskBytes: i.Geometry.DiskBytes, ExtentBytes: i.Geometry.ExtentBytes,
		Extents: i.Geometry.Extents, PageBytes: i.Geometry.PageBytes, WindowBytes: i.Geometry.WindowBytes, LogicalBlock: i.LogicalBlock,
		PhysicalBlock: i.PhysicalBlock, PowerSafe: i.PowerSafe, Epoch: i.Epoch, ReplayUnit: i.ReplayUnit, NextMutation: i.NextMutation,
		UnknownExtents: i.Unknown, Owners: map[string]int{}, Log: []int{},
	}
	for _, o := range i.Owners {
		r.Owners[o.Owner] = o.Extents
	}
	for _, l := range i.Log {
		r.Log = append(r.Log, l.Extent)
	}
	for _, s := range i.Slots {
		r.Slots = append(r.Slots, slotReport{s.Page, s.Slot, s.Offset, string(s.State), s.Format, s.Version})
	}
	return r
}

// diskInfo shows what the superblock tells.
func diskInfo(c *diskCall) error {
	d, err := c.openDisk()
	if err != nil {
		return err
	}
	defer d.Close()
	i, err := engine.Inspect(d)
	if err != nil && isUnusable(err) {
		return c.unusable(err)
	}
	c.report.Store = newStoreReport(i)
	if err == nil {
		c.showInfo(i)
	}
	for _, e := range i.Damage {
		c.find(e)
	}
	if err != nil {
		c.find(fmt.Errorf("no page of the superblock tells what is here: %w", err))
	}
	return nil
}

// showInfo prints what is known of a store.
func (c *diskCall) showInfo(i *engine.Info) {
	size := func(n int) string { return conformance.FormatSize(uint64(n)) }
	t := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	g := &i.Geometry
	fmt.Fprintf(t, "store\t%x, format %d, epoch %d\n", i.ID, i.Format, i.Epoch)
	fmt.Fprintf(t, "geometry\t%s in %d extents of %s, index pages of %s, at most %s of the log in flight\n",
		conformance.FormatSize(uint64(g.DiskBytes)), g.Extents, size(g.ExtentBytes), size(g.PageBytes), size(g.WindowBytes))
	safe := ""
	if i.PowerSafe {
		safe = ", power-safe"
	}
	fmt.Fprintf(t, "device\tblocks of %s, %s physical%s\n", size(i.LogicalBlock), size(i.PhysicalBlock), safe)
	var owners []string
	for _, o := range i.Owners {
		owners = append(owners, fmt.Sprintf("%s %d", o.Owner, o.Extents))
	}
	if i.Unknown > 0 {
		owners = append(owners, fmt.Sprintf("unknown %d", i.Unknown))
	}
	fmt.Fprintf(t, "extents\t%s\n", strings.Join(owners, ", "))
	fmt.Fprintf(t, "log\textents %v, replayed from unit %d, mutation %d\n", logExtents(i), i.ReplayUnit, i.NextMutation)
	for _, s := range i.Slots[:min(3, len(i.Slots))] {
		fmt.Fprintf(t, "slot %d\tat %d: %s, version %d\n", s.Slot, s.Offset, s.State, s.Version)
	}
	if n := len(i.Slots)/3 - 1; n > 0 {
		fmt.Fprintf(t, "table\t%s of three slots each\n", plural(n, "page"))
	}
	t.Flush()
}

func logExtents(i *engine.Info) (extents []int) {
	for _, l := range i.Log {
		extents = append(extents, l.Extent)
	}
	return extents
}
