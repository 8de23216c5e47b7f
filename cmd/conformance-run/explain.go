package main

import (
	"context"
	"fmt"
	"io"

	"github.com/shardproof/shardproof/conformance"
)

// explainVerb executes one kept sequence and shows every step: the operation, both answers, what changed inside the store.
func explainVerb(_ context.Context, cfg *config, stdout, _ io.Writer) error {
	if len(cfg.args) != 1 {
		return usagef("which file? conformance-run explain FILE")
	}
	name := cfg.args[0]
	s, err := readSequence(name)
	if err != nil {
		return err
	}
	host, err := openHost(cfg)
	if err != nil {
		return err
	}
	defer host.close()
	suite, err := host.suiteOf(s, name)
	if err != nil {
		return err
	}
	r, steps, err := conformance.Explain(suite, s)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprint(stdout, conformance.ExplainText(steps, r.Failure))
	if r.Failure != nil {
		return verdict(conformance.Counterexample)
	}
	return nil
}
