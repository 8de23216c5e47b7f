package conformance_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/conformance"
	"github.com/shardproof/shardproof/corpus"
)

// FuzzParse reads any text: what is a sequence keeps the laws of its text, all else is refused with the place.
func FuzzParse(f *testing.F) {
	for _, file := range corpus.Files() {
		f.Add(file.Text)
	}
	f.Add([]byte(sample))
	f.Add([]byte(head))
	for _, text := range samples {
		f.Add([]byte(text))
	}
	f.Add([]byte(head + "put k1 len=3p+1\nget k1"))
	f.Add([]byte("conformance-seq 1\r\nsuite kv opset 1\r\nsync # \t\r\n"))
	f.Add([]byte(head + "key k1 \"#\\\"\"\nfail property=\"a b\" at=end\n"))
	f.Fuzz(func(t *testing.T, text []byte) { conformance.CheckTextLaws(t, text) })
}

// What is refused takes no more memory than what is read.
func TestHostileTextsTakeMemoryForTheirBytes(t *testing.T) {
	head := "conformance-seq 1\nsuite kv opset 2\n"
	for name, text := range map[string]string{
		"operations":   head + strings.Repeat("sync\n", 8192),
		"empty lines":  head + strings.Repeat("\n", 1<<20-len(head)),
		"comments":     head + strings.Repeat("#\n", 5000),
		"one comment":  head + "#" + strings.Repeat("x", 1<<19) + "\n",
		"one word":     head + strings.Repeat("x", 1<<20-len(head)),
		"one quote":    head + `key k0 "` + strings.Repeat(`\\`, 1<<18) + `"`,
		"one blank":    head + strings.Repeat(" ", 1<<20-len(head)),
		"many keys":    head + manyKeys(1024),
		"one argument": head + "put k0 len=" + strings.Repeat("9", 1<<18),
		"too long":     strings.Repeat("x", 1<<20+1),
	} {
		var before, after runtime.MemStats
		b := []byte(text)
		runtime.ReadMemStats(&before)
		_, _ = conformance.Parse(b)
		runtime.ReadMemStats(&after)
		require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(4*len(text)+64<<10), name)
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "key k%d \"x\"\n", i)
	}
	return b.String()
}
