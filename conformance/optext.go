package conformance

import (
	"math/bits"
	"strconv"
)

// The text of a sequence, as kept in .seq files:
//
//	conformance-seq 1
//	suite kv opset 1                            the first that has all that follows
//	options page=4 reorder=1                    only what is not at its default
//	origin seed=0x5eed number=1204331           provenance; never used for replay
//	fail at=3 property=EQ op=get field=value    what it showed when it was written; rate=3/5 if only 3 of 5 runs showed it
//	key k1 "\x00\xff"                           a key with bytes of its own; zeros follow
//	# Free text. It survives reading and writing.
//	put     k0 len=1p-15 fill=7
//	flush
//	get     k0
//
// There is one printing for each sequence: header lines in this order, arguments in the order of the kind's table and only when
// not at their default, sizes in page terms. Reading accepts more (blank lines, runs of blanks, options and arguments in any
// order, sizes in bytes) but nothing unknown: a word that is skipped turns a regression test into nothing.
const (
	magicWord   = "conformance-seq"
	textVersion = 1

	// kindColumn is the width kinds are padded to. It is fixed, so that a line never depends on its neighbours.
	kindColumn = 7
)

// AppendText appends the canonical text of s. For every s that Parse returned or a Generator filled, parsing the text gives s
// again. Control characters, # and quotes in Origin, and line breaks in comments, are written as ?.
func (s *Sequence) AppendText(dst []byte) []byte {
	c := commentPrinter{s: s}
	dst = c.above(dst, PlaceMagic)
	dst = append(dst, magicWord...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, textVersion, 10)
	dst = c.endLine(dst, PlaceMagic)

	dst = c.above(dst, PlaceSuite)
	dst = append(dst, "suite "...)
	dst = append(dst, s.Suite...)
	dst = append(dst, " opset "...)
	dst = strconv.AppendInt(dst, int64(s.opset()), 10)
	dst = c.endLine(dst, PlaceSuite)

	dst = c.above(dst, PlaceOptions)
	if s.Config != DefaultConfig() {
		dst = appendOptions(dst, &s.Config)
		dst = c.endLine(dst, PlaceOptions)
	}
	dst = c.above(dst, PlaceOrigin)
	if s.Origin != "" {
		dst = append(dst, "origin "...)
		dst = appendOrigin(dst, s.Origin)
		dst = c.endLine(dst, PlaceOrigin)
	}
	dst = c.above(dst, PlaceFail)
	if s.Fail != nil {
		dst = s.Fail.appendText(dst)
		dst = c.endLine(dst, PlaceFail)
	}
	for i := range s.Keys {
		dst = c.above(dst, PlaceKey-i)
		dst = append(dst, "key "...)
		dst = appendKey(dst, s.Keys[i].Key)
		dst = append(dst, ' ')
		dst = appendID(dst, s.Keys[i].ID[:])
		dst = c.endLine(dst, PlaceKey-i)
	}
	page := s.Config.Page()
	for i := range s.Ops {
		dst = c.above(dst, i)
		dst = s.Ops[i].AppendText(dst, page)
		dst = c.endLine(dst, i)
	}
	return c.above(dst, len(s.Ops))
}

// opset returns the first version of the alphabet that has everything s uses.
func (s *Sequence) opset() int {
	v := 1
	for o := range optionCount {
		if s.Config.values[o] != options[o].Default {
			v = max(v, options[o].Since)
		}
	}
	for i := range s.Ops {
		o := &s.Ops[i]
		info := &kinds[o.Kind]
		v = max(v, info.Since)
		for a := range info.Args {
			if o.Get(info.Args[a].Field) != info.Args[a].Default {
				v = max(v, info.Args[a].Since)
			}
		}
		if o.Fill >= FillMax {
			v = max(v, 2)
		}
	}
	return v
}

// String returns the canonical text of s.
func (s *Sequence) String() string { return string(s.AppendText(nil)) }

// AppendText appends the line of one operation, without a line break. page is the bytes of a page, see Config.Page.
func (o *Op) AppendText(dst []byte, page uint32) []byte {
	info := o.Kind.Info()
	dst = append(dst, info.Name...)
	start := len(dst)
	for i := range info.Args {
		a := &info.Args[i]
		v := o.Get(a.Field)
		if a.Name != "" && v == a.Default {
			continue
		}
		if len(dst) == start {
			for pad := len(info.Name); pad < kindColumn; pad++ {
				dst = append(dst, ' ')
			}
		}
		dst = append(dst, ' ')
		if a.Name != "" {
			dst = append(dst, a.Name...)
			dst = append(dst, '=')
		}
		switch a.Role {
		case RoleKey, RoleAfter:
			dst = appendKey(dst, KeyID(v))
		case RoleSize, RoleOffset, RoleRange:
			dst = AppendSize(dst, uint32(v), page)
		case RoleTrail:
			dst = appendTrail(dst, v)
		case RoleWord:
			dst = append(dst, a.Words[v]...)
		case RoleFill:
			if v >= FillMax {
				dst = append(dst, FillNames[v-FillMax]...)
				continue
			}
			fallthrough
		default:
			dst = strconv.AppendUint(dst, v, 10)
		}
	}
	return dst
}

