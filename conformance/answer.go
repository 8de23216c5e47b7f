package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/iosched"
)

// answer is what an operation returned: by the store under test, or by the model. Which fields mean something depends on the
// kind; the others are zero on both sides.
type answer struct {
	err   error
	value []byte           // what was read
	ids   []engine.ShardID // list
	count int              // pump: requests completed; put and delete: the mutation's number; reclaim: chunks moved; head: bytes; fill, drain: shards
	state iosched.State    // poll, wait, sync: of the chosen dependency
	joint iosched.State    // poll: of the chosen dependency and the newest together

	space Space // stat

	// The floors below the store.
	place   extent.Locator // append: where; move: to where, if it was
	extent  extent.Entry   // describe
	header  chunk.Header   // getchunk
	entries []index.Entry  // lookup, scan
}

// trace adds a to t.
func (a *answer) trace(t *Trace) {
	t.Word(uint64(classOf(a.err)) | uint64(a.state)<<8 | uint64(a.joint)<<16 | uint64(len(a.ids))<<24)
	t.Word(uint64(a.count) ^ uint64(a.space.LiveBytes)<<20 ^ uint64(a.space.FreeExtents)<<48)
	t.Bytes(a.value)
	for i := range a.ids {
		t.Bytes(a.ids[i][:])
	}
	if !a.place.IsZero() {
		t.Word(uint64(a.place.Extent) | uint64(a.place.Offset)<<32)
		t.Word(uint64(a.place.Generation)<<32 | uint64(a.place.Length))
	}
	for i := range a.entries {
		t.Bytes(a.entries[i].ID[:])
		t.Word(a.entries[i].Mutation)
	}
	if a.extent.Generation > 0 {
		t.Word(uint64(a.extent.Owner) | uint64(a.extent.Pointer)<<8 | uint64(a.extent.Generation)<<40)
	}
}

// differs returns the name of the first field in which got is not want, and the site of the difference; "" where they agree.
func (got *answer) differs(want *answer) (field, site string) {
	switch {
	case classOf(got.err) != classOf(want.err):
		return "error", siteOf(got.err)
	case !bytes.Equal(got.value, want.value):
		return "value", ""
	case !slices.Equal(got.ids, want.ids):
		return "ids", ""
	case got.count != want.count:
		return "count", ""
	case got.state != want.state:
		return "state", got.state.String()
	case got.joint != want.joint:
		return "joint state", got.joint.String()
	case got.place != want.place:
		return "place", ""
	case !sameExtent(&got.extent, &want.extent):
		return "extent", ""
	case got.header != want.header:
		return "header", ""
	case !slices.EqualFunc(got.entries, want.entries, sameEntry):
		return "entries", ""
	}
	return "", ""
}

// sameExtent compares what an extent's entry shows.
func sameExtent(a, b *extent.Entry) bool {
	return a.Owner == b.Owner && a.Generation == b.Generation && a.Pointer == b.Pointer
}

// sameEntry compares what an index entry shows.
func sameEntry(a, b index.Entry) bool {
	return a.ID == b.ID && a.Kind == b.Kind && a.Mutation == b.Mutation && a.Locator == b.Locator
}

// text prints a as an answer to op, for people. Shards are named as in s.
func (a *answer) text(op *Op, s *Sequence) string {
	if a.err != nil {
		return errorText(a.err)
	}
	switch op.Kind {
	case KindHead:
		return fmt.Sprintf("%d B", a.count)
	case KindCompact, KindReclaim:
		switch {
		case s.Suite == "chunk":
			return fmt.Sprintf("%d moved", a.count)
		case op.Which != 0:
			return "begun"
		case a.count == 0:
			return "nothing to do"
		}
	case KindFill:
		return fmt.Sprintf("%d fitted", a.count)
	case KindDrain:
		return fmt.Sprintf("%d deleted", a.count)
	case KindStat:
		return fmt.Sprintf("%d B live, %d extents free", a.space.LiveBytes, a.space.FreeExtents)
	case KindGet, KindGetRange:
		return valueText(a.value)
	case KindList:
		return idsText(a.ids, s)
	case KindPut, KindDelete, KindLoad, KindErase:
		return fmt.Sprintf("ok dep=%d", a.count)
	case KindPump:
		return fmt.Sprintf("%d completed", a.count)
	case KindPoll:
		if a.joint != a.state {
			return fmt.Sprintf("%v, with the newest %v", a.state, a.joint)
		}
		return a.state.String()
	case KindWait, KindSync:
		return "ok, " + a.state.String()
	case KindRead:
		return valueText(a.value)
	case KindGetChunk, KindStale:
		return fmt.Sprintf("%s, %v, chunk %d", valueText(a.value), a.header.Kind, a.header.Mutation)
	case KindAppend, KindPutChunk:
		return fmt.Sprintf("%v dep=%d", a.place, a.count)
	case KindDescribe:
		return extentText(&a.extent)
	case KindMove:
		if a.place.IsZero() {
			return "not moved"
		}
		return "moved to " + a.place.String()
	case KindLookup, KindScan:
		return entriesText(a.entries, s)
	}
	return "ok"
}

