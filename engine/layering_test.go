package engine_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Imports point one way: a package may import those of floors below its own, never one of its own floor or above.

// engineFloors are the packages of the engine from the ground up. A new package gets a floor here first.
var engineFloors = [][]string{
	{"engine/conc", "engine/fault"},
	{"engine/disk", "engine/probe"},
	{"engine/iosched"},
	{"engine/extent"},
	{"engine/bufcache"},
	{"engine/chunk"},
	{"engine/log"},
	{"engine/index"},
	{"engine"},
}

// houseFloors are the parts of the module from the ground up. A part is a folder and all below it.
var houseFloors = [][]string{
	{"engine", "corpus"},
	{"model", "crashsim", "faultinject"},
	{"conformance"},
	{"cmd"},
}

// engineThirdParty is what the engine may need besides the standard library; a module path.
var engineThirdParty = []string{"golang.org/x/sys"}

// notInCommands are packages no command may contain, for they belong to tests.
var notInCommands = []string{"testing", "pgregory.net/rapid", "github.com/stretchr/testify", "github.com/google/go-cmp"}

// pkg is what go list says of a package.
type pkg struct {
	ImportPath   string
	Name         string
	Standard     bool
	Imports      []string
	TestImports  []string // of the tests inside the package; those outside may import models, and disks that crash
	XTestImports []string
}

func TestImportsPointOneWay(t *testing.T) {
	module := strings.TrimSpace(string(goList(t, "-m")))
	pkgs := map[string]pkg{}
	d := json.NewDecoder(bytes.NewReader(goList(t, "-deps", "-json=ImportPath,Name,Standard,Imports,TestImports", module+"/...")))
	for {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		pkgs[p.ImportPath] = p
	}
	require.Contains(t, pkgs, module+"/engine/disk")
	for _, finding := range checkLayers(module, pkgs) {
		t.Error(finding)
	}
}

// checkLayers returns every import that breaks the rules above. pkgs holds all packages of the module and what they need.
func checkLayers(module string, pkgs map[string]pkg) (findings []string) {
	report := func(format string, args ...any) { findings = append(findings, fmt.Sprintf(format, args...)) }
	for _, path := range slices.Sorted(maps.Keys(pkgs)) {
		p := pkgs[path]
		name, inside := strings.CutPrefix(path, module+"/")
		if !inside {
			continue
		}
		if floorOf(houseFloors, name, under) < 0 {
			report("%s is on no floor of the house", name)
		}
		if under("engine", name) && floorOf(engineFloors, name, same) < 0 {
			report("%s is on no floor of the engine", name)
		}
		for _, imported := range slices.Concat(p.Imports, p.TestImports) {
			if below, ok := strings.CutPrefix(imported, module+"/"); ok && below != name && !mayImport(name, below) {
				report("%s imports %s, which is not below it", name, below)
			}
		}
		if under("engine", name) {
			for _, imported := range p.Imports {
				if !pkgs[imported].Standard && !under(module, imported) && !anyUnder(engineThirdParty, imported) {
					report("%s imports %s: the engine needs nothing but the standard library and %v", name, imported, engineThirdParty)
				}
			}
		}
		if p.Name == "main" && under("cmd", name) {
			for _, chain := range chains(pkgs, path) {
				if last := chain[len(chain)-1]; anyUnder(notInCommands, last) {
					report("%s contains %s: %s", name, last, strings.Join(chain, " -> "))
				}
			}
		}
	}
	return findings
}

// mayImport reports whether package a of the module may import package b of it.
func mayImport(a, b string) bool {
	if under("engine", a) && under("engine", b) {
		return floorOf(engineFloors, a, same) > floorOf(engineFloors, b, same)
	}
	from, to := floorOf(houseFloors, a, under), floorOf(houseFloors, b, under)
	return from > to || from == to && part(a) == part(b) && part(a) != "cmd"
}

// part returns the folder of the module that a package lies in.
func part(name string) string {
	first, _, _ := strings.Cut(name, "/")
	return first
}

// floorOf returns the floor that holds name, by is(entry, name); -1 if none does.
func floorOf(floors [][]string, name string, is func(entry, name string) bool) int {
	return slices.IndexFunc(floors, func(floor []string) bool {
		return slices.ContainsFunc(floor, func(entry string) bool { return is(entry, name) })
	})
}

func same(entry, name string) bool { return entry == name }