// appendTrail appends answers as bits, 1 is yes, the first one lowest, and how many they are: none behind the last no.
func appendTrail(dst []byte, lost uint64) []byte {
	n := bits.Len64(lost)
	dst = strconv.AppendUint(append(dst, "0x"...), ^lost&(1<<n-1), 16)
	return strconv.AppendInt(append(dst, '/'), int64(n), 10)
}

func appendKey(dst []byte, k KeyID) []byte {
	return strconv.AppendUint(append(dst, 'k'), uint64(k), 10)
}

// AppendSize appends n in page terms: as a number of pages and what is added or taken away, such as 6p-1, with the nearest
// number of pages; as plain bytes if that number is 0.
func AppendSize(dst []byte, n, page uint32) []byte {
	pages, rest := splitSize(n, page)
	if pages == 0 {
		return strconv.AppendUint(dst, uint64(n), 10)
	}
	dst = strconv.AppendUint(dst, uint64(pages), 10)
	dst = append(dst, 'p')
	if rest > 0 {
		dst = append(dst, '+')
	}
	if rest != 0 {
		dst = strconv.AppendInt(dst, rest, 10)
	}
	return dst
}

// splitSize returns n as pages*page + rest with -page/2 <= rest < page/2 (for even page).
func splitSize(n, page uint32) (pages uint32, rest int64) {
	pages = uint32((uint64(n) + uint64(page)/2) / uint64(page))
	return pages, int64(n) - int64(pages)*int64(page)
}

func appendOptions(dst []byte, c *Config) []byte {
	dst = append(dst, "options"...)
	for o := range optionCount {
		if c.values[o] == options[o].Default {
			continue
		}
		dst = append(dst, ' ')
		dst = append(dst, options[o].Name...)
		dst = append(dst, '=')
		dst = strconv.AppendUint(dst, uint64(c.values[o]), 10)
	}
	return dst
}

func appendOrigin(dst []byte, origin string) []byte {
	for i := range len(origin) {
		b := origin[i]
		if b < ' ' && b != '\t' || b == '#' || b == '"' || b == 0x7f { // a quote would hide the comment behind it
			b = '?'
		}
		dst = append(dst, b)
	}
	return dst
}

func (f *FailAt) appendText(dst []byte) []byte {
	dst = append(dst, "fail at="...)
	if f.At == 0 {
		dst = append(dst, "end"...)
	} else {
		dst = strconv.AppendInt(dst, int64(f.At), 10)
	}
	dst = appendWord(dst, " property=", f.Signature.Property)
	if f.Signature.Kind != KindNone {
		dst = appendWord(dst, " op=", f.Signature.Kind.String())
	}
	dst = appendWord(dst, " field=", f.Signature.Field)
	dst = appendWord(dst, " site=", f.Signature.Site)
	if f.Rate.Flaky() {
		dst = appendWord(dst, " rate=", f.Rate.String())
	}
	return dst
}

// String returns the signature as it stands in a fail line.
func (g Signature) String() string {
	f := FailAt{Signature: g}
	return string(f.appendText(nil)[len("fail at=end "):])
}

// appendWord appends name and value, the value quoted if it is not a plain word; nothing if it is empty.
func appendWord(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, name...)
	for i := range len(value) {
		if !plainByte(value[i]) {
			return appendQuoted(dst, []byte(value))
		}
	}
	return append(dst, value...)
}

// plainByte reports whether b may stand in a word without quotes.
func plainByte(b byte) bool {
	return b > ' ' && b < 0x7f && b != '"' && b != '#' && b != '\\'
}

// appendID appends a shard id as a quoted string, without the zeros at its end.
func appendID(dst, id []byte) []byte {
	for len(id) > 0 && id[len(id)-1] == 0 {
		id = id[:len(id)-1]
	}
	return appendQuoted(dst, id)
}

func appendQuoted(dst, b []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range b {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c >= 0x7f:
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// commentPrinter writes the comments that belong to a line. It looks through all of them for each line: most sequences have
// none, and a file holds at most commentsMax.
type commentPrinter struct{ s *Sequence }

func (c *commentPrinter) above(dst []byte, line int) []byte {
	for i := range c.s.Comments {
		if m := &c.s.Comments[i]; m.Before == line && !m.Trailing {
			dst = append(dst, '#')
			dst = appendComment(dst, m.Text)
			dst = append(dst, '\n')
		}
	}
	return dst
}

func (c *commentPrinter) endLine(dst []byte, line int) []byte {
	for i := range c.s.Comments {
		if m := &c.s.Comments[i]; m.Before == line && m.Trailing {
			dst = append(dst, "  #"...)
			dst = appendComment(dst, m.Text)
			break
		}
	}
	return append(dst, '\n')
}

func appendComment(dst []byte, text string) []byte {
	for i := range len(text) {
		b := text[i]
		if b < ' ' && b != '\t' || b == 0x7f {
			b = '?'
		}
		dst = append(dst, b)
	}
	return dst
}
