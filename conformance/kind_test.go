package conformance

import (
	"bytes"
	"slices"
	"testing"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/crashsim"
)

func TestKindTableIsWhole(t *testing.T) {
	header := []string{magicWord, "suite", "options", "origin", "fail", "key"}
	names := map[string]bool{}
	for k := KindNone + 1; k < kindCount; k++ {
		i := k.Info()
		t.Run(i.Name, func(t *testing.T) {
			require.NotEmpty(t, i.Name)
			require.False(t, names[i.Name], "a name is never reused")
			names[i.Name] = true
			require.NotContains(t, header, i.Name)
			require.NotEmpty(t, i.Suites)
			for _, s := range i.Suites {
				require.Contains(t, Suites, s)
			}
			require.GreaterOrEqual(t, i.Since, 1)
			require.LessOrEqual(t, i.Since, Opset)
			require.NotEmpty(t, i.Doc)
			require.NotZero(t, i.Group)
			for _, simpler := range i.Simpler {
				require.Less(t, simpler.Info().Rank, i.Rank, "simpler kinds have a smaller rank")
				require.True(t, slices.ContainsFunc(i.Suites, simpler.Info().In), "%v may stand nowhere where %v does", simpler, k)
			}
			used := map[Field]bool{}
			for n, a := range i.Args {
				require.False(t, used[a.Field], "two arguments in one field")
				used[a.Field] = true
				require.Equal(t, a.Role == RoleKey, a.Name == "", "keys alone have no name")
				require.True(t, a.Name != "" || n == 0, "the bare word comes first")
				require.Subset(t, i.Suites, a.Suites)
				require.Equal(t, a.Role == RoleWord, a.Words != nil)
				require.True(t, a.Words == nil || a.Max == uint64(len(a.Words)-1), "each word has a number")
				require.LessOrEqual(t, a.Draw, a.Max)
				o := NewOp(k)
				o.Set(a.Field, a.Max)
				require.Equal(t, a.Max, o.Get(a.Field), "the field holds the largest value")
			}
		})
	}
}

// The numbers and names are part of every file and fuzz input: this list only grows.
func TestKindNumbersAreStable(t *testing.T) {
	stable := []string{"none", "get", "poll", "list", "put", "delete", "pump", "wait", "sync", "flush", "check", "reboot",
		"head", "getrange", "compact", "reclaim", "superblock", "scrub", "stat", "fill", "drain",
		"append", "read", "release", "pin", "unpin", "describe",
		"putchunk", "getchunk", "stale", "forget",
		"insert", "remove", "lookup", "scan", "move",
		"format", "load", "erase", "rewrite",
		"crash", "kill",
		"fault", "heal", "rot"}
	for k, name := range stable {
		require.Equal(t, name, Kind(k).String())
	}
	require.Len(t, kinds, len(stable))
}

// Words are numbers in memory, so their lists only grow, too.
func TestWordsAreStable(t *testing.T) {
	require.Equal(t, []string{"runs", "metadata", "copies"}, OwnerNames)
	require.Equal(t, []string{"offset", "block", "shorter", "longer", "generation", "extent", "pointer", "zero"}, ForgeryNames)
	require.Equal(t, []string{"nothing", "next", "sync", "flush", "compact", "reclaim", "superblock", "close"}, InterruptNames)
	require.Equal(t, []string{"nothing", "flush", "compact", "reclaim", "superblock", "reboot", "repair"}, ThenNames)
	require.Equal(t, []string{"unreadable", "flip", "zero", "garbage", "swap", "pair"}, RotNames)
	require.Equal(t, []string{"sectors", "through", "untorn", "unsafe", "atomic"}, crashsim.DeviceNames)
	require.Equal(t, []string{"magic", "frames", "locators"}, FillNames)
	require.Equal(t, []string{"read", "write", "flush", "space", "strayread", "gone", "readonly",
		"unreadable", "flip", "zero", "garbage", "swap", "lost", "astray", "stale", "short", "delay"}, FaultNames)
	require.Len(t, meaning, len(FillNames))
}

func TestValuesWithAMeaningLookLikeWhatAStoreWrites(t *testing.T) {
	v := AppendValue(nil, 1000, FillMagic)
	require.Equal(t, "SfrmSUntSppgSfrm", string(v[:16]))
	v = AppendValue(nil, 1000, FillFrames)
	for i := range uint32(6) { // as the first value of extent 3
		h, err := chunk.DecodeHeader(v[128*i:], chunk.Place{Extent: 3, Generation: 1, Offset: 128 * (i + 1)})
		require.NoError(t, err)
		require.Equal(t, ShardIDOf(KeyID(i)), h.ID)
	}
	require.Len(t, AppendValue(nil, 17, FillLocators), 17)
}

func TestKeysHaveDistinctIDs(t *testing.T) {
	seen := make(map[[16]byte]KeyID, 1<<16)
	for k := range int(NoKey) {
		id := ShardIDOf(KeyID(k))
		other, ok := seen[id]
		require.False(t, ok, "k%d and k%d are both %x", k, other, id)
		seen[id] = KeyID(k)
	}
}

func TestUnusualKeysAreWhatTheTableSays(t *testing.T) {
	id := func(k KeyID) []byte { i := ShardIDOf(k); return i[:] }
	require.Equal(t, make([]byte, 16), id(7))
	require.Equal(t, bytes.Repeat([]byte{0xff}, 16), id(15))
	for _, k := range []KeyID{39, 55, 71, 10_007} { // k+1 by number in its last eight bytes
		require.Equal(t, id(k - 1)[:15], id(k)[:15])
		require.Equal(t, id(k - 1)[15]+1, id(k)[15])
	}
	for _, k := range []KeyID{47, 63, 79} {
		require.Equal(t, id(k - 1)[:15], id(k)[:15])
		require.NotEqual(t, id(k - 1)[15]+1, id(k)[15])
	}
}

func TestValuesAreAppendedAndDiffer(t *testing.T) {
	var seen []string
	for fill := range uint32(1000) {
		v := AppendValue([]byte("x"), 9, fill)
		require.Len(t, v, 10)
		require.Equal(t, byte('x'), v[0])
		require.Equal(t, v[:6], AppendValue([]byte("x"), 5, fill), "one fill, one beginning")
		seen = append(seen, string(v))
	}
	slices.Sort(seen)
	require.Len(t, slices.Compact(seen), 1000)
	require.Equal(t, make([]byte, 13), AppendValue(nil, 13, FillZeros))
	require.Equal(t, bytes.Repeat([]byte{0xff}, 13), AppendValue(nil, 13, FillOnes))
	require.Zero(t, testing.AllocsPerRun(100, func() { seen[0] = "" }))
}

func TestOptionDrawsAreFit(t *testing.T) {
	c := DefaultConfig()
	require.NoError(t, c.Check())
	for o := range optionCount {
		i := o.Info()
		require.NotEmpty(t, i.Name)
		require.NotEmpty(t, i.Doc)
		for n, v := range i.Draw {
			require.True(t, v >= i.Min && v <= i.Max, "%s=%d", i.Name, v)
			if n == 0 {
				require.Equal(t, i.Default, v, "the simplest value to draw is the default")
			}
		}
	}
}
