package conformance

import (
	"bytes"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bounds of a file. With them reading takes at most four times the file's bytes plus 64 KiB of memory, and time that grows
// with its bytes.
const (
	TextBytesMax = 1 << 20
	OpsMax       = 8192
	commentsMax  = 256
	keysMax      = 1024
	originMax    = 1024 // bytes
	opBytesMin   = 4    // of the shortest line of an operation
)

// SyntaxError says where a text stops being a sequence. Parse returns no other error.
type SyntaxError struct {
	Line   int // from 1
	Column int // in bytes, from 1
	Msg    string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Msg)
}

// The lines of a file in the order they must stand. Each but the last two stands at most once.
type stage int

const (
	stageStart stage = iota
	stageMagic
	stageSuite
	stageOptions
	stageOrigin
	stageFail
	stageKey
	stageOp
)

// Parse reads the text of a sequence. Any bytes give a sequence or a *SyntaxError; the sequence shares nothing with text.
func Parse(text []byte) (*Sequence, error) {
	p := parser{text: text, seq: &Sequence{Config: DefaultConfig()}}
	if err := p.file(); err != nil {
		return nil, err
	}
	return p.seq, nil
}

type parser struct {
	text []byte // what is left; starts at the current line
	seq  *Sequence

	opset   int    // as the suite line says
	line    int    // number of the current line
	rest    []byte // of the current line, without its comment
	column  int    // of rest[0], from 0
	word    []byte // the word read last
	wordCol int    // its column, from 0

	stage   stage
	pending int // comments above the next line: the last of seq.Comments
	fail    struct{ line, column int }
}

// file reads everything. The error is a *SyntaxError; the type is the interface so that nil stays nil.
func (p *parser) file() error {
	if len(p.text) > TextBytesMax {
		return &SyntaxError{1, 1, fmt.Sprintf("%d bytes; a sequence has at most %d", len(p.text), TextBytesMax)}
	}
	p.seq.Ops = make([]Op, 0, min(OpsMax, bytes.Count(p.text, []byte{'\n'})+1, len(p.text)/opBytesMin+1))
	for len(p.text) > 0 {
		if err := p.nextLine(); err != nil {
			return err
		}
	}
	p.line++
	p.rest, p.column, p.word, p.wordCol = nil, 0, nil, 0
	if p.stage < stageSuite {
		return p.errorf("the text ends before the %s line", []string{magicWord, "suite"}[p.stage])
	}
	p.place(len(p.seq.Ops))
	if f := p.seq.Fail; f != nil && f.At > len(p.seq.Ops) {
		return &SyntaxError{p.fail.line, p.fail.column + 1, fmt.Sprintf("the sequence has no operation %d", f.At)}
	}
	p.seq.Ops = slices.Clip(p.seq.Ops)
	return nil
}

// nextLine takes one line off the text.
func (p *parser) nextLine() error {
	p.line++
	line := p.text
	if end := bytes.IndexByte(p.text, '\n'); end >= 0 {
		line, p.text = p.text[:end], p.text[end+1:]
	} else {
		p.text = nil
	}
	line = bytes.TrimSuffix(line, []byte{'\r'})
	p.rest, p.column, p.word, p.wordCol = line, 0, nil, 0
	if err := p.checkBytes(line); err != nil {
		return err
	}
	comment, hasComment := p.cutComment()
	place, printed := 0, false
	if p.next() {
		var err error
		if place, err = p.statement(); err != nil {
			return err
		}
		printed = p.printed(place)
	}
	if !printed { // the comments wait for a line that is
		if hasComment {
			p.pending++
			return p.keepComment(Comment{Text: comment})
		}
		return nil
	}
	p.place(place)
	if hasComment {
		return p.keepComment(Comment{Before: place, Trailing: true, Text: comment})
	}
	return nil
}

