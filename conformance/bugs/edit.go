package bugs

import "strings"

// Edit is one seeded bug.
type Edit struct {
	ID         string   // also the name of its file
	Issue      int      // of the sixteen known ones; 0: none of them
	Properties []string // those that may catch it; any one does
	Profile    string   // the stock profile under which it must be found
	Note       string   // what it stands for
	Files      []File
}

// File is what changes in one source file.
type File struct {
	Path    string // from the root of the module, with slashes
	Changes []Change
}

// Change replaces lines. Find stands exactly once in the file, as whole lines; Replace may be empty. Both end in a line break
// unless they are empty.
type Change struct {
	Line    int // of the word find in the .edit file
	Find    string
	Replace string
}

// Text returns the edit as a file: parsing it gives e again.
func (e *Edit) Text() string {
	var b strings.Builder
	b.WriteString(magic + "\n")
	field := func(name, value string) { b.WriteString(pad(name) + value + "\n") }
	field("id", e.ID)
	if e.Issue != 0 {
		field("issue", itoa(e.Issue))
	}
	field("property", strings.Join(e.Properties, " "))
	field("profile", e.Profile)
	for _, line := range strings.Split(e.Note, "\n") {
		field("note", line)
	}
	for _, f := range e.Files {
		b.WriteString("\nfile " + f.Path + "\n")
		for _, c := range f.Changes {
			writeBody(&b, "find", c.Find)
			writeBody(&b, "replace", c.Replace)
		}
	}
	return b.String()
}

func pad(name string) string { return name + strings.Repeat(" ", 9-len(name)) }

func writeBody(b *strings.Builder, word, body string) {
	b.WriteString(word + "\n")
	for _, line := range strings.SplitAfter(body, "\n") {
		if line != "" {
			b.WriteString("|" + line)
		}
	}
}
