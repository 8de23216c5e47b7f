package conformance

import (
	"slices"
	"sort"
)

// Probe is a situation that must occur in a run of the named profiles once that many sequences were run. A due probe that
// stayed at zero makes the run inconclusive: the generator has a hole, or the engine lost a path.
type Probe struct {
	Name     string
	Profiles []string // in which it is due; "all" is a profile like any other
	DueAfter uint64   // sequences
}

// owedBy reports whether a run of the profile owes p.
func (p *Probe) owedBy(profile string) bool { return slices.Contains(p.Profiles, profile) }

// Probes is what the stock profiles owe. Each number is at least ten times that of sequences between two occurrences, so that
// chance leaves one out in fewer than one run in twenty thousand, and at least 1,000, so that a short run on a disk with large
// blocks owes nothing. Some are missing: "open replayed units", because without crashes every store
// is closed cleanly, and "reclamation left what it could not read", because without faults it can read everything.
//
// A probe that several profiles owe stands once for each number; the mix owes what its profiles do, after as many of its own
// sequences as give each its share.
var Probes = slices.Concat(
	owed("kv", 1000,
		"read served from the log's memory",
		"put waited for the window",
		"put waited for a ready extent",
		"mutation refused: only the reserve is left",
		"mutation flushed first: the tail is full",
		"extent released",
		"extent reused in a later generation",
		"tombstone dropped",
		"run of several tables",
		"compaction recorded a slice",
		"compaction went on with a further slice",
		"put in several parts",
		"reclamation moved shards",
		"open found nothing to replay",
		"frame ends on a block edge",
	),
	owed("kv", 10_000,
		"frame ends on an extent edge",
	),
	owed("extent", 1000,
		"append began an extent",
		"append began an extent in a later generation",
		"read met bytes that are not durable",
		"read was put together from pages",
		"superblock update waited for another",
	),
	owed("chunk", 1000,
		"append began an extent in a later generation",
		"read was put together from pages",
		"reclamation copied frames",
		"reclamation copied in several batches",
		"reclamation passed over what nobody refers to",
	),
	owed("index", 1000,
		"tombstone dropped",
		"run of several tables",
		"compaction recorded a slice",
		"compaction went on with a further slice",
	),
)

// owed returns entries of the table for probes that a profile owes after that many sequences.
func owed(profile string, after uint64, names ...string) (table []Probe) {
	inMix := after * mixParts / uint64(mixShare(profile))
	for _, name := range names {
		table = append(table, Probe{name, []string{profile}, after}, Probe{name, []string{"all"}, inMix})
	}
	return table
}

// ProbeReport is a probe's count. DueAfter is absent where the profile owes nothing for it; Due says that the number was
// reached. A merged report adds the counts and judges again.
type ProbeReport struct {
	Count    uint64 `json:"count"`
	Due      bool   `json:"due"`
	DueAfter uint64 `json:"due_after,omitempty"`
}

// ProbeSource is an Executor that counts probes. AddProbes calls add with each probe's name and its count since the executor was
// made; the runner calls it when no sequence is running.
type ProbeSource interface {
	AddProbes(add func(name string, count uint64))
}

// judgeProbes joins counts with what the profile owes after that many sequences, and names the due probes at zero, sorted.
func judgeProbes(table []Probe, profile string, sequences uint64, counts map[string]uint64) (map[string]ProbeReport, []string) {
	out := make(map[string]ProbeReport, len(counts)+len(table))
	for name, n := range counts {
		out[name] = ProbeReport{Count: n}
	}
	for _, p := range table {
		if !p.owedBy(profile) {
			continue
		}
		r := out[p.Name]
		if r.DueAfter == 0 || p.DueAfter < r.DueAfter { // another profile of the mix may owe it sooner
			r.DueAfter = p.DueAfter
		}
		r.Due = sequences >= r.DueAfter
		out[p.Name] = r
	}
	return out, silentProbes(out)
}

// silentProbes names the due probes at zero, sorted.
func silentProbes(probes map[string]ProbeReport) []string {
	var silent []string
	for name, p := range probes {
		if p.Due && p.Count == 0 {
			silent = append(silent, name)
		}
	}
	sort.Strings(silent)
	return silent
}

// ProbesHit counts the probes that the profile owes, and those of them that occurred.
func (r *Report) ProbesHit() (hit, all int) {
	for _, p := range r.Probes {
		if p.DueAfter == 0 {
			continue
		}
		all++
		if p.Count > 0 {
			hit++
		}
	}
	return hit, all
}