// checkBytes wants valid UTF-8 without control characters.
func (p *parser) checkBytes(line []byte) error {
	for i := 0; i < len(line); {
		r, n := rune(line[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRune(line[i:])
		}
		if r == utf8.RuneError && n == 1 || r < ' ' && r != '\t' || r == 0x7f {
			p.wordCol = i
			return p.errorf("byte %#02x is not text", line[i])
		}
		i += n
	}
	return nil
}

// cutComment takes the comment off the line: from the first # outside of quotes.
func (p *parser) cutComment() (string, bool) {
	quoted := false
	for i := 0; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '"':
			quoted = !quoted
		case '\\':
			if quoted {
				i++
			}
		case '#':
			if !quoted {
				text := string(bytes.TrimRight(p.rest[i+1:], " \t"))
				p.rest = p.rest[:i]
				return text, true
			}
		}
	}
	return "", false
}

// printed reports whether the line just read will be printed: options at their defaults and an empty origin are not.
func (p *parser) printed(place int) bool {
	switch place {
	case PlaceOptions:
		return p.seq.Config != DefaultConfig()
	case PlaceOrigin:
		return p.seq.Origin != ""
	}
	return true
}

func (p *parser) keepComment(c Comment) error {
	if len(p.seq.Comments) >= commentsMax {
		p.wordCol = 0
		return p.errorf("more than %d comments", commentsMax)
	}
	p.seq.Comments = append(p.seq.Comments, c)
	return nil
}

// place gives the comments that wait for a line their place.
func (p *parser) place(line int) {
	for i := len(p.seq.Comments) - p.pending; i < len(p.seq.Comments); i++ {
		p.seq.Comments[i].Before = line
	}
	p.pending = 0
}

// statement reads the line whose first word has been read, and returns its place.
func (p *parser) statement() (place int, err error) {
	switch string(p.word) {
	case magicWord:
		return PlaceMagic, p.enter(stageMagic, (*parser).magic)
	case "suite":
		return PlaceSuite, p.enter(stageSuite, (*parser).suite)
	case "options":
		return PlaceOptions, p.enter(stageOptions, (*parser).options)
	case "origin":
		return PlaceOrigin, p.enter(stageOrigin, (*parser).origin)
	case "fail":
		return PlaceFail, p.enter(stageFail, (*parser).failLine)
	case "key":
		return PlaceKey - len(p.seq.Keys), p.enter(stageKey, (*parser).key)
	}
	return len(p.seq.Ops), p.enter(stageOp, (*parser).op)
}

// enter reads a line of stage s with read if such a line may stand here.
func (p *parser) enter(s stage, read func(*parser) error) error {
	switch {
	case p.stage == stageStart && s != stageMagic:
		return p.errorf("the first line must be %q", magicWord+" 1")
	case p.stage == stageMagic && s != stageSuite:
		return p.errorf("the suite line must come next")
	case s == p.stage && s < stageKey:
		return p.errorf("a second %s line", p.word)
	case s < p.stage:
		return p.errorf("the %s line comes too late", p.word)
	}
	p.stage = s
	if err := read(p); err != nil {
		return err
	}
	if p.next() {
		return p.errorf("unexpected %s", quoteWord(p.word))
	}
	return nil
}

func (p *parser) magic() error {
	v, err := p.number("the version of the format", 1<<16)
	if err == nil && v != textVersion {
		return p.errorf("format version %d; this program reads %d", v, textVersion)
	}
	return err
}

func (p *parser) suite() error {
	if !p.next() {
		return p.errorf("the suite's name is missing")
	}
	i := slices.Index(Suites, string(p.word))
	if i < 0 {
		return p.errorf("unknown suite %s", quoteWord(p.word))
	}
	p.seq.Suite = Suites[i]
	if !p.next() || string(p.word) != "opset" {
		return p.errorf("opset is missing")
	}
	v, err := p.number("the opset's number", 1<<16)
	if err == nil && (v == 0 || v > Opset) {
		return p.errorf("opset %d; this program reads 1..%d", v, Opset)
	}
	p.opset = int(v)
	return err
}

