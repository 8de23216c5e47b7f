package bugs

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParse reads any text. What is an edit prints, and its text is that edit again.
func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("")
	f.Add("conformance-edit 1\nfind\n")
	f.Add("conformance-edit 1\nid a\nproperty EQ\nprofile kv\nnote n\nfile f\nfind\n|\nreplace\n")
	f.Fuzz(func(t *testing.T, text string) { requireRead(t, text) })
}

// requireRead wants text to be an edit, or not to be with a place.
func requireRead(t *testing.T, text string) {
	t.Helper()
	e, err := Parse(text)
	if err != nil {
		var syntax *SyntaxError
		require.ErrorAs(t, err, &syntax)
		require.Positive(t, syntax.Line)
		require.Positive(t, syntax.Column)
		return
	}
	again, err := Parse(e.Text())
	require.NoError(t, err, e.Text())
	require.Equal(t, e.Text(), again.Text())
}

func TestEveryFlippedBitAndTruncationOfAnEditIsRead(t *testing.T) {
	for n := range sample {
		requireRead(t, sample[:n])
	}
	b := []byte(sample)
	for bit := range len(b) * 8 {
		b[bit/8] ^= 1 << (bit % 8)
		requireRead(t, string(b))
		b[bit/8] ^= 1 << (bit % 8)
	}
}

func TestHostileEditsTakeMemoryForTheirBytes(t *testing.T) {
	head := sample[:strings.Index(sample, "file")]
	for name, text := range map[string]string{
		"empty lines": head + strings.Repeat("\n", 1<<19),
		"notes":       head[:len(head)-1] + strings.Repeat("note x\n", 20_000),
		"files":       head + strings.Repeat("file x.go\n", 1000),
		"a body":      head + "file x.go\nfind\n" + strings.Repeat("|\n", 1<<18),
		"one line":    head + strings.Repeat("x", 1<<19),
		"changes":     head + "file x.go\n" + strings.Repeat("find\n|a\nreplace\n", 20_000),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = Parse(text)
		runtime.ReadMemStats(&after)
		require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(4*len(text)+64<<10), name)
	}
}
