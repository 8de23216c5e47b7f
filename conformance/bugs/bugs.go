package bugs

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//
//go:embed *.edit
var files embed.FS

// All returns the seeded bugs in the order of their ids. An edit that cannot be read, or whose file is not named after its id,
// is an error.
func All() ([]*Edit, error) { return load(files) }

func load(fsys fs.FS) ([]*Edit, error) {
	names, err := fs.Glob(fsys, "*.edit")
	if err != nil {
		return nil, err
	}
	edits := make([]*Edit, 0, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		e, err := Parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if e.ID != strings.TrimSuffix(name, ".edit") {
			return nil, fmt.Errorf("%s: its id is %s: a file is named after its id", name, e.ID)
		}
		edits = append(edits, e)
	}
	return edits, nil
}
