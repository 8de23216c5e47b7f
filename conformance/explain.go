package conformance

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/shardproof/shardproof/engine/extent"
)

// Describer is a Target, or a component under test, that can show what is inside it. Describe changes nothing and may be slow.
type Describer interface {
	Describe() Description
}

// Description is what a store shows of itself at one moment.
type Description struct {
	Extents []ExtentStat // by number; nil where there are none to tell of
	Figures []Figure     // in the order in which they are shown, the same at every moment
}

// ExtentStat is what a store knows of one extent.
type ExtentStat struct {
	Owner      string
	Generation uint64
	Pointer    int64 // bytes
	Live       int64 // bytes; -1: unknown
}

// Figure is one number a store tells of itself.
type Figure struct {
	Name  string
	Value int64
}

// describedExtents is a target that can be asked for each of its extents.
type describedExtents interface {
	Len() int
	Describe(x extent.ID) extent.Entry
}

func extentsDescription(t describedExtents) *Description {
	d := &Description{Extents: make([]ExtentStat, t.Len())}
	for i := range d.Extents {
		e := t.Describe(extent.ID(i))
		d.Extents[i] = ExtentStat{e.Owner.String(), uint64(e.Generation), int64(e.Pointer), -1}
	}
	return d
}

// Explain runs s and returns what happened at each step.
func Explain(suite Suite, s *Sequence) (Result, []Step, error) {
	g := newGuard(&suite)
	r, steps := g.Explain(s)
	return r, steps, errors.Join(r.Err, g.Close())
}

// ExplainText shows steps: the operation, both answers, what changed inside the store, and its extents. f is the failure they end
// with, nil if there is none.
func ExplainText(steps []Step, f *Failure) string {
	var b strings.Builder
	wideOp, wideModel := 0, 0
	for i := range steps {
		wideOp = max(wideOp, utf8.RuneCountInString(steps[i].Op))
		wideModel = max(wideModel, utf8.RuneCountInString(steps[i].Model))
	}
	wideOp, wideModel = min(wideOp, 48), min(wideModel, 40)
	var before *Description
	for i := range steps {
		s := &steps[i]
		if s.Before != nil {
			fmt.Fprintf(&b, "     0  a store that was just formatted\n")
			writeFigures(&b, s.Before)
			writeExtents(&b, s.Before)
			before = s.Before
		}
		mark := "  "
		if f != nil && f.At == i {
			mark = ">>"
		}
		fmt.Fprintf(&b, "  %s %3d  %-*s   model %-*s   engine %s\n", mark, i+1, wideOp, s.Op, wideModel, s.Model, s.Engine)
		if s.After == nil {
			continue
		}
		changed := false
		for _, line := range changes(before, s.After) {
			fmt.Fprintf(&b, "         ~ %s\n", line)
			changed = true
		}
		if changed {
			writeExtents(&b, s.After)
		}
		before = s.After
	}
	if f != nil {
		fmt.Fprintf(&b, "  >> %s: %s\n     model %s\n     store %s\n", f.Property, f.Claim, f.Want, f.Got)
	}
	return b.String()
}

// changes says in what b differs from a; nothing if a is unknown.
func changes(a, b *Description) (lines []string) {
	if a == nil {
		return nil
	}
	for i := range b.Figures {
		if i < len(a.Figures) && a.Figures[i] != b.Figures[i] {
			lines = append(lines, fmt.Sprintf("%s %d -> %d", b.Figures[i].Name, a.Figures[i].Value, b.Figures[i].Value))
		}
	}
	for i := range b.Extents {
		if i < len(a.Extents) && a.Extents[i] != b.Extents[i] {
			lines = append(lines, fmt.Sprintf("extent %d%s", i, extentChange(&a.Extents[i], &b.Extents[i])))
		}
	}
	return lines
}

func extentChange(a, b *ExtentStat) string {
	text := ""
	if a.Owner != b.Owner {
		text += fmt.Sprintf("  %s -> %s", a.Owner, b.Owner)
	} else {
		text += "  " + b.Owner
	}
	for _, c := range []struct {
		name     string
		from, to int64
	}{{"generation", int64(a.Generation), int64(b.Generation)}, {"pointer", a.Pointer, b.Pointer}, {"live", a.Live, b.Live}} {
		if c.from != c.to {
			text += fmt.Sprintf("  %s %d -> %d", c.name, c.from, c.to)
		}
	}
	return text
}

func writeFigures(b *strings.Builder, d *Description) {
	for _, f := range d.Figures {
		fmt.Fprintf(b, "           %s %d\n", f.Name, f.Value)
	}
}

// writeExtents writes the extents that are in use, a few in a line: number, owner, generation, live bytes of those below the
// pointer.
func writeExtents(b *strings.Builder, d *Description) {
	const wide = 110
	line, free := "", 0
	flush := func() {
		if line != "" {
			fmt.Fprintf(b, "           |%s\n", line)
		}
		line = ""
	}
	for i, e := range d.Extents {
		if e.Owner == "free" {
			free++
			continue
		}
		live := ""
		if e.Live >= 0 {
			live = fmt.Sprintf("%d/", e.Live)
		}
		text := fmt.Sprintf("  %d %s.%d %s%d", i, e.Owner, e.Generation, live, e.Pointer)
		if len(line)+len(text) > wide {
			flush()
		}
		line += text
	}
	if free > 0 {
		line += fmt.Sprintf("  %d free", free)
	}
	flush()
}
