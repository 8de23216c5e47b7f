package bugs

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/conformance"
)

// TestAnEditThatDoesNotApplyIsAnError: a bug that is not there is never reported as one that nobody found (B1).
func TestAnEditThatDoesNotApplyIsAnError(t *testing.T) {
	e, err := Parse(sample)
	require.NoError(t, err)
	trial := &Trial{Root: "../..", Seeds: []uint64{1}, CPU: time.Second, Dir: t.TempDir()}
	_, err = trial.Run(t.Context(), e)
	require.ErrorAs(t, err, new(*ApplyError))
}

func TestAnEditThatDoesNotCompileIsAnError(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module x\n\ngo 1.26\n"), 0o666))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "cmd/conformance-run"), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(root, "cmd/conformance-run/main.go"), []byte("package main\n\nfunc main() {}\n"), 0o666))
	e := &Edit{ID: "broken", Files: []File{{"cmd/conformance-run/main.go", []Change{{Find: "func main() {}\n", Replace: "func main() {\n"}}}}}
	trial := &Trial{Root: root, Seeds: []uint64{1}, CPU: time.Second, Dir: t.TempDir()}
	_, err := trial.Run(t.Context(), e)
	require.ErrorContains(t, err, "broken: the edited source cannot be built")
}

func TestTheMedianOfTheTriesCounts(t *testing.T) {
	tests := []struct {
		name  string
		tries []try
		found bool
		cpu   float64
	}{
		{"one that counts", []try{{cpu: 3}}, true, 3},
		{"one that does not", []try{{cpu: 3, miss: "not found"}}, false, 3},
		{"two of three", []try{{cpu: 9, miss: "not found"}, {cpu: 5}, {cpu: 1}}, true, 5},
		{"one of three", []try{{cpu: 1, miss: "not found"}, {cpu: 5}, {cpu: 2, miss: "flaky"}}, false, 1},
		{"half is not enough", []try{{cpu: 1}, {cpu: 2, miss: "not found"}}, false, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r conformance.BugReport
			summarize(&r, tt.tries)
			require.Equal(t, tt.found, r.Found)
			require.Equal(t, tt.cpu, r.CPUSecondsMedian)
		})
	}
}

func TestAMessageThatIsPastedMustShowTheSameFailure(t *testing.T) {
	tests := []struct{ name, message, want string }{
		{"the same", "FAIL x\n  Replay:    echo 'FAIL x'; false\n", ""},
		{"another", "FAIL x\n  Replay:    echo 'FAIL y'; false\n", "the replay line printed another failure: FAIL y"},
		{"passes", "FAIL x\n  Replay:    echo 'FAIL x'\n", "the replay line ended with exit code 0 instead of 1"},
		{"none", "FAIL x\n", "the message has no replay line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := pasted(t.Context(), t.TempDir(), tt.message)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}
