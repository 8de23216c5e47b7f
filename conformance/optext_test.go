package conformance_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/conformance"
)

// sample uses every line and every form of an argument.
const sample = `# A file may open with a comment.
conformance-seq 1
# Before the suite.
suite kv opset 1
options page=4 reorder=1 seed=4294967295  # why reorder
# Where from.
origin run=2026-11-22 seed=0x5f3c91aa07d2 gen=1 profile=kv
fail at=5 property=EQ op=get field=value site="not found, \"odd\""
# Two keys of our own.
key k3 "\x00\xff"
key k12 "a # b\\"  # trailing
# The story begins.
put     k0 len=1p-15 fill=7
put     k3  # zero length

put     k1 len=127 fill=1
list
list    after=k3 limit=2
poll    dep=3
delete  k0
pump
pump    n=0
wait
sync
flush
check
reboot
get     k0
#
# The end.
`

func mustParse(t testing.TB, text string) *conformance.Sequence {
	t.Helper()
	s, err := conformance.Parse([]byte(text))
	require.NoError(t, err)
	return s
}

func TestParsedTextPrintsTheSame(t *testing.T) {
	want := strings.Replace(sample, "\n\n", "\n", 1) // blank lines are read, not kept
	got := mustParse(t, sample).String()
	if got != want {
		t.Errorf("printed text differs (-want +got):\n%s", cmp.Diff(want, got))
	}
}

func TestPrintingHasOneFormForEachSequence(t *testing.T) {
	for _, c := range []struct{ name, in, want, reason string }{
		{"blanks", "  put \t k0    len=3   ", "put     k0 len=3\n", "runs of blanks mean nothing"},
		{"carriage return", "get k0\r", "get     k0\n", "a checkout may change line ends"},
		{"argument order", "put fill=2 len=1 k0", "put     k0 len=1 fill=2\n", "arguments are named"},
		{"defaults", "list limit=0\nput k0 len=0 fill=0\npump n=1", "list\nput     k0\npump\n", "only what is not at its default"},
		{"size in bytes", "put k0 len=127", "put     k0 len=1p-1\n", "sizes are printed in page terms"},
		{"size below half a page", "put k0 len=63", "put     k0 len=63\n", "no page is nearer"},
		{"half a page", "put k0 len=64", "put     k0 len=1p-64\n", "the upper of two equally near"},
		{"size of 0 pages", "put k0 len=0p+64", "put     k0 len=1p-64\n", "any form is read"},
		{"whole pages", "put k0 len=256", "put     k0 len=2p\n", "no remainder"},
		{"leading zeros", "put k007 len=03", "put     k7 len=3\n", "numbers are numbers"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := mustParse(t, head+c.in).String()
			if got != head+c.want {
				t.Errorf("%s:\n%s", c.reason, cmp.Diff(head+c.want, got))
			}
		})
	}
}

// head is the shortest header.
const head = "conformance-seq 1\nsuite kv opset 1\n"

// head2 is that of the second alphabet.
const head2 = "conformance-seq 1\nsuite kv opset 2\n"

// samples use every kind of the other suites, and what the second alphabet added to the first suite.
var samples = []string{
	`conformance-seq 1
suite kv opset 2
options cache=1 indexcache=2 fanout=8 trigger=1 filterbits=0 partsize=8
put     k0 len=40p+1 fill=frames
put     k1 len=1p-1 fill=magic
put     k2 len=20 fill=locators
head    k0
getrange k0 off=1p-1 len=2p+2
flush   start=1
compact
compact start=1
reclaim
reclaim start=1
superblock
scrub
stat
fill    len=1p
drain
`, `conformance-seq 1
suite extent opset 2
append
append  owner=metadata len=2p fill=3 dep=1
read    pick=1
read    off=1p len=7
pin     extent=3
release extent=3
unpin
describe extent=11
superblock
pump    n=3
sync
poll    dep=2
check
reboot
`, `conformance-seq 1
suite chunk opset 2
putchunk len=1p-15 fill=2
getchunk
stale   pick=3
stale   how=pointer
forget
reclaim extent=2
pump
sync
check
reboot
`, `conformance-seq 1
suite index opset 2
insert  k3 fill=9
remove  k3
lookup  k3
scan
scan    after=k1 limit=4
move    k3
flush
compact
check
reboot
`}

func TestEveryKindOfEverySuiteParsesAndPrintsTheSame(t *testing.T) {
	for _, text := range samples {
		require.Equal(t, text, mustParse(t, text).String())
	}
}

