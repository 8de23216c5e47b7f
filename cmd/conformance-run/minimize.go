package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/shardproof/shardproof/conformance"
)

func minimizeFlags(fs *flag.FlagSet, c *config) {
	suiteFlags(fs, c)
	fs.StringVar(&c.output, "output", "", "`FILE` for the result; FILE-min.seq beside the input when left out, - is stdout")
	c.maxRuns = 5000
	fs.Var(&c.maxRuns, "max-runs", "`number` of executions to spend")
	fs.Var(&c.workers, "workers", "`number` of candidates executed at once; the result does not depend on it")
	fs.DurationVar(&c.hangAfter, "hang-after", time.Minute, "`time` after which a sequence counts as hanging")
}

// minimizeVerb makes a failing sequence as small as it gets while it keeps failing as it does.
func minimizeVerb(ctx context.Context, cfg *config, stdout, stderr io.Writer) error {
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
	suite, err := host.suiteOf(s, name)
	if err != nil {
		return err
	}
	suite.Reduce = conformance.ReduceWithin(int(cfg.maxRuns))
	m, err := conformance.Minimize(ctx, suite, s, int(cfg.workers), cfg.hangAfter)
	switch {
	case errors.Is(err, conformance.ErrStale):
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return verdict(conformance.Inconclusive)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	case m.Hung:
		fmt.Fprintf(stderr, "%s: a run of it, or of what it was cut down to, did not end within %v\n", name, cfg.hangAfter)
		return verdict(conformance.Inconclusive)
	case m.First == nil:
		fmt.Fprintf(stderr, "%s: passes, there is nothing to minimize\n", name)
		return verdict(conformance.Inconclusive)
	}
	small := m.Small
	fmt.Fprintf(stderr, "%s: %s\n", name, costText(s, &m))
	if m.Figures.Minimal {
		fmt.Fprintf(stderr, "%s: no single thing can be taken away: none of %d simpler sequences fails like this\n", name, m.Figures.Proof)
	} else {
		fmt.Fprintf(stderr, "%s: not shown to be minimal: %s\n", name, endText(ctx, &m))
	}
	if err := out.bytes(small.AppendText(nil)); err != nil {
		return err
	}
	if cfg.output == "-" {
		return interrupted(ctx)
	}
	r := conformance.Replay(suite, small, cfg.output, conformance.Print{Command: commandText(cfg.called), Flags: cfg.diskFlags()})
	fmt.Fprint(stdout, r.Message)
	return interrupted(ctx)
}

// costText says what became of s and what that took.
func costText(s *conformance.Sequence, m *conformance.Minimized) string {
	text := fmt.Sprintf("%d -> %d operations in %d executions", len(s.Ops), len(m.Small.Ops), m.Figures.Runs)
	if m.Figures.Speculated > 0 {
		text += fmt.Sprintf(" and %d that were not needed", m.Figures.Speculated)
	}
	text += fmt.Sprintf(", %.1f s of processor time", m.Figures.CPU.Seconds())
	if m.Rate.Flaky() {
		text += fmt.Sprintf("; flaky, %d of %d runs fail", m.Rate.Fails, m.Rate.Runs)
	}
	return text
}

// endText says why a minimization ended before its proof.
func endText(ctx context.Context, m *conformance.Minimized) string {
	if ctx.Err() != nil {
		return "interrupted"
	}
	return fmt.Sprintf("all %d executions were used, --max-runs allows more", m.Figures.Runs)
}

// interrupted returns the verdict of a command that was told to stop, nil if it was not.
func interrupted(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return verdict(verdictOf(context.Cause(ctx)))
}
