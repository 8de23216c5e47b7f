package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/conformance/bugs"
)

// TestTheCommandsOfTheReadmeAreUnderstood parses every command that the README shows: a verb or a flag that was renamed is
// noticed here.
func TestTheCommandsOfTheReadmeAreUnderstood(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	shown := 0
	for _, m := range regexp.MustCompile(`(?m)^(?:\./conformance-run|go run \./cmd/conformance-run)( .*)?$`).FindAllStringSubmatch(string(text), -1) {
		args := strings.Fields(m[1])
		shown++
		name := "run"
		if len(args) > 0 {
			name, args = args[0], args[1:]
		}
		if name == "help" {
			continue
		}
		v, err := verbNamed(name)
		require.NoError(t, err, m[0])
		require.NoError(t, (&config{}).parse(v, args, nil), m[0])
	}
	require.GreaterOrEqual(t, shown, 5)
}

// TestTheReadmeNamesTheSeededBugsOfKnownIssues keeps the table of issues complete.
func TestTheReadmeNamesTheSeededBugsOfKnownIssues(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	edits, err := bugs.All()
	require.NoError(t, err)
	for _, e := range edits {
		if e.Issue != 0 && !strings.Contains(string(text), "`"+e.ID+"`") {
			t.Errorf("the table of issues lacks %s, which stands for issue %d", e.ID, e.Issue)
		}
	}
}

// TestTheReadmeKnowsHowLargeTheFoldersAre keeps the table of folders true to a fifth; -update writes the figures as they are.
func TestTheReadmeKnowsHowLargeTheFoldersAre(t *testing.T) {
	const name = "../../README.md"
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	row := regexp.MustCompile("(?m)^\\| (`[^|]*`) \\| ([^|]*) \\| ([0-9 ]*) \\| ([0-9 ]*) \\|$")
	rows := 0
	updated := row.ReplaceAllStringFunc(string(text), func(line string) string {
		m := row.FindStringSubmatch(line)
		rows++
		lines, tests := 0, 0
		for _, folder := range strings.Split(m[1], ", ") {
			all, of := linesOf(t, filepath.Join("../..", strings.Trim(folder, "`")))
			lines, tests = lines+all, tests+of
		}
		for i, want := range []int{lines, tests} {
			said, _ := strconv.Atoi(strings.ReplaceAll(m[3+i], " ", ""))
			if off := max(said-want, want-said); off > want/5 && off > 50 && !*update {
				t.Errorf("the README says %d for %s, it is %d; -update writes what it is", said, m[1], want)
			}
		}
		return fmt.Sprintf("| %s | %s | %s | %s |", m[1], m[2], rounded(lines), rounded(tests))
	})
	require.GreaterOrEqual(t, rows, 10)
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(updated), 0o666))
	}
}

// linesOf counts the lines of the Go files in dir, and those of them in tests.
func linesOf(t *testing.T, dir string) (all, tests int) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, dir)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		n := bytes.Count(text, []byte("\n"))
		all += n
		if strings.HasSuffix(file, "_test.go") {
			tests += n
		}
	}
	return all, tests
}

// rounded writes n to two digits.
func rounded(n int) string {
	step := 10
	for n/step >= 100 {
		step *= 10
	}
	return grouped(uint64((n + step/2) / step * step))
}
