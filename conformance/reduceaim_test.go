package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// ranged fails where a fault hits what the put of k1 wrote, as a disk does on which each put fills two blocks behind the
// superblock's five.
type ranged struct{}

func (ranged) Close() error { return nil }

func (ranged) Run(s *Sequence) Result {
	wrote := make([]KeyID, 5)
	for i := range s.Ops {
		switch o := &s.Ops[i]; {
		case o.Kind == KindPut:
			wrote = append(wrote, o.Key, NoKey)
		case o.Kind == KindFault && wrote[int(*aimOf(o))%len(wrote)] == 1:
			return Result{Failure: &Failure{Signature: Signature{Property: "HONEST"}, At: i}}
		}
	}
	return Result{}
}

func TestAFaultIsAimedAnewWhenWhatComesBeforeItGoes(t *testing.T) {
	for _, fault := range []string{"do=flip block=9", "do=flip block=20", "do=flip block=5509", "do=lost nth=9"} {
		s, err := Parse([]byte("conformance-seq 1\nsuite fault opset 6\nput k0\nput k2\nput k1\nfault " + fault + "\n"))
		require.NoError(t, err)
		require.NotNil(t, ranged{}.Run(s).Failure, fault)
		r := Reducer{Exec: ranged{}}
		small, stats := r.Reduce(s)
		require.True(t, stats.Minimal)
		require.Len(t, small.Ops, 2, "%s", small)
	}
}
