package conformance

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// confirmRuns is how often a failure is run again; one that does not show each time is flaky, a class of its own.
const confirmRuns = 5

// flakyRuns is how often the result of minimizing a flaky failure is run to say how flaky it is.
const flakyRuns = 20

// triageMax is how many failures of one run are reproduced and minimized; the others are only listed. A store that is this
// broken needs no further examples.
const triageMax = 20

// Print says where the files of failures go and how the commands of their messages begin.
type Print struct {
	Command string // how the user called this program
	Flags   string // what a replay needs to meet the same store, such as " --disk PATH"
	Out     string // directory for failing sequences, made when needed; empty: none are written
}

// triage makes reports of the findings: each is reproduced, minimized, written down and put into words. Once ctx is done, nothing
// is minimized any more.
func (r *run) triage(ctx context.Context) []FailureReport {
	found := r.tally.sorted()
	if r.cfg.FailFast && len(found) > 1 {
		found = found[:1]
	}
	out := make([]FailureReport, 0, len(found))
	for i, f := range found {
		if i < triageMax {
			out = append(out, r.watchedTriage(ctx, f))
		} else {
			out = append(out, f.report())
		}
	}
	return out
}

// watchedTriage investigates f and gives up when that hangs: a sequence that comes to its end in a run need not do so alone.
func (r *run) watchedTriage(ctx context.Context, f *finding) FailureReport {
	g := newGuard(&r.cfg.Suite)
	var rep FailureReport
	if !watched([]*guard{g}, r.cfg.HangAfter, func() { rep = r.investigate(ctx, g, f); g.Close() }) {
		return rep
	}
	lost := f.report()
	lost.Class = "hangs when it is run again"
	full := r.sequenceOf(f)
	lost.Ops, lost.MinimizedOps, lost.MinimizedBytes = len(full.Ops), len(full.Ops), putBytes(full)
	files := r.write(f, full, full, f.failure, Rate{})
	if f.corpus == nil && files.small != "" {
		lost.File = files.small
	}
	lost.Message = messageText(&message{
		seq: full, failure: f.failure, reproduced: lost.Reproduced, files: files, print: r.cfg.Print,
	})
	return lost
}

// report returns what is known of f without running anything.
func (f *finding) report() FailureReport {
	rep := FailureReport{
		Property:    f.failure.Property,
		Signature:   f.failure.Signature.String(),
		Occurrences: f.occurrences,
		Reproduced:  Rate{0, confirmRuns}.String(),
	}
	if f.corpus != nil {
		rep.File = f.corpus.Name
	} else {
		n := f.number
		rep.SequenceNumber = &n
	}
	return rep
}

// investigate reproduces and minimizes f.
func (r *run) investigate(ctx context.Context, g *guard, f *finding) FailureReport {
	rep := f.report()
	full := r.sequenceOf(f)
	rep.Ops, rep.MinimizedOps, rep.MinimizedBytes = len(full.Ops), len(full.Ops), putBytes(full)
	small := full
	var rate Rate
	failure, steps := f.failure, []Step(nil)
	if !f.hang {
		rate = confirm(g, full, f.failure.Signature, confirmRuns)
		if rate.Fails < rate.Runs {
			rep.Class = "flaky"
		}
		if rate.Fails > 0 && f.corpus == nil && !r.cfg.NoReduce && r.cfg.Suite.Reduce != nil && ctx.Err() == nil {
			small, rate = r.reduce(ctx, g, full, f.failure.Signature, rate, &rep)
		}
		if again, s := g.steps(small, f.failure.Signature, rate.patience()); again != nil {
			failure, steps = again, s
		} else if small.Fail != nil {
			failure = f.failure.movedTo(small.Fail, len(small.Ops))
		}
	}
	rep.Reproduced = rate.String()
	files := r.write(f, full, small, failure, rate)
	if files.small != "" && f.corpus == nil {
		rep.File = files.small
	}
	rep.Message = messageText(&message{
		seq: small, failure: failure, steps: steps, reproduced: rep.Reproduced, files: files, print: r.cfg.Print,
	})
	return rep
}

