package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryProbeTheProfilesOweExists keeps the table in step with the engine: a probe that was renamed would never be hit.
func TestEveryProbeTheProfilesOweExists(t *testing.T) {
	known := map[string]bool{}
	NewEngineFactory().(ProbeSource).AddProbes(func(name string, _ uint64) { known[name] = true })
	for _, p := range Probes {
		if !known[p.Name] {
			t.Errorf("the engine has no probe %q", p.Name)
		}
	}
}

func TestAMergedReportJudgesTheSumOfItsProbes(t *testing.T) {
	table := []Probe{{"rare", []string{"kv"}, 100}}
	one, silent := judgeProbes(table, "kv", 60, nil)
	require.Empty(t, silent, "not due yet")
	require.Equal(t, ProbeReport{DueAfter: 100}, one["rare"])
	_, silent = judgeProbes(table, "kv", 120, nil)
	require.Equal(t, []string{"rare"}, silent, "due and never hit")
	_, silent = judgeProbes(table, "kv", 120, map[string]uint64{"rare": 1})
	require.Empty(t, silent)
	other, silent := judgeProbes(table, "chunk", 120, map[string]uint64{"rare": 0, "extra": 3})
	require.Empty(t, silent, "owed by another profile")
	require.Equal(t, ProbeReport{Count: 3}, other["extra"])
}

func TestTheMixOwesWhatItsProfilesDo(t *testing.T) {
	seen := map[string]uint64{}
	for i := range Probes {
		p := &Probes[i]
		if p.owedBy("all") && (seen[p.Name] == 0 || p.DueAfter < seen[p.Name]) {
			seen[p.Name] = p.DueAfter
		}
	}
	for i := range Probes {
		if p := &Probes[i]; !p.owedBy("all") {
			require.GreaterOrEqual(t, seen[p.Name], p.DueAfter, p.Name)
		}
	}
	require.EqualValues(t, 4000, seen["extent released"], "kv is a quarter of the mix")
}
