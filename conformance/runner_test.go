package conformance

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
)

func mustRun(t *testing.T, ctx context.Context, cfg RunConfig) *Report {
	t.Helper()
	rep, err := Run(ctx, cfg)
	require.NoError(t, err)
	return rep
}

func TestResultsDoNotDependOnTheNumberOfWorkers(t *testing.T) {
	f := fakeStore{breaks: longPut(290)}
	want := mustRun(t, t.Context(), RunConfig{Suite: f.suite(), Seed: 5, Sequences: 3000, Workers: 1})
	require.Len(t, want.Failures, 1)
	for _, workers := range []int{2, 7} {
		got := mustRun(t, t.Context(), RunConfig{Suite: f.suite(), Seed: 5, Sequences: 3000, Workers: workers})
		ignore := cmpopts.IgnoreFields(Report{}, "ElapsedSeconds", "CPUSeconds", "SequencesPerCPUSecond", "OperationsPerCPUSecond")
		if diff := cmp.Diff(want, got, ignore); diff != "" {
			t.Errorf("%d workers instead of 1 (-1 +%d):\n%s", workers, workers, diff)
		}
	}
}

func TestDigestsOfShardsAddUpToTheWhole(t *testing.T) {
	const sequences = 70_000 // two blocks
	f := fakeStore{}
	whole := mustRun(t, t.Context(), RunConfig{Suite: f.suite(), Seed: 9, Sequences: sequences})
	require.Len(t, whole.Blocks, 2)
	var sum, first, count uint64
	for i := range uint64(4) {
		rep := mustRun(t, t.Context(), RunConfig{Suite: f.suite(), Seed: 9, Sequences: sequences, Shard: Shard{i, 4}})
		sum += parseDigest(t, rep.TraceDigest)
		first += parseDigest(t, rep.Blocks[0].Digest)
		count += rep.Sequences
	}
	require.Equal(t, whole.Sequences, count)
	require.Equal(t, whole.TraceDigest, digestText(sum))
	require.Equal(t, whole.Blocks[0].Digest, digestText(first))
}

func parseDigest(t *testing.T, s string) uint64 {
	t.Helper()
	d, err := parseHex(s)
	require.NoError(t, err)
	return d
}

func TestFailFastReportsTheLowestNumber(t *testing.T) {
	f := fakeStore{breaks: longPut(280)}
	var want *uint64
	for _, workers := range []int{1, 3, 6} {
		rep := mustRun(t, t.Context(), RunConfig{Suite: f.suite(), Seed: 2, For: time.Minute, FailFast: true, Workers: workers})
		require.Equal(t, Counterexample, rep.Verdict)
		require.Len(t, rep.Failures, 1)
		if want == nil {
			want = rep.Failures[0].SequenceNumber
		}
		require.Equal(t, want, rep.Failures[0].SequenceNumber, "%d workers", workers)
	}
}

func TestEveryVerdictHasItsReason(t *testing.T) {
	owed := []Probe{{"never", []string{"kv"}, 50}, {"later", []string{"kv"}, 5000}, {"other", []string{"chunk"}, 1}}
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(ErrInterrupted)
	terminated, cancel := context.WithCancelCause(t.Context())
	cancel(ErrTerminated)
	tests := []struct {
		name   string
		store  *fakeStore
		ctx    context.Context
		edit   func(*RunConfig)
		want   Verdict
		reason string
	}{
		{name: "held", want: Held},
		{name: "counterexample", store: &fakeStore{breaks: longPut(200)}, want: Counterexample, reason: "property=EQ op=put field=error"},
		{name: "flaky", store: &fakeStore{breaks: longPut(200), flaky: true}, want: Counterexample, reason: "flaky, reproduced 10/20"},
		{name: "drift", store: &fakeStore{drifts: true}, want: Inconclusive, reason: "another trace when run again"},
		{name: "canary", store: &fakeStore{honest: true}, want: Inconclusive, reason: "canary is silent"},
		{name: "panic", store: &fakeStore{panics: KindReboot}, want: Counterexample, reason: "site=extent-is-not-mine"},
		{name: "probe", edit: func(c *RunConfig) { c.Suite.Probes = owed }, want: Inconclusive, reason: "never hit: never"},
		{name: "time", edit: func(c *RunConfig) { c.Sequences, c.For = 1e12, time.Millisecond }, want: Inconclusive, reason: "time"},
		{name: "planned end", edit: func(c *RunConfig) { c.Sequences, c.For = 0, 10*time.Millisecond }, want: Held},
		{name: "processor time", edit: func(c *RunConfig) { c.Sequences, c.CPU = 0, 10*time.Millisecond }, want: Held},
		{name: "interrupted", ctx: interrupted, edit: func(c *RunConfig) { c.Sequences = 1e12 }, want: Interrupted, reason: "after"},
		{name: "terminated", ctx: terminated, edit: func(c *RunConfig) { c.Sequences = 1e12 }, want: Terminated, reason: "after"},
		{name: "broken harness", edit: func(c *RunConfig) {
			c.Suite.NewExecutor = func() (Executor, error) { return nil, errors.New("no disk") }
		}, want: HarnessFault, reason: "no disk"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			store := tt.store
			if store == nil {
				store = &fakeStore{}
			}
			cfg := RunConfig{Suite: store.suite(), Seed: 1, Sequences: 400, Workers: 2}
			if tt.edit != nil {
				tt.edit(&cfg)
			}
			ctx := tt.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			rep := mustRun(t, ctx, cfg)
			if rep.Verdict != tt.want {
				t.Errorf("verdict %s, want %s; reasons %q", rep.Verdict, tt.want, rep.Reasons)
			}
			if got := strings.Join(rep.Reasons, "; "); (tt.reason == "") != (got == "") || !strings.Contains(got, tt.reason) {
				t.Errorf("reasons %q do not say %q", got, tt.reason)
			}
		})
	}
}

