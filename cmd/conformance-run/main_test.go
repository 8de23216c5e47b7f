package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/conformance"
	"github.com/shardproof/shardproof/engine/disk"
)

var update = flag.Bool("update", false, "rewrite testdata; commit a change only when you can explain each line of it")

// testdata is named from the root: some tests change the working directory.
var testdata = func() string {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		panic(err)
	}
	return dir
}()

// called is what a call of the command left behind.
type called struct {
	code           int
	stdout, stderr string
}

func call(t *testing.T, args ...string) called {
	t.Helper()
	return callWith(t.Context(), nil, args...)
}

func callWith(ctx context.Context, environ []string, args ...string) called {
	var stdout, stderr bytes.Buffer
	code := execute(ctx, append([]string{"conformance-run"}, args...), environ, &stdout, &stderr)
	return called{code, stdout.String(), stderr.String()}
}

// varying are the parts of an output that differ from run to run.
var varying = []struct{ pattern, as string }{
	{`in [0-9hms]+:`, "in TIME:"},
	{`[0-9.kM ]+ sequences per second`, " RATE sequences per second"},
	{`commit +(unknown|[0-9a-f]{40}(\+dirty)?)`, "commit COMMIT"},
	{`conformance-run (devel|v\S+)`, "conformance-run VERSION"},
	{`sha256 [0-9a-f]+`, "sha256 SUM"},
	{`trace digest [0-9a-f]+`, "trace digest DIGEST"},
	{`\d+/\d+ probes`, "N/N probes"},
	{`built with .*`, "built with GO"},
	{`[0-9.]+ s of processor time`, "TIME of processor time"},
}

// golden compares what was printed with a file of testdata.
func golden(t *testing.T, name string, c called) {
	t.Helper()
	got := c.stdout
	if c.stderr != "" {
		got += "--- stderr\n" + c.stderr
	}
	for _, v := range varying {
		got = regexp.MustCompile(v.pattern).ReplaceAllString(got, v.as)
	}
	file := filepath.Join(testdata, name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o666))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// spoil puts stores that are wrong in one way in the engine's place.
func spoil(t *testing.T, how conformance.Spoiling) {
	was := newStores
	newStores = func() conformance.Factory { return spoiledFactory{was(), how} }
	t.Cleanup(func() { newStores = was })
}

type spoiledFactory struct {
	conformance.Factory
	how conformance.Spoiling
}

func (f spoiledFactory) Open(d disk.Disk, c *conformance.Config) (conformance.Target, error) {
	s, err := f.Factory.Open(d, c)
	if err != nil {
		return nil, err
	}
	return conformance.Spoil(s, f.how), nil
}

func TestARunSaysWhatItDid(t *testing.T) {
	c := call(t, "run", "--profile", "kv", "--sequences", "300", "--seed", "1")
	require.Zero(t, c.code)
	require.Regexp(t, `(?m)^DONE 300 sequences, \S+ operations, .*0 failures in \d+s: held$`, c.stdout)
	require.Regexp(t, `^conformance-run \S+  commit \S+  seed 0x1  shard 0/1  profile kv  disk memory  sequences 300\n$`, c.stderr)
}

func TestTheDefaultIsARunOfAMinute(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(conformance.ErrInterrupted)
	c := callWith(ctx, nil)
	require.Equal(t, 130, c.code)
	require.Contains(t, c.stderr, "profile all  disk memory  for 1m00s")
}

func TestAWrongCallIsOneLineAndTouchesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	require.NoError(t, os.WriteFile("old.json", []byte("old"), 0o666))
	require.NoError(t, os.WriteFile("bad.seq", []byte("conformance-seq 1\nsuite kv opset 1\nput k0 len=1x\n"), 0o666))
	require.NoError(t, os.WriteFile("things", []byte("my only copy"), 0o666))
	tests := []struct {
		name string
		args []string
		env  []string
		want string
	}{
		{"unknown flag", []string{"run", "--sequence", "5", "--json", "old.json"}, nil, "unknown flag --sequence; did you mean --sequences?"},
		{"far flag", []string{"--frobnicate"}, nil, "unknown flag --frobnicate; see conformance-run help"},
		{"unknown verb", []string{"reply", "x"}, nil, "unknown verb reply; did you mean replay?"},
		{"bad count", []string{"--json", "old.json", "--sequences", "5x"}, nil, `"5x" is no value for --sequences: a number such as 200000, 200k or 10M`},
		{"bad seed", []string{"--seed", "eleven"}, nil, "is no value for --seed: a number such as 7 or 0x5eed"},
		{"bad shard", []string{"--shard", "4/4"}, nil, "is no value for --shard: a share such as 0/4, the first of four, or 3/4, the last"},
		{"no value", []string{"--seed"}, nil, "flag needs an argument: --seed"},
		{"bad twin", nil, []string{"CONFORMANCE_FOR=soon"}, "CONFORMANCE_FOR=soon: "},
		{"stray word", []string{"run", "fast"}, nil, `"fast" is not expected here: run takes flags only`},
		{"unknown profile", []string{"--profile", "kw", "--json", "old.json"}, nil, "unknown profile kw; did you mean kv?"},
		{"negative time", []string{"--for", "-1s"}, nil, "a time cannot be negative"},
		{"missing device", []string{"--disk", "/dev/no-such", "--json", "old.json"}, nil, "/dev/no-such: there is no such device"},
		{"folder as disk", []string{"--disk", dir}, nil, "is neither a file nor a block device"},
		{"full disk", []string{"--disk", "things"}, nil, "things holds something: byte 0 is not zero; --erase takes it all the same"},
		{"small disk", []string{"--disk", "new", "--disk-size", "4KiB"}, nil, "a disk has at least 1MiB"},
		{"disk too small for sequences", []string{"--disk", "new", "--disk-size", "1MiB"}, nil, "new has 1 MiB; with blocks of 512 bytes sequences need up to "},
		{"no place for the report", []string{"--json", "no/where.json"}, nil, "the report no/where.json cannot be written: "},
		{"folder as report", []string{"--json", dir}, nil, "is a directory"},
		{"no place for failures", []string{"--out", "things/runs"}, nil, "things"},
		{"malformed sequence", []string{"replay", "bad.seq"}, nil, "bad.seq:3:8: "},
		{"absent sequence", []string{"replay", "none.seq"}, nil, "open none.seq: "},
		{"nothing to explain", []string{"explain"}, nil, "which file? conformance-run explain FILE"},
		{"nothing to replay", []string{"replay"}, nil, "which file? conformance-run replay FILE..."},
		{"malformed to minimize", []string{"minimize", "bad.seq"}, nil, "bad.seq:3:8: "},
		{"bad corpus", []string{"--corpus", "none/such"}, nil, "none/such"},
		{"corpus verb", []string{"corpus", "ad"}, nil, "corpus ad; did you mean add?"},
		{"corpus name", []string{"corpus", "add", "bad.seq", "--as", "x"}, nil, "bad.seq:3:8: "},
		{"benchmark", []string{"bench", "harnes"}, nil, "unknown benchmark harnes; did you mean harness?"},
		{"no source", []string{"bugs", "--src", dir}, nil, "does not hold the go.mod of this module"},
		{"unknown bug", []string{"bugs", "list-one-too-man"}, nil, "unknown bug list-one-too-man; did you mean list-one-too-many?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := callWith(t.Context(), tt.env, tt.args...)
			require.Equal(t, conformance.ExitUsage, c.code, c.stderr)
			require.Empty(t, c.stdout)
			require.Contains(t, c.stderr, tt.want)
			require.Equal(t, 1, strings.Count(c.stderr, "\n"), "one line: %s", c.stderr)
		})
	}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Len(t, entries, 3, "nothing was left behind")
	for name, want := range map[string]string{"old.json": "old", "things": "my only copy"} {
		got, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
}

func TestEveryFlagHasAnEnvironmentTwin(t *testing.T) {
	env := []string{"CONFORMANCE_SEQUENCES=2k", "CONFORMANCE_FAIL_FAST=true", "CONFORMANCE_SEED=7", "CONFORMANCE_DISK_SIZE=1MiB"}
	golden(t, "print-config.txt", callWith(t.Context(), env, "run", "--print-config", "--seed", "0x5eed"))
}

func TestHelpNamesEveryVerbAndFlag(t *testing.T) {
	golden(t, "help.txt", call(t, "help"))
	golden(t, "help-run.txt", call(t, "run", "--help"))
	golden(t, "version.txt", call(t, "version"))
}

