package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/shardproof/shardproof/conformance"
)

// progressLine shows how far a run has come: one line that is redrawn on a terminal, one plain line every thirty seconds
// elsewhere. The words are always the same.
type progressLine struct {
	w        io.Writer
	terminal bool
	every    time.Duration

	shown time.Duration // elapsed time at the last line
	last  conformance.Progress
	width int // of the line on the terminal
}

func newProgressLine(w io.Writer) *progressLine {
	p := &progressLine{w: w, every: 30 * time.Second}
	if isTerminal(w) {
		p.terminal, p.every = true, 500*time.Millisecond
	}
	return p
}

// isTerminal reports whether w is a screen that a line can be redrawn on.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// show prints the line when it is time to.
func (l *progressLine) show(p conformance.Progress) {
	l.print(p.Elapsed, func(time.Duration) string {
		text := progressText(p, l.last)
		l.last = p
		return text
	})
}

// print prints what line returns when it is time to.
func (l *progressLine) print(elapsed time.Duration, line func(elapsed time.Duration) string) {
	if elapsed-l.shown < l.every {
		return
	}
	l.shown = elapsed
	text := line(elapsed)
	if !l.terminal {
		fmt.Fprintln(l.w, text)
		return
	}
	fmt.Fprintf(l.w, "\r%s%s", text, strings.Repeat(" ", max(0, l.width-len(text))))
	l.width = len(text)
}

// clear takes the line off the terminal.
func (l *progressLine) clear() {
	if l.terminal && l.width > 0 {
		fmt.Fprintf(l.w, "\r%s\r", strings.Repeat(" ", l.width))
	}
}

// progressText is the line. The rate is that since the last line: it shows a run that has begun to crawl.
func progressText(p, last conformance.Progress) string {
	text := fmt.Sprintf("%s  %s seqs", clock(p.Elapsed), brief(float64(p.Sequences)))
	if p.Total > 0 {
		text += " of " + brief(float64(p.Total))
	}
	if d := (p.Elapsed - last.Elapsed).Seconds(); d > 0 {
		text += fmt.Sprintf(" (%s/s)", grouped(uint64(float64(p.Sequences-last.Sequences)/d)))
	}
	if p.ProbesOwed > 0 {
		text += fmt.Sprintf("  probes %d/%d", p.Probes, p.ProbesOwed)
	}
	text += fmt.Sprintf("  failures %d", p.Failures)
	if left, ok := p.Left(); ok {
		text += "  left " + clock(left)
	}
	return text
}
