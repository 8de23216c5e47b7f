// Package corpus holds the minimized sequences that once failed, embedded, so that every run replays them first and needs no
// files beside the program. README.md says what belongs here.
//
// Not checked here: what the files say; package conformance parses and runs them.
package corpus

import (
	"embed"
	"io/fs"
	"strings"
)

// One folder a suite.
//
//go:embed */*.seq
var files embed.FS

// File is one sequence of the corpus.
type File struct {
	Name string // component/story.seq, with forward slashes
	Text []byte // the caller's own
}

// Files returns every sequence, in order of name.
func Files() []File {
	var all []File
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".seq") {
			return err
		}
		text, err := files.ReadFile(name)
		all = append(all, File{Name: name, Text: text})
		return err
	})
	if err != nil {
		panic("corpus: the embedded files cannot be read: " + err.Error())
	}
	return all
}
