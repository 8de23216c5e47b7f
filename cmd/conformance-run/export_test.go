package main

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/conformance"
)

// exportFiles writes one sequence of each suite.
func exportFiles(t *testing.T) (files []string) {
	dir := t.TempDir()
	for _, f := range []struct{ name, text string }{
		{"read-back.seq", "suite kv opset 1\n# Why this is kept.\nput     k0 len=3p fill=7\nflush\nget     k0\n"},
		{"append-read.seq", "suite extent opset 2\nfail at=2 property=EQ op=read field=value\n# A `word` in quotes.\nappend  len=1p\nread    len=1p\n"},
		{"put-get.seq", "suite chunk opset 2\nputchunk len=1\ngetchunk\n"},
		{"insert-flush.seq", "suite index opset 2\ninsert  k0\nflush\nlookup  k0\n"},
	} {
		name := filepath.Join(dir, f.name)
		require.NoError(t, os.WriteFile(name, []byte("conformance-seq 1\n"+f.text), 0o666))
		files = append(files, name)
	}
	return files
}

func TestAnExportedTestRunsAndTellsAFailure(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a test")
	}
	files := exportFiles(t)
	c := call(t, append([]string{"corpus", "export", "--go", "--package", "exported"}, files...)...)
	require.Zero(t, c.code, c.stderr)
	formatted, err := format.Source([]byte(c.stdout))
	require.NoError(t, err)
	require.Equal(t, string(formatted), c.stdout, "as gofmt writes it")
	require.Contains(t, c.stdout, "// Why this is kept.\nfunc TestKVReadBack(t *testing.T) {\n")

	// Inside the module, so that what it imports is found without a network.
	root, err := sourceRoot("")
	require.NoError(t, err)
	dir, err := os.MkdirTemp(filepath.Join(root, "cmd", "conformance-run", "testdata"), "exported-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.WriteFile(filepath.Join(dir, "exported_test.go"), []byte(c.stdout), 0o666))
	goTest := func(args ...string) (string, error) {
		cmd := exec.Command("go", append([]string{"test", "-count=1"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := goTest("-v", ".")
	require.NoError(t, err, out)
	for _, name := range []string{"TestKVReadBack", "TestExtentAppendRead", "TestChunkPutGet", "TestIndexInsertFlush"} {
		require.Contains(t, out, "--- PASS: "+name)
	}

	broken := strings.Replace(c.stdout, "conformance.NewKV(conformance.NewEngineFactory(), conformance.MemoryDisks())",
		"conformance.NewKV(spoiled{conformance.NewEngineFactory()}, conformance.MemoryDisks())", 1)
	require.NotEqual(t, c.stdout, broken)
	broken = strings.Replace(broken, "\t\"testing\"\n", "\t\"testing\"\n\n\t\"github.com/shardproof/shardproof/engine/disk\"\n", 1) + `
type spoiled struct{ conformance.Factory }

func (f spoiled) Open(d disk.Disk, c *conformance.Config) (conformance.Target, error) {
	t, err := f.Factory.Open(d, c)
	return conformance.Spoil(t, conformance.SpoilByte), err
}
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "exported_test.go"), []byte(broken), 0o666))
	out, err = goTest(".")
	require.Error(t, err)
	require.Contains(t, out, "--- FAIL: TestKVReadBack")
	require.Contains(t, out, "EQ: every answer equals the model's")
	require.Equal(t, 1, strings.Count(out, "--- FAIL"), out)
}

func TestEverySuiteCanBeExported(t *testing.T) {
	for suite := range executors {
		require.Contains(t, executorText, suite)
	}
	require.Len(t, executorText, len(conformance.Suites))
}

func TestAnExportThatMakesNoSenseIsRefused(t *testing.T) {
	files := exportFiles(t)
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no form", []string{files[0]}, "a Go test is all there is to export"},
		{"package", []string{"--go", "--package", "a-b", files[0]}, `--package "a-b": the name of a Go package`},
		{"same names", []string{"--go", files[0], files[0]}, "there is a TestKVReadBack already"},
		{"no file", []string{"--go"}, "corpus export: 0 files are named"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := call(t, append([]string{"corpus", "export"}, c.args...)...)
			require.Equal(t, conformance.ExitUsage, got.code)
			require.Contains(t, got.stderr, c.want)
		})
	}
}
