package bugs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/shardproof/shardproof/conformance"
)

// OpsMax is how many operations a counterexample has at most before its bug counts as found (B3).
const OpsMax = 8

// Trial says how bugs are tried. It must not be copied once one was.
type Trial struct {
	Root  string        // of the source tree: the folder of go.mod
	Seeds []uint64      // one run each
	CPU   time.Duration // processor time a run may take until it has found something
	Dir   string        // for what is built and written; the caller removes it

	once    sync.Once // see prepare
	base    string    // folder of the cache that builds begin with
	baseErr error
}

// replayMax is how long the replay of a counterexample may take before it counts as one that does not end.
const replayMax = 2 * time.Minute

// command is the package that is built with a bug in it.
const command = "./cmd/conformance-run"

// try is one run of an edited command.
type try struct {
	sequences uint64
	cpu       float64 // seconds
	ops       int
	runs      int
	miss      string // why this run does not count; empty when it does
}

// Run builds the command with e in it, lets it search once for each seed, and judges (B3). An error says that the trial itself
// did not work, for instance because the edit no longer applies.
func (t *Trial) Run(ctx context.Context, e *Edit) (conformance.BugReport, error) {
	report := conformance.BugReport{ID: e.ID, Issue: e.Issue, Property: strings.Join(e.Properties, " "), Seeds: len(t.Seeds)}
	dir := filepath.Join(t.Dir, e.ID)
	binary, err := t.build(ctx, e, dir)
	if err != nil {
		return report, err
	}
	defer os.Remove(binary)
	tries := make([]try, len(t.Seeds))
	for i, seed := range t.Seeds {
		if tries[i], err = t.search(ctx, e, binary, filepath.Join(dir, fmt.Sprintf("%x", seed)), seed); err != nil {
			return report, fmt.Errorf("%s: %w", e.ID, err)
		}
	}
	summarize(&report, tries)
	return report, nil
}

// build makes the edited command.
func (t *Trial) build(ctx context.Context, e *Edit, dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	overlay, err := e.Overlay(t.Root, dir)
	if err != nil {
		return "", err
	}
	if err := t.prepare(ctx); err != nil {
		return "", err
	}
	cache := filepath.Join(dir, "cache")
	defer os.RemoveAll(cache)
	if err := linkTree(t.base, cache); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "conformance-run")
	if err := t.compile(ctx, cache, "-overlay", overlay, "-o", binary); err != nil {
		return "", fmt.Errorf("%s: the edited source cannot be built: %w", e.ID, err)
	}
	return binary, nil
}

// search runs the edited command until it finds something or its time is used up.
func (t *Trial) search(ctx context.Context, e *Edit, binary, dir string, seed uint64) (out try, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return out, err
	}
	// Processor time is what counts; wall time only ends what does not end by itself.
	limited, cancel := context.WithTimeout(ctx, 10*t.CPU+2*time.Minute)
	defer cancel()
	file := filepath.Join(dir, "report.json")
	printed, code, err := runIn(limited, dir, binary, "run", "--profile", e.Profile, "--seed", fmt.Sprintf("%#x", seed), "--fail-fast",
		"--workers", "1", "--cpu", t.CPU.String(), "--hang-after", "30s", "--corpus", "none", "--out", filepath.Join(dir, "out"),
		"--json", file)
	if limited.Err() != nil && ctx.Err() == nil {
		out.miss = "the run did not end"
		return out, nil
	}
	if err != nil {
		return out, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return out, fmt.Errorf("the run left no report (exit code %d): %s", code, firstLine(printed))
	}
	var rep conformance.Report
	if err := json.Unmarshal(data, &rep); err != nil {
		return out, err
	}
	out.sequences, out.cpu = rep.Sequences, rep.CPUSeconds
	if len(rep.Failures) == 0 {
		out.miss = fmt.Sprintf("not found: %s", rep.Verdict)
		if len(rep.Reasons) > 0 {
			out.miss += ", " + rep.Reasons[0]
		}
		return out, nil
	}
	f := &rep.Failures[0]
	if f.SequenceNumber != nil {
		out.sequences = *f.SequenceNumber + 1
	}
	out.ops, out.runs = f.MinimizedOps, f.MinimizeRuns
	switch {
	case code != 1:
		out.miss = fmt.Sprintf("the run ended with exit code %d instead of 1", code)
	case !slices.Contains(e.Properties, f.Property):
		out.miss = "found by another property: " + f.Signature
	case out.cpu > t.CPU.Seconds()+1:
		out.miss = fmt.Sprintf("found after %.0f s of processor time", out.cpu)
	case f.Class != "":
		out.miss = f.Class + ", reproduced " + f.Reproduced
	case out.ops > OpsMax:
		out.miss = fmt.Sprintf("minimized to %d operations only", out.ops)
	case out.runs > conformance.ReduceRuns(e.Profile):
		out.miss = fmt.Sprintf("minimized in %d executions", out.runs)
	default:
		out.miss, err = pasted(ctx, dir, f.Message)
	}
	return out, err
}

// pasted does with the message of a failure what a reader does: it runs the replay line, and says what is different in what it
// prints. Empty: it prints the same failure.
func pasted(ctx context.Context, dir, message string) (string, error) {
	claim, commands, _ := strings.Cut(message, "  Replay:")
	line := strings.TrimSpace(firstLine(commands))
	if line == "" {
		return "the message has no replay line", nil
	}
	limited, cancel := context.WithTimeout(ctx, replayMax)
	defer cancel()
	printed, code, err := runIn(limited, dir, "sh", "-c", line)
	switch {
	case limited.Err() != nil && ctx.Err() == nil:
		return "the replay line did not end", nil
	case err != nil:
		return "", err
	case code != 1:
		return fmt.Sprintf("the replay line ended with exit code %d instead of 1", code), nil
	case !strings.Contains(printed, claim):
		return "the replay line printed another failure: " + firstLine(printed), nil
	}
	return "", nil
}

// runIn runs a program in dir, with no settings of this one's environment, and returns what it printed and its exit code.
func runIn(ctx context.Context, dir, name string, args ...string) (string, int, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CONFORMANCE_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		return out.String(), exit.ExitCode(), nil
	}
	return out.String(), 0, err
}

// summarize takes medians over the tries. A try that does not count is as bad as can be, so a bug is found when more than half
// of its tries count.
func summarize(r *conformance.BugReport, tries []try) {
	sort.SliceStable(tries, func(i, j int) bool {
		a, b := &tries[i], &tries[j]
		if (a.miss == "") != (b.miss == "") {
			return a.miss == ""
		}
		return a.cpu < b.cpu
	})
	m := &tries[len(tries)/2]
	r.Found = m.miss == ""
	r.SequencesMedian, r.CPUSecondsMedian = m.sequences, m.cpu
	r.MinimizedOps, r.MinimizeRuns = m.ops, m.runs
	r.Reason = m.miss
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}