func TestASequenceNamesTheFirstOpsetThatHasItAll(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"get k0", "opset 1"}, {"flush start=0", "opset 1"}, {"options cache=8\nflush", "opset 1"},
		{"flush start=1", "opset 2"}, {"options cache=1\nflush", "opset 2"}, {"put k0 fill=magic", "opset 2"}, {"stat", "opset 2"},
	} {
		require.Contains(t, mustParse(t, head2+c.in).String(), c.want, c.in)
	}
}

func TestUnknownWordsAreErrorsWithLineAndColumn(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"empty", "", "line 1, column 1: the text ends before the conformance-seq line"},
		{"no suite", "conformance-seq 1\n", "line 2, column 1: the text ends before the suite line"},
		{"not ours", "package main", `line 1, column 1: the first line must be "conformance-seq 1"`},
		{"newer format", "conformance-seq 2", "line 1, column 17: format version 2; this program reads 1"},
		{"newer opset", "conformance-seq 1\nsuite kv opset 9", "line 2, column 16: opset 9; this program reads 1..7"},
		{"no opset", "conformance-seq 1\nsuite kv", "line 2, column 9: opset is missing"},
		{"suite", "conformance-seq 1\nsuite vk opset 1", `line 2, column 7: unknown suite "vk"`},
		{"order", "conformance-seq 1\norigin x", "line 2, column 1: the suite line must come next"},
		{"option", head + "options pages=1", `line 3, column 9: unknown option "pages"`},
		{"option twice", head + "options page=1 page=1", "line 3, column 16: option page stands twice"},
		{"option value", head + "options page=x", `line 3, column 9: page is "x", not a number within 0..64`},
		{"option shape", head + "options group=16 window=16 extent=16 pblock=32",
			"line 3, column 1: option extent is 16, not a multiple of pblock=32"},
		{"option range", head + "options extents=1", "line 3, column 1: option extents is 1, not within 11..4096"},
		{"header late", head + "get k0\norigin x", "line 4, column 1: the origin line comes too late"},
		{"header twice", head + "origin a\norigin b", "line 4, column 1: a second origin line"},
		{"operation", head + "gte k0", `line 3, column 1: unknown operation "gte"`},
		{"none", head + "none", `line 3, column 1: unknown operation "none"`},
		{"argument", head + "get k0 len=3", `line 3, column 8: get has no argument "len=3"`},
		{"argument without name", head + "get =k0", `line 3, column 5: "=k0" is not a key such as k0`},
		{"argument twice", head + "put k0 len=3 len=3", `line 3, column 14: argument "len=3" stands twice`},
		{"no key", head + "get  # k0", "line 3, column 6: get needs a key"},
		{"key", head + "get 0", `line 3, column 5: "0" is not a key such as k0`},
		{"key number", head + "get k65535", `line 3, column 5: "k65535" is not a key: k0..k65534`},
		{"size", head + "put k0 len=1p*1", `line 3, column 8: "1p*1" is not a size such as 17 or 6p-1, within 0..16777216 bytes`},
		{"negative size", head + "put k0 len=1p-129", `line 3, column 8: "1p-129" is not a size such as 17 or 6p-1, within 0..16777216 bytes`},
		{"large size", head + "put k0 len=999999999p", `line 3, column 8: "999999999p" is not a size such as 17 or 6p-1, within 0..16777216 bytes`},
		{"reserved fill", head + "put k0 fill=4294967295", `line 3, column 8: fill is "4294967295", not a number within 0..4294967039`},
		{"word of a newer opset", head + "put k0 fill=magic", `line 3, column 8: fill is "magic", not a number within 0..4294967039`},
		{"newer operation", head + "head k0", "line 3, column 1: head came with opset 2"},
		{"newer argument", head + "flush start=1", "line 3, column 7: argument start came with opset 2"},
		{"newer option", head + "options cache=1", "line 3, column 9: option cache came with opset 2"},
		{"operation of another suite", head2 + "release", "line 3, column 1: release is no operation of suite kv"},
		{"argument of another suite", head2 + "reclaim extent=1", `line 3, column 9: reclaim has no argument "extent=1"`},
		{"flag", head2 + "flush start=2", `line 3, column 7: start is "2", not a number within 0..1`},
		{"word", strings.Replace(head2, "kv", "extent", 1) + "append owner=me",
			`line 3, column 8: owner is "me", not one of runs, metadata, copies`},
		{"long number", head + "poll dep=18446744073709551617", `line 3, column 6: dep is "18446744073709551617", not a number within 0..65536`},
		{"fail without property", head + "fail at=1\nsync", "line 3, column 10: the fail line needs at and property"},
		{"fail beyond the end", head + "fail at=2 property=EQ\nsync", "line 3, column 1: the sequence has no operation 2"},
		{"fail word", head + "fail when=1", `line 3, column 6: unknown word "when=1"`},
		{"fail op", head + "fail at=1 property=EQ op=x", `line 3, column 23: unknown or second op "x"`},
		{"key bytes", head + `key k0 "\x0`, `line 3, column 8: "\"\\x0" is not a quoted string`},
		{"key too long", head + `key k0 "12345678901234567"`, `line 3, column 8: "\"12345678901234567\"" has 17 bytes; at most 16`},
		{"key twice", head + "key k0 \"a\"\nkey k0 \"b\"", "line 4, column 5: a second line for k0"},
		{"not text", head + "get k0 \x00", "line 3, column 8: byte 0x00 is not text"},
		{"not UTF-8", head + "# \xff", "line 3, column 3: byte 0xff is not text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := conformance.Parse([]byte(c.in))
			var syntax *conformance.SyntaxError
			require.ErrorAs(t, err, &syntax)
			if err.Error() != c.want {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
		})
	}
}

