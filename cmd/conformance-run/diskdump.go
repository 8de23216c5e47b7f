package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/shardproof/shardproof/engine"
)

// shardReport is one shard of a listing.
type shardReport struct {
	ID       string `json:"id"`
	Size     int64  `json:"size"`
	Mutation uint64 `json:"mutation"`
	Error    string `json:"error,omitempty"`
}

// diskDump lists the shards of a store, or writes the bytes of one.
func diskDump(c *diskCall) error {
	id, err := parseShardID(c.cfg.get)
	if err != nil {
		return err
	}
	if c.cfg.get == "" && c.cfg.output != "" {
		return usagef("-o is for the bytes of one shard: --get ID")
	}
	if c.cfg.get != "" && c.cfg.output == "" && c.cfg.json == "-" {
		return usagef("the report and the bytes of the shard cannot both go to stdout: -o FILE")
	}
	d, err := c.openDisk()
	if err != nil {
		return err
	}
	defer d.Close()
	s, err := c.openStore(d)
	if err != nil || s == nil {
		return err
	}
	defer s.Close()
	if c.cfg.get != "" {
		return c.dumpShard(s, id)
	}
	return c.dumpList(s)
}

func parseShardID(text string) (id engine.ShardID, err error) {
	if text == "" {
		return id, nil
	}
	b, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(b) != len(id) {
		return id, usagef("--get %s: a shard id is %d hexadecimal digits", text, 2*len(id))
	}
	return engine.ShardID(b), nil
}

// dumpShard writes the bytes of a shard. What cannot be read whole is not written at all.
func (c *diskCall) dumpShard(s *engine.Store, id engine.ShardID) error {
	data, err := s.Get(id)
	if err != nil {
		c.report.Findings = append(c.report.Findings, fmt.Sprintf("shard %x: %s", id, oneLine(err)))
		return nil
	}
	info, err := s.Head(id)
	if err != nil {
		return err
	}
	c.report.Shards = []shardReport{{ID: hex.EncodeToString(id[:]), Size: info.Size, Mutation: info.Mutation}}
	if c.cfg.output == "" {
		_, err := c.data.Write(data)
		return err
	}
	if err := writeNew(c.cfg.output, data); err != nil {
		return usageError{err}
	}
	return nil
}

// listed is how many shards are asked for at once.
const listed = 1000

// dumpList shows every shard with its size and mutation. One that is damaged is listed with why.
func (c *diskCall) dumpList(s *engine.Store) error {
	out := bufio.NewWriter(c.stdout)
	defer out.Flush()
	var after *engine.ShardID
	for {
		ids, err := s.List(after, listed)
		if err != nil {
			out.Flush()
			c.find(fmt.Errorf("the list ends here: %w", err))
			return nil
		}
		for _, id := range ids {
			c.dumpLine(out, s, id)
		}
		if len(ids) < listed {
			return nil
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
		after = &ids[len(ids)-1]
	}
}

func (c *diskCall) dumpLine(out *bufio.Writer, s *engine.Store, id engine.ShardID) {
	info, err := s.Head(id)
	r := shardReport{ID: hex.EncodeToString(id[:]), Size: info.Size, Mutation: info.Mutation}
	if err != nil {
		r.Error = oneLine(err)
		c.report.Findings = append(c.report.Findings, fmt.Sprintf("shard %s: %s", r.ID, r.Error))
		fmt.Fprintf(out, "%s  %s\n", r.ID, r.Error)
	} else {
		fmt.Fprintf(out, "%s  %12d  mutation %d\n", r.ID, r.Size, r.Mutation)
	}
	if c.cfg.json != "" {
		c.report.Shards = append(c.report.Shards, r)
	}
}
