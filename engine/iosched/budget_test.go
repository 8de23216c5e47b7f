package iosched

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTheForegroundLeavesTheReserve(t *testing.T) {
	b := Budget{Bytes: 100, Reserved: 30}
	require.True(t, b.Take(Foreground, 70))
	require.False(t, b.Take(Foreground, 1))
	require.True(t, b.Take(Background, 30), "the reserve is there whatever the foreground has")
	require.False(t, b.Take(Background, 1))
	b.Return(Foreground, 70)
	require.True(t, b.Take(Background, 70), "the background may take all")
	require.False(t, b.Take(Foreground, 1))
	b.Return(Background, 100)
	require.Zero(t, b.Out())
	require.Panics(t, func() { b.Return(Background, 1) })
}

func TestARequestLargerThanTheBudgetIsServedAlone(t *testing.T) {
	b := Budget{Bytes: 100, Reserved: 30}
	require.True(t, b.Take(Foreground, 500))
	require.False(t, b.Take(Foreground, 1))
	require.True(t, b.Take(Background, 400), "it holds nothing, so it waits for nobody")
	require.False(t, b.Take(Background, 1))
	require.Equal(t, 900, b.Out())
}

// A flush must never wait for puts: U1 to U3 hold after every step.
func TestBudgetKeepsItsInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Budget{Bytes: rapid.IntRange(0, 50).Draw(t, "bytes")}
		b.Reserved = rapid.IntRange(0, b.Bytes).Draw(t, "reserved")
		var out [classes][]int
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			c := Class(rapid.IntRange(0, int(classes)-1).Draw(t, "class"))
			if n := len(out[c]); n > 0 && rapid.Bool().Draw(t, "return") {
				b.Return(c, out[c][n-1])
				out[c] = out[c][:n-1]
				continue
			}
			n := rapid.IntRange(0, 60).Draw(t, "n")
			before := b
			ok := b.Take(c, n)
			switch {
			case !ok && before.Out() == 0:
				t.Fatalf("U1: %v refused %d of %+v", c, n, before)
			case !ok && c == Background && before.OutOf(c) == 0:
				t.Fatalf("U2: refused %d of %+v", n, before)
			case ok && c == Foreground && before.Out() > 0 && (b.OutOf(c) > b.Bytes-b.Reserved || b.Out() > b.Bytes):
				t.Fatalf("U3: %v was given %d of %+v", c, n, before)
			case ok && c == Background && before.OutOf(c) > 0 && b.Out() > b.Bytes && b.OutOf(c) > b.Reserved:
				t.Fatalf("U3: %v was given %d of %+v", c, n, before)
			}
			if ok {
				out[c] = append(out[c], n)
			}
		}
	})
}
