package engine_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The lint keeps the engine deterministic: concurrency and time come from package conc, randomness comes in as a parameter, and
// the order of a map is not seen. It reads every file of the engine that is no test, and knows the types of those that this
// system builds.
//
// Not seen: files of other systems whose maps are ranged over, maps walked by reflection, goroutines that packages outside the
// engine start, and clocks behind an interface.

// An exemption is a comment on the line of the finding that gives the reason.
const (
	exemptOrder = "// order: " // what makes the order of the map irrelevant
	exemptWorld = "// world: " // why this may differ from run to run
)

// forbiddenImports are packages that no file of the engine imports, with what takes their place.
var forbiddenImports = map[string]string{
	"C":             "Go",
	"math/rand":     "math/rand/v2 with a source that came in as a parameter",
	"reflect":       "types",
	"sync":          "engine/conc",
	"sync/atomic":   "engine/conc",
	"testing":       "a test file",
	"runtime/debug": "nothing",
}

// forbiddenNames are exported names that no file uses: package path, then names.
var forbiddenNames = map[string][]string{
	"context": {"AfterFunc", "WithDeadline", "WithDeadlineCause", "WithTimeout", "WithTimeoutCause"},
	"runtime": {"AddCleanup", "GOMAXPROCS", "Gosched", "NumCPU", "NumGoroutine", "SetFinalizer"},
	"time":    {"After", "AfterFunc", "NewTicker", "NewTimer", "Now", "Since", "Sleep", "Tick", "Until"},
}

// worldlyNames differ from run to run: allowed with a reason only. "" stands for every name of the package.
var worldlyNames = map[string][]string{
	"crypto/rand": {""},
	"math/rand/v2": {"ExpFloat64", "Float32", "Float64", "Int", "Int32", "Int32N", "Int64", "Int64N", "IntN", "N", "NormFloat64",
		"Perm", "Shuffle", "Uint", "Uint32", "Uint32N", "Uint64", "Uint64N", "UintN"},
	"os": {"Environ", "Getenv", "Getpid", "Hostname", "LookupEnv"},
}

func TestEngineTakesConcurrencyTimeAndChanceFromOutside(t *testing.T) {
	files := goFiles(t, ".")
	require.Greater(t, len(files), 10)
	types := newTypeReader(t)
	for _, dir := range directories(files) {
		if dir == "conc" { // where it all comes from
			continue
		}
		l := &linter{fset: token.NewFileSet(), unsafeAllowed: dir == "disk"}
		var built []*ast.File
		for _, name := range files {
			if filepath.Dir(name) != dir {
				continue
			}
			f, err := parser.ParseFile(l.fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
			require.NoError(t, err)
			l.files = append(l.files, f)
			if types.builds(name) {
				built = append(built, f)
			}
		}
		l.info = types.check(t, l.fset, dir, built)
		for _, finding := range l.run() {
			t.Error(finding)
		}
	}
}

// linter looks at the files of one package.
type linter struct {
	fset          *token.FileSet
	files         []*ast.File
	info          *types.Info // of the files that were type-checked
	unsafeAllowed bool

	findings []string

	// Of the file being looked at.
	imports map[string]string // local name to path
	reasons map[int]string    // line to the comment that ends it
}

// run returns what is wrong, in the order of the text.
func (l *linter) run() []string {
	for _, f := range l.files {
		l.reasons = map[int]string{}
		for _, group := range f.Comments {
			for _, c := range group.List {
				l.reasons[l.fset.Position(c.Pos()).Line] = c.Text
			}
		}
		l.readImports(f)
		sorted := map[ast.Node]bool{} // arguments of a call that sorts them
		ast.Inspect(f, func(n ast.Node) bool {
			l.look(n, sorted)
			return true
		})
	}
	return l.findings
}

func (l *linter) report(n ast.Node, format string, args ...any) {
	l.findings = append(l.findings, fmt.Sprintf("%s: %s", l.fset.Position(n.Pos()), fmt.Sprintf(format, args...)))
}

// exempt reports whether the line of n carries a comment of that kind with a reason in it.
func (l *linter) exempt(n ast.Node, kind string) bool {
	reason, ok := strings.CutPrefix(l.reasons[l.fset.Position(n.Pos()).Line], kind)
	return ok && strings.TrimSpace(reason) != ""
}

func (l *linter) readImports(f *ast.File) {
	l.imports = map[string]string{}
	for _, spec := range f.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(p)
		if name == "v2" {
			name = path.Base(path.Dir(p))
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		l.imports[name] = p
		instead, forbidden := forbiddenImports[p]
		switch {
		case forbidden:
			l.report(spec, "import of %s: use %s", p, instead)
		case p == "unsafe" && !l.unsafeAllowed:
			l.report(spec, "import of unsafe outside engine/disk")
		case name == ".":
			l.report(spec, "import of %s into the file's own scope hides where names come from", p)
		}
	}
}

// look judges one node. Parents come before their children.
func (l *linter) look(n ast.Node, sorted map[ast.Node]bool) {
	switch n := n.(type) {
	case *ast.GoStmt:
		l.report(n, "go statement: use conc.Go")
	case *ast.ChanType:
		l.report(n, "channel type: use conc.Chan")
	case *ast.SelectStmt:
		l.report(n, "select: use conc.Cond")
	case *ast.SendStmt:
		l.report(n, "send: use conc.Chan")
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			l.report(n, "receive: use conc.Chan, or conc.AfterDone for a context")
		}
	case *ast.RangeStmt:
		l.lookAtRange(n)
	case *ast.CallExpr:
		if p, name := l.qualified(n.Fun); p == "slices" && strings.HasPrefix(name, "Sorted") && len(n.Args) > 0 {
			sorted[n.Args[0]] = true
		}
		l.lookAtMapCall(n, sorted[n])
	case *ast.SelectorExpr:
		l.lookAtName(n)
	}
}