func (p *parser) options() error {
	start := p.wordCol
	var seen uint64
	for p.next() {
		name, value := p.pair()
		o, ok := optionNamed(string(name))
		if !ok {
			return p.errorf("unknown option %s", quoteWord(name))
		}
		if seen>>o&1 != 0 {
			return p.errorf("option %s stands twice", name)
		}
		seen |= 1 << o
		if options[o].Since > p.opset {
			return p.errorf("option %s came with opset %d", name, options[o].Since)
		}
		v, err := p.value(name, value, uint64(options[o].Max))
		if err != nil {
			return err
		}
		p.seq.Config.Set(o, uint32(v))
	}
	if err := p.seq.Config.Check(); err != nil {
		p.wordCol = start
		return p.errorf("%v", err)
	}
	return nil
}

// origin takes the rest of the line, as it will be printed.
func (p *parser) origin() error {
	text := bytes.Trim(p.rest, " \t")
	if len(text) > originMax {
		return p.errorf("the origin has %d bytes; at most %d", len(text), originMax)
	}
	p.rest = nil
	p.seq.Origin = string(appendOrigin(nil, string(text)))
	return nil
}

func (p *parser) failLine() error {
	p.fail.line, p.fail.column = p.line, p.wordCol
	f := &FailAt{At: -1}
	g := &f.Signature
	for p.next() {
		name, value := p.pair()
		var text *string
		switch string(name) {
		case "at":
			if f.At >= 0 {
				return p.errorf("at stands twice")
			}
			if string(value) == "end" {
				f.At = 0
				continue
			}
			at, err := p.value(name, value, OpsMax)
			if err != nil {
				return err
			}
			if at == 0 {
				return p.errorf("operations count from 1; at=end is after the last")
			}
			f.At = int(at)
			continue
		case "op":
			kind, ok := KindNamed(string(value))
			if !ok || g.Kind != KindNone {
				return p.errorf("unknown or second op %s", quoteWord(value))
			}
			g.Kind = kind
			continue
		case "rate":
			if err := p.rate(&f.Rate, value); err != nil {
				return err
			}
			continue
		case "property":
			text = &g.Property
		case "field":
			text = &g.Field
		case "site":
			text = &g.Site
		default:
			return p.errorf("unknown word %s", quoteWord(p.word))
		}
		if *text != "" {
			return p.errorf("%s stands twice", name)
		}
		v, err := p.textValue(value, 256)
		if err != nil {
			return err
		}
		*text = string(v)
	}
	if f.At < 0 || g.Property == "" {
		return p.errorf("the fail line needs at and property")
	}
	p.seq.Fail = f
	return nil
}

func (p *parser) key() error {
	if !p.next() {
		return p.errorf("the key is missing")
	}
	k, err := p.keyID(p.word)
	if err != nil {
		return err
	}
	for i := range p.seq.Keys {
		if p.seq.Keys[i].Key == k {
			return p.errorf("a second line for %s", p.word)
		}
	}
	if len(p.seq.Keys) >= keysMax {
		return p.errorf("more than %d key lines", keysMax)
	}
	if !p.next() || p.word[0] != '"' {
		return p.errorf("the key's bytes are missing: a quoted string")
	}
	id, err := p.textValue(p.word, 16)
	if err != nil {
		return err
	}
	d := KeyDecl{Key: k}
	copy(d.ID[:], id)
	p.seq.Keys = append(p.seq.Keys, d)
	return nil
}

func (p *parser) op() error {
	kind, ok := KindNamed(string(p.word))
	if !ok {
		return p.errorf("unknown operation %s", quoteWord(p.word))
	}
	info := kind.Info()
	if !info.In(p.seq.Suite) {
		return p.errorf("%s is no operation of suite %s", info.Name, p.seq.Suite)
	}
	if info.Since > p.opset {
		return p.errorf("%s came with opset %d", info.Name, info.Since)
	}
	if len(p.seq.Ops) >= OpsMax {
		return p.errorf("more than %d operations", OpsMax)
	}
	o := NewOp(kind)
	seen := uint(0)
	for p.next() {
		name, value := p.pair()
		i := slices.IndexFunc(info.Args, func(a Arg) bool { return a.Name == string(name) })
		if i < 0 || !info.Args[i].in(p.seq.Suite) {
			return p.errorf("%s has no argument %s", info.Name, quoteWord(p.word))
		}
		if info.Args[i].Since > p.opset {
			return p.errorf("argument %s came with opset %d", name, info.Args[i].Since)
		}
		if seen>>i&1 != 0 {
			return p.errorf("argument %s stands twice", quoteWord(p.word))
		}
		seen |= 1 << i
		v, err := p.argument(&info.Args[i], value)
		if err != nil {
			return err
		}
		o.Set(info.Args[i].Field, v)
	}
	for i := range info.Args {
		if info.Args[i].Name == "" && seen>>i&1 == 0 {
			return p.errorf("%s needs a key", info.Name)
		}
	}
	p.seq.Ops = append(p.seq.Ops, o)
	return nil
}

