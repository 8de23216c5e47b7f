package conformance

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// RunConfig says what to run and for how long. A run ends when its sequences are done, its time or processor time is used up,
// ctx is done, or, with FailFast, something failed: whichever comes first.
type RunConfig struct {
	Suite     Suite
	Seed      uint64
	Shard     Shard
	Sequences uint64        // numbers 0 to Sequences-1 over all shards; 0: no number is stated
	For       time.Duration // 0: no limit
	CPU       time.Duration // processor time of the process from the start of the run; 0: no limit
	Workers   int           // 0: one for each processor
	FailFast  bool          // stop at the first failure, and report only the one with the lowest number
	HangAfter time.Duration // a sequence that runs longer is a failure of PROGRESS; 0: one minute
	Corpus    []CorpusFile  // replayed before anything is generated
	NoReduce  bool          // report failures as they were generated
	Print     Print         // how the commands of a failure message begin, and where its files go

	Progress func(Progress) // called several times a second from one goroutine; may be nil
}

// Shard is a share of a run: the sequence numbers that leave Index when divided by Count. The zero Shard is everything.
type Shard struct{ Index, Count uint64 }

func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, max(s.Count, 1)) }

// number returns the i-th sequence number of the shard.
func (s Shard) number(i uint64) uint64 { return s.Index + i*max(s.Count, 1) }

// size returns how many of the numbers 0 to n-1 are the shard's.
func (s Shard) size(n uint64) uint64 {
	c := max(s.Count, 1)
	if s.Index >= n {
		return 0
	}
	return (n - s.Index + c - 1) / c
}

// CorpusFile is a sequence that once failed and is replayed by every run.
type CorpusFile struct {
	Name     string // as it is shown, such as chunk/reclaim-page-edge.seq
	Sequence *Sequence
}

// Causes with which a caller cancels the context of a run, so that the report tells them apart.
var (
	ErrInterrupted = errors.New("interrupted")
	ErrTerminated  = errors.New("terminated")
)

// Run drives the suite and reports. What it finds depends on the seed, the shard and the number of sequences, never on the
// number of workers or their timing: workers take batches of consecutive numbers, every batch that was begun is finished, and
// all that is kept are sums and minima.
//
// A nil error says that there is a report, whatever its verdict; an error says that the configuration makes no sense.
func Run(ctx context.Context, cfg RunConfig) (*Report, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, tally: newTally(), began: time.Now(), cpuBegan: CPUTime(), total: cfg.Shard.size(cfg.Sequences)}
	if cfg.Sequences == 0 {
		r.total = 1<<64 - 1
	}
	canary := r.watch(ctx)
	r.spent, r.elapsed = r.cpu(), time.Since(r.began)
	failures := r.triage(ctx)
	return r.report(ctx, canary, failures), nil
}

// complete checks cfg and fills in what was left out.
func (cfg *RunConfig) complete() error {
	if cfg.Suite.NewExecutor == nil || cfg.Suite.NewGenerator == nil {
		return errors.New("run: the suite lacks an executor or a generator")
	}
	if cfg.Shard.Count == 0 {
		cfg.Shard.Count = 1
	}
	if cfg.Shard.Index >= cfg.Shard.Count {
		return fmt.Errorf("run: shard %v: shards are numbered from 0", cfg.Shard)
	}
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	if m := cfg.Suite.WorkersMax; m > 0 {
		cfg.Workers = min(cfg.Workers, m)
	}
	if cfg.HangAfter <= 0 {
		cfg.HangAfter = time.Minute
	}
	return nil
}

// run is the state of one call of Run.
type run struct {
	cfg      RunConfig
	tally    *tally
	total    uint64 // sequences of this shard
	next     atomic.Uint64
	stopping atomic.Bool   // no further batch is begun
	probing  atomic.Uint64 // goes up when the progress function wants to know which probes were hit

	began    time.Time
	cpuBegan time.Duration
	corpus   uint64        // files replayed
	spent    time.Duration // processor time of all but the triage of failures
	elapsed  time.Duration

	mu     sync.Mutex
	guards []*guard // of everything that runs sequences, for the watch
}

// batchSequences is how many consecutive sequences a worker takes at once: few enough that stopping is prompt even where a
// sequence takes tens of milliseconds, enough that taking one costs nothing.
const batchSequences = 16

// take hands out the next batch: the indexes [first, end) of the shard's numbers.
func (r *run) take() (first, end uint64, ok bool) {
	if r.stopping.Load() || r.cfg.FailFast && r.tally.failures.Load() > 0 {
		return 0, 0, false
	}
	first = r.next.Add(batchSequences) - batchSequences
	if first >= r.total {
		return 0, 0, false
	}
	return first, min(first+batchSequences, r.total), true
}

// watch runs everything there is to run and keeps an eye on it: it ends the run when it is time to, calls the progress function,
// and gives up on a sequence that does not end.
func (r *run) watch(ctx context.Context) (canary *CanaryReport) {
	done := make(chan *CanaryReport, 1)
	go func() {
		r.replayCorpus(ctx)
		c := r.canary()
		r.generate()
		done <- c
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case canary = <-done:
			r.show()
			return canary
		case <-tick.C:
			if r.ended(ctx) {
				r.stopping.Store(true)
			}
			r.show()
			if r.hung() {
				r.stopping.Store(true)
				return nil // the goroutine is lost, and what it holds with it
			}
		}
	}
}

// generate runs generated sequences on all workers, then the second runs that are still to be done.
func (r *run) generate() {
	workers := newWorkers(r)
	var phase sync.WaitGroup
	for _, w := range workers {
		phase.Go(w.sequences)
	}
	phase.Wait()
	for _, w := range workers {
		phase.Go(w.audits)
	}
	phase.Wait()
	for _, w := range workers {
		w.close()
	}
}

// guard returns a new guard that is watched.
func (r *run) guard() *guard {
	g := newGuard(&r.cfg.Suite)
	r.mu.Lock()
	r.guards = append(r.guards, g)
	r.mu.Unlock()
	return g
}

// ended reports whether it is time to stop.
func (r *run) ended(ctx context.Context) bool {
	return ctx.Err() != nil ||
		r.cfg.For > 0 && time.Since(r.began) >= r.cfg.For ||
		r.cfg.CPU > 0 && r.cpu() >= r.cfg.CPU
}

// cpu returns the processor time of this run.
func (r *run) cpu() time.Duration { return CPUTime() - r.cpuBegan }

// hung looks for a sequence that has been running for too long, and records it.
func (r *run) hung() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := false
	for _, g := range r.guards {
		if busy := g.busyFor(); busy > r.cfg.HangAfter {
			r.tally.found(&finding{
				number: g.number.Load(), corpus: g.corpus.Load(), failure: hangFailure(busy), occurrences: 1, hang: true,
			})
			found = true
		}
	}
	return found
}

// show calls the progress function.
func (r *run) show() {
	if r.cfg.Progress == nil {
		return
	}
	p := Progress{
		Elapsed:   time.Since(r.began),
		CPU:       r.cpu(),
		Sequences: r.tally.sequences.Load(),
		Failures:  r.tally.failures.Load(),
		For:       r.cfg.For,
	}
	r.probing.Add(1)
	p.Probes, p.ProbesOwed = r.tally.probesSeen(r.cfg.Suite.Probes, r.cfg.Suite.Profile)
	if r.cfg.Sequences > 0 {
		p.Total = r.total
	}
	r.cfg.Progress(p)
}