func (l *linter) lookAtRange(n *ast.RangeStmt) {
	switch l.kind(n.X).(type) {
	case *types.Map:
		if !l.exempt(n, exemptOrder) {
			l.report(n, "range over a map: sort the keys, or say %q why the order is not seen", exemptOrder)
		}
	case *types.Chan:
		l.report(n, "receive: use conc.Chan")
	}
}

// lookAtMapCall judges calls that hand out a map in its own order.
func (l *linter) lookAtMapCall(n *ast.CallExpr, isSorted bool) {
	p, name := l.qualified(n.Fun)
	if p == "maps" && slices.Contains([]string{"All", "Keys", "Values"}, name) && !isSorted && !l.exempt(n, exemptOrder) {
		l.report(n, "maps.%s outside slices.Sorted: sort, or say %q why the order is not seen", name, exemptOrder)
	}
}

func (l *linter) lookAtName(n *ast.SelectorExpr) {
	p, name := l.qualified(n)
	switch worldly := worldlyNames[p]; {
	case slices.Contains(forbiddenNames[p], name):
		l.report(n, "%s.%s: use engine/conc", p, name)
	case (slices.Contains(worldly, name) || slices.Contains(worldly, "")) && !l.exempt(n, exemptWorld):
		l.report(n, "%s.%s: let it come in as a parameter, or say %q why it may differ from run to run", p, name, exemptWorld)
	}
}

// qualified returns the path and name of a package's member, "" if e is none.
func (l *linter) qualified(e ast.Expr) (pkg, name string) {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	if use := l.info.Uses[x]; use != nil {
		if _, isPackage := use.(*types.PkgName); !isPackage {
			return "", "" // a variable of the same name
		}
	}
	return l.imports[x.Name], s.Sel.Name
}

// kind returns what e is below its name, nil if its file was not type-checked. A type parameter is what all its types are.
func (l *linter) kind(e ast.Expr) types.Type {
	t := l.info.TypeOf(e)
	if t == nil {
		return nil
	}
	if p, ok := t.(*types.TypeParam); ok {
		if u, ok := p.Constraint().Underlying().(*types.Interface); ok && u.NumEmbeddeds() == 1 {
			if union, ok := u.EmbeddedType(0).(*types.Union); ok && union.Len() > 0 {
				return union.Term(0).Type().Underlying()
			}
			return u.EmbeddedType(0).Underlying()
		}
	}
	return t.Underlying()
}

// goFiles returns the Go files below root that are no tests.
func goFiles(t *testing.T, root string) (files []string) {
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if d.IsDir() && (d.Name() == "testdata" || name != root && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			files = append(files, name)
		}
		return err
	}))
	return files
}