func TestDigestsDoNotDependOnWorkersOrShards(t *testing.T) {
	t.Chdir(t.TempDir())
	digest := func(args ...string) uint64 {
		c := call(t, append([]string{"run", "--sequences", "400", "--seed", "9", "--json", "r.json"}, args...)...)
		require.Zero(t, c.code, c.stdout+c.stderr)
		data, err := os.ReadFile("r.json")
		require.NoError(t, err)
		require.NoError(t, conformance.CheckSeal(data))
		var rep conformance.Report
		require.NoError(t, json.Unmarshal(data, &rep))
		return parseDigest(t, rep.TraceDigest)
	}
	whole := digest("--workers", "1")
	require.Equal(t, whole, digest("--workers", "2"))
	var sum uint64
	for _, shard := range []string{"0/4", "1/4", "2/4", "3/4"} {
		sum += digest("--shard", shard)
	}
	require.Equal(t, whole, sum)
}

func TestThePrintedReplayLinePrintsTheSameFailure(t *testing.T) {
	t.Chdir(t.TempDir())
	spoil(t, conformance.SpoilDelete)
	run := call(t, "run", "--profile", "kv", "--sequences", "200", "--seed", "4", "--fail-fast", "--corpus", "none", "--out", "out",
		"--workers", "1")
	require.Equal(t, 1, run.code)

	message, commands, ok := strings.Cut(run.stdout, "  Replay:    conformance-run ")
	require.True(t, ok)
	line, _, _ := strings.Cut(commands, "\n")
	replay := call(t, strings.Fields(line)...)
	require.Equal(t, 1, replay.code)
	require.Contains(t, replay.stdout, "still fails with the same signature\n"+message)

	_, commands, _ = strings.Cut(commands, "  Minimize:  conformance-run ")
	line, _, _ = strings.Cut(commands, "\n")
	minimize := call(t, strings.Fields(line)...)
	require.Zero(t, minimize.code, minimize.stderr)
	require.Contains(t, minimize.stderr, "no single thing can be taken away")

	_, commands, _ = strings.Cut(commands, "  Keep:      conformance-run ")
	line, _, _ = strings.Cut(commands, "\n")
	keep := call(t, append(strings.Fields(line), "--corpus", "kept")...)
	require.Zero(t, keep.code, keep.stderr)
	again := call(t, append(strings.Fields(line), "--corpus", "kept")...)
	require.Equal(t, 2, again.code, "nothing in the corpus is overwritten")
	check := call(t, "corpus", "check", "--corpus", "kept")
	require.Equal(t, 1, check.code)

	newStores = conformance.NewEngineFactory
	require.Zero(t, call(t, "corpus", "check", "--corpus", "kept").code)
	require.Zero(t, call(t, "run", "--profile", "kv", "--sequences", "10", "--corpus", "kept").code)
}

func TestAFailureTellsItsStory(t *testing.T) {
	tests := []struct {
		golden string
		how    conformance.Spoiling
		code   int
	}{
		{"replay-passes.txt", 0, 0},
		{"replay-fails.txt", conformance.SpoilByte, 1},
		{"replay-panics.txt", conformance.SpoilPanic, 1},
		{"replay-lists.txt", conformance.SpoilList, 1},
	}
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			if tt.how != 0 {
				spoil(t, tt.how)
			}
			c := call(t, "replay", filepath.Join("testdata", "read-back.seq"))
			require.Equal(t, tt.code, c.code, c.stderr)
			golden(t, tt.golden, c)
		})
	}
}

func TestExplainShowsEveryStep(t *testing.T) {
	t.Cleanup(func() { newStores = conformance.NewEngineFactory }) // after that of spoil
	newStores = conformance.NewModelFactory
	golden(t, "explain.txt", call(t, "explain", filepath.Join("testdata", "read-back.seq")))
	spoil(t, conformance.SpoilByte)
	c := call(t, "explain", filepath.Join("testdata", "read-back.seq"))
	require.Equal(t, 1, c.code)
	require.Contains(t, c.stdout, "  >> EQ: every answer equals the model's\n")
	newStores = conformance.NewEngineFactory
	c = call(t, "explain", filepath.Join("testdata", "read-back.seq"))
	require.Zero(t, c.code)
	require.Contains(t, c.stdout, "~ memtable entries 0 -> 1\n")
}

