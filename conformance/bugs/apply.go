package bugs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// ApplyError says which edit does not fit the source any more (B1).
type ApplyError struct {
	ID   string
	Path string
	Line int // of the find in the .edit file
	Msg  string
}

func (e *ApplyError) Error() string {
	return fmt.Sprintf("%s.edit:%d: %s: %s", e.ID, e.Line, e.Path, e.Msg)
}

// Apply returns source with the changes of f made in it. Every find is looked for in the source as it is, so that the order of
// the changes does not matter.
func (f *File) Apply(id, source string) (string, error) {
	type span struct {
		at     int
		change *Change
	}
	var spans []span
	for i := range f.Changes {
		c := &f.Changes[i]
		at, n := findLines(source, c.Find)
		if n != 1 {
			return "", &ApplyError{id, f.Path, c.Line, fmt.Sprintf("the find matches %d times, not once", n)}
		}
		spans = append(spans, span{at, c})
	}
	sort.Slice(spans, func(i, j int) bool { return spans[i].at < spans[j].at })
	var b strings.Builder
	end := 0
	for _, s := range spans {
		if s.at < end {
			return "", &ApplyError{id, f.Path, s.change.Line, "overlaps another find"}
		}
		b.WriteString(source[end:s.at])
		b.WriteString(s.change.Replace)
		end = min(s.at+len(s.change.Find), len(source))
	}
	b.WriteString(source[end:])
	return b.String(), nil
}

// findLines returns where find stands in source as whole lines, and how often. A missing line break at the end of source is no
// difference.
func findLines(source, find string) (at, n int) {
	text := source
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	for from := 0; ; {
		i := strings.Index(text[from:], find)
		if i < 0 {
			return at, n
		}
		i += from
		if i == 0 || text[i-1] == '\n' {
			at, n = i, n+1
		}
		from = i + 1
	}
}

// Overlay writes the edited copies of e's files and the overlay description into dir, and returns the path of the latter. The
// tree at root is only read (B2).
func (e *Edit) Overlay(root, dir string) (string, error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for i := range e.Files {
		f := &e.Files[i]
		original := filepath.Join(root, filepath.FromSlash(f.Path))
		source, err := os.ReadFile(original)
		if err != nil {
			return "", &ApplyError{e.ID, f.Path, f.Changes[0].Line, err.Error()}
		}
		edited, err := f.Apply(e.ID, string(source))
		if err != nil {
			return "", err
		}
		changed := filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(original)))
		if err := os.WriteFile(changed, []byte(edited), 0o666); err != nil {
			return "", err
		}
		overlay.Replace[original] = changed
	}
	data, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, "overlay.json")
	return name, os.WriteFile(name, data, 0o666)
}