func directories(files []string) (dirs []string) {
	for _, name := range files {
		dirs = append(dirs, filepath.Dir(name))
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// typeReader type-checks packages of the engine against what the build cache has of their imports.
type typeReader struct {
	built  map[string]bool // files this system builds, relative to here
	export importer.Lookup // export data by import path
}

func newTypeReader(t *testing.T) *typeReader {
	r := &typeReader{built: map[string]bool{}}
	here, err := os.Getwd()
	require.NoError(t, err)
	exports := map[string]string{}
	// The packages of the standard library are those that the snippets below import.
	out := goList(t, "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}\t{{.Dir}}\t{{range .GoFiles}}{{.}} {{end}}",
		"./...", "context", "crypto/rand", "maps", "math/rand", "math/rand/v2", "os", "reflect", "runtime", "slices", "sync",
		"sync/atomic", "time")
	for line := range bytes.Lines(out) {
		f := strings.Split(strings.TrimRight(string(line), "\r\n"), "\t")
		exports[f[0]] = f[1]
		if dir, err := filepath.Rel(here, f[2]); err == nil && !strings.HasPrefix(dir, "..") {
			for _, name := range strings.Fields(f[3]) {
				r.built[filepath.Join(dir, name)] = true
			}
		}
	}
	r.export = func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	return r
}

func (r *typeReader) builds(file string) bool { return r.built[file] }

func (r *typeReader) check(t *testing.T, fset *token.FileSet, pkg string, files []*ast.File) *types.Info {
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	c := types.Config{Importer: importer.ForCompiler(fset, "gc", r.export)}
	_, err := c.Check(pkg, fset, files, info)
	require.NoError(t, err)
	return info
}

// goList runs go list here and returns what it prints.
func goList(t *testing.T, args ...string) []byte {
	var stderr bytes.Buffer
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", stderr.String())
	return out
}

func TestLintFindsEachKindOfOffence(t *testing.T) {
	reader := newTypeReader(t)
	for _, c := range []struct {
		name, imports, body string
		want                string // part of the one finding; "": none
	}{
		{"a mutex of the library", `"sync"`, `var m sync.Mutex`, "import of sync: use engine/conc"},
		{"an atomic under another name", `a "sync/atomic"`, `var n a.Int64`, "import of sync/atomic"},
		{"the old random numbers", `"math/rand"`, `var _ = rand.New`, "import of math/rand"},
		{"reflection", `"reflect"`, `var _ = reflect.TypeOf`, "import of reflect"},
		{"unsafe", `"unsafe"`, `var _ unsafe.Pointer`, "import of unsafe outside"},
		{"names without their package", `. "slices"`, `var _ = Sort[[]int]`, "own scope"},
		{"a goroutine", ``, `func _() { go func() {}() }`, "go statement"},
		{"a channel", ``, `var _ chan int`, "channel type"},
		{"a select", ``, `func _() { select {} }`, "select"},
		{"a receive without the type", `"context"`, `func _(ctx context.Context) { <-ctx.Done() }`, "receive"},
		{"a range over a channel without the type", `"context"`, `func _(c context.Context) { for range c.Done() {} }`, "receive"},
		{"the clock", `"time"`, `var _ = time.Now()`, "time.Now: use engine/conc"},
		{"the clock as a value", `clock "time"`, `var _ = clock.Now`, "time.Now"},
		{"a sleep", `"time"`, `func _() { time.Sleep(1) }`, "time.Sleep"},
		{"a timer", `"time"`, `var _ = time.After`, "time.After"},
		{"a context's clock", `"context"`, `var _ = context.WithTimeout`, "context.WithTimeout"},
		{"a yield", `"runtime"`, `func _() { runtime.Gosched() }`, "runtime.Gosched"},
		{"chance of the process", `"math/rand/v2"`, `var _ = rand.Uint64()`, "let it come in as a parameter"},
		{"chance of the system", `"crypto/rand"`, `var _ = rand.Reader`, "let it come in as a parameter"},
		{"chance with an empty reason", `"math/rand/v2"`, "var _ = rand.Uint64() // world: ", "let it come in"},
		{"the environment", `"os"`, `var _ = os.Getenv("x")`, "let it come in"},
		{"a map's order", ``, `func _(m map[int]int) { for range m {} }`, "range over a map"},
		{"a named map's order", ``, "type t map[int]int\nfunc _(m t) { for range m {} }", "range over a map"},
		{"a map's order in a generic function", ``, `func _[M ~map[int]int](m M) { for range m {} }`, "range over a map"},
		{"a map's order without a reason", ``, "func _(m map[int]int) {\nfor range m { // order:\n}\n}", "range over a map"},
		{"a map's order for another reason", ``, "func _(m map[int]int) {\nfor range m { // it is fun\n}\n}", "range over a map"},
		{"a map's keys", `"maps"`, `func _(m map[int]int) { for range maps.Keys(m) {} }`, "maps.Keys outside slices.Sorted"},

		{"a map's order with a reason", ``, "func _(m map[int]int) {\nfor range m { // order: only counted\n}\n}", ""},
		{"a map's sorted keys", "\"maps\"\n\"slices\"", `func _(m map[int]int) { _ = slices.Sorted(maps.Keys(m)) }`, ""},
		{"a slice's order", ``, `func _(s []int) { for range s {} }`, ""},
		{"a duration", `"time"`, `var _ = 3 * time.Second`, ""},
		{"a source that came in", `"math/rand/v2"`, `func _(s rand.Source) { rand.New(s).Uint64() }`, ""},
		{"chance with a reason", `"math/rand/v2"`, "var _ = rand.Uint64() // world: a default nobody replays", ""},
		{"a field called like a clock", ``, "type t struct{ Now int }\nfunc _(time t) { _ = time.Now }", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := "package snippet\nimport (\n" + c.imports + "\n)\n" + c.body + "\n"
			l := &linter{fset: token.NewFileSet()}
			f, err := parser.ParseFile(l.fset, "snippet.go", source, parser.ParseComments|parser.SkipObjectResolution)
			require.NoError(t, err)
			l.files = []*ast.File{f}
			l.info = reader.check(t, l.fset, "snippet", l.files)
			findings := l.run()
			if c.want == "" {
				require.Empty(t, findings)
				return
			}
			require.Len(t, findings, 1)
			require.Contains(t, findings[0], c.want)
			require.Contains(t, findings[0], "snippet.go:", "a finding says where")
		})
	}
}
