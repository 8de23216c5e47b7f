package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/conformance"
)

// failingFile runs until a store that is spoiled is found out and returns the file of the sequence as it was generated.
func failingFile(t *testing.T) string {
	spoil(t, conformance.SpoilDelete)
	run := call(t, "run", "--profile", "kv", "--sequences", "200", "--seed", "4", "--fail-fast", "--corpus", "none", "--out", "out",
		"--workers", "1")
	require.Equal(t, 1, run.code)
	files, err := filepath.Glob("out/*-full.seq")
	require.NoError(t, err)
	require.Len(t, files, 1)
	return files[0]
}

func TestMinimizeSaysHowItIsKnownToBeMinimal(t *testing.T) {
	t.Chdir(t.TempDir())
	file := failingFile(t)
	var results []string
	for _, args := range [][]string{{"--workers", "1"}, {"--workers", "3"}, {}} {
		c := call(t, append([]string{"minimize", file, "--output", "min.seq"}, args...)...)
		require.Zero(t, c.code, c.stderr)
		require.Regexp(t, `no single thing can be taken away: none of [1-9]\d* simpler sequences fails like this\n`, c.stderr)
		text, err := os.ReadFile("min.seq")
		require.NoError(t, err)
		require.Regexp(t, `(?m)^fail at=.*  # minimal: [1-9]\d* simpler ones were tried, none fails like this$`, string(text))
		require.Regexp(t, `(?m)^  minimal: [1-9]\d* simpler ones were tried, none fails like this$`, c.stdout)
		results = append(results, string(text))
		require.NoError(t, os.Rename("min.seq", "small.seq"))
	}
	require.Equal(t, results[0], results[1], "however many workers")
	require.Equal(t, results[0], results[2])
	again := call(t, "minimize", "small.seq", "--output", "-")
	require.Zero(t, again.code, again.stderr)
	require.Equal(t, results[0], again.stdout)
}

func TestMinimizeSaysThatItsRunsDidNotSuffice(t *testing.T) {
	t.Chdir(t.TempDir())
	c := call(t, "minimize", failingFile(t), "--output", "-", "--max-runs", "3")
	require.Zero(t, c.code, c.stderr)
	require.Contains(t, c.stderr, "not shown to be minimal: all 3 executions were used, --max-runs allows more\n")
	require.Contains(t, c.stdout, "  # not shown to be minimal: all 3 executions were used\n")
	require.False(t, strings.Contains(c.stderr, "no single thing"))
}