func (p *parser) argument(a *Arg, value []byte) (uint64, error) {
	switch a.Role {
	case RoleKey, RoleAfter:
		k, err := p.keyID(value)
		return uint64(k), err
	case RoleSize, RoleOffset, RoleRange:
		return p.size(value, a.Max)
	case RoleWord:
		if i := slices.Index(a.Words, string(value)); i >= 0 {
			return uint64(i), nil
		}
		return 0, p.errorf("%s is %s, not one of %s", a.Name, quoteWord(value), strings.Join(a.Words, ", "))
	case RoleTrail:
		return p.trail(a, value)
	case RoleFill:
		if i := slices.Index(FillNames, string(value)); i >= 0 && p.opset >= 2 {
			return FillMax + uint64(i), nil
		}
		return p.value([]byte(a.Name), value, FillMax-1)
	}
	return p.value([]byte(a.Name), value, a.Max)
}

// trail reads answers such as 0x5/4: bits, 1 is yes, the first one lowest, and how many they are.
func (p *parser) trail(a *Arg, word []byte) (uint64, error) {
	digits, count, _ := bytes.Cut(word, []byte{'/'})
	n, ok := decimal(count)
	if hex, found := bytes.CutPrefix(digits, []byte("0x")); ok && found && n <= 64 {
		if kept, err := strconv.ParseUint(string(hex), 16, 64); err == nil && bits.Len64(kept) <= int(n) {
			return ^kept & (1<<n - 1), nil
		}
	}
	return 0, p.errorf("%s is %s, not answers such as 0x5/4", a.Name, quoteWord(word))
}

func (p *parser) keyID(word []byte) (KeyID, error) {
	if len(word) < 2 || word[0] != 'k' {
		return 0, p.errorf("%s is not a key such as k0", quoteWord(word))
	}
	v, ok := decimal(word[1:])
	if !ok || v >= uint64(NoKey) {
		return 0, p.errorf("%s is not a key: k0..k%d", quoteWord(word), NoKey-1)
	}
	return KeyID(v), nil
}

// size reads 17, 6p, 6p+1 or 6p-1.
func (p *parser) size(word []byte, limit uint64) (uint64, error) {
	pages, rest, inPages := bytes.Cut(word, []byte{'p'})
	v, ok := decimal(pages)
	if inPages && ok && v <= limit {
		v *= uint64(p.seq.Config.Page())
		if len(rest) > 0 {
			var d uint64
			d, ok = decimal(rest[1:])
			switch {
			case rest[0] == '+':
				v += d
			case rest[0] == '-' && d <= v:
				v -= d
			default:
				ok = false
			}
		}
	}
	if !ok || v > limit {
		return 0, p.errorf("%s is not a size such as 17 or 6p-1, within 0..%d bytes", quoteWord(word), limit)
	}
	return v, nil
}

// number reads the next word as a number up to limit.
func (p *parser) number(what string, limit uint64) (uint64, error) {
	if !p.next() {
		return 0, p.errorf("%s is missing", what)
	}
	v, ok := decimal(p.word)
	if !ok || v > limit {
		return 0, p.errorf("%s is %s, not a number within 0..%d", what, quoteWord(p.word), limit)
	}
	return v, nil
}

func (p *parser) value(name, value []byte, limit uint64) (uint64, error) {
	v, ok := decimal(value)
	if !ok || v > limit {
		return 0, p.errorf("%s is %s, not a number within 0..%d", name, quoteWord(value), limit)
	}
	return v, nil
}

