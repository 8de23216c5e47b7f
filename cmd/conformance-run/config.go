package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// config is what the flags say. A verb has those it registers; the others stay zero.
type config struct {
	called string   // the command as the user called it
	args   []string // what is not a flag

	profile   string
	sequences count
	forTime   time.Duration
	cpu       time.Duration
	seed      seed
	workers   workersFlag
	shard     shardFlag
	failFast  bool
	hangAfter time.Duration
	coarse    bool
	corpus    string
	out       string
	json      string
	commit    string
	keep      bool

	disk     string
	diskSize size
	erase    bool

	output  string // minimize, disk dump
	maxRuns count  // minimize
	as      string // corpus add
	goTest  bool   // corpus export
	pkg     string // corpus export
	source  string // bugs, corpus
	seeds   count  // bugs
	jobs    count  // bugs
	rounds  count  // bench
	shards  count  // bench
	ops     count  // exhaust
	faults  bool   // exhaust
	percent count  // bugs

	extentSize size   // disk format and salvage
	pageSize   size   // disk format
	get        string // disk dump

	printConfig bool
	flags       *flag.FlagSet
	from        map[string]string // where each flag's value comes from
}

// suiteFlags say what sequences are executed on.
func suiteFlags(fs *flag.FlagSet, c *config) {
	fs.StringVar(&c.disk, "disk", "memory", "`memory|PATH`: what the store lies on; a file that does not exist is made and removed")
	c.diskSize = 64 << 20
	fs.Var(&c.diskSize, "disk-size", "`bytes` of the disk at PATH")
	fs.BoolVar(&c.erase, "erase", false, "use a disk although there is something on it, which is lost")
	fs.BoolVar(&c.printConfig, "print-config", false, "show every flag's value and where it comes from, and end")
}

// runFlags are those of run.
func runFlags(fs *flag.FlagSet, c *config) {
	suiteFlags(fs, c)
	fs.StringVar(&c.profile, "profile", "all", "`name` of the mix of operations: "+strings.Join(profileNames(), ", "))
	fs.Var(&c.sequences, "sequences", "`number` of sequences over all shards, such as 10M")
	fs.DurationVar(&c.forTime, "for", 0, "`time` to run, such as 90s or 8h; one minute when neither this nor --sequences is given")
	fs.DurationVar(&c.cpu, "cpu", 0, "processor `time` to use")
	fs.Var(&c.seed, "seed", "`number` the sequences are drawn from; drawn itself when left out")
	fs.Var(&c.workers, "workers", "`number` of sequences executed at once")
	fs.Var(&c.shard, "shard", "`i/n`: only the sequence numbers that leave i when divided by n")
	fs.BoolVar(&c.coarse, "coarse", false, "look at one state of each crash instead of all: for measuring what all cost")
	fs.BoolVar(&c.failFast, "fail-fast", false, "stop at the first failure")
	fs.DurationVar(&c.hangAfter, "hang-after", time.Minute, "`time` after which a sequence counts as hanging")
	fs.StringVar(&c.corpus, "corpus", "", "`DIR|none`: sequences to replay first, instead of those built in")
	fs.StringVar(&c.out, "out", "", "`DIR` for failing sequences, instead of one below runs")
	fs.StringVar(&c.json, "json", "", "`FILE` for the report; - is stdout")
	fs.BoolVar(&c.keep, "keep", false, "keep the report in the run's directory, also when nothing failed")
	fs.StringVar(&c.commit, "commit", "", "`revision` to report when the program does not know its own")
}

// parse reads the flags of v from args and, where args lack them, from the environment. Flags and arguments may be mixed.
func (c *config) parse(v *verb, args, environ []string) error {
	fs := flag.NewFlagSet(v.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	v.flags(fs, c)
	c.flags, c.from = fs, map[string]string{}
	for {
		if err := fs.Parse(args); err != nil {
			return c.explain(err)
		}
		if args = fs.Args(); len(args) == 0 {
			break
		}
		c.args = append(c.args, args[0])
		args = args[1:]
	}
	fs.Visit(func(f *flag.Flag) { c.from[f.Name] = "flag" })
	var wrong error
	fs.VisitAll(func(f *flag.Flag) {
		value, ok := lookup(environ, twin(f.Name))
		if !ok || c.from[f.Name] != "" {
			return
		}
		if err := fs.Set(f.Name, value); err != nil && wrong == nil {
			wrong = usagef("%s=%s: %v", twin(f.Name), value, err)
		}
		c.from[f.Name] = twin(f.Name)
	})
	if wrong == nil && v.args == "" && len(c.args) > 0 {
		wrong = usagef("%q is not expected here: %s takes flags only", c.args[0], v.name)
	}
	return wrong
}

// explain turns an error of package flag into one line that helps.
func (c *config) explain(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	if text, ok := strings.CutPrefix(err.Error(), "invalid value "); ok {
		return usagef("%s", strings.Replace(text, " for flag -", " is no value for --", 1))
	}
	name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return usagef("%s", strings.Replace(err.Error(), ": -", ": --", 1))
	}
	var names []string
	c.flags.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	return usagef("unknown flag%s", didYouMean(strings.TrimPrefix(name, "-"), names, "--"))
}

// twin is the environment variable of a flag.
func twin(name string) string {
	return "CONFORMANCE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

func lookup(environ []string, name string) (string, bool) {
	for _, v := range environ {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// print shows every flag, its value and where that comes from.
func (c *config) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	c.flags.VisitAll(func(f *flag.Flag) {
		from := c.from[f.Name]
		if from == "" {
			from = "default"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.Name, f.Value, from)
	})
	t.Flush()
}

// readFile reads a file the user named; that it cannot be read is the user's to know.
func readFile(name string) ([]byte, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, usageError{err}
	}
	return data, nil
}
