package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// report writes down what the run found out and what that means.
func (r *run) report(ctx context.Context, canary *CanaryReport, failures []FailureReport) *Report {
	t := r.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	cpu := r.spent.Seconds()
	probes, silent := judgeProbes(r.cfg.Suite.Probes, r.cfg.Suite.Profile, t.stats.Sequences, t.probes)
	rep := &Report{
		Schema:           ReportSchema,
		GeneratorVersion: r.cfg.Suite.GeneratorVersion,
		Seed:             fmt.Sprintf("%#x", r.cfg.Seed),
		Shard:            r.cfg.Shard.String(),
		Profile:          r.cfg.Suite.Profile,
		Sequences:        t.stats.Sequences,
		Operations:       t.stats.Operations,
		ElapsedSeconds:   r.elapsed.Seconds(),
		CPUSeconds:       cpu,
		HonestWork:       t.stats.Honest(),
		Crash:            t.stats.Crash.figures(),
		TraceDigest:      digestText(t.digest),
		Blocks:           t.blockList(),
		Probes:           probes,
		Cells:            t.stats.Cells.names(r.cfg.Suite.Executes),
		Canary:           canary,
		CorpusReplayed:   r.corpus,
		Failures:         failures,
	}
	if cpu > 0 {
		rep.SequencesPerCPUSecond = float64(t.stats.Sequences) / cpu
		rep.OperationsPerCPUSecond = float64(t.stats.Operations) / cpu
	}
	if c := t.stats.Crash; rep.Crash != nil {
		rep.Crashes, rep.CrashStates = &c.Crashes, &c.States
	}
	if f := t.stats.Fault; f.Ordered > 0 {
		rep.Faults, rep.FaultLedger = &f.Ordered, f.ledger()
		rep.FaultCells, rep.FaultCellsVoid = f.Cells.names(rep.Crashes != nil, &f.Made)
	}
	audit := t.audit
	rep.DeterminismAudit = &audit
	j := judgement{verdict: Held, reasons: []string{}}
	r.judge(ctx, &j, rep, silent)
	rep.Verdict, rep.Reasons = j.verdict, j.reasons
	return rep
}

// judgement collects reasons; the worst decides.
type judgement struct {
	verdict Verdict
	reasons []string
}

func (j *judgement) say(v Verdict, format string, args ...any) {
	j.verdict = j.verdict.Worse(v)
	j.reasons = append(j.reasons, fmt.Sprintf(format, args...))
}

// judge holds everything against the run that it may be held against.
func (r *run) judge(ctx context.Context, j *judgement, rep *Report, silent []string) {
	for _, f := range rep.Failures {
		flaky := ""
		if f.Class != "" {
			flaky = " (" + f.Class + ", reproduced " + f.Reproduced + ")"
		}
		j.say(Counterexample, "%s%s", f.Signature, flaky)
	}
	if err := r.tally.err; err != nil {
		if errors.Is(err, ErrStale) {
			j.say(Inconclusive, "%v", err)
		} else {
			j.say(HarnessFault, "%v", err)
		}
	}
	stopped := context.Cause(ctx)
	switch {
	case errors.Is(stopped, ErrTerminated):
		j.say(Terminated, "terminated after %d sequences", rep.Sequences)
	case stopped != nil:
		j.say(Interrupted, "interrupted after %d sequences", rep.Sequences)
	}
	if n := r.cfg.Sequences; n > 0 && rep.Sequences < r.total && (stopped == nil && j.verdict != Counterexample) {
		j.say(Inconclusive, "%d of %d sequences were run before the time was used up", rep.Sequences, r.total)
	}
	if rep.Sequences == 0 && r.total > 0 {
		j.say(Inconclusive, "no sequence was run")
	}
	if len(silent) > 0 {
		j.say(Inconclusive, "due probes that were never hit: %s", strings.Join(silent, ", "))
	}
	if c := rep.Canary; c != nil && c.Caught == 0 {
		j.say(Inconclusive, "the canary is silent: no property saw a false answer in %d sequences", c.Ran)
	}
	if a := rep.DeterminismAudit; a.Differing > 0 {
		j.say(Inconclusive, "%d of %d sequences gave another trace when run again: %s", a.Differing, a.Checked,
			strings.Join(numberList(r.tally.differ), ", "))
	}
}

// numberList shows the first few numbers.
func numberList(numbers []uint64) []string {
	var out []string
	for i, n := range numbers {
		if i == 5 {
			return append(out, "...")
		}
		out = append(out, fmt.Sprint(n))
	}
	return out
}
