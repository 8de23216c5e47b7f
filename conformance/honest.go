package conformance

import (
	"bytes"
	"fmt"

	"github.com/shardproof/shardproof/model"
)

// CheckHonest is HONEST for the whole state: what the store lists and reads on a broken disk is what the model has, or a typed error;
// that only where a fault has met the read. touched counts such meetings.
func CheckHonest(t Target, m *model.Store, s *Sequence, w *Scratch, touched func() uint64) *Failure {
	now := m.Now()
	w.told = nil
	ids, err := t.AppendList(w.ids[:0], nil, len(now)+1)
	switch {
	case err != nil && !faultClass(err):
		return honestFailure("error", siteOf(err), "the store lists its shards, or says what is broken", fmt.Sprintf("%d ids", len(now)), errorText(err))
	case err == nil && !sameIDs(ids, now):
		return honestFailure("ids", "", "the store lists what was put and not deleted", fmt.Sprintf("%d ids", len(now)), idsText(ids, s))
	case err == nil:
		w.ids = ids
	default:
		w.told = err
	}
	for i := range now {
		before := touched()
		value, err := t.AppendShard(w.value[:0], now[i].ID)
		switch {
		case err != nil && !faultClass(err):
			return honestFailure("error", siteOf(err), keyText(now[i].ID, s)+" can be read, or the store says what is broken", valueText(now[i].Data), errorText(err))
		case err != nil && touched() == before:
			return taintFailure(keyText(now[i].ID, s), err)
		case err != nil:
			w.told = err
			continue
		}
		w.value = value
		if !bytes.Equal(value, now[i].Data) {
			return honestFailure("value", "", keyText(now[i].ID, s)+" reads as it was put, or not at all", valueText(now[i].Data), valueText(value))
		}
	}
	return nil
}

// taintFailure says that a read failed which no fault has met.
func taintFailure(what string, err error) *Failure {
	return honestFailure("taint", siteOf(err), what+" can be read, for nothing is broken where it lies", "an answer", errorText(err))
}

func honestFailure(field, site, claim, want, got string) *Failure {
	return &Failure{Signature: Signature{PropertyHonest, KindNone, field, site}, Claim: claim, Want: want, Got: got}
}

func healFailure(field, site, claim, want, got string) *Failure {
	return &Failure{Signature: Signature{PropertyHeal, KindNone, field, site}, Claim: claim, Want: want, Got: got}
}