func TestParseIsBounded(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"operations", head + strings.Repeat("sync\n", conformance.OpsMax+1), "more than 8192 operations"},
		{"comments", head + strings.Repeat("#\n", 257), "more than 256 comments"},
		{"bytes", head + strings.Repeat("\n", conformance.TextBytesMax), "a sequence has at most 1048576"},
		{"origin", head + "origin " + strings.Repeat("x", 1025), "the origin has 1025 bytes; at most 1024"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := conformance.Parse([]byte(c.in))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestParseTakesMemoryInProportion(t *testing.T) {
	for _, c := range []struct{ name, in string }{
		{"operations", head + strings.Repeat("sync\n", conformance.OpsMax)},
		{"comments", head + strings.Repeat("#\n", 256)},
		{"both", head + strings.Repeat("sync\n", conformance.OpsMax) + strings.Repeat("#\n", 256)},
		{"lines", head + strings.Repeat("\n", 100_000)},
		{"keys", head + "key k0 \"a\"\nkey k1 \"b\"\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := []byte(c.in)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := conformance.Parse(in)
			runtime.ReadMemStats(&after)
			require.NoError(t, err)
			took, most := after.TotalAlloc-before.TotalAlloc, uint64(4*len(in)+64<<10)
			if took > most {
				t.Errorf("%d bytes of text took %d bytes of memory, more than %d", len(in), took, most)
			}
		})
	}
}

func TestEveryTruncationParsesOrIsRefused(t *testing.T) {
	for _, text := range append(samples, sample) {
		for n := range len(text) {
			conformance.CheckTextLaws(t, []byte(text[:n]))
		}
	}
}

func TestEveryFlippedByteParsesOrIsRefused(t *testing.T) {
	text := []byte(sample)
	step := 1
	if testing.Short() {
		step = 7
	}
	for i := range text {
		for flip := 1; flip < 256; flip += step {
			text[i] ^= byte(flip)
			conformance.CheckTextLaws(t, text)
			text[i] ^= byte(flip)
		}
	}
}

func TestScaleKeepsPageTerms(t *testing.T) {
	s := mustParse(t, head+"put k0 len=3p-1\nput k1 len=40\nlist limit=40\n")
	s.Scale(4096)
	want := head + "options block=4096\nput     k0 len=3p-1\nput     k1 len=40\nlist    limit=40\n"
	require.Equal(t, want, s.String())
	require.EqualValues(t, 3*8192-1, s.Ops[0].Len)
	s.Scale(64)
	require.EqualValues(t, 3*128-1, s.Ops[0].Len)
}

func TestEqualSequencesHaveEqualHashes(t *testing.T) {
	a := mustParse(t, sample)
	b := a.Clone()
	b.Origin, b.Fail, b.Comments = "", nil, nil
	require.Equal(t, a.Hash(), b.Hash())
	for i := range b.Ops {
		o := b.Ops[i]
		b.Ops[i].Choice++
		require.NotEqual(t, a.Hash(), b.Hash())
		b.Ops[i] = o
	}
	b.Keys[0].ID[3]++
	require.NotEqual(t, a.Hash(), b.Hash())
}
