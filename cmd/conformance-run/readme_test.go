package main

import (
	"os"
	"regexp"
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
