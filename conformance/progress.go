package conformance

import "time"

// Progress is how far a run has come.
type Progress struct {
	Elapsed   time.Duration
	CPU       time.Duration
	Sequences uint64        // done
	Total     uint64        // of this shard; 0: no number was stated
	For       time.Duration // 0: no time was stated
	Failures  uint64        // distinct signatures

	Probes, ProbesOwed int // probes that the profile owes: hit so far, and all
}

// Left estimates the time to the end, from the rate so far; false when there is nothing to estimate it from.
func (p Progress) Left() (time.Duration, bool) {
	left, known := time.Duration(0), false
	if p.For > 0 {
		left, known = max(p.For-p.Elapsed, 0), true
	}
	if p.Total > 0 && p.Sequences > 0 {
		perSequence := float64(p.Elapsed) / float64(p.Sequences)
		byNumber := time.Duration(perSequence * float64(p.Total-min(p.Sequences, p.Total)))
		if !known || byNumber < left {
			left, known = byNumber, true
		}
	}
	return left, known
}
