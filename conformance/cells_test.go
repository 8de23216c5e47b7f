package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine"
)

func TestTheStateOfAComponentFollowsItsOperations(t *testing.T) {
	state := CellNew
	for _, step := range []struct {
		op     string
		err    error
		effect bool
		want   CellState
	}{
		{"get k0", engine.ErrNotFound, false, CellNew},
		{"put k0", nil, true, CellUnflushed},
		{"get k0", nil, true, CellUnflushed},
		{"flush start=1", nil, true, CellBegun},
		{"flush", nil, true, CellFlushed},
		{"delete k0", nil, true, CellUnflushed},
		{"sync", nil, true, CellFlushed},
		{"compact", nil, false, CellFlushed},
		{"reboot", nil, true, CellReopened},
		{"fill len=3", nil, true, CellFull},
		{"get k0", nil, true, CellFull},
		{"drain", nil, true, CellFlushed},
		{"put k0", engine.ErrFull, false, CellFull},
		{"put k0", nil, true, CellUnflushed},
	} {
		op := parsed(t, "kv", step.op).Ops[0]
		state = state.after(&op, step.err, step.effect)
		require.Equal(t, step.want, state, step.op)
	}
}

func TestCellsAreCountedAndTheEmptiestNamed(t *testing.T) {
	suite := MixOf("kv", []Suite{{
		Profile: "kv", Name: "kv",
		NewGenerator: func() Filler { return NewGenerator(ProfileNamed("kv")) },
		NewExecutor:  func() (Executor, error) { return NewKV(NewModelFactory(), nil), nil },
	}}, MixShares)
	rep := mustRun(t, t.Context(), RunConfig{Suite: suite, Seed: 1, Sequences: 2000})
	require.Empty(t, rep.Failures)
	sum := uint64(0)
	for _, n := range rep.Cells {
		sum += n
	}
	require.Equal(t, rep.Operations, sum, "each operation is in one cell")
	require.NotContains(t, rep.Cells, "append/new", "of another suite")
	names, hit := rep.Emptiest(3)
	require.Len(t, names, 3)
	require.LessOrEqual(t, rep.Cells[names[0]], rep.Cells[names[2]])
	for _, n := range rep.Cells {
		require.True(t, n >= rep.Cells[names[0]])
	}
	require.Greater(t, hit, len(rep.Cells)*3/4, "most cells are reached")
}
