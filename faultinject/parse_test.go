package faultinject_test

import (
	"errors"
	"math"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/shardproof/shardproof/faultinject"
)

var samples = []string{
	"fail", "short read", "full", "lose", "misdirect", "stale", "flip", "zero", "garbage", "swap", "delay", "stall", "gone",
	"readonly", "lie",
	"fail read from=4096 to=8192 nth=2 times=1 errno=EIO",
	"fail read,write,flush nth=3 effect=part errno=ETIMEDOUT",
	"full write from=1 effect=all errno=7",
	"misdirect read,write to=9223372036854775807 arg=18446744073709551615",
	"stall flush effect=all",
}

func TestTheTextOfARuleIsRead(t *testing.T) {
	for _, text := range samples {
		r, err := faultinject.ParseRule(text)
		require.NoError(t, err, text)
		require.Equal(t, text, r.String())
	}
	r, err := faultinject.ParseRule("\t fail  errno=EIO times=1 nth=2 to=8192 from=4096 \tread ")
	require.NoError(t, err)
	require.Equal(t, samples[15], r.String())
	require.Equal(t, faultinject.Rule{
		Do: faultinject.Fail, On: faultinject.Read, From: 4096, To: 8192, Nth: 2, Times: 1, Errno: syscall.EIO,
	}, r)
	r, err = faultinject.ParseRule("lose from=0 to=0 nth=0 times=0 effect=none arg=0")
	require.NoError(t, err)
	require.Equal(t, faultinject.Rule{Do: faultinject.Lose}, r)
}

func TestWhatIsNoRuleIsRefusedWithItsPlace(t *testing.T) {
	for _, c := range []struct {
		text   string
		column int
		msg    string
	}{
		{"", 1, "there is no rule"},
		{"  ", 3, "there is no rule"},
		{" fall read", 2, `there is no action "fall"`},
		{"Fail", 1, `there is no action "Fail"`},
		{"fail red", 6, `there is no "red" in a rule`},
		{"fail read,red", 11, `there is no "red" in a rule`},
		{"fail read,read", 11, `"read" says again what was said`},
		{"fail read,", 11, `there is no "" in a rule`},
		{"fail read write", 11, `"write" says again what was said`},
		{"fail nth=1 nth=1", 12, `"nth=1" says again what was said`},
		{"fail on=read", 6, `there is no "on=read" in a rule`},
		{"fail =read", 6, `there is no "=read" in a rule`},
		{"fail nth=", 10, `"" is no number from 0 to 9223372036854775807`},
		{"fail nth=-1", 10, `"-1" is no number from 0 to 9223372036854775807`},
		{"fail nth=01", 10, `"01" is no number from 0 to 9223372036854775807`},
		{"fail nth=1=1", 10, `"1=1" is no number from 0 to 9223372036854775807`},
		{"fail to=9223372036854775808", 9, `"9223372036854775808" is no number from 0 to 9223372036854775807`},
		{"flip arg=18446744073709551616", 10, `"18446744073709551616" is no number from 0 to 18446744073709551615`},
		{"fail effect=some", 13, `there is no effect "some"`},
		{"fail errno=0", 12, `there is no error "0"`},
		{"fail errno=EEEK", 12, `there is no error "EEEK"`},
		{"lose read", 6, "lose hits write only"},
		{"stale read,write", 7, "stale hits read only"},
		{"fail to=4 from=4", 9, "to is not behind from"},
		{"lose effect=all", 13, "lose has no effect all"},
		{"stall effect=part", 14, "stall has no effect part"},
		{"lose errno=EIO", 12, "lose has no error 5"},
		{"lose arg=1", 10, "lose has no argument"},
		{"fail " + strings.Repeat("x", 100), 6, `there is no "` + strings.Repeat("x", 40) + `" in a rule`},
	} {
		_, err := faultinject.ParseRule(c.text)
		require.Equal(t, &faultinject.SyntaxError{Column: c.column, Msg: c.msg}, err, c.text)
	}
}