func TestASequenceThatHangsIsAFailure(t *testing.T) {
	f := fakeStore{hangs: KindReboot}
	rep := mustRun(t, t.Context(), RunConfig{Suite: f.suite(), Sequences: 100, Workers: 1, HangAfter: 200 * time.Millisecond})
	require.Equal(t, Counterexample, rep.Verdict)
	require.Equal(t, "property=PROGRESS field=hang", rep.Failures[0].Signature)
	require.NotNil(t, rep.Failures[0].SequenceNumber)
}

func TestTheAuditRunsOneInAHundredElsewhere(t *testing.T) {
	for _, workers := range []int{1, 2, 3} {
		f := fakeStore{drifts: true}
		rep := mustRun(t, t.Context(), RunConfig{Suite: f.suite(), Sequences: 20_000, Workers: workers})
		a := rep.DeterminismAudit
		if a.Checked < 150 || a.Checked > 250 || a.Differing != a.Checked {
			t.Errorf("%d workers: %d checked, %d differ; want about 200, all of them on another executor", workers, a.Checked, a.Differing)
		}
	}
}

func TestTheCorpusIsReplayedFirst(t *testing.T) {
	var bad Sequence
	fakeFiller{}.Fill(&bad, 1)
	bad.Ops = []Op{NewOp(KindDelete), NewOp(KindPut)}
	bad.Ops[0].Key, bad.Ops[1].Key, bad.Ops[1].Len = 0, 1, 400
	other := bad.Clone()
	other.Suite = "chunk"
	f := fakeStore{breaks: longPut(400)}
	rep := mustRun(t, t.Context(), RunConfig{
		Suite: f.suite(), Sequences: 100,
		Corpus: []CorpusFile{{"chunk/other.seq", other}, {"kv/long-put.seq", &bad}},
	})
	require.Equal(t, uint64(1), rep.CorpusReplayed, "files of another suite are another profile's")
	require.Equal(t, Counterexample, rep.Verdict)
	require.Equal(t, "kv/long-put.seq", rep.Failures[0].File)
	require.Nil(t, rep.Failures[0].SequenceNumber)
}

func TestProbesAreCountedOverAllExecutors(t *testing.T) {
	f := fakeStore{probing: "seen"}
	cfg := RunConfig{Suite: f.suite(), Sequences: 1000, Workers: 3}
	cfg.Suite.Probes = []Probe{{"seen", []string{"kv"}, 1}}
	rep := mustRun(t, t.Context(), cfg)
	require.Equal(t, Held, rep.Verdict)
	if p := rep.Probes["seen"]; p.Count < 1000 || !p.Due {
		t.Errorf("probe %+v, want every run counted", p)
	}
}

func TestAFailureIsWrittenAndReplaysToTheSameMessage(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run it")
	f := fakeStore{breaks: longPut(250)}
	rep := mustRun(t, t.Context(), RunConfig{
		Suite: f.suite(), Sequences: 500, Print: Print{Command: "conformance-run", Out: out},
	})
	require.Len(t, rep.Failures, 1)
	fail := rep.Failures[0]
	require.Equal(t, 2, fail.MinimizedOps)
	text, err := os.ReadFile(fail.File)
	require.NoError(t, err)
	s, err := Parse(text)
	require.NoError(t, err)
	require.Equal(t, string(text), s.String())

	again := Replay(f.suite(), s, fail.File, Print{Command: "conformance-run"})
	require.Equal(t, ReplayFails, again.Outcome)
	claim := func(m string) string { m, _, _ = strings.Cut(m, "  Replay:"); return m }
	require.Equal(t, claim(fail.Message), claim(again.Message))
	require.Contains(t, fail.Message, "Replay:    conformance-run replay '"+fail.File+"'\n")

	fixed := fakeStore{}
	require.Equal(t, ReplayPasses, func() ReplayOutcome { r := Replay(fixed.suite(), s, "", Print{}); return r.Outcome }())
	other := fakeStore{panics: KindPut}
	require.Equal(t, ReplayDiffers, func() ReplayOutcome { r := Replay(other.suite(), s, "", Print{}); return r.Outcome }())
}

func TestSealedReportsAreRecognised(t *testing.T) {
	f := fakeStore{breaks: longPut(250)}
	rep := mustRun(t, t.Context(), RunConfig{Suite: f.suite(), Sequences: 100})
	data, err := rep.Seal()
	require.NoError(t, err)
	require.NoError(t, CheckSeal(data))
	for _, absent := range []string{"crashes", "crash_states", "fault_ledger", "schedules", "bugs", "cells"} {
		require.NotContains(t, string(data), `"`+absent+`"`, "a field of a feature that does not exist is absent")
	}
	changed := strings.Replace(string(data), `"sequences": 100`, `"sequences": 1000`, 1)
	require.ErrorIs(t, CheckSeal([]byte(changed)), ErrReportChanged)
	spaced := strings.ReplaceAll(string(data), "\n", "\n\n")
	require.NoError(t, CheckSeal([]byte(spaced)), "white space is not content")
}
