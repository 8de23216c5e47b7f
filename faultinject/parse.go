package faultinject

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// The text of a rule is one line:
//
//	ACTION [TARGET[,TARGET]...] [from=N] [to=N] [nth=N] [times=N] [effect=none|part|all] [errno=NAME|N]
//	       [arg=N]
//
// The fields may stand in any order, each once. String writes them in this one, and those that are zero not at all.

// field is a part of a rule, for saying where a text is wrong.
type field int

const (
	fieldDo field = iota
	fieldOn
	fieldFrom
	fieldTo
	fieldNth
	fieldTimes
	fieldEffect
	fieldErrno
	fieldArg
	fieldCount
)

var fieldNames = [fieldCount]string{
	fieldFrom: "from", fieldTo: "to", fieldNth: "nth", fieldTimes: "times", fieldEffect: "effect", fieldErrno: "errno", fieldArg: "arg",
}

// errnoMax is the largest error number of any system that there is; those that Go makes up for Windows are above 1<<29.
const errnoMax = math.MaxInt32

// errnos are the errors that have a name in the text, which is the same on all systems; others are numbers.
var errnos = []struct {
	name  string
	errno syscall.Errno
}{
	{"EIO", syscall.EIO}, {"ENOSPC", syscall.ENOSPC}, {"EROFS", syscall.EROFS}, {"ENODEV", syscall.ENODEV}, {"ENXIO", syscall.ENXIO},
	{"ETIMEDOUT", syscall.ETIMEDOUT}, {"EAGAIN", syscall.EAGAIN}, {"EINTR", syscall.EINTR}, {"EBUSY", syscall.EBUSY},
	{"ENOMEM", syscall.ENOMEM}, {"EINVAL", syscall.EINVAL}, {"EACCES", syscall.EACCES}, {"EPERM", syscall.EPERM}, {"EBADF", syscall.EBADF},
}

// String returns the text of r: ParseRule of it is r, if r is possible.
func (r Rule) String() string {
	b := []byte(r.Do.String())
	if r.On != 0 {
		b = append(append(b, ' '), r.On.String()...)
	}
	add := func(f field, value string, zero bool) {
		if !zero {
			b = append(append(append(append(b, ' '), fieldNames[f]...), '='), value...)
		}
	}
	add(fieldFrom, strconv.FormatInt(r.From, 10), r.From == 0)
	add(fieldTo, strconv.FormatInt(r.To, 10), r.To == 0)
	add(fieldNth, strconv.Itoa(r.Nth), r.Nth == 0)
	add(fieldTimes, strconv.Itoa(r.Times), r.Times == 0)
	add(fieldEffect, r.Effect.String(), r.Effect == 0)
	add(fieldErrno, errnoText(r.Errno), r.Errno == 0)
	add(fieldArg, strconv.FormatUint(r.Arg, 10), r.Arg == 0)
	return string(b)
}

func errnoText(e syscall.Errno) string {
	for i := range errnos {
		if errnos[i].errno == e {
			return errnos[i].name
		}
	}
	return strconv.FormatUint(uint64(e), 10)
}

// SyntaxError says where a text stops being a rule. ParseRule returns no other error.
type SyntaxError struct {
	Column int // in bytes, from 1
	Msg    string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Msg) }

// ParseRule reads the text of a rule. Any text gives a possible rule or a *SyntaxError.
func ParseRule(s string) (Rule, error) {
	p := parser{text: s}
	if err := p.rule(); err != nil {
		return Rule{}, err
	}
	return p.r, nil
}

type parser struct {
	text    string
	at      int // behind the word read last
	word    string
	wordCol int // its column, from 1
	r       Rule
	columns [fieldCount]int // of the fields that were read, from 1; 0: was not
}

func (p *parser) rule() error {
	if !p.next() {
		return p.errorf("there is no rule")
	}
	p.columns[fieldDo] = p.wordCol
	if p.r.Do = actionOf(p.word); p.r.Do == 0 {
		return p.errorf("there is no action %.40q", p.word)
	}
	for p.next() {
		if err := p.field(); err != nil {
			return err
		}
	}
	if f, problem := p.r.problem(); problem != "" {
		return &SyntaxError{max(p.columns[f], 1), problem}
	}
	return nil
}

// next reads a word, and returns false when there is none.
func (p *parser) next() bool {
	for p.at < len(p.text) && isBlank(p.text[p.at]) {
		p.at++
	}
	begin := p.at
	for p.at < len(p.text) && !isBlank(p.text[p.at]) {
		p.at++
	}
	p.word, p.wordCol = p.text[begin:p.at], begin+1
	return p.word != ""
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func (p *parser) errorf(format string, args ...any) error {
	return &SyntaxError{p.wordCol, fmt.Sprintf(format, args...)}
}

func actionOf(word string) Action {
	for a := Action(1); a < actionCount; a++ {
		if actions[a].name == word {
			return a
		}
	}
	return 0
}

// field reads the current word.
func (p *parser) field() error {
	name, value, hasValue := strings.Cut(p.word, "=")
	f := fieldOn
	if hasValue {
		f = field(slices.Index(fieldNames[:], name))
	}
	switch {
	case f < fieldOn: // also the empty name, which is that of the first two
		return p.errorf("there is no %.40q in a rule", p.word)
	case p.columns[f] != 0:
		return p.errorf("%.40q says again what was said", p.word)
	}
	if hasValue {
		p.wordCol += len(name) + 1
	}
	p.columns[f] = p.wordCol
	if !hasValue {
		return p.targets()
	}
	return p.value(f, value)
}

// targets reads the current word.
func (p *parser) targets() error {
	for name := range strings.SplitSeq(p.word, ",") {
		i := slices.Index(targetNames, name)
		switch {
		case i < 0:
			return p.errorf("there is no %.40q in a rule", name)
		case p.r.On>>i&1 != 0:
			return p.errorf("%q says again what was said", name)
		}
		p.r.On |= 1 << i
		p.wordCol += len(name) + 1
	}
	return nil
}

// value reads the value of f.
func (p *parser) value(f field, value string) (err error) {
	var n uint64
	switch f {
	case fieldFrom:
		n, err = p.number(value, math.MaxInt64)
		p.r.From = int64(n)
	case fieldTo:
		n, err = p.number(value, math.MaxInt64)
		p.r.To = int64(n)
	case fieldNth:
		n, err = p.number(value, math.MaxInt)
		p.r.Nth = int(n)
	case fieldTimes:
		n, err = p.number(value, math.MaxInt)
		p.r.Times = int(n)
	case fieldArg:
		p.r.Arg, err = p.number(value, math.MaxUint64)
	case fieldErrno:
		p.r.Errno, err = p.errno(value)
	case fieldEffect:
		i := slices.Index(effectNames, value)
		if i < 0 {
			return p.errorf("there is no effect %.40q", value)
		}
		p.r.Effect = Effect(i)
	}
	return err
}

// number reads digits.
func (p *parser) number(s string, most uint64) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n > most || len(s) > 1 && s[0] == '0' {
		return 0, p.errorf("%.40q is no number from 0 to %d", s, most)
	}
	return n, nil
}

func (p *parser) errno(s string) (syscall.Errno, error) {
	for i := range errnos {
		if errnos[i].name == s {
			return errnos[i].errno, nil
		}
	}
	if n, err := p.number(s, errnoMax); err == nil && n != 0 {
		return syscall.Errno(n), nil
	}
	return 0, p.errorf("there is no error %.40q", s)
}
