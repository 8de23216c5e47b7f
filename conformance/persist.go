package conformance

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/model"
)

// CheckPersist is PERSIST: what a crash has left, got, is what the store held after some number of its mutations, at least as many
// as it had reported persistent. So of each shard there is the last value that was persistent or a later one, and one number
// explains all shards. Blind to which number it is, where several explain.
func CheckPersist(m *model.Store, got model.State, s *Sequence) *Failure {
	if _, ok := m.Explain(got); ok {
		return nil
	}
	for _, id := range crashIDs(m, got) {
		have, ok := valueOf(got, id)
		want, allowed := outcomes(m, id)
		if !allowed(have, ok) {
			return persistFailure("value", "", "after a crash a shard is what was persistent, or later: "+keyText(id, s), want, outcomeText(have, ok))
		}
	}
	return persistFailure("prefix", "", "after a crash one number of mutations explains all shards",
		fmt.Sprintf("any of %d to %d", m.Persisted(), m.Mutations()), "none")
}

// CheckStable is STABLE: a recovered store that was given one more shard, ended and was opened again holds exactly want.
func CheckStable(want, got model.State, s *Sequence) *Failure {
	if want.Equal(got) {
		return nil
	}
	for _, part := range []model.State{want, got} {
		for _, shard := range part {
			w, inWant := valueOf(want, shard.ID)
			g, inGot := valueOf(got, shard.ID)
			if inWant != inGot || !bytes.Equal(w, g) {
				return &Failure{
					Signature: Signature{Property: PropertyStable, Field: "value"},
					Claim:     "what was recovered, and a shard put since, is there after the next start: " + keyText(shard.ID, s),
					Want:      outcomeText(w, inWant), Got: outcomeText(g, inGot),
				}
			}
		}
	}
	return &Failure{Signature: Signature{Property: PropertyStable, Field: "ids"}, Claim: "shards are listed once, in order", Want: "so", Got: "not"}
}

func persistFailure(field, site, claim, want, got string) *Failure {
	return &Failure{Signature: Signature{PropertyPersist, KindNone, field, site}, Claim: claim, Want: want, Got: got}
}

// crashIDs returns every id that m or got knows of.
func crashIDs(m *model.Store, got model.State) (ids []engine.ShardID) {
	for _, s := range []model.State{m.Base(), got} {
		for i := range s {
			ids = append(ids, s[i].ID)
		}
	}
	for _, l := range m.Later() {
		ids = append(ids, l.ID)
	}
	return ids
}

func valueOf(s model.State, id engine.ShardID) ([]byte, bool) {
	i, ok := s.Find(id)
	if !ok {
		return nil, false
	}
	return s[i].Data, true
}

// outcomes returns what a crash may leave of a shard: in words, and as a predicate.
func outcomes(m *model.Store, id engine.ShardID) (text string, allowed func(value []byte, ok bool) bool) {
	value, found := valueOf(m.Base(), id)
	all := []sight{{model.Shard{ID: id, Data: value}, found}}
	for _, l := range m.Later() {
		if l.ID == id {
			all = append(all, sight{l.Shard, !l.Delete})
		}
	}
	words := make([]string, len(all))
	for i, o := range all {
		words[i] = outcomeText(o.Data, o.found)
	}
	return strings.Join(words, " or "), func(value []byte, ok bool) bool {
		for _, o := range all {
			if o.found == ok && bytes.Equal(o.Data, value) {
				return true
			}
		}
		return false
	}
}

func outcomeText(value []byte, ok bool) string {
	if !ok {
		return "not found"
	}
	return valueText(value)
}