// errorClass says what an error means to a caller. Two errors of one class are the same answer.
type errorClass uint8

const (
	classOK errorClass = iota
	classNotFound
	classTooLarge
	classFull
	classClosed
	classIO
	classCorrupt
	classReadOnly
	classVersion
	classNoStore
	classPinned
	classFree
	classOther
)

var classes = [classOther]struct {
	err   error
	below error // the same answer of a floor below the store; nil: the same error, or none
	name  string
}{
	classOK:       {nil, nil, "ok"},
	classNotFound: {engine.ErrNotFound, nil, "not-found"},
	classTooLarge: {engine.ErrTooLarge, extent.ErrTooLarge, "too-large"},
	classFull:     {engine.ErrFull, extent.ErrFull, "full"},
	classClosed:   {engine.ErrClosed, extent.ErrClosed, "closed"},
	classIO:       {engine.ErrIO, nil, "io"},
	classCorrupt:  {engine.ErrCorrupt, nil, "corrupt"},
	classReadOnly: {engine.ErrReadOnly, nil, "read-only"},
	classVersion:  {engine.ErrVersion, nil, "version"},
	classNoStore:  {engine.ErrNoStore, nil, "no-store"},
	classPinned:   {extent.ErrPinned, nil, "pinned"},
	classFree:     {extent.ErrFree, nil, "free"},
}

func classOf(err error) errorClass {
	if err == nil {
		return classOK
	}
	for c := classNotFound; c < classOther; c++ {
		if errors.Is(err, classes[c].err) || classes[c].below != nil && errors.Is(err, classes[c].below) {
			return c
		}
	}
	return classOther
}

// siteOf normalizes an error for a signature: its class and, where there is one, the check that failed or the rule that is
// broken; else its text without numbers.
func siteOf(err error) string {
	var corrupt *engine.CorruptError
	var inconsistent *engine.Inconsistency
	switch class := classOf(err); {
	case errors.As(err, &inconsistent):
		return siteText(inconsistent.Rule)
	case errors.As(err, &corrupt):
		return "corrupt-" + siteText(corrupt.Check)
	case class != classOther:
		return classes[class].name
	}
	return siteText(err.Error())
}

// siteText makes one word of s, without digits: they differ from run to run of the reducer.
func siteText(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	words := strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r >= '0' && r <= '9' })
	return strings.Join(words, "-")
}

func errorText(err error) string {
	if c := classOf(err); c == classNotFound {
		return "not found"
	}
	return err.Error()
}

// valueText prints a value as its length and the start of its hash: enough to see which of two values it is.
func valueText(p []byte) string { return fmt.Sprintf("%d B %04x…", len(p), ContentSum(p)>>48) }

// idsText prints ids as the keys of s they belong to, hexadecimal where none does.
func idsText(ids []engine.ShardID, s *Sequence) string {
	const most = 12
	var b strings.Builder
	fmt.Fprintf(&b, "%d ids:", len(ids))
	for i, id := range ids {
		if i == most {
			b.WriteString(" …")
			break
		}
		b.WriteString(" " + keyText(id, s))
	}
	return strings.TrimSuffix(b.String(), ":")
}

func extentText(e *extent.Entry) string {
	return fmt.Sprintf("%v, generation %d, pointer %d", e.Owner, e.Generation, e.Pointer)
}

// entriesText prints index entries as their keys, each with its mutation and place.
func entriesText(entries []index.Entry, s *Sequence) string {
	const most = 6
	var b strings.Builder
	fmt.Fprintf(&b, "%d entries:", len(entries))
	for i := range entries {
		if i == most {
			b.WriteString(" …")
			break
		}
		e := &entries[i]
		fmt.Fprintf(&b, " %s #%d %v", keyText(e.ID, s), e.Mutation, e.Locator)
	}
	return strings.TrimSuffix(b.String(), ":")
}

// keyText returns the name of the key of s with that id, hexadecimal where there is none.
func keyText(id engine.ShardID, s *Sequence) string {
	for i := range s.Ops {
		if s.Ops[i].Key == NoKey {
			continue
		}
		for n := range s.Ops[i].mutations() {
			one := s.Ops[i].single(KindGet, n)
			if k := one.Key; s.ShardID(k) == id {
				return fmt.Sprintf("k%d", k)
			}
		}
	}
	return fmt.Sprintf("%x", id[:])
}
