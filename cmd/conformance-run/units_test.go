package main

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func parseDigest(t *testing.T, s string) uint64 {
	t.Helper()
	d, err := strconv.ParseUint(s, 16, 64)
	require.NoError(t, err)
	return d
}

func TestNumbersTakeUnits(t *testing.T) {
	counts := map[string]uint64{"0": 0, "200000": 200000, "200k": 200000, "10M": 10e6, "1.5M": 1.5e6, "200_000": 200000, "2G": 2e9}
	for text, want := range counts {
		var c count
		require.NoError(t, c.Set(text), text)
		require.Equal(t, want, uint64(c), text)
	}
	sizes := map[string]int64{"512": 512, "64KiB": 65536, "64MiB": 64 << 20, "1GB": 1e9, "1.5GiB": 3 << 29, "2TiB": 2 << 40, "7B": 7}
	for text, want := range sizes {
		var z size
		require.NoError(t, z.Set(text), text)
		require.Equal(t, want, int64(z), text)
	}
	for _, text := range []string{"", "M", "-1", "1KiB", "1e3", "NaN", "99999999999999999999", "18446744073709551615G", "1 M"} {
		require.Error(t, new(count).Set(text), text)
	}
	for _, text := range []string{"", "KiB", "-1", "1k", "16777216TiB"} {
		require.Error(t, new(size).Set(text), text)
	}
}

func TestNumbersAreWrittenForReaders(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1 000", 4812334: "4 812 334"} {
		require.Equal(t, want, grouped(n))
	}
	for n, want := range map[float64]string{0: "0", 9999: "9999", 12345: "12.3k", 184e4: "1.84M", 99.9e6: "99.9M", 123e6: "123M", 5e9: "5.00G"} {
		require.Equal(t, want, brief(n))
	}
	for d, want := range map[time.Duration]string{0: "0s", 59 * time.Second: "59s", 723 * time.Second: "12m03s", 3600 * time.Second: "1h00m"} {
		require.Equal(t, want, clock(d))
	}
}

func TestTheNearestWordIsProposed(t *testing.T) {
	tests := []struct{ wrong, want string }{
		{"sequnces", " --sequnces; did you mean --sequences?"},
		{"seeds", " --seeds; did you mean --seed?"},
		{"xyzzy", " --xyzzy; see conformance-run help"},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, didYouMean(tt.wrong, []string{"sequences", "seed", "shard"}, "--"))
	}
}
