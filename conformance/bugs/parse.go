package bugs

import (
	"fmt"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/shardproof/shardproof/conformance"
)

// The text of an edit:
//
//	conformance-edit 1
//	id       flush-forgets-one
//	issue    3                     one of the sixteen known issues; left out for other bugs
//	property EQ PERSIST            any of which may catch it
//	profile  kv
//	note     The run lacks the last entry of the memtable.
//	note     A note may go on over several lines.
//	# A line that begins with # is a comment, except inside a body.
//
//	file engine/index/run.go
//	find
//	|	for i := range entries {
//	replace
//	|	for i := range entries[1:] {
//
// Each line of a body begins with a bar; what follows it is the line of source, tabs and all. A body ends where no bar begins a
// line. A find has at least one line and matches exactly once, whole lines only; a replace may have none. A file has one or
// several pairs of find and replace, which must not overlap, and an edit one or several files. Fields stand in any order before
// the first file, each once, note as often as needed. Anything else is an error.
const magic = "conformance-edit 1"

// Bounds, so that reading an edit takes at most four times its bytes and 64 KiB of memory.
const (
	textBytesMax  = 1 << 20
	fieldBytesMax = 1024
	notesMax      = 64
	filesMax      = 64
	changesMax    = 256 // of a file
)

// SyntaxError says where a text stops being an edit. Parse returns no other error.
type SyntaxError = conformance.SyntaxError

// Parse reads the text of an edit. Any text gives an Edit or a *SyntaxError.
func Parse(text string) (*Edit, error) {
	if len(text) > textBytesMax {
		return nil, &SyntaxError{Line: 1, Column: 1, Msg: fmt.Sprintf("the file is longer than %d bytes", textBytesMax)}
	}
	p := &parser{rest: text, seen: map[string]bool{}}
	if err := p.edit(); err != nil {
		return nil, err
	}
	p.out.Note = strings.Join(p.notes, "\n")
	return &p.out, nil
}

type parser struct {
	rest  string // from the next line on
	next  int    // number of the current line, from 1
	out   Edit
	notes []string
	seen  map[string]bool
}

