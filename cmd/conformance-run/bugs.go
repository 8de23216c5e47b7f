package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/shardproof/shardproof/conformance"
	"github.com/shardproof/shardproof/conformance/bugs"
)

func bugsFlags(fs *flag.FlagSet, c *config) {
	fs.StringVar(&c.source, "src", "", "`DIR` of the source tree: that of the working directory when left out")
	c.seeds = 1
	fs.Var(&c.seeds, "seeds", "`number` of seeds a bug is tried with; the median counts")
	fs.Var(&c.seed, "seed", "`number` the seeds are counted from")
	c.percent = 100
	fs.Var(&c.percent, "percent", "`number` of a hundred bugs that must be found for the verdict to be held")
	c.jobs = 2
	fs.Var(&c.jobs, "jobs", "`number` of bugs tried at once")
	fs.DurationVar(&c.cpu, "cpu", 20*time.Second, "processor `time` a bug may take to be found")
	fs.StringVar(&c.json, "json", "", "`FILE` for the report; - is stdout")
	fs.StringVar(&c.commit, "commit", "", "`revision` to report when the program does not know its own")
	fs.BoolVar(&c.printConfig, "print-config", false, "show every flag's value and where it comes from, and end")
}

// bugsVerb seeds every known bug, or those named, and sees that each is found.
func bugsVerb(ctx context.Context, cfg *config, stdout, stderr io.Writer) error {
	began, cpuBegan := time.Now(), conformance.CPUTime()
	edits, err := chosenEdits(cfg.args)
	if err != nil {
		return err
	}
	if cfg.seeds < 1 || cfg.jobs < 1 || cfg.cpu <= 0 {
		return usagef("--seeds, --jobs and --cpu are at least one")
	}
	root, err := sourceRoot(cfg.source)
	if err != nil {
		return usagef("bugs are built from source: %w; say --src DIR", err)
	}
	if _, err := exec.LookPath("go"); err != nil {
		return usagef("bugs are built from source: %w", err)
	}
	out, err := newOutput(cfg.json, stdout)
	if err != nil {
		return err
	}
	defer out.discard()
	dir, err := os.MkdirTemp("", "conformance-bugs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	trial := &bugs.Trial{Root: root, CPU: cfg.cpu, Dir: dir}
	for i := range uint64(cfg.seeds) {
		trial.Seeds = append(trial.Seeds, cfg.seed.value+i)
	}
	reports, err := tryAll(ctx, trial, edits, int(cfg.jobs), stderr)
	if ctx.Err() != nil {
		return verdict(verdictOf(context.Cause(ctx)))
	}
	if err != nil {
		return err
	}
	rep := bugsReport(reports, int(cfg.percent), cfg.seed.value, time.Since(began), conformance.CPUTime()-cpuBegan)
	identify(rep, cfg.commit)
	if cfg.json != "-" {
		printBugs(stdout, rep)
	}
	if err := out.write(rep); err != nil {
		return err
	}
	return verdict(rep.Verdict)
}

// chosenEdits returns the seeded bugs with the given ids, all of them if there are none.
func chosenEdits(ids []string) ([]*bugs.Edit, error) {
	all, err := bugs.All()
	if err != nil || len(ids) == 0 {
		return all, err
	}
	byID := map[string]*bugs.Edit{}
	var names []string
	for _, e := range all {
		byID[e.ID] = e
		names = append(names, e.ID)
	}
	var chosen []*bugs.Edit
	for _, id := range ids {
		if byID[id] == nil {
			return nil, usagef("unknown bug%s", didYouMean(id, names, ""))
		}
		chosen = append(chosen, byID[id])
	}
	return chosen, nil
}

// tryAll tries the edits, jobs at a time, and returns their reports in the same order. The first trial that does not work ends it.
func tryAll(ctx context.Context, t *bugs.Trial, edits []*bugs.Edit, jobs int, stderr io.Writer) ([]conformance.BugReport, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	reports := make([]conformance.BugReport, len(edits))
	slots := make(chan struct{}, jobs)
	var all sync.WaitGroup
	var mu sync.Mutex
	for i, e := range edits {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			r, err := t.Run(ctx, e)
			if err != nil {
				cancel(err)
				return
			}
			reports[i] = r
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(stderr, "%-9s %s\n", foundText(&r), r.ID)
		})
	}
	all.Wait()
	return reports, context.Cause(ctx)
}

// bugsReport is the report of a seeded-bug run, which holds if that many percent of the bugs are found. Every other one is named.
func bugsReport(reports []conformance.BugReport, percent int, seed uint64, elapsed, cpu time.Duration) *conformance.Report {
	rep := &conformance.Report{
		Schema: conformance.ReportSchema, GeneratorVersion: generatorVersion, Seed: fmt.Sprintf("%#x", seed), Shard: "0/1",
		Profile: "bugs", Verdict: conformance.Held, Reasons: []string{}, ElapsedSeconds: elapsed.Seconds(),
		CPUSeconds: cpu.Seconds(), Blocks: []conformance.Block{}, Failures: []conformance.FailureReport{}, Bugs: reports,
	}
	found := 0
	for i := range reports {
		if r := &reports[i]; r.Found {
			found++
		} else {
			rep.Reasons = append(rep.Reasons, fmt.Sprintf("seeded bug %s survives: %s", r.ID, r.Reason))
		}
	}
	if 100*found < percent*len(reports) {
		rep.Verdict = conformance.Counterexample
	}
	if len(reports) == 0 {
		rep.Verdict = conformance.Inconclusive
		rep.Reasons = append(rep.Reasons, "there are no seeded bugs")
	}
	return rep
}

func foundText(r *conformance.BugReport) string {
	if r.Found {
		return "found"
	}
	return "SURVIVES"
}

// printBugs prints the table.
func printBugs(w io.Writer, rep *conformance.Report) {
	found := 0
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "bug\tissue\tproperty\t\tsequences\tCPU s\toperations\texecutions\t")
	for i := range rep.Bugs {
		r := &rep.Bugs[i]
		issue := "-"
		if r.Issue > 0 {
			issue = fmt.Sprint(r.Issue)
		}
		if r.Found {
			found++
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%.1f\t%d\t%d\t%s\n", r.ID, issue, r.Property, foundText(r), grouped(r.SequencesMedian),
			r.CPUSecondsMedian, r.MinimizedOps, r.MinimizeRuns, strings.TrimSpace(r.Reason))
	}
	t.Flush()
	fmt.Fprintf(w, "DONE %d/%d seeded bugs found in %s: %s\n", found, len(rep.Bugs),
		clock(time.Duration(rep.ElapsedSeconds*float64(time.Second))), rep.Verdict)
}
