// Command conformance-run drives a storage engine beside its reference model and tells every difference in a few lines.
//
//	go run ./cmd/conformance-run                                   a useful minute, in memory
//	conformance-run run --profile kv --sequences 200000 --seed 1   a stated number, the same everywhere
//	conformance-run replay runs/1122T074112-5eed/eq-1f00d2c4.seq   what a failure was
//
// Exit codes: 0 all held, 1 counterexample, 2 called wrongly, 3 inconclusive, 4 fault of the harness, 130 interrupted, 143
// terminated. Data goes to stdout, talk to stderr. Every flag has an environment twin: --disk-size is CONFORMANCE_DISK_SIZE.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/shardproof/shardproof/conformance"
)

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		cancel(causeOf(<-signals)) // once: finish what is running, and report
		last := causeOf(<-signals) // twice: stop
		if c := made.Load(); c != nil {
			c.release()
		}
		os.Exit(verdictOf(last).ExitCode())
	}()
	os.Exit(execute(ctx, os.Args, os.Environ(), os.Stdout, os.Stderr))
}

func causeOf(s os.Signal) error {
	if s == syscall.SIGTERM {
		return conformance.ErrTerminated
	}
	return conformance.ErrInterrupted
}

func verdictOf(cause error) conformance.Verdict {
	if cause == conformance.ErrTerminated {
		return conformance.Terminated
	}
	return conformance.Interrupted
}
