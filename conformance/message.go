package conformance

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// message is everything a failure message is made of. What it says before the commands depends on the sequence and the store
// alone, so that the command it prints, run again, prints the same.
type message struct {
	seq        *Sequence
	failure    *Failure
	steps      []Step
	reproduced string
	files      failureFiles
	print      Print
}

// Steps shown of a long sequence: those at its beginning, where the state comes from, and those that lead to the failure.
const (
	stepsFirst = 10
	stepsLast  = 30
)

// messageText puts a failure into words: the claim, where it comes from, the steps with the model beside the engine, and the
// commands that lead back to it.
func messageText(m *message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-100s  reproduced %s\n", m.head(), m.reproduced)
	if p, ok := parseProvenance(m.seq.Origin); ok {
		fmt.Fprintf(&b, "  sequence %d  seed %#x  shard %s  profile %s", p.number, p.seed, p.shard, p.profile)
		if p.ops > len(m.seq.Ops) {
			fmt.Fprintf(&b, "  minimized %d -> %d operations, %s -> %s", p.ops, len(m.seq.Ops),
				FormatSize(p.bytes), FormatSize(putBytes(m.seq)))
		}
		b.WriteByte('\n')
	}
	if remark := m.seq.failureRemark(); remark != "" {
		fmt.Fprintf(&b, "  %s\n", remark)
	}
	if m.seq.Config != DefaultConfig() {
		fmt.Fprintf(&b, "  %s\n", appendOptions(nil, &m.seq.Config))
	}
	m.writeSteps(&b)
	m.writeCommands(&b)
	return b.String()
}

// head is the first line: the claim in words, and what breaks it.
func (m *message) head() string {
	f := m.failure
	text := fmt.Sprintf("FAIL %s: %s", f.Property, f.Claim)
	if f.Kind == KindNone || f.At >= len(m.seq.Ops) {
		return text
	}
	op := strings.Join(strings.Fields(string(m.seq.Ops[f.At].AppendText(nil, m.seq.Config.Page()))), " ")
	return fmt.Sprintf("%s; %s at step %d: %s, not %s", text, op, f.At+1, shortened(f.Got), shortened(f.Want))
}

// shortened cuts what does not fit a line; the steps have it whole.
func shortened(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// stepLine is one line of the table of steps.
type stepLine struct{ op, model, engine string }

// writeSteps writes the operations, numbered, with both answers and a mark at the one that failed.
func (m *message) writeSteps(b *strings.Builder) {
	lines := m.lines()
	at := m.failure.At
	wideOp, wideModel := 0, 0
	for _, l := range lines {
		wideOp = max(wideOp, utf8.RuneCountInString(l.op))
		wideModel = max(wideModel, utf8.RuneCountInString(l.model))
	}
	wideOp, wideModel = min(wideOp, 48), min(wideModel, 40)
	for i, l := range lines {
		if skip := len(lines) - stepsFirst - stepsLast; skip > 1 && i >= stepsFirst && i < stepsFirst+skip {
			if i == stepsFirst {
				fmt.Fprintf(b, "        ... %d operations ...\n", skip)
			}
			continue
		}
		mark := "  "
		if i == at && m.failure.Kind != KindNone {
			mark = ">>"
		}
		line := fmt.Sprintf("  %s %3d  %-*s", mark, i+1, wideOp, l.op)
		if l.model != "" || l.engine != "" {
			line += fmt.Sprintf("   model %-*s   engine %s", wideModel, l.model, l.engine)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	switch {
	case at >= len(m.seq.Ops):
		fmt.Fprintf(b, "  >> end  %-*s   model %-*s   engine %s\n", wideOp, "", wideModel, m.failure.Want, m.failure.Got)
	case m.failure.Kind == KindNone: // no answer of the operation, but what was looked at after it
		fmt.Fprintf(b, "  >>      %-*s   model %-*s   engine %s\n", wideOp, "then", wideModel, m.failure.Want, m.failure.Got)
	}
}

// lines joins the operations with what is known of their answers. Operations after the failure are not part of it.
func (m *message) lines() []stepLine {
	ops := make([]string, len(m.seq.Ops))
	for i := range ops {
		ops[i] = string(m.seq.Ops[i].AppendText(nil, m.seq.Config.Page()))
	}
	if n := m.failure.At + 1; n < len(ops) {
		ops = ops[:n]
	}
	lines := make([]stepLine, len(ops))
	for i := range ops {
		lines[i] = stepLine{op: ops[i]}
		if i < len(m.steps) {
			lines[i] = stepLine{ops[i], m.steps[i].Model, m.steps[i].Engine}
		}
	}
	if at := m.failure.At; m.failure.Kind != KindNone && at < len(lines) && lines[at].model == "" && lines[at].engine == "" {
		lines[at].model, lines[at].engine = m.failure.Want, m.failure.Got
	}
	return lines
}

// writeCommands writes what to paste next.
func (m *message) writeCommands(b *strings.Builder) {
	if m.files.small == "" {
		return
	}
	command := m.print.Command
	fmt.Fprintf(b, "  Replay:    %s replay%s %s\n", command, m.print.Flags, quote(m.files.small))
	fmt.Fprintf(b, "  Minimize:  %s minimize%s %s\n", command, m.print.Flags, quote(m.files.full))
	fmt.Fprintf(b, "  Keep:      %s corpus add %s --as %s/%s\n", command, quote(m.files.small), m.seq.Suite, m.story())
}

// story proposes a name for the corpus; people give better ones.
func (m *message) story() string {
	words := []string{m.failure.Property}
	if m.failure.Kind != KindNone {
		words = append(words, m.failure.Kind.String())
	}
	words = append(words, strings.Fields(m.failure.Field)...)
	return strings.ToLower(strings.Join(words, "-"))
}

// quote makes s one word of a shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-+=:,@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Quote makes s one word of a shell.
func Quote(s string) string { return quote(s) }

// FormatSize writes a number of bytes in the largest unit that keeps it readable: 153 B, 226 KiB.
func FormatSize(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	i := 0
	f := float64(n)
	for f >= 1024 && i < len(units)-1 {
		f /= 1024
		i++
	}
	if i == 0 || f >= 100 || f == float64(int(f)) {
		return fmt.Sprintf("%.0f %s", f, units[i])
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
