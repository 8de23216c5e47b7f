package conformance

import (
	"fmt"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
)

// tally is what a run has found out so far. Workers add to it once a batch; everything in it is a sum or a minimum, so that the
// order in which they do so leaves no trace.
type tally struct {
	mu       sync.Mutex
	stats    Stats
	digest   uint64
	blocks   map[uint64]*blockSum // by sequence number / BlockSequences
	findings map[Signature]*finding
	audit    AuditReport
	differ   []uint64 // sequence numbers whose second run differed; the lowest few
	err      error    // the first fault of the harness
	probes   map[string]uint64
	seen     map[string]bool // probes that were hit, for progress

	sequences atomic.Uint64 // stats.Sequences, for progress
	failures  atomic.Uint64 // len(findings), for progress
}

// blockSum is a Block being summed.
type blockSum struct{ count, digest uint64 }

// finding gathers the occurrences of one signature; the lowest sequence number stands for all.
type finding struct {
	number      uint64
	corpus      *CorpusFile // set instead of number when a corpus file showed it
	failure     *Failure
	occurrences uint64
	hang        bool // seen by the watchdog: it cannot be run again
}

func newTally() *tally {
	return &tally{blocks: map[uint64]*blockSum{}, findings: map[Signature]*finding{}, probes: map[string]uint64{}, seen: map[string]bool{}}
}

// batch is what one worker did since it last added to the tally.
type batch struct {
	stats  Stats
	digest uint64
	block  uint64 // number of the block the sums below belong to
	sum    blockSum
}

// add puts one result into b, and failures into t at once.
func (t *tally) add(b *batch, number uint64, r *Result) {
	if r.Err != nil {
		t.fault(fmt.Errorf("sequence %d: %w", number, r.Err))
		return
	}
	if block := number / BlockSequences; block != b.block {
		t.flush(b)
		b.block = block
	}
	b.stats.Add(&r.Stats)
	b.digest += r.Trace
	b.sum.count++
	b.sum.digest += r.Trace
	if r.Failure != nil {
		t.found(&finding{number: number, failure: r.Failure, occurrences: 1})
	}
}

// flush moves b into t.
func (t *tally) flush(b *batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Add(&b.stats)
	t.sequences.Store(t.stats.Sequences)
	t.digest += b.digest
	if b.sum.count > 0 {
		s := t.blocks[b.block]
		if s == nil {
			s = &blockSum{}
			t.blocks[b.block] = s
		}
		s.count += b.sum.count
		s.digest += b.sum.digest
	}
	*b = batch{block: b.block}
}

// found records a failure.
func (t *tally) found(f *finding) {
	t.mu.Lock()
	defer t.mu.Unlock()
	have := t.findings[f.failure.Signature]
	if have == nil {
		t.findings[f.failure.Signature] = f
		t.failures.Store(uint64(len(t.findings)))
		return
	}
	have.occurrences += f.occurrences
	if have.corpus == nil && (f.corpus != nil || f.number < have.number) {
		have.number, have.corpus, have.failure = f.number, f.corpus, f.failure
	}
}

// fault records that the harness could not work.
func (t *tally) fault(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.err = err
	}
}

// audited records the outcome of one second run.
func (t *tally) audited(number uint64, same bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.audit.Checked++
	if !same {
		t.audit.Differing++
		t.differ = append(t.differ, number)
	}
}

// addProbes adds what the executors of g counted.
func (t *tally) addProbes(g *guard) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, n := range g.probes {
		t.probes[name] += n
	}
	clear(g.probes)
}

// seeProbes notes which probes the executor of g has hit so far. No sequence is running on it.
func (t *tally) seeProbes(g *guard) {
	p, ok := g.exec.(ProbeSource)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p.AddProbes(func(name string, n uint64) {
		if n > 0 {
			t.seen[name] = true
		}
	})
}

// probesSeen counts the probes of the table that the profile owes, and those of them that were hit as far as workers have told.
func (t *tally) probesSeen(table []Probe, profile string) (seen, owed int) {
	names := map[string]bool{} // one may stand in the table for several profiles of a mix
	for i := range table {
		if table[i].owedBy(profile) {
			names[table[i].Name] = true
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for name := range names {
		if t.seen[name] {
			seen++
		}
	}
	return seen, len(names)
}

// sorted returns the findings: corpus files first, then by sequence number.
func (t *tally) sorted() []*finding {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]*finding, 0, len(t.findings))
	for _, f := range t.findings {
		out = append(out, f)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		switch {
		case (a.corpus != nil) != (b.corpus != nil):
			return a.corpus != nil
		case a.corpus != nil && a.corpus.Name != b.corpus.Name:
			return a.corpus.Name < b.corpus.Name
		case a.number != b.number:
			return a.number < b.number
		}
		return a.failure.Signature.String() < b.failure.Signature.String()
	})
	return out
}

// blockList returns the blocks in the order of their numbers.
func (t *tally) blockList() []Block {
	out := make([]Block, 0, len(t.blocks))
	for n, s := range t.blocks {
		out = append(out, Block{First: n * BlockSequences, Count: s.count, Digest: digestText(s.digest)})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].First < out[j].First })
	return out
}

func digestText(d uint64) string { return fmt.Sprintf("%016x", d) }

// Add adds the counts of o to s.
func (s *Stats) Add(o *Stats) {
	s.Sequences += o.Sequences
	s.Operations += o.Operations
	s.NoEffect += o.NoEffect
	s.Reads += o.Reads
	s.Refused += o.Refused
	s.AboveCache += o.AboveCache
	for k := range s.Kinds {
		s.Kinds[k] += o.Kinds[k]
		s.Idle[k] += o.Idle[k]
	}
	s.Cells.add(&o.Cells)
	s.Crash.add(&o.Crash)
	s.Fault.add(&o.Fault)
	s.Requests += o.Requests
	s.Bytes += o.Bytes
}

func parseHex(s string) (uint64, error) { return strconv.ParseUint(s, 16, 64) }