// under reports whether name is entry or lies below it.
func under(entry, name string) bool { return name == entry || strings.HasPrefix(name, entry+"/") }

func anyUnder(entries []string, name string) bool {
	return slices.ContainsFunc(entries, func(entry string) bool { return under(entry, name) })
}

// chains returns, for each package that start needs, a shortest way there.
func chains(pkgs map[string]pkg, start string) (all [][]string) {
	seen := map[string]bool{start: true}
	for queue := [][]string{{start}}; len(queue) > 0; queue = queue[1:] {
		chain := queue[0]
		all = append(all, chain)
		for _, next := range pkgs[chain[len(chain)-1]].Imports {
			if !seen[next] {
				seen[next] = true
				queue = append(queue, append(slices.Clip(chain), next))
			}
		}
	}
	return all
}

func TestLayeringFindsEachKindOfOffence(t *testing.T) {
	for _, c := range []struct {
		name string
		pkgs []pkg
		want string // part of the one finding; "": none
	}{
		{"the engine imports a model", []pkg{{ImportPath: "m/engine", Imports: []string{"m/model"}}}, "engine imports model"},
		{"a floor of the engine imports the suite", []pkg{{ImportPath: "m/engine/disk", Imports: []string{"m/conformance/sched"}}},
			"engine/disk imports conformance/sched"},
		{"a test inside the engine imports a model", []pkg{{ImportPath: "m/engine/log", TestImports: []string{"m/model"}}},
			"engine/log imports model"},
		{"disk imports what lies on it", []pkg{{ImportPath: "m/engine/disk", Imports: []string{"m/engine/iosched"}}},
			"engine/disk imports engine/iosched"},
		{"two of one floor", []pkg{{ImportPath: "m/engine/probe", Imports: []string{"m/engine/disk"}}}, "not below it"},
		{"an unknown floor", []pkg{{ImportPath: "m/engine/util"}}, "engine/util is on no floor of the engine"},
		{"an unknown part", []pkg{{ImportPath: "m/common"}}, "common is on no floor of the house"},
		{"a model imports the suite", []pkg{{ImportPath: "m/model", Imports: []string{"m/conformance"}}}, "model imports conformance"},
		{"a disk that crashes imports one that fails", []pkg{{ImportPath: "m/crashsim", Imports: []string{"m/faultinject"}}},
			"crashsim imports faultinject"},
		{"the engine needs a library", []pkg{{ImportPath: "m/engine", Imports: []string{"example.org/lib"}}, {ImportPath: "example.org/lib"}},
			"engine imports example.org/lib"},
		{"a command contains rapid", []pkg{
			{ImportPath: "m/cmd/x", Name: "main", Imports: []string{"m/conformance"}},
			{ImportPath: "m/conformance", Imports: []string{"pgregory.net/rapid"}},
		}, "cmd/x contains pgregory.net/rapid: m/cmd/x -> m/conformance -> pgregory.net/rapid"},
		{"a command contains testing", []pkg{{ImportPath: "m/cmd/x", Name: "main", Imports: []string{"testing/quick"}}}, "testing/quick"},

		{"as it should be", []pkg{
			{ImportPath: "m/cmd/x", Name: "main", Imports: []string{"m/conformance", "m/corpus", "m/engine"}},
			{ImportPath: "m/conformance", Imports: []string{"m/model", "m/crashsim", "m/engine", "m/corpus"}},
			{ImportPath: "m/conformance/bugs", Imports: []string{"m/conformance"}},
			{ImportPath: "m/model", Imports: []string{"m/engine/chunk"}, TestImports: []string{"pgregory.net/rapid"}},
			{ImportPath: "m/engine", Imports: []string{"m/engine/log", "m/engine/disk", "m/engine/conc", "fmt"},
				XTestImports: []string{"m/model"}},
			{ImportPath: "m/engine/disk", Imports: []string{"golang.org/x/sys/unix", "m/engine/conc", "m/engine/fault"},
				TestImports: []string{"github.com/stretchr/testify/require"}},
			{ImportPath: "fmt", Standard: true},
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			pkgs := map[string]pkg{}
			for _, p := range c.pkgs {
				pkgs[p.ImportPath] = p
			}
			findings := checkLayers("m", pkgs)
			if c.want == "" {
				require.Empty(t, findings)
				return
			}
			require.Len(t, findings, 1)
			require.Contains(t, findings[0], c.want)
		})
	}
}