// edit reads everything. Its error is a *SyntaxError; the type is the interface so that nil stays nil.
func (p *parser) edit() error {
	line, ok := p.line()
	if !ok || line != magic {
		return p.errorf(1, "an edit begins with %q", magic)
	}
	for {
		line, ok := p.line()
		if !ok {
			break
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if err := p.statement(line); err != nil {
			return err
		}
	}
	return p.complete()
}

func (p *parser) line() (string, bool) {
	p.next++
	if p.rest == "" {
		return "", false
	}
	line, rest, _ := strings.Cut(p.rest, "\n")
	p.rest = rest
	return line, true
}

func (p *parser) errorf(column int, format string, args ...any) error {
	return &SyntaxError{Line: max(p.next, 1), Column: column, Msg: fmt.Sprintf(format, args...)}
}

// statement reads one line that is neither empty, nor a comment, nor part of a body.
func (p *parser) statement(line string) error {
	if !utf8.ValidString(line) {
		return p.errorf(1, "not UTF-8")
	}
	word, rest, _ := strings.Cut(line, " ")
	value := strings.TrimLeft(rest, " ")
	column := len(line) - len(value) + 1
	switch word {
	case "file":
		return p.file(value, column)
	case "find":
		if value != "" {
			return p.errorf(column, "find stands alone on its line")
		}
		return p.change()
	case "replace":
		return p.errorf(1, "a replace without its find")
	case "id", "issue", "property", "profile", "note":
		return p.field(word, value, column)
	}
	if line[0] == '|' {
		return p.errorf(1, "a body without find or replace")
	}
	return p.errorf(1, "unknown word %q", word)
}

// field reads one line of the header.
func (p *parser) field(name, value string, column int) error {
	switch {
	case len(p.out.Files) > 0:
		return p.errorf(1, "%s stands before the first file", name)
	case value == "" || value != strings.TrimSpace(value):
		return p.errorf(column, "%s needs a value, without blanks around it", name)
	case len(value) > fieldBytesMax:
		return p.errorf(column, "%s has more than %d bytes", name, fieldBytesMax)
	case len(p.notes) >= notesMax && name == "note":
		return p.errorf(1, "more than %d lines of notes", notesMax)
	case p.seen[name] && name != "note":
		return p.errorf(1, "%s is given twice", name)
	}
	p.seen[name] = true
	switch name {
	case "id":
		if !isID(value) {
			return p.errorf(column, "an id consists of a-z, 0-9 and -")
		}
		p.out.ID = value
	case "issue":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || itoa(n) != value {
			return p.errorf(column, "an issue is a number from 1")
		}
		p.out.Issue = n
	case "property":
		p.out.Properties = strings.Fields(value)
	case "profile":
		p.out.Profile = value
	case "note":
		p.notes = append(p.notes, value)
	}
	return nil
}

// file begins the edits of one file.
func (p *parser) file(name string, column int) error {
	if name == "" || path.Clean(name) != name || path.IsAbs(name) || strings.HasPrefix(name, "../") || name == ".." ||
		strings.ContainsAny(name, " \\\t\r:") {
		return p.errorf(column, "a file is a path below the root of the module, with slashes")
	}
	if len(p.out.Files) >= filesMax {
		return p.errorf(1, "more than %d files", filesMax)
	}
	for i := range p.out.Files {
		if p.out.Files[i].Path == name {
			return p.errorf(column, "%s is edited above already", name)
		}
	}
	if err := p.fileComplete(); err != nil {
		return err
	}
	p.out.Files = append(p.out.Files, File{Path: name})
	return nil
}

// change reads a find and its replace.
func (p *parser) change() error {
	if len(p.out.Files) == 0 {
		return p.errorf(1, "find stands below a file")
	}
	c := Change{Line: p.next, Find: p.body()}
	if c.Find == "" {
		return p.errorf(1, "a find has at least one line, beginning with a bar")
	}
	if line, ok := p.line(); !ok || line != "replace" {
		return p.errorf(1, "a find is followed by its replace")
	}
	c.Replace = p.body()
	if c.Replace == c.Find {
		return p.errorf(1, "find and replace are the same")
	}
	f := &p.out.Files[len(p.out.Files)-1]
	if len(f.Changes) >= changesMax {
		return p.errorf(1, "more than %d changes of %s", changesMax, f.Path)
	}
	f.Changes = append(f.Changes, c)
	return nil
}

// body reads lines that begin with a bar.
func (p *parser) body() string {
	end := 0
	for strings.HasPrefix(p.rest[end:], "|") {
		line, _, _ := strings.Cut(p.rest[end:], "\n")
		end = min(end+len(line)+1, len(p.rest))
	}
	var b strings.Builder
	b.Grow(end + 1)
	for end = len(p.rest) - end; len(p.rest) > end; {
		line, _ := p.line()
		b.WriteString(line[1:])
		b.WriteByte('\n')
	}
	return b.String()
}

// complete checks that nothing is missing.
func (p *parser) complete() error {
	for _, name := range []string{"id", "property", "profile", "note"} {
		if !p.seen[name] {
			return p.errorf(1, "the edit has no %s", name)
		}
	}
	if len(p.out.Files) == 0 {
		return p.errorf(1, "the edit has no file")
	}
	return p.fileComplete()
}

// fileComplete checks that the file begun last has changes.
func (p *parser) fileComplete() error {
	if n := len(p.out.Files); n > 0 && len(p.out.Files[n-1].Changes) == 0 {
		return p.errorf(1, "nothing is changed in %s", p.out.Files[n-1].Path)
	}
	return nil
}

func isID(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func itoa(n int) string { return strconv.Itoa(n) }