func TestWhatIsImpossibleIsNoRule(t *testing.T) {
	for _, r := range []faultinject.Rule{
		{}, {Do: 99}, {Do: faultinject.Fail, On: 8}, {Do: faultinject.Fail, From: -1}, {Do: faultinject.Fail, To: -1},
		{Do: faultinject.Fail, Nth: -1}, {Do: faultinject.Fail, Times: -1}, {Do: faultinject.Fail, Effect: 9},
		{Do: faultinject.Fail, Errno: math.MaxUint32},
	} {
		require.Error(t, r.Validate())
		require.Panics(t, func() { faultinject.New(memory(true)).Add(r) })
		_, err := faultinject.ParseRule(r.String())
		require.Error(t, err, "%s", r)
	}
	require.Panics(t, func() { faultinject.New(memory(true)).Damage(faultinject.Rule{Do: faultinject.Lose}, 0, 1) })
}

// Property: what String says, ParseRule understands.
func TestTheTextOfARuleIsThatRule(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRule(t, math.MaxInt64)
		got, err := faultinject.ParseRule(r.String())
		require.NoError(t, err)
		require.Equal(t, r, got)
	})
}

func TestAFlippedByteIsAnotherRuleOrNone(t *testing.T) {
	for _, text := range samples {
		for i := range len(text) {
			for c := range 256 {
				checkText(t, text[:i]+string([]byte{byte(c)})+text[i+1:])
			}
			checkText(t, text[:i]+text[i+1:])
			checkText(t, text[:i]+text[i:i+1]+text[i:])
		}
	}
}

// checkText reads any text: what is a rule is possible and keeps its text, all else is refused with the place.
func checkText(t *testing.T, text string) {
	r, err := faultinject.ParseRule(text)
	if err != nil {
		var s *faultinject.SyntaxError
		if !errors.As(err, &s) || s.Column < 1 || s.Column > len(text)+1 || r != (faultinject.Rule{}) {
			t.Errorf("%q: %v, %v", text, r, err)
		}
		return
	}
	again, err := faultinject.ParseRule(r.String())
	if err != nil || again != r || r.Validate() != nil {
		t.Errorf("%q is %v is %v: %v", text, r, again, err)
	}
}

func FuzzParseRule(f *testing.F) {
	for _, text := range samples {
		f.Add(text)
	}
	f.Add("fail read, nth=00 errno=2147483648")
	f.Fuzz(checkText)
}

// drawRule draws a possible rule for a device of that size.
func drawRule(t *rapid.T, size int64) faultinject.Rule {
	return drawRuleOf(t, faultinject.Action(rapid.IntRange(1, 15).Draw(t, "action")), size)
}

func drawRuleOf(t *rapid.T, a faultinject.Action, size int64) faultinject.Rule {
	r := faultinject.Rule{Do: a}
	from := rapid.Int64Range(0, size-1).Draw(t, "from")
	set := func(what string, change func(*faultinject.Rule)) {
		if with := r; rapid.Bool().Draw(t, what) {
			if change(&with); with.Validate() == nil {
				r = with
			}
		}
	}
	set("on", func(r *faultinject.Rule) { r.On = faultinject.Target(rapid.IntRange(0, 7).Draw(t, "on")) })
	set("from", func(r *faultinject.Rule) { r.From = from })
	set("to", func(r *faultinject.Rule) { r.To = rapid.Int64Range(from+1, size).Draw(t, "to") })
	set("nth", func(r *faultinject.Rule) { r.Nth = rapid.IntRange(0, 3).Draw(t, "nth") })
	set("times", func(r *faultinject.Rule) { r.Times = rapid.IntRange(0, 3).Draw(t, "times") })
	set("effect", func(r *faultinject.Rule) { r.Effect = faultinject.Effect(rapid.IntRange(0, 2).Draw(t, "effect")) })
	set("errno", func(r *faultinject.Rule) { r.Errno = syscall.Errno(rapid.IntRange(1, 40).Draw(t, "errno")) })
	set("arg", func(r *faultinject.Rule) { r.Arg = rapid.OneOf(rapid.Uint64Range(0, 9), rapid.Uint64()).Draw(t, "arg") })
	return r
}
