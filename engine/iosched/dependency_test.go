package iosched

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// scattered is a watermark whose numbers are persistent or failed each for itself.
type scattered struct{ states map[uint64]State }

func newScattered() *scattered { return &scattered{map[uint64]State{}} }

func (s *scattered) Unordered()             {}
func (s *scattered) StateOf(n uint64) State { return s.states[n] }
func (s *scattered) ErrOf(n uint64) error {
	if s.states[n] == Failed {
		return errBroken
	}
	return nil
}

func TestAndOfOrderedNumbersIsTheLaterOne(t *testing.T) {
	log := &hand{through: 3}
	d := NewDependency(log, 2).And(NewDependency(log, 5)).And(NewDependency(log, 4))
	require.Equal(t, NewDependency(log, 5), d)
	require.Equal(t, uint64(5), d.Number(log))
	require.Equal(t, Pending, d.State())
	log.through = 5
	require.Equal(t, Persistent, d.State())
}

func TestAndOfUnorderedNumbersWaitsForEach(t *testing.T) {
	s := newScattered()
	d := NewDependency(s, 1).And(NewDependency(s, 2))
	s.states[2] = Persistent
	require.Equal(t, Pending, d.State(), "number 2 says nothing of number 1")
	require.Equal(t, uint64(2), d.Number(s))
	s.states[1] = Persistent
	require.Equal(t, Persistent, d.State())
}

func TestAndIsFailedIfOneIs(t *testing.T) {
	s, log := newScattered(), new(hand)
	d := NewDependency(s, 1).And(NewDependency(log, 1)).And(NewDependency(s, 2))
	require.Equal(t, Pending, d.State())
	require.NoError(t, d.Err())
	log.err = errors.New("gone")
	require.Equal(t, Failed, d.State())
	require.ErrorIs(t, d.Err(), log.err)
	s.states[2] = Failed
	require.Equal(t, Failed, d.State())
}

func TestAndForgetsWhatIsPersistent(t *testing.T) {
	s := newScattered()
	s.states[1] = Persistent
	one, two := NewDependency(s, 1), NewDependency(s, 2)
	require.Equal(t, two, one.And(two))
	require.Equal(t, two, two.And(one))
	require.Equal(t, two, two.And(Dependency{}))
	require.Equal(t, two, Dependency{}.And(two))
	require.Equal(t, two, two.And(two))
}
