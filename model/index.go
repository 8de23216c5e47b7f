package model

import (
	"bytes"
	"context"
	"slices"
	"sort"

	"github.com/shardproof/shardproof/engine/chunk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/index"
	"github.com/shardproof/shardproof/engine/iosched"
)

// Index is the reference model of index.Index: the entries of the shards that exist, in order of id.
type Index struct {
	now  []index.Entry
	base []index.Entry // as of the last Flush
}

// Reset makes x empty.
func (x *Index) Reset() { x.now, x.base = x.now[:0], x.base[:0] }

// find returns the place of id, or of the next larger one, and whether it is there.
func (x *Index) find(id chunk.ShardID) (int, bool) {
	return sort.Find(len(x.now), func(i int) int { return bytes.Compare(id[:], x.now[i].ID[:]) })
}

// Set implements index.Index.
func (x *Index) Set(e *index.Entry) error {
	i, found := x.find(e.ID)
	switch {
	case found && e.Kind == index.Delete:
		x.now = slices.Delete(x.now, i, i+1)
	case found:
		x.now[i] = *e
	case e.Kind != index.Delete:
		x.now = slices.Insert(x.now, i, *e)
	}
	return nil
}

// Get implements index.Index.
func (x *Index) Get(id chunk.ShardID) (index.Entry, bool, error) {
	if i, found := x.find(id); found {
		return x.now[i], true, nil
	}
	return index.Entry{}, false, nil
}

// AppendEntries implements index.Index.
func (x *Index) AppendEntries(dst []index.Entry, after *chunk.ShardID, limit int) ([]index.Entry, error) {
	start, found := 0, false
	if after != nil {
		start, found = x.find(*after)
	}
	if found {
		start++
	}
	return append(dst, x.now[start:min(len(x.now), start+limit)]...), nil
}

// Move implements index.Index.
func (x *Index) Move(id chunk.ShardID, mutation uint64, from, to chunk.Locator) (bool, error) {
	i, found := x.find(id)
	found = found && x.now[i].Mutation == mutation && x.now[i].Locator == from
	if found {
		x.now[i].Locator = to
	}
	return found, nil
}

// Flush, Compact, Rewrite and Check implement index.Index. There are no runs to merge, and nobody is told of what is in them.
func (x *Index) Flush(context.Context) error                      { x.base = append(x.base[:0], x.now...); return nil }
func (x *Index) Compact(context.Context) (bool, error)            { return false, nil }
func (x *Index) Rewrite(context.Context, extent.ID) (bool, error) { return false, nil }
func (x *Index) Check(context.Context, func(error)) error         { return nil }

// AddLive adds to live, by extent, the bytes of the frames that entries named at the last Flush.
func (x *Index) AddLive(live []uint32) {
	for i := range x.base {
		live[x.base[i].Locator.Extent] += x.base[i].Locator.Length
	}
}

// Reboot opens x as of the last Flush. Whoever keeps a log sets again what was set since.
func (x *Index) Reboot() { x.now = append(x.now[:0], x.base...) }

// Recorder is an index.Recorder that keeps records as bytes, so that it shares nothing with the index they came from.
type Recorder struct {
	order
	record, draft []byte // the newest that is persistent, empty: none; the newest
}

// Reset forgets the record.
func (r *Recorder) Reset() { *r = Recorder{order{after: r.after[:0]}, r.record[:0], r.draft[:0]} }

// Record implements index.Recorder.
func (r *Recorder) Record(m *index.Metadata, after iosched.Dependency) (iosched.Dependency, error) {
	r.draft = m.Append(r.draft[:0])
	return r.add(after), nil
}

// Sync makes the newest record persistent if what it waits for is.
func (r *Recorder) Sync() {
	if r.advance(1) > 0 {
		r.record, r.draft = r.draft, r.record
	}
}

// Recorded decodes the record into m and reports whether there is one.
func (r *Recorder) Recorded(m *index.Metadata, g *extent.Geometry) (bool, error) {
	if len(r.record) == 0 {
		return false, nil
	}
	return true, m.Decode(r.record, g, chunk.Place{})
}
