package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/shardproof/shardproof/conformance"
)

// collectRarely lets the garbage collector run when the heap is nine times what lives: with disks in memory that is a few megabytes, so
// it runs all the time otherwise. GOGC, where it is set, stays.
func collectRarely() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(800)
	}
}

// runVerb generates sequences, executes them and reports.
func runVerb(ctx context.Context, cfg *config, stdout, stderr io.Writer) error {
	began := time.Now()
	run, err := cfg.plan()
	if err != nil {
		return err
	}
	if run.Corpus, err = loadCorpus(cfg.corpus); err != nil {
		return err
	}
	run.Print.Out = cfg.out
	if run.Print.Out == "" {
		run.Print.Out = conformance.RunDirectory("runs", began, run.Seed)
	}
	report, err := newOutput(cfg.json, stdout)
	if err != nil {
		return err
	}
	defer report.discard()
	if cfg.out != "" {
		if err := checkDirectory(cfg.out); err != nil {
			return err
		}
	}
	host, err := openHost(cfg)
	if err != nil {
		return err
	}
	defer host.close()
	host.coarse = cfg.coarse
	if host.disk == nil {
		collectRarely()
	}
	run.Suite, err = host.suite(cfg.profile)
	if err != nil {
		return err
	}
	if cfg.json == "-" {
		stdout = stderr // the report has stdout for itself
	}
	printHeader(stderr, cfg, &run)
	line := newProgressLine(stderr)
	run.Progress = line.show
	rep, err := conformance.Run(ctx, run)
	line.clear()
	if err != nil {
		return err
	}
	identify(rep, cfg.commit)
	if err := report.write(rep); err != nil { // before anything is printed: a reader of stdout may go away
		return err
	}
	if cfg.keep || len(rep.Failures) > 0 {
		if err := keepReport(run.Print.Out, rep); err != nil {
			return err
		}
	}
	printResult(stdout, rep)
	return verdict(rep.Verdict)
}

// plan turns flags into the configuration of a run.
func (c *config) plan() (conformance.RunConfig, error) {
	run := conformance.RunConfig{
		Seed: c.seed.value, Shard: c.shard.Shard, Sequences: uint64(c.sequences), For: c.forTime, CPU: c.cpu,
		Workers: int(c.workers), FailFast: c.failFast, HangAfter: c.hangAfter,
		Print: conformance.Print{Command: commandText(c.called), Flags: c.diskFlags()},
	}
	switch {
	case c.forTime < 0 || c.cpu < 0 || c.hangAfter < 0:
		return run, usagef("a time cannot be negative")
	case c.sequences == 0 && c.forTime == 0 && c.cpu == 0:
		run.For = time.Minute
	}
	if !c.seed.given {
		var b [4]byte // short enough to be read out
		if _, err := rand.Read(b[:]); err != nil {
			return run, err
		}
		run.Seed = uint64(binary.LittleEndian.Uint32(b[:]))
	}
	return run, nil
}

// diskFlags are the flags a replay needs to meet the same disk.
func (c *config) diskFlags() string {
	if c.disk == "memory" {
		return ""
	}
	return fmt.Sprintf(" --disk %s --disk-size %s", conformance.Quote(c.disk), c.diskSize.String())
}

// commandText is how the user called this program, so that it can be called so again. A program that go run built is gone when
// it ends.
func commandText(called string) string {
	if strings.Contains(called, "go-build") && strings.Contains(filepath.ToSlash(called), "/exe/") {
		return "go run ./cmd/conformance-run"
	}
	return conformance.Quote(called)
}

// printHeader says on stderr what is about to run, with everything that was drawn.
func printHeader(w io.Writer, cfg *config, run *conformance.RunConfig) {
	id := programIdentity(cfg.commit)
	end := ""
	if run.Sequences > 0 {
		end += fmt.Sprintf("  sequences %s", grouped(run.Sequences))
	}
	if run.For > 0 {
		end += "  for " + clock(run.For)
	}
	if run.CPU > 0 {
		end += "  processor time " + clock(run.CPU)
	}
	fmt.Fprintf(w, "conformance-run %s  commit %s  seed %#x  shard %s  profile %s  disk %s%s\n",
		id.version, id.commit, run.Seed, run.Shard, run.Suite.Profile, cfg.disk, end)
}

