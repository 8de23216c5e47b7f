package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/shardproof/shardproof/conformance"
)

func exhaustFlags(fs *flag.FlagSet, c *config) {
	c.ops = 4
	fs.Var(&c.ops, "ops", "`number` of letters of the longest sequences")
	fs.BoolVar(&c.faults, "faults", false, "break the disk as well: every request, and every block that is read, in every way")
	fs.Var(&c.workers, "workers", "`number` of sequences executed at once")
	fs.Var(&c.shard, "shard", "`i/n`: only the sequence numbers that leave i when divided by n")
	fs.StringVar(&c.out, "out", "", "`DIR` for failing sequences, instead of one below runs")
}

// opsMost is the longest that can be asked for: a million machines would not get through more.
const opsMost = 10

// exhaustVerb runs every sequence of at most so many letters, and those of the second alphabet with one letter less.
func exhaustVerb(ctx context.Context, cfg *config, stdout, stderr io.Writer) error {
	if cfg.ops < 1 || cfg.ops > opsMost {
		return usagef("--ops is %d, not within 1..%d", cfg.ops, opsMost)
	}
	collectRarely()
	host := &host{}
	profile, disks := "crash", conformance.CrashDisks
	if cfg.faults {
		profile, disks = "crash-fault", conformance.CrashFaultDisks
	}
	suite := host.stock(conformance.ProfileNamed(profile))
	found := exhaustFindings{cfg: cfg, suite: suite, out: stdout, seen: map[conformance.Signature]bool{}}
	worst := conformance.Held
	for second := range 2 {
		ops := int(cfg.ops) - second
		if ops == 0 {
			continue
		}
		began := conformance.CPUTime()
		e := conformance.Exhaust{
			Ops: ops, Second: second == 1, Faults: cfg.faults, Shard: cfg.shard.Shard, Workers: int(cfg.workers), Found: found.take,
			New: func() *conformance.KV { return conformance.NewKV(newStores(), disks()) },
		}
		f, err := e.Run(ctx)
		cpu := (conformance.CPUTime() - began).Seconds()
		if err != nil {
			fmt.Fprintf(stderr, "conformance-run exhaust: %v\n", err)
			return verdict(conformance.HarnessFault)
		}
		printExhausted(stdout, &e, &f, cpu)
		switch {
		case f.Fails > 0:
			worst = worst.Worse(conformance.Counterexample)
		case f.Stopped:
			worst = worst.Worse(verdictOf(context.Cause(ctx)))
		case f.Crash.Certified < f.Crash.Explored:
			worst = worst.Worse(conformance.Inconclusive)
		}
	}
	fmt.Fprintf(stdout, "DONE %s\n", worst)
	return verdict(worst)
}

// printExhausted prints what one alphabet came to.
func printExhausted(w io.Writer, e *conformance.Exhaust, f *conformance.ExhaustFigures, cpu float64) {
	c := &f.Crash
	which := "first"
	if e.Second {
		which = "second"
	}
	fmt.Fprintf(w, "%s alphabet, at most %d letters, shard %s: %s of %s sequences on each device, %s failing runs\n",
		which, e.Ops, e.Shard, grouped(f.Done), grouped(f.Words), grouped(f.Fails))
	fmt.Fprintf(w, "  %s power cuts; %s states on disk covered by %s leaves, %s recoveries; %s of %s cuts certified; %.1f s of processor time\n",
		grouped(f.Cuts), brief(c.Images), grouped(c.States), grouped(c.Recoveries), grouped(c.Certified), grouped(c.Explored), cpu)
	if e.Faults {
		fmt.Fprintf(w, "  %s faults, %s hits\n", grouped(f.Fault.Ordered), grouped(f.Fault.Hits()))
	}
	if n := f.Done; n > 0 && n < f.Words {
		fmt.Fprintf(w, "  %.2f %% of all sequences; all would take about %s s\n", 100*float64(n)/float64(f.Words), brief(cpu*float64(f.Words)/float64(n)))
	}
}

// exhaustFindings prints the first failure of each signature, minimized.
type exhaustFindings struct {
	cfg   *config
	suite conformance.Suite
	out   io.Writer

	mu   sync.Mutex
	seen map[conformance.Signature]bool
}

func (x *exhaustFindings) take(s *conformance.Sequence, f *conformance.Failure) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.seen[f.Signature] {
		return
	}
	x.seen[f.Signature] = true
	if m, err := conformance.Minimize(context.Background(), x.suite, s, 1, time.Minute); err == nil && m.Small != nil {
		s = m.Small
	}
	dir := x.cfg.out
	if dir == "" {
		dir = filepath.Join("runs", "exhaust")
	}
	file := filepath.Join(dir, fmt.Sprintf("%s-%08x.seq", f.Property, uint32(s.Hash())))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		fmt.Fprintln(x.out, err)
	} else if err := os.WriteFile(file, s.AppendText(nil), 0o666); err != nil {
		fmt.Fprintln(x.out, err)
	}
	r := conformance.Replay(x.suite, s, file, conformance.Print{Command: commandText(x.cfg.called)})
	fmt.Fprintln(x.out, r.Message)
}
