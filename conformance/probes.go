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

// Probes is what the stock profiles owe. Each number is at least ten times that of sequences between two occurrences, so that
// chance leaves one out in fewer than one run in twenty thousand, and at least 1,000, so that a short run on a disk with large
// blocks owes nothing. The probe "open replayed units" is missing: without crashes every store is closed cleanly.
var Probes = []Probe{
	{"read served from the log's memory", kvProfiles, 1000},
	{"put waited for the window", kvProfiles, 1000},
	{"put waited for a ready extent", kvProfiles, 1000},
	{"mutation refused: only the reserve is left", kvProfiles, 1000},
	{"mutation flushed first: the tail is full", kvProfiles, 1000},
	{"extent released", kvProfiles, 1000},
	{"extent reused in a later generation", kvProfiles, 1000},
	{"flush merged an older run", kvProfiles, 1000},
	{"flush dropped a tombstone", kvProfiles, 1000},
	{"run of several tables", kvProfiles, 1000},
	{"open found nothing to replay", kvProfiles, 1000},
	{"frame ends on a block edge", kvProfiles, 1000},
	{"frame ends on an extent edge", kvProfiles, 10_000},
}

var kvProfiles = []string{"kv", "all"}

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
		if !slices.Contains(p.Profiles, profile) {
			continue
		}
		r := out[p.Name]
		r.DueAfter = p.DueAfter
		r.Due = sequences >= p.DueAfter
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
