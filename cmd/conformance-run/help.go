package main

import (
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
)

const examples = `Examples:
  conformance-run                                             a useful minute, in memory
  conformance-run run --profile kv --sequences 200k --seed 1  a stated number of sequences, the same on every machine
  conformance-run run --disk /tmp/store --sequences 500       on a file, which is made and removed again
`

// help prints the examples and all verbs, or one verb and its flags.
func help(w io.Writer, args []string) {
	if len(args) > 0 && !isHelp(args[0]) {
		if v, err := verbNamed(args[0]); err == nil {
			helpVerb(w, v)
			return
		}
	}
	fmt.Fprint(w, examples, "\nVerbs:\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := range verbs {
		fmt.Fprintf(t, "  %s\t%s\n", join(verbs[i].name, verbs[i].args), verbs[i].doc)
	}
	t.Flush()
	fmt.Fprint(w, `
The flags of a verb: conformance-run help VERB. Each has an environment twin: --disk-size is CONFORMANCE_DISK_SIZE.
Exit codes: 0 all held, 1 counterexample, 2 called wrongly, 3 inconclusive, 4 harness fault, 130 interrupted, 143 terminated.
`)
}

func helpVerb(w io.Writer, v *verb) {
	fmt.Fprintf(w, "conformance-run %s [flags]: %s\n\n", join(v.name, v.args), v.doc)
	fs := flag.NewFlagSet(v.name, flag.ContinueOnError)
	v.flags(fs, &config{})
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fs.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		if d := f.DefValue; d != "" && d != "false" && d != "0" && d != "0s" {
			usage += " (" + f.DefValue + ")"
		}
		fmt.Fprintf(t, "  --%s\t%s\n", join(f.Name, value), usage)
	})
	t.Flush()
}

func join(a, b string) string {
	if b == "" {
		return a
	}
	return a + " " + b
}