// printResult prints every failure, what was done, and what it means.
func printResult(w io.Writer, rep *conformance.Report) {
	for i := range rep.Failures {
		fmt.Fprintf(w, "%s\n", rep.Failures[i].Message)
	}
	for _, reason := range rep.Reasons {
		fmt.Fprintf(w, "%s: %s\n", rep.Verdict, reason)
	}
	fmt.Fprintf(w, "DONE %s sequences, %s operations, %s%s in %s: %s\n", grouped(rep.Sequences), brief(float64(rep.Operations)),
		probesText(rep), plural(len(rep.Failures), "failure"), clock(time.Duration(rep.ElapsedSeconds*float64(time.Second))), rep.Verdict)
	fmt.Fprintf(w, "  %s sequences per second of processor time; %s\n", brief(rep.SequencesPerCPUSecond), honestText(&rep.HonestWork))
	fmt.Fprintf(w, "  trace digest %s; %s replayed from the corpus; %s run twice, %d differ\n", rep.TraceDigest,
		plural(int(rep.CorpusReplayed), "sequence"), plural(int(rep.DeterminismAudit.Checked), "sequence"),
		rep.DeterminismAudit.Differing)
	if rep.Crash != nil {
		fmt.Fprintf(w, "  %s\n", crashText(rep))
	}
	if rep.FaultLedger != nil {
		fmt.Fprintf(w, "  %s\n", faultText(rep))
	}
	if len(rep.Cells) > 0 {
		fmt.Fprintf(w, "  %s\n", cellsText(rep))
	}
}

// crashText says what crashes left, and how much of it was looked at.
func crashText(rep *conformance.Report) string {
	c := rep.Crash
	text := fmt.Sprintf("%s; %s states, %s recoveries; %s of %s power cuts certified; writes at stake: median %d, at most %d",
		grouped(*rep.Crashes)+" crashes", brief(float64(*rep.CrashStates)), brief(float64(c.Recoveries)),
		grouped(c.Certified), grouped(c.InBounds), c.PendingP50, c.PendingMax)
	if c.SampledShareMin > 0 {
		text += fmt.Sprintf("; of the others at least %.2g of all states", c.SampledShareMin)
	}
	return text
}

// faultText says how the faults ended.
func faultText(rep *conformance.Report) string {
	l := rep.FaultLedger
	text := fmt.Sprintf("%s faults: %s masked, %s reported, %s repaired, %s never met, %d without an end",
		grouped(*rep.Faults), brief(float64(l.Masked)), brief(float64(l.Reported)), brief(float64(l.Repaired)), brief(float64(l.Unreachable)), l.Missing)
	if l.Excused > 0 {
		text += fmt.Sprintf("; after %s a recovery lost what damage may cost", plural(int(l.Excused), "power cut"))
	}
	names, hit := rep.EmptiestFaults(4)
	text += fmt.Sprintf("\n  %d of %s of fault and phase hit; the emptiest: %s", hit, plural(len(rep.FaultCells), "pair"), countsText(names, rep.FaultCells))
	if n := len(rep.FaultCellsVoid); n > 0 {
		text += fmt.Sprintf("; of %d more there was no request to hit", n)
	}
	return text
}

// cellsText says how much of the product of kinds and states was seen, and what least.
func cellsText(rep *conformance.Report) string {
	names, hit := rep.Emptiest(6)
	return fmt.Sprintf("%d of %s seen; the emptiest: %s", hit, plural(len(rep.Cells), "cell"), countsText(names, rep.Cells))
}

// countsText lists names with their counts.
func countsText(names []string, counts map[string]uint64) string {
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = fmt.Sprintf("%s %s", name, grouped(counts[name]))
	}
	return strings.Join(words, ", ")
}

// honestText says how much work a sequence is.
func honestText(h *conformance.HonestWork) string {
	text := fmt.Sprintf("mean %.1f operations, %.0f %% without effect, %.0f %% reads with bytes",
		h.MeanOperations, 100*h.NoEffectShare, 100*h.ReadShare)
	if h.AboveCacheShare > 0 {
		text += fmt.Sprintf(", %.0f %% above the cache", 100*h.AboveCacheShare)
	}
	return text
}

func probesText(rep *conformance.Report) string {
	hit, all := rep.ProbesHit()
	if all == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d probes, ", hit, all)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return grouped(uint64(n)) + " " + what + "s"
}

// keepReport puts the report beside the failing sequences.
func keepReport(dir string, rep *conformance.Report) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	out, err := newOutput(filepath.Join(dir, "report.json"), nil)
	if err != nil {
		return err
	}
	defer out.discard()
	return out.write(rep)
}
