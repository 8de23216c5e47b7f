package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/shardproof/shardproof/conformance"
	"github.com/shardproof/shardproof/engine"
)

// salvageReport counts what was found and what was not.
type salvageReport struct {
	Superblock      bool  `json:"superblock"`
	Extents         int   `json:"extents"`
	Undated         int   `json:"extents_undated"`
	UnreadableBytes int64 `json:"unreadable_bytes"`
	Frames          int   `json:"frames"`
	DamagedFrames   int   `json:"damaged_frames"`
	LostIndexBlocks int   `json:"lost_index_blocks"`
	Whole           int   `json:"whole"`
	Older           int   `json:"older"`
	Lost            int   `json:"lost"`
	Deleted         int   `json:"deleted"`
	Doubtful        int   `json:"doubtful"`
	WrittenBytes    int64 `json:"written_bytes"`
}

// diskSalvage writes what can be read of each shard to a file of its own: <id> for the newest bytes, <id>.older where what is
// newer cannot be read.
func diskSalvage(c *diskCall) error {
	if c.cfg.out == "" {
		return usagef("salvage: where to? --out DIR")
	}
	if err := checkDirectory(c.cfg.out); err != nil {
		return err
	}
	d, err := c.openDisk()
	if err != nil {
		return err
	}
	defer d.Close()
	r := &salvageReport{}
	o := engine.SalvageOptions{ExtentBytes: int(c.cfg.extentSize)}
	sum, err := engine.Salvage(c.ctx, d, o, func(s *engine.Salvaged) error { return c.keepSalvaged(s, r) })
	switch {
	case errors.Is(err, engine.ErrVersion), errors.Is(err, engine.ErrGeometry):
		return c.unusable(err)
	case err != nil && sum == nil && o.ExtentBytes == 0 && (errors.Is(err, engine.ErrNoStore) || errors.Is(err, engine.ErrCorrupt)):
		return usagef("%s holds no slot of a superblock that can be read; --extent-size says how to look without", c.path)
	case err != nil:
		return err
	}
	r.Superblock, r.Extents, r.Undated, r.UnreadableBytes = sum.Superblock, sum.Extents, sum.Undated, sum.Unreadable
	r.Frames, r.DamagedFrames, r.LostIndexBlocks = sum.Frames, sum.Damaged, sum.LostIndex
	r.Whole, r.Older, r.Lost, r.Deleted, r.Doubtful = sum.Whole, sum.Older, sum.Lost, sum.Deleted, sum.Doubtful
	c.report.Salvage = r
	c.salvageLosses(r)
	fmt.Fprintf(c.stdout, "DONE salvage of %s: %s of %s whole, %d older, %d lost, %d deleted; %s of %s\n", c.path, plural(r.Whole, "shard"),
		conformance.FormatSize(uint64(r.WrittenBytes)), r.Older, r.Lost, r.Deleted, plural(r.DamagedFrames, "damaged frame"), grouped(uint64(r.Frames)))
	return nil
}

// salvageLosses notes what may be missing although no shard tells.
func (c *diskCall) salvageLosses(r *salvageReport) {
	if r.UnreadableBytes > 0 {
		c.find(fmt.Errorf("%d bytes could not be read: what they held is not known", r.UnreadableBytes))
	}
	if r.Undated > 0 {
		c.find(fmt.Errorf("%s of no known generation: what is in it is not known", plural(r.Undated, "extent")))
	}
	if r.LostIndexBlocks > 0 {
		c.find(fmt.Errorf("%s of sorted runs cannot be read: a newer mutation or a deletion may be missed", plural(r.LostIndexBlocks, "block")))
	}
	if r.Extents == 0 || r.Frames == 0 && !r.Superblock {
		c.find(errors.New("no frame was found"))
	}
}

// keepSalvaged writes the bytes of a shard and shows what is the matter with it.
func (c *diskCall) keepSalvaged(s *engine.Salvaged, r *salvageReport) error {
	id := hex.EncodeToString(s.ID[:])
	name := id
	switch s.State {
	case engine.SalvagedDeleted:
		return nil
	case engine.SalvagedLost:
		c.find(fmt.Errorf("shard %s is lost: %w", id, s.Err))
		return nil
	case engine.SalvagedOlder:
		name += ".older"
		c.find(fmt.Errorf("shard %s: mutation %d instead of %d: %w", id, s.Mutation, s.Newest, s.Err))
	}
	if s.Doubtful {
		c.find(fmt.Errorf("shard %s: mutation %d is doubtful: the header of its unit is lost", id, s.Mutation))
	}
	if err := os.MkdirAll(c.cfg.out, 0o777); err != nil {
		return usageError{err}
	}
	if err := writeNew(filepath.Join(c.cfg.out, name), s.Data); errors.Is(err, fs.ErrExist) {
		c.find(fmt.Errorf("shard %s is not written: %w", id, err))
		return nil
	} else if err != nil {
		return err
	}
	r.WrittenBytes += int64(len(s.Data))
	if c.cfg.json != "" {
		c.report.Shards = append(c.report.Shards, shardReport{ID: id, Size: int64(len(s.Data)), Mutation: s.Mutation})
	}
	return nil
}