// rate reads fails/runs: neither no run nor each failed.
func (p *parser) rate(r *Rate, value []byte) error {
	const runsMax = 1_000_000
	fails, runs, _ := bytes.Cut(value, []byte{'/'})
	k, ok := decimal(fails)
	n, okRuns := decimal(runs)
	if !ok || !okRuns || k == 0 || k >= n || n > runsMax || *r != (Rate{}) {
		return p.errorf("rate is %s, not the only one of a form such as 3/5", quoteWord(value))
	}
	*r = Rate{int(k), int(n)}
	return nil
}

// decimal reads digits and nothing else. Numbers of more than ten digits are none: nothing in a file is as large.
func decimal(b []byte) (v uint64, ok bool) {
	if len(b) == 0 || len(b) > 10 {
		return 0, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + uint64(c-'0')
	}
	return v, true
}

// text_ reads a plain word or a quoted string of at most limit bytes.
func (p *parser) textValue(word []byte, limit int) ([]byte, error) {
	text := word
	if len(word) > 0 && word[0] == '"' {
		var ok bool
		if text, ok = unquote(word); !ok {
			return nil, p.errorf("%s is not a quoted string", quoteWord(word))
		}
	}
	if len(text) == 0 && len(word) == 0 {
		return nil, p.errorf("a value is missing")
	}
	if len(text) > limit {
		return nil, p.errorf("%s has %d bytes; at most %d", quoteWord(word), len(text), limit)
	}
	return text, nil
}

// unquote undoes appendQuoted: \" \\ and \xNN in lower case are all the escapes there are.
func unquote(word []byte) ([]byte, bool) {
	if len(word) < 2 || word[len(word)-1] != '"' {
		return nil, false
	}
	in := word[1 : len(word)-1]
	out := make([]byte, 0, len(in))
	for i := 0; i < len(in); i++ {
		switch {
		case in[i] == '"':
			return nil, false
		case in[i] != '\\':
			out = append(out, in[i])
		case i+1 < len(in) && (in[i+1] == '"' || in[i+1] == '\\'):
			i++
			out = append(out, in[i])
		case i+3 < len(in) && in[i+1] == 'x' && unhex(in[i+2]) < 16 && unhex(in[i+3]) < 16:
			out = append(out, unhex(in[i+2])<<4|unhex(in[i+3]))
			i += 3
		default:
			return nil, false
		}
	}
	return out, true
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 16
}

// next takes one word off the line; quotes keep blanks inside a word. Without one, word is where it would have stood.
func (p *parser) next() bool {
	i := 0
	for i < len(p.rest) && (p.rest[i] == ' ' || p.rest[i] == '\t') {
		i++
	}
	p.skip(i)
	p.wordCol = p.column
	quoted := false
	for i = 0; i < len(p.rest); i++ {
		c := p.rest[i]
		if c == '"' {
			quoted = !quoted
		} else if quoted && c == '\\' {
			i++
		} else if !quoted && (c == ' ' || c == '\t') {
			break
		}
	}
	p.word = p.rest[:min(i, len(p.rest))]
	p.skip(len(p.word))
	return len(p.word) > 0
}

func (p *parser) skip(n int) {
	p.rest = p.rest[n:]
	p.column += n
}

// pair splits the word at its first =. A word without a name before it is a value.
func (p *parser) pair() (name, value []byte) {
	name, value, _ = bytes.Cut(p.word, []byte{'='})
	if len(name) == 0 || len(name) == len(p.word) {
		return nil, p.word
	}
	return name, value
}

// errorf is an error at the word read last.
func (p *parser) errorf(format string, args ...any) error {
	return &SyntaxError{p.line, p.wordCol + 1, fmt.Sprintf(format, args...)}
}

// quoteWord makes a word of the file fit for a message.
func quoteWord(w []byte) string {
	const most = 40
	if len(w) > most {
		return fmt.Sprintf("%q...", w[:most])
	}
	return fmt.Sprintf("%q", w)
}
