package conformance

import (
	"bytes"
	"context"
	"fmt"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/model"
)

// The ids of the properties, as reports, corpus files and commits give them.
const (
	PropertyEqual       = "EQ"
	PropertyProgress    = "PROGRESS"
	PropertyPersist     = "PERSIST"
	PropertyStable      = "STABLE"
	PropertyAudit       = "AUDIT"
	PropertyDeterminism = "DET"
	PropertySpace       = "SPACE"
	PropertyHonest      = "HONEST"
	PropertyHeal        = "HEAL"
)

// Scratch holds the buffers of the properties, so that checking again allocates nothing. The zero Scratch is ready; it must not
// be copied once used.
type Scratch struct {
	value     []byte
	ids       []engine.ShardID
	complaint error       // the first one
	refusal   error       // why the store could not look
	told      error       // of CheckHonest: a typed error that the store answered; nil: none
	report    func(error) // keeps the first complaint
}

// CheckEqual is EQ for the whole state: the store lists exactly the shards of the model, in order, and each reads as the model
// has it. Its failures carry no kind: the operation at which the state is looked at did not break it. Blind to what no answer
// shows.
func CheckEqual(t Target, m *model.Store, s *Sequence, w *Scratch) *Failure {
	now := m.Now()
	ids, err := t.AppendList(w.ids[:0], nil, len(now)+1)
	if err != nil {
		return stateFailure("error", siteOf(err), "the store lists its shards", fmt.Sprintf("%d ids", len(now)), errorText(err))
	}
	w.ids = ids
	if !sameIDs(ids, now) {
		want := make([]engine.ShardID, len(now))
		for i := range now {
			want[i] = now[i].ID
		}
		return stateFailure("ids", "", "the store lists what was put and not deleted", idsText(want, s), idsText(ids, s))
	}
	for i := range now {
		value, err := t.AppendShard(w.value[:0], now[i].ID)
		if err != nil {
			return stateFailure("error", siteOf(err), keyText(now[i].ID, s)+" can be read", valueText(now[i].Data), errorText(err))
		}
		w.value = value
		if !bytes.Equal(value, now[i].Data) {
			return stateFailure("value", "", keyText(now[i].ID, s)+" reads as it was put", valueText(now[i].Data), valueText(value))
		}
	}
	return nil
}

func sameIDs(ids []engine.ShardID, now model.State) bool {
	if len(ids) != len(now) {
		return false
	}
	for i := range now {
		if ids[i] != now[i].ID {
			return false
		}
	}
	return true
}

func stateFailure(field, site, claim, want, got string) *Failure {
	return &Failure{Signature: Signature{PropertyEqual, KindNone, field, site}, Claim: claim, Want: want, Got: got}
}

// CheckProgress is PROGRESS: after a clean shutdown every dependency that was ever handed out is persistent. deps are those of
// the sequence in the order of their mutations.
func CheckProgress(deps []engine.Dependency) *Failure {
	for i := range deps {
		if deps[i].Persistent() {
			continue
		}
		got := deps[i].State().String()
		if err := deps[i].Err(); err != nil {
			got += ": " + err.Error()
		}
		return &Failure{
			Signature: Signature{Property: PropertyProgress, Field: "state", Site: deps[i].State().String()},
			Claim:     fmt.Sprintf("after a clean shutdown every dependency is persistent; dep=%d is not", i+1),
			Want:      "persistent", Got: got,
		}
	}
	return nil
}

// Auditor is what can look at itself: Check reports every inconsistency; its own error says that it could not look.
type Auditor interface {
	Check(ctx context.Context, report func(error)) error
}

// CheckAudit is AUDIT: the store finds nothing wrong with itself, and its requests keep to the protocol of the disk.
func CheckAudit(t Auditor, d *TraceDisk, w *Scratch) *Failure {
	report := w.listen()
	return w.heard(t.Check(context.Background(), report), d)
}

// CheckScrub is AUDIT where the store reads all that it has.
func CheckScrub(t Target, d *TraceDisk, w *Scratch) *Failure {
	report := w.listen()
	return w.heard(t.Scrub(context.Background(), report), d)
}

// listen returns a function that keeps the first complaint.
func (w *Scratch) listen() func(error) {
	if w.report == nil {
		w.report = func(err error) {
			if w.complaint == nil {
				w.complaint = err
			}
		}
	}
	w.complaint = nil
	return w.report
}

// heard judges what a store said when it looked at itself; err is why it could not.
func (w *Scratch) heard(err error, d *TraceDisk) *Failure {
	w.refusal = err
	if err != nil {
		return auditFailure("error", siteOf(err), "the store can audit itself", errorText(err))
	}
	if w.complaint != nil {
		return auditFailure("check", siteOf(w.complaint), "the store finds nothing wrong with itself", w.complaint.Error())
	}
	return CheckRequests(d)
}

// CheckRequests is the part of AUDIT that is about the disk: no request so far broke the protocol. A nil disk saw none.
func CheckRequests(d *TraceDisk) *Failure {
	if d == nil || d.violation == nil {
		return nil
	}
	v := d.violation
	return auditFailure("request", v.Rule, "requests keep to the protocol of the disk: "+v.Rule, v.Request)
}

func auditFailure(field, site, claim, got string) *Failure {
	return &Failure{Signature: Signature{PropertyAudit, KindNone, field, site}, Claim: claim, Want: "no complaint", Got: got}
}

// CheckDeterminism is DET: run again, by any executor of the suite, s gives the trace and the outcome it gave the first time.
func CheckDeterminism(s *Sequence, first Result, again Executor) *Failure {
	second := again.Run(s)
	switch {
	case first.Err != nil || second.Err != nil:
		return nil // not run to the end: nothing is known
	case first.Trace == second.Trace && outcome(first) == outcome(second):
		return nil
	}
	return &Failure{
		Signature: Signature{Property: PropertyDeterminism, Field: "trace"},
		At:        len(s.Ops),
		Claim:     "the same sequence gives the same trace",
		Want:      fmt.Sprintf("%016x %v", first.Trace, outcome(first)),
		Got:       fmt.Sprintf("%016x %v", second.Trace, outcome(second)),
	}
}

func outcome(r Result) Signature {
	if r.Failure == nil {
		return Signature{}
	}
	return r.Failure.Signature
}
