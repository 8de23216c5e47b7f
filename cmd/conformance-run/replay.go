package main

import (
	"context"
	"fmt"
	"io"

	"github.com/shardproof/shardproof/conformance"
)

// replayVerb executes kept sequences and says of each what became of it.
func replayVerb(ctx context.Context, cfg *config, stdout, stderr io.Writer) error {
	if len(cfg.args) == 0 {
		return usagef("which file? conformance-run replay FILE...")
	}
	sequences := make([]*conformance.Sequence, len(cfg.args))
	for i, name := range cfg.args {
		var err error
		if sequences[i], err = readSequence(name); err != nil {
			return err
		}
	}
	host, err := openHost(cfg)
	if err != nil {
		return err
	}
	defer host.close()
	worst := conformance.Held
	for i, s := range sequences {
		if ctx.Err() != nil {
			return verdict(worst.Worse(verdictOf(context.Cause(ctx))))
		}
		suite, err := host.suiteOf(s, cfg.args[i])
		if err != nil {
			return err
		}
		r := conformance.Replay(suite, s, cfg.args[i], conformance.Print{
			Command: commandText(cfg.called), Flags: cfg.diskFlags(),
		})
		fmt.Fprintf(stdout, "%s: %s%s\n", cfg.args[i], r.Outcome, replayDetail(&r))
		if r.Message != "" {
			fmt.Fprintf(stdout, "%s\n", r.Message)
		}
		worst = worst.Worse(r.Verdict())
	}
	return verdict(worst)
}

func replayDetail(r *conformance.Replayed) string {
	switch {
	case r.Err != nil:
		return ": " + r.Err.Error()
	case r.Flaky:
		return fmt.Sprintf(", flaky: only %d of 5 more runs did", r.Reproduced)
	}
	return ""
}

// readSequence reads a .seq file; a malformed one is the user's to correct, and says where.
func readSequence(name string) (*conformance.Sequence, error) {
	text, err := readFile(name)
	if err != nil {
		return nil, err
	}
	s, err := conformance.Parse(text)
	if err != nil {
		return nil, malformed(name, err)
	}
	return s, nil
}
