package bugs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

const sample = `conformance-edit 1
id       flush-forgets-one
issue    3
property EQ PERSIST
profile  kv
note     The run lacks the last entry.
note     It is the largest key.

file engine/index/run.go
find
|	for i := range entries {
|		add(i)
replace
|	for i := range entries[1:] {
|		add(i)
find
|	return nil
replace

file model/store.go
find
|# not a comment
replace
||
`

func TestAnEditReadsAndPrints(t *testing.T) {
	e, err := Parse(sample)
	require.NoError(t, err)
	require.Equal(t, "flush-forgets-one", e.ID)
	require.Equal(t, 3, e.Issue)
	require.Equal(t, []string{"EQ", "PERSIST"}, e.Properties)
	require.Equal(t, "The run lacks the last entry.\nIt is the largest key.", e.Note)
	require.Len(t, e.Files, 2)
	require.Equal(t, "\tfor i := range entries {\n\t\tadd(i)\n", e.Files[0].Changes[0].Find)
	require.Empty(t, e.Files[0].Changes[1].Replace)
	require.Equal(t, "# not a comment\n", e.Files[1].Changes[0].Find)
	require.Equal(t, "|\n", e.Files[1].Changes[0].Replace)
	require.Equal(t, sample, e.Text())
}

func TestAMalformedEditSaysWhere(t *testing.T) {
	lines := strings.SplitAfter(sample, "\n")
	without := func(i int) string { return strings.Join(append(append([]string{}, lines[:i]...), lines[i+1:]...), "") }
	tests := []struct{ name, text, want string }{
		{"empty", "", `line 1, column 1: an edit begins with "conformance-edit 1"`},
		{"version", "conformance-edit 2\n", `line 1, column 1: an edit begins with "conformance-edit 1"`},
		{"no id", without(1), "the edit has no id"},
		{"no property", without(3), "the edit has no property"},
		{"bad id", strings.Replace(sample, "flush-f", "Flush f", 1), "line 2, column 10: an id consists of a-z, 0-9 and -"},
		{"bad issue", strings.Replace(sample, "issue    3", "issue    03", 1), "line 3, column 10: an issue is a number from 1"},
		{"twice", strings.Replace(sample, "issue    3", "id x", 1), "line 3, column 1: id is given twice"},
		{"unknown", strings.Replace(sample, "issue", "isue ", 1), `line 3, column 1: unknown word "isue"`},
		{"no find", strings.Replace(sample, "find\n|#", "|#", 1), "line 21, column 1: a body without find or replace"},
		{"empty find", strings.Replace(sample, "find\n|# not a comment\n", "find\n", 1), "a find has at least one line"},
		{"no replace", strings.Replace(sample, "replace\n||\n", "", 1), "a find is followed by its replace"},
		{"same", strings.Replace(sample, "||", "|# not a comment", 1), "find and replace are the same"},
		{"outside", strings.Replace(sample, "model/store.go", "../model/store.go", 1), "line 20, column 6: a file is a path below"},
		{"no change", sample + "file model/x.go\n", "nothing is changed in model/x.go"},
		{"again", sample + "file model/store.go\n", "model/store.go is edited above already"},
		{"late field", sample + "issue 4\n", "issue stands before the first file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.text)
			var syntax *SyntaxError
			require.ErrorAs(t, err, &syntax)
			require.Contains(t, err.Error(), tt.want)
		})
	}
}

func TestAFindMatchesExactlyOnce(t *testing.T) {
	tests := []struct{ name, source, find, want, fails string }{
		{name: "middle", source: "a\nb\nc\n", find: "b\n", want: "a\nX\nc\n"},
		{name: "first", source: "a\nb\n", find: "a\n", want: "X\nb\n"},
		{name: "no final line break", source: "a\nb", find: "b\n", want: "a\nX\n"},
		{name: "whole lines only", source: "ab\nb\nba\n", find: "b\n", want: "ab\nX\nba\n"},
		{name: "absent", source: "a\n", find: "b\n", fails: "matches 0 times"},
		{name: "twice", source: "b\nb\n", find: "b\n", fails: "matches 2 times"},
		{name: "overlapping itself", source: "b\nb\nb\n", find: "b\nb\n", fails: "matches 2 times"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := File{Path: "x.go", Changes: []Change{{Line: 9, Find: tt.find, Replace: "X\n"}}}
			got, err := f.Apply("bug", tt.source)
			if tt.fails != "" {
				var apply *ApplyError
				require.ErrorAs(t, err, &apply)
				require.Contains(t, err.Error(), "bug.edit:9: x.go: the find "+tt.fails)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

func TestChangesMustNotOverlap(t *testing.T) {
	f := File{Path: "x.go", Changes: []Change{{Line: 1, Find: "b\nc\n"}, {Line: 2, Find: "a\nb\n"}}}
	_, err := f.Apply("bug", "a\nb\nc\n")
	require.ErrorContains(t, err, "overlaps another find")
}

func TestTheTreeIsNotTouched(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	source := filepath.Join(root, "x.go")
	require.NoError(t, os.WriteFile(source, []byte("a\n"), 0o444))
	e := Edit{ID: "bug", Files: []File{{"x.go", []Change{{Find: "a\n", Replace: "b\n"}}}}}
	name, err := e.Overlay(root, dir)
	require.NoError(t, err)
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	var overlay struct{ Replace map[string]string }
	require.NoError(t, json.Unmarshal(data, &overlay))
	edited, err := os.ReadFile(overlay.Replace[source])
	require.NoError(t, err)
	require.Equal(t, "b\n", string(edited))
	same, err := os.ReadFile(source)
	require.NoError(t, err)
	require.Equal(t, "a\n", string(same))
}

func TestEditsAreNamedAfterTheirIDs(t *testing.T) {
	_, err := load(fstest.MapFS{"other.edit": {Data: []byte(sample)}})
	require.ErrorContains(t, err, "a file is named after its id")
	_, err = load(fstest.MapFS{"flush-forgets-one.edit": {Data: []byte(sample)}, "doc.go": {}})
	require.NoError(t, err)
}

// TestEverySeededBugApplies keeps the edits in step with the source: whoever changes a line that a bug edits is told here.
func TestEverySeededBugApplies(t *testing.T) {
	edits, err := All()
	require.NoError(t, err)
	for _, e := range edits {
		t.Run(e.ID, func(t *testing.T) {
			_, err := e.Overlay("../..", t.TempDir())
			require.NoError(t, err)
		})
	}
}
