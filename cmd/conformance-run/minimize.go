package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/shardproof/shardproof/conformance"
)

func minimizeFlags(fs *flag.FlagSet, c *config) {
	suiteFlags(fs, c)
	fs.StringVar(&c.output, "output", "", "`FILE` for the result; FILE-min.seq beside the input when left out, - is stdout")
	c.maxRuns = 5000
	fs.Var(&c.maxRuns, "max-runs", "`number` of executions to spend")
}

// minimizeVerb makes a failing sequence as small as it gets while it keeps failing as it does.
func minimizeVerb(_ context.Context, cfg *config, stdout, stderr io.Writer) error {
	if len(cfg.args) != 1 {
		return usagef("which file? conformance-run minimize FILE")
	}
	name := cfg.args[0]
	s, err := readSequence(name)
	if err != nil {
		return err
	}
	if cfg.output == "" {
		cfg.output = strings.TrimSuffix(strings.TrimSuffix(name, ".seq"), "-full") + "-min.seq"
	}
	out, err := newOutput(cfg.output, stdout)
	if err != nil {
		return err
	}
	defer out.discard()
	host, err := openHost(cfg)
	if err != nil {
		return err
	}
	defer host.close()
	suite, err := host.suiteNamed(s.Suite)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	suite.Reduce = conformance.ReduceWithin(int(cfg.maxRuns))
	small, figures, failure, ok, err := conformance.Minimize(suite, s)
	switch {
	case errors.Is(err, conformance.ErrStale):
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return verdict(conformance.Inconclusive)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case failure == nil:
		fmt.Fprintf(stderr, "%s: passes, there is nothing to minimize\n", name)
		return verdict(conformance.Inconclusive)
	case !ok:
		fmt.Fprintf(stderr, "%s: fails, but not each time: %s\n", name, failure.Signature)
		return verdict(conformance.Inconclusive)
	}
	proof := "not shown to be minimal"
	if figures.Minimal {
		proof = "no single thing can be taken away"
	}
	fmt.Fprintf(stderr, "%s: %d -> %d operations in %d executions, %.1f s of processor time; %s\n", name, len(s.Ops), len(small.Ops),
		figures.Runs, figures.CPU.Seconds(), proof)
	if err := out.bytes(small.AppendText(nil)); err != nil {
		return err
	}
	if cfg.output == "-" {
		return nil
	}
	r := conformance.Replay(suite, small, cfg.output, conformance.Print{Command: commandText(cfg.called), Flags: cfg.diskFlags()})
	fmt.Fprint(stdout, r.Message)
	return nil
}
