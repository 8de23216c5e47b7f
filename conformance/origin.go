package conformance

import (
	"fmt"
	"strconv"
	"strings"
)

// provenance is what the origin line of a sequence that a run wrote says: where it came from and what it was before it was
// minimized. It is shown beside a failure and decides nothing.
type provenance struct {
	seed    uint64
	number  uint64
	shard   string
	profile string
	gen     int
	ops     int    // before minimizing
	bytes   uint64 // of values put, before minimizing
}

func (p *provenance) String() string {
	return fmt.Sprintf("seed=%#x number=%d shard=%s profile=%s gen=%d ops=%d bytes=%d",
		p.seed, p.number, p.shard, p.profile, p.gen, p.ops, p.bytes)
}

// parseProvenance reads an origin line; false when it was not written by a run.
func parseProvenance(origin string) (p provenance, ok bool) {
	for _, word := range strings.Fields(origin) {
		name, value, _ := strings.Cut(word, "=")
		var err error
		switch name {
		case "seed":
			p.seed, err = strconv.ParseUint(value, 0, 64)
			ok = err == nil
		case "number":
			p.number, err = strconv.ParseUint(value, 10, 64)
		case "shard":
			p.shard = value
		case "profile":
			p.profile = value
		case "gen":
			p.gen, err = strconv.Atoi(value)
		case "ops":
			p.ops, err = strconv.Atoi(value)
		case "bytes":
			p.bytes, err = strconv.ParseUint(value, 10, 64)
		}
		if err != nil {
			return p, false
		}
	}
	return p, ok
}

// putBytes returns how many bytes of values s writes.
func putBytes(s *Sequence) uint64 { return valueBytes(s) }