// reduce minimizes full, which fails at that rate, and returns the result with its own rate.
func (r *run) reduce(ctx context.Context, g *guard, full *Sequence, want Signature, rate Rate, rep *FailureReport) (*Sequence, Rate) {
	t := ReduceTask{Execs: []Executor{g}, Want: want, Stop: func() bool { return ctx.Err() != nil }}
	if rate.Flaky() {
		t.Rate = rate
	}
	small, figures := r.cfg.Suite.Reduce(full, t)
	rep.MinimizeRuns, rep.MinimizeCPUSeconds, rep.MinimizeProof = figures.Runs, figures.CPU.Seconds(), figures.Proof
	rep.MinimizedOps, rep.MinimizedBytes = len(small.Ops), putBytes(small)
	if rate.Flaky() {
		rate = confirm(g, small, want, flakyRuns)
	}
	return small, rate
}

// movedTo returns f as it shows where a fail line of a sequence with n operations says.
func (f *Failure) movedTo(line *FailAt, n int) *Failure {
	moved := *f
	if moved.At = line.At - 1; line.At == 0 {
		moved.At = n
	}
	return &moved
}

// sequenceOf returns the sequence that showed f, complete with where it came from.
func (r *run) sequenceOf(f *finding) *Sequence {
	if f.corpus != nil {
		return f.corpus.Sequence.Clone()
	}
	var s Sequence
	r.cfg.Suite.NewGenerator().Fill(&s, MixSeed(r.cfg.Seed, f.number))
	p := provenance{
		seed: r.cfg.Seed, number: f.number, shard: r.cfg.Shard.String(), profile: r.cfg.Suite.Profile,
		gen: r.cfg.Suite.GeneratorVersion, ops: len(s.Ops), bytes: putBytes(&s),
	}
	s.Origin = p.String()
	return &s
}

// confirm runs s again and again and returns how often it failed with that signature.
func confirm(g *guard, s *Sequence, want Signature, runs int) Rate {
	r := Rate{Runs: runs}
	for range runs {
		if res := g.Run(s); res.Failure != nil && res.Failure.Signature == want {
			r.Fails++
		}
	}
	return r
}

// failureFiles are the paths of a failure's sequences; empty where none was written.
type failureFiles struct{ small, full string }

// write puts the sequences of a failure into the run's directory: also one of the corpus, which may be inside the program.
func (r *run) write(f *finding, full, small *Sequence, failure *Failure, rate Rate) failureFiles {
	if r.cfg.Print.Out == "" {
		return failureFiles{}
	}
	mark := func(s *Sequence, failure *Failure) []byte {
		s.Fail = failure.FailLine(len(s.Ops))
		if rate.Flaky() {
			s.Fail.Rate = rate
		}
		return s.AppendText(nil)
	}
	fullText := mark(full, f.failure)
	smallText := mark(small, failure)
	h := fnv.New32a()
	h.Write(smallText)
	stem := fmt.Sprintf("%s-%08x", strings.ToLower(failure.Property), h.Sum32())
	files := failureFiles{
		small: filepath.Join(r.cfg.Print.Out, stem+".seq"),
		full:  filepath.Join(r.cfg.Print.Out, stem+"-full.seq"),
	}
	if small == full {
		files.full = files.small
	}
	err := os.MkdirAll(r.cfg.Print.Out, 0o777)
	if err == nil {
		err = os.WriteFile(files.full, fullText, 0o666)
	}
	if err == nil && files.small != files.full {
		err = os.WriteFile(files.small, smallText, 0o666)
	}
	if err != nil {
		r.tally.fault(fmt.Errorf("a failing sequence could not be written: %w", err))
		return failureFiles{}
	}
	return files
}

// RunDirectory names the directory for the files of a run: runs/<month><day>T<hour><minute><second>-<seed>.
func RunDirectory(under string, at time.Time, seed uint64) string {
	return filepath.Join(under, fmt.Sprintf("%s-%x", at.Format("0102T150405"), seed))
}
