package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"runtime"
	"sort"
	"strings"
	"time"

	"github.com/shardproof/shardproof/conformance"
)

func benchFlags(fs *flag.FlagSet, c *config) {
	suiteFlags(fs, c)
	fs.StringVar(&c.profile, "profile", "kv", "`name` of the mix of operations")
	fs.Var(&c.seed, "seed", "`number` the sequences are drawn from")
	c.rounds = 5
	fs.Var(&c.rounds, "rounds", "`number` of rounds; the median counts")
	fs.DurationVar(&c.cpu, "cpu", 2*time.Second, "processor `time` of a round")
	c.shards = 1_000_000
	fs.Var(&c.shards, "shards", "`number` of shards that memory puts")
}

var benches = []string{"harness", "kv", "generator", "open", "memory", "crash"}

// benchVerb measures one part of the work, on one worker and in processor time.
//
//	generator  sequences are drawn and thrown away
//	harness    a second model stands in the engine's place: what checking costs
//	kv         the engine
//	open       how long a store takes to open as its data grow
//	memory     what a store keeps in memory as its shards grow in number
//	crash      what it costs to look at what a power cut can leave
func benchVerb(ctx context.Context, cfg *config, stdout, _ io.Writer) error {
	if len(cfg.args) != 1 {
		return usagef("%s?", strings.Join(benches, ", "))
	}
	if cfg.rounds < 1 || cfg.cpu <= 0 {
		return usagef("--rounds and --cpu are at least one")
	}
	switch cfg.args[0] {
	case "open":
		return benchOpen(ctx, cfg, stdout)
	case "memory":
		return benchMemory(ctx, cfg, stdout)
	case "crash":
		return benchCrash(ctx, cfg, stdout)
	}
	host, err := openHost(cfg)
	if err != nil {
		return err
	}
	defer host.close()
	suite, err := host.suite(cfg.profile)
	if err != nil {
		return err
	}
	switch cfg.args[0] {
	case "generator":
		suite.NewExecutor = func() (conformance.Executor, error) { return idle{}, nil }
	case "harness":
		if suite.Name != "kv" {
			return usagef("the harness is measured on --profile kv")
		}
		suite.NewExecutor = func() (conformance.Executor, error) {
			return conformance.NewKV(conformance.NewModelFactory(), nil), nil
		}
	case "kv":
	default:
		return usagef("unknown benchmark%s", didYouMean(cfg.args[0], benches, ""))
	}
	rounds := make([]round, 0, cfg.rounds)
	for range cfg.rounds {
		if ctx.Err() != nil {
			return verdict(verdictOf(context.Cause(ctx)))
		}
		r, err := measure(&suite, cfg.seed.value, cfg.cpu)
		if err != nil {
			return err
		}
		rounds = append(rounds, r)
	}
	printBench(stdout, cfg.args[0], rounds)
	return nil
}

// idle executes nothing.
type idle struct{}

func (idle) Run(s *conformance.Sequence) conformance.Result {
	return conformance.Result{Stats: conformance.Stats{Sequences: 1, Operations: uint64(len(s.Ops))}}
}

func (idle) Close() error { return nil }

// round is one measurement.
type round struct {
	cpu    time.Duration
	allocs uint64
	stats  conformance.Stats
}

func (r *round) perSequence() time.Duration {
	return time.Duration(float64(r.cpu) / float64(max(1, r.stats.Sequences)))
}

// measure runs sequences from number 0 until the processor time is used up. The first few, which fill buffers, do not count.
func measure(suite *conformance.Suite, seed uint64, cpu time.Duration) (r round, err error) {
	gen := suite.NewGenerator()
	exec, err := suite.NewExecutor()
	if err != nil {
		return r, err
	}
	defer exec.Close()
	var s conformance.Sequence
	one := func(number uint64) error {
		gen.Fill(&s, conformance.MixSeed(seed, number))
		res := exec.Run(&s)
		if res.Failure != nil {
			return fmt.Errorf("sequence %d fails (%s): nothing is measured", number, res.Failure.Signature)
		}
		r.stats.Add(&res.Stats)
		return res.Err
	}
	const warmUp = 256
	for number := range uint64(warmUp) {
		if err := one(number); err != nil {
			return r, err
		}
	}
	runtime.GC()
	r = round{}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := conformance.CPUTime()
	for number := uint64(0); ; number++ {
		if number%64 == 0 {
			if r.cpu = conformance.CPUTime() - began; r.cpu >= cpu {
				break
			}
		}
		if err := one(number); err != nil {
			return r, err
		}
	}
	runtime.ReadMemStats(&after)
	r.allocs = after.Mallocs - before.Mallocs
	return r, nil
}

// printBench prints the median round, how far the others were from it, and what a sequence was.
func printBench(w io.Writer, name string, rounds []round) {
	sort.Slice(rounds, func(i, j int) bool { return rounds[i].perSequence() < rounds[j].perSequence() })
	m := &rounds[len(rounds)/2]
	rate := func(r *round) float64 { return float64(time.Second) / float64(r.perSequence()) }
	fmt.Fprintf(w, "%s: %s sequences per second of processor time, %.1f us each (%.1f to %.1f in %s), %.2f allocations each\n", name,
		grouped(uint64(rate(m))), micro(m), micro(&rounds[0]), micro(&rounds[len(rounds)-1]), plural(len(rounds), "round"),
		float64(m.allocs)/float64(max(1, m.stats.Sequences)))
	h := m.stats.Honest()
	if name == "generator" {
		fmt.Fprintf(w, "  mean %.1f operations\n", h.MeanOperations)
		return
	}
	fmt.Fprintf(w, "  %s\n", honestText(&h))
}

func micro(r *round) float64 { return float64(r.perSequence()) / float64(time.Microsecond) }
