package main

import (
	"bytes"
	"fmt"
	"go/format"
	"go/token"
	"io"
	"path/filepath"
	"strings"
	"text/template"
	"unicode"

	"github.com/shardproof/shardproof/conformance"
)

// corpusExport prints a Go file with a test for each sequence: it fails as long as the sequence breaks a property. Where the store is
// wrong nothing but go test is needed to see it.
func corpusExport(cfg *config, stdout io.Writer) error {
	if !cfg.goTest {
		return usagef("corpus export --go FILE...: a Go test is all there is to export")
	}
	if !token.IsIdentifier(cfg.pkg) {
		return usagef("--package %q: the name of a Go package", cfg.pkg)
	}
	file := exported{Package: cfg.pkg}
	names := map[string]bool{}
	for _, name := range cfg.args[1:] {
		s, err := readSequence(name)
		if err != nil {
			return err
		}
		t, err := exportedTestOf(name, s)
		if err != nil {
			return err
		}
		if names[t.Name] {
			return usagef("%s: there is a %s already; one of the files needs another name", name, t.Name)
		}
		names[t.Name] = true
		file.Tests = append(file.Tests, t)
	}
	var b bytes.Buffer
	if err := exportTemplate.Execute(&b, &file); err != nil {
		return err
	}
	text, err := format.Source(b.Bytes())
	if err != nil {
		return fmt.Errorf("the exported test is no Go: %w", err)
	}
	_, err = stdout.Write(text)
	return err
}

// exported is a file of tests.
type exported struct {
	Package string
	Tests   []exportedTest
}

type exportedTest struct {
	Name     string
	Story    []string // lines of the comment
	Executor string   // the expression that makes it
	Text     string   // the literal
}

// executorText is what makes the executor of each suite, as executors does.
var executorText = map[string]string{
	"kv":          "conformance.NewKV(conformance.NewEngineFactory(), conformance.MemoryDisks())",
	"crash":       "conformance.NewKV(conformance.NewEngineFactory(), conformance.CrashDisks())",
	"fault":       "conformance.NewKV(conformance.NewEngineFactory(), conformance.FaultDisks())",
	"crash-fault": "conformance.NewKV(conformance.NewEngineFactory(), conformance.CrashFaultDisks())",
	"extent":      "conformance.NewExtent(conformance.NewExtentFactory(), conformance.MemoryDisks())",
	"chunk":       "conformance.NewChunk(conformance.NewChunkFactory(), conformance.MemoryDisks())",
	"index":       "conformance.NewIndex(conformance.NewIndexFactory())",
}

var exportTemplate = template.Must(template.New("test").Parse(`package {{.Package}}

import (
	"testing"

	"github.com/shardproof/shardproof/conformance"
)
{{range .Tests}}
{{range .Story}}//{{.}}
{{end}}func {{.Name}}(t *testing.T) {
	s, err := conformance.Parse([]byte({{.Text}}))
	if err != nil {
		t.Fatal(err)
	}
	x := {{.Executor}}
	defer x.Close()
	r := x.Run(s)
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	if f := r.Failure; f != nil {
		t.Fatalf("%s: %s at operation %d of %d: model %s, engine %s\n%s", f.Property, f.Claim, f.At+1, len(s.Ops), f.Want, f.Got, s)
	}
}
{{end}}`))

func exportedTestOf(name string, s *conformance.Sequence) (t exportedTest, err error) {
	t.Name, t.Executor = testName(name, s.Suite), executorText[s.Suite]
	if t.Executor == "" {
		return t, usagef("%s: nothing here executes sequences of the suite %s", name, s.Suite)
	}
	t.Story = storyLines(t.Name, s)
	text := s.String()
	t.Text = "`" + text + "`"
	if strings.Contains(text, "`") {
		t.Text = fmt.Sprintf("%q", text)
	}
	return t, nil
}

// testName makes a name of the suite and the words of the file's name: TestKVFlushReserve.
func testName(file, suite string) string {
	b := []rune("Test" + strings.ToUpper(suite[:1]) + suite[1:])
	if suite == "kv" {
		b = []rune("TestKV")
	}
	up := true
	for _, r := range strings.TrimSuffix(filepath.Base(file), ".seq") {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			up = true
		case up:
			b, up = append(b, unicode.ToUpper(r)), false
		default:
			b = append(b, r)
		}
	}
	return string(b)
}

// storyLines returns the doc comment: what the sequence broke, and the comments above its first operation.
func storyLines(test string, s *conformance.Sequence) []string {
	first := " " + test + " replays a sequence that is kept."
	if s.Fail != nil {
		first = " " + test + " replays a sequence that once failed: " + s.Fail.Signature.String() + "."
	}
	lines := []string{first}
	for _, c := range s.Comments {
		if c.Before <= 0 && !c.Trailing {
			lines = append(lines, c.Text)
		}
	}
	return lines
}