func TestAFailureOfTheCorpusCanBeReplayedToo(t *testing.T) {
	t.Chdir(t.TempDir())
	spoil(t, conformance.SpoilDelete)
	run := call(t, "run", "--profile", "kv", "--sequences", "20", "--seed", "4", "--fail-fast")
	require.Equal(t, 1, run.code)
	_, commands, ok := strings.Cut(run.stdout, "  Replay:    conformance-run ")
	require.True(t, ok, run.stdout)
	line, _, _ := strings.Cut(commands, "\n")
	replay := call(t, strings.Fields(line)...)
	require.Equal(t, 1, replay.code, replay.stderr)
}

func TestReplayIsStrict(t *testing.T) {
	t.Chdir(t.TempDir())
	spoil(t, conformance.SpoilDelete)
	run := call(t, "run", "--profile", "kv", "--sequences", "200", "--seed", "4", "--fail-fast", "--corpus", "none", "--out", "out", "--json", "r.json")
	require.Equal(t, 1, run.code)
	files, err := filepath.Glob("out/*-full.seq")
	require.NoError(t, err)
	require.Len(t, files, 1)

	spoil(t, conformance.SpoilPanic)
	c := call(t, "replay", files[0])
	require.Equal(t, 1, c.code)
	require.Contains(t, c.stdout, ": fails differently\n")

	newStores = conformance.NewEngineFactory
	c = call(t, "replay", files[0])
	require.Zero(t, c.code)
	require.Contains(t, c.stdout, ": passes\n")
	c = call(t, "minimize", files[0])
	require.Equal(t, 3, c.code)
	require.Contains(t, c.stderr, "passes, there is nothing to minimize")
}

func TestBenchPrintsHonestFigures(t *testing.T) {
	for _, what := range []string{"harness", "kv", "generator"} {
		c := call(t, "bench", what, "--rounds", "1", "--cpu", "50ms")
		require.Zero(t, c.code, c.stderr)
		require.Regexp(t, `^`+what+`: .* sequences per second of processor time, .* us each`, c.stdout)
		require.Contains(t, c.stdout, "\n  mean ")
	}
}

func TestBenchMemoryReadsBackWhatItPut(t *testing.T) {
	c := call(t, "bench", "memory", "--shards", "2000", "--disk", filepath.Join(t.TempDir(), "store"), "--disk-size", "256MiB")
	require.Zero(t, c.code, c.stderr)
	require.Regexp(t, `(?s)^500 shards of 100 bytes, .*\n2 000 shards of 100 bytes, .*\n.* bytes for each shard more\n$`, c.stdout)

	c = call(t, "bench", "open")
	require.Equal(t, 2, c.code)
	require.Contains(t, c.stderr, "open needs --disk PATH")
}

// What is measured varies; how many images and states there are does not.
func TestBenchCrashCountsWhatThereIs(t *testing.T) {
	c := call(t, "bench", "crash", "--rounds", "1", "--cpu", "10ms")
	require.Zero(t, c.code, c.stderr)
	for _, want := range []string{
		"8 writes of 1 MiB at stake: 128 images, ", "12 writes of 1 MiB at stake: 1 536 images, ", "16 writes of 1 MiB at stake: 9 216 images, ",
		" of a store of 8 shards at stake: ",
		"16 writes, 144 blocks, of the log alone at stake: 33 states\n",
		"17 writes, 145 blocks, of the log and a slot of the superblock at stake: 66 states\n",
	} {
		require.Contains(t, c.stdout, want)
	}
}

func TestTheCorpusHolds(t *testing.T) {
	c := call(t, "corpus", "check")
	require.Zero(t, c.code, c.stdout)
	require.NotEmpty(t, call(t, "corpus", "list").stdout)
}

func TestASeededBugIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command")
	}
	c := call(t, "bugs", "list-one-too-many", "--json", filepath.Join(t.TempDir(), "bugs.json"))
	require.Zero(t, c.code, c.stdout+c.stderr)
	require.Contains(t, c.stdout, "DONE 1/1 seeded bugs found")
}
