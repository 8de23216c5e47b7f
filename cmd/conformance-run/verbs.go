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

// verb is one thing the command does. run gets its configuration complete, and writes data to stdout and talk to stderr.
type verb struct {
	name  string
	args  string // in the usage line
	doc   string
	flags func(*flag.FlagSet, *config)
	run   func(ctx context.Context, cfg *config, stdout, stderr io.Writer) error
}

// verbs are in the order help shows them; the first is the one that is run when none is named.
var verbs = []verb{
	{"run", "", "generate sequences, execute them beside the model, report", runFlags, runVerb},
	{"replay", "FILE...", "execute kept sequences and say whether they still fail", suiteFlags, replayVerb},
	{"minimize", "FILE", "make a failing sequence as small as it gets", minimizeFlags, minimizeVerb},
	{"explain", "FILE", "execute a kept sequence and show what changes inside the store at each step", suiteFlags, explainVerb},
	{"bugs", "[ID...]", "seed known bugs, one at a time, and see that each is found", bugsFlags, bugsVerb},
	{"exhaust", "", "run every short sequence, with a crash everywhere, in every state that it can leave", exhaustFlags, exhaustVerb},
	{"corpus", "list|add FILE|check|export FILE...", "keep minimized sequences that every run replays first", corpusFlags, corpusVerb},
	{"disk", "format|info|check|scrub|dump|salvage PATH", "make a store on a device or in a file, look at one, take out what it holds", diskFlags, diskVerb},
	{"bench", "harness|kv|generator|open|memory|crash", "measure rates, beside the figures that make them honest; times of opening; memory; crashes", benchFlags, benchVerb},
	{"version", "", "say which program this is", versionFlags, versionVerb},
}

// usageError is a call that makes no sense: exit code 2, one line, nothing run and nothing written.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// verdictError ends the command with the exit code of a verdict that has been printed.
type verdictError struct{ conformance.Verdict }

func (e verdictError) Error() string { return string(e.Verdict) }

// verdict returns the error that ends the command with v, nil when everything held.
func verdict(v conformance.Verdict) error {
	if v == conformance.Held {
		return nil
	}
	return verdictError{v}
}

// execute runs the verb that args name and returns the exit code. args[0] is the command as the user called it; environ is as
// os.Environ gives it.
func execute(ctx context.Context, args, environ []string, stdout, stderr io.Writer) int {
	name := "run"
	rest := args[1:]
	if len(rest) > 0 && !strings.HasPrefix(rest[0], "-") {
		name, rest = rest[0], rest[1:]
	}
	if name == "help" || len(rest) > 0 && isHelp(rest[0]) && len(args) == 2 {
		help(stdout, rest)
		return 0
	}
	v, err := verbNamed(name)
	if err == nil {
		cfg := &config{called: args[0]}
		if err = cfg.parse(v, rest, environ); errors.Is(err, flag.ErrHelp) {
			help(stdout, []string{v.name})
			return 0
		}
		if err == nil && cfg.printConfig {
			cfg.print(stdout)
			return 0
		}
		if err == nil {
			err = v.run(ctx, cfg, stdout, stderr)
		}
	}
	return exitCode(err, name, stderr)
}

// exitCode says on stderr what went wrong, in one line, and returns the code for it.
func exitCode(err error, name string, stderr io.Writer) int {
	var usage usageError
	var said verdictError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &said):
		return said.ExitCode()
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "conformance-run %s: %v\n", name, err)
		return conformance.ExitUsage
	}
	fmt.Fprintf(stderr, "conformance-run %s: %v\n", name, err)
	return conformance.HarnessFault.ExitCode()
}

func verbNamed(name string) (*verb, error) {
	names := make([]string, len(verbs))
	for i := range verbs {
		if verbs[i].name == name {
			return &verbs[i], nil
		}
		names[i] = verbs[i].name
	}
	return nil, usagef("unknown verb%s", didYouMean(name, names, ""))
}

func isHelp(arg string) bool { return arg == "-h" || arg == "-help" || arg == "--help" }
