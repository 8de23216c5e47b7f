package corpus_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/conformance"
	"github.com/shardproof/shardproof/corpus"
)

func TestEveryFileParsesAndPrintsTheSame(t *testing.T) {
	for _, f := range corpus.Files() {
		t.Run(f.Name, func(t *testing.T) {
			s, err := conformance.Parse(f.Text)
			require.NoError(t, err)
			if diff := cmp.Diff(string(f.Text), s.String()); diff != "" {
				t.Errorf("not in canonical form (-file +printed):\n%s", diff)
			}
			require.NotEmpty(t, s.Comments, "a file tells its story in a comment")
		})
	}
}

func TestEveryFileIsEmbedded(t *testing.T) {
	embedded := map[string]bool{}
	for _, f := range corpus.Files() {
		embedded[f.Name] = true
	}
	require.NotEmpty(t, embedded)
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		require.NoError(t, err)
		if strings.HasSuffix(name, ".seq") && !embedded[filepath.ToSlash(name)] {
			t.Errorf("%s is not embedded", name)
		}
		return nil
	})
	require.NoError(t, err)
	_, err = os.Stat("README.md")
	require.NoError(t, err)
}

// What is replayed first meets every operation, so that one that is broken shows at once.
func TestTheSmokeFileUsesEveryOperation(t *testing.T) {
	for _, f := range corpus.Files() {
		if f.Name != "kv/smoke.seq" {
			continue
		}
		s, err := conformance.Parse(f.Text)
		require.NoError(t, err)
		used := map[conformance.Kind]bool{}
		for i := range s.Ops {
			used[s.Ops[i].Kind] = true
		}
		for k := conformance.KindNone + 1; k.String() != "unknown"; k++ {
			if k.Info().In("kv") {
				require.True(t, used[k], "%v", k)
			}
		}
		return
	}
	t.Error("there is no smoke file")
}
