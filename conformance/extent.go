package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/model"
)

// Extent executes sequences of the extent suite: goal, to find an extent store that loses, mixes up or outlives bytes.
//
// Method: that of every course. Which free extent an append begins is the store's choice, which the model follows; all else is
// the model's to say: when an extent is begun, where in it the bytes lie, what Describe says, what can still be read. The whole
// state is Describe of every extent and every append ever made: either its bytes, or ErrCorrupt once its extent was released.
// AUDIT wants, besides the store's own check, that no block is written twice between two releases of its extent and none behind
// the write pointer.
//
// The dependency of an append is persistent only if the one it was to wait for is, stays so, and is after a sync and a clean
// close. An extent with appends that are not persistent is not released: a sync comes first, as the floor above would have it.
//
// Blind spots: whether persistent means anything, which only a crash can show; a reserve, which the stores under test do not
// keep.
type Extent struct {
	course
	factory ExtentFactory
	target  ExtentTarget // nil while closed
	model   model.Extents
	fresh   bool // formatted and not opened yet

	appends []anAppend     // append i has dependency i
	pins    []int          // by extent
	owners  []extent.Owner // of the first extents, as formatted

	filler filler
	read   []byte
}

// anAppend is one append of the sequence.
type anAppend struct {
	at         extent.Locator
	after      int // the append it waits for; -1: none
	persistent bool
}

// extentOwners are the owners of OwnerNames.
var extentOwners = [...]extent.Owner{extent.Runs, extent.Metadata, extent.Copies}

// NewExtent returns an executor that drives extent stores of f on disks of source; as NewKV.
func NewExtent(f ExtentFactory, source DiskSource) *Extent {
	x := &Extent{factory: f}
	x.course = course{component: x, disks: source, probes: f, order: "an append is persistent after what it waits for, and stays so"}
	return x
}

func (x *Extent) format() error {
	x.fresh = true
	x.appends = x.appends[:0]
	return x.factory.Format(x.below(), &x.seq.Config)
}

func (x *Extent) open() error {
	t, err := x.factory.Open(x.below(), &x.seq.Config)
	if err != nil {
		return err
	}
	x.target = t
	x.pins = slices.Grow(x.pins[:0], t.Len())[:t.Len()]
	clear(x.pins)
	if !x.fresh {
		x.model.Reboot()
		return nil
	}
	x.fresh = false
	x.owners = x.owners[:0]
	for i := 0; i < t.Len() && t.Describe(extent.ID(i)).Owner != extent.Free; i++ {
		x.owners = append(x.owners, t.Describe(extent.ID(i)).Owner)
	}
	x.model.Reset(t.Geometry(), x.owners...)
	if x.disk != nil {
		x.disk.AppendOnly(t.Geometry().Base(extent.ID(len(x.owners))))
	}
	return nil
}

func (x *Extent) close() error {
	t := x.target
	if t == nil {
		return nil
	}
	x.drop()
	return t.Close()
}

func (x *Extent) drop() { x.target = nil }

func (x *Extent) inside() any { return x.target }

func (x *Extent) apply(op *Op) {
	switch op.Kind {
	case KindAppend:
		x.append(op)
	case KindRead:
		x.readAt(op)
	case KindRelease:
		x.release(op)
	case KindPin:
		if id, ok := x.chosen(op, x.inUse); ok {
			x.target.Pin(id)
			x.model.Pin(id)
			x.pins[id]++
		}
	case KindUnpin:
		if id, ok := x.chosen(op, x.pinned); ok {
			x.target.Unpin(id)
			x.model.Unpin(id)
			x.pins[id]--
		}
	case KindDescribe:
		if id, ok := x.chosen(op, x.any); ok {
			x.got.extent, x.want.extent = x.target.Describe(id), x.model.Describe(id)
		}
	case KindPump:
		x.got.count, x.got.err = x.target.Pump(int(op.Len))
		x.want.count = max(0, min(x.got.count, int(op.Len)))
		x.effect = x.got.count > 0
		x.settle()
	case KindSync:
		x.sync()
	case KindSuperblock:
		x.got.err = x.target.FlushSuperblock(context.Background())
		x.settle()
	case KindPoll:
		x.poll(op)
	case KindCheck:
		x.course.audit()
	case KindReboot:
		x.reboot()
	default:
		x.effect = false
	}
}

func (x *Extent) append(op *Op) {
	size := max(1, int(op.Len))
	fill := x.filler.begin(op, size)
	owner := extentOwners[int(op.Which)%len(extentOwners)]
	after, dep := -1, iosched.Dependency{}
	if n := len(x.appends); op.Choice > 0 && n > 0 {
		after = n - 1 - int((op.Choice-1)%uint64(n))
		dep = x.deps[after]
	}
	at, d, err := x.target.Append(owner, size, dep, fill)
	x.got.place, x.got.err = at, err
	if err == nil {
		x.keep(x.filler.check(at.Place()))
	}
	if err != nil {
		at = extent.Locator{}
	}
	x.model.Next = at.Extent
	x.want.place, _, x.want.err = x.model.Append(owner, size, iosched.Dependency{}, fill)
	if err != nil || x.want.err != nil {
		x.effect = false
		x.stats.Refused += bit(classOf(err) == classFull)
		return
	}
	x.appends = append(x.appends, anAppend{at: at, after: after})
	x.deps = append(x.deps, d)
	x.got.count, x.want.count = len(x.deps), len(x.deps)
}

func (x *Extent) readAt(op *Op) {
	i, ok := x.back(op.Choice, len(x.appends))
	if !ok {
		return
	}
	at := x.appends[i].at
	n := int(min(op.Len, x.model.Geometry().ExtentBytes))
	if n == 0 {
		n = int(at.Length) - int(op.Off)
	}
	if n <= 0 {
		x.effect = false
		return
	}
	place := at.Place().At(int(op.Off))
	b, err := x.target.Read(place, n)
	x.got.err = err
	if err == nil {
		x.read = append(x.read[:0], b...)
		x.got.value = x.read
		x.spoil(x.read)
		x.stats.Reads++
	}
	x.want.value, x.want.err = x.model.View(place, n)
	x.effect = err == nil
}

// spoil falsifies the first answer with bytes, where that is asked for.
func (x *Extent) spoil(b []byte) {
	if x.spoiled && len(b) > 0 {
		b[0] ^= 1
	}
}

func (x *Extent) release(op *Op) {
	id, ok := x.chosen(op, x.inUse)
	if !ok {
		return
	}
	if x.pending(id) && x.pins[id] == 0 {
		x.sync()
	}
	from := x.model.Geometry().Base(id)
	x.got.err, x.want.err = x.target.Release(id), x.model.Release(id)
	x.effect = x.got.err == nil
	if x.effect && x.disk != nil {
		x.disk.Release(from, int64(x.model.Geometry().ExtentBytes))
	}
}

// pending reports whether something that was appended to id is not persistent.
func (x *Extent) pending(id extent.ID) bool {
	for i := range x.appends {
		if x.appends[i].at.Extent == id && x.ask(i) != iosched.Persistent {
			return true
		}
	}
	return false
}

// sync makes everything persistent, and wants it to be: of the answers' states, the worst counts.
func (x *Extent) sync() {
	x.settle()
	x.effect = false
	for i := range x.appends {
		x.effect = x.effect || !x.appends[i].persistent
	}
	x.got.err = x.target.Sync(context.Background())
	x.want.state, x.got.state = iosched.Persistent, iosched.Persistent
	for i := range x.appends {
		if s := x.ask(i); s != iosched.Persistent {
			x.got.state = s
		}
	}
	x.settle()
}

// poll asks for the state of one dependency, and of it together with the newest.
func (x *Extent) poll(op *Op) {
	i, ok := x.back(op.Choice, len(x.appends))
	if !ok {
		return
	}
	newest := len(x.appends) - 1
	x.got.state = x.ask(i)
	x.got.joint = x.deps[i].And(x.deps[newest]).State()
	x.settle()
	x.want.state, x.want.joint = x.stateOf(i), iosched.Pending
	if x.want.state == iosched.Persistent && x.stateOf(newest) == iosched.Persistent {
		x.want.joint = iosched.Persistent
	}
}

func (x *Extent) stateOf(i int) iosched.State {
	if x.appends[i].persistent {
		return iosched.Persistent
	}
	return iosched.Pending
}

// settle notes what has become persistent.
func (x *Extent) settle() {
	for i := range x.appends {
		x.ask(i)
	}
}

// ask returns the state of dependency i+1: persistent in any order, but never before what it was to wait for, and for good.
func (x *Extent) ask(i int) iosched.State {
	a := &x.appends[i]
	now := x.deps[i].State()
	switch {
	case a.persistent && now != iosched.Persistent:
		x.keep(orderFailure(x.order, i, "persistent, as it was before", now.String()))
	case now == iosched.Persistent && !a.persistent && a.after >= 0 && !x.deps[a.after].Persistent():
		x.keep(orderFailure(x.order, i, fmt.Sprintf("not persistent before dep=%d", a.after+1), now.String()))
	}
	a.persistent = now == iosched.Persistent
	return now
}

// orderFailure says that dependency i+1 does not keep to the claimed order.
func orderFailure(claim string, i int, want, got string) *Failure {
	return &Failure{Signature: Signature{PropertyEqual, KindNone, "state", got}, Claim: claim, Want: fmt.Sprintf("dep=%d %s", i+1, want), Got: got}
}

// chosen returns the extent that op means: counted from the first, modulo how many are among those in question.
func (x *Extent) chosen(op *Op, among func(extent.ID) bool) (extent.ID, bool) {
	return chosenExtent(&x.course, op, x.model.Len(), among)
}

func chosenExtent(x *course, op *Op, extents int, among func(extent.ID) bool) (extent.ID, bool) {
	n := uint64(0)
	for i := range extent.ID(extents) {
		n += bit(among(i))
	}
	if n == 0 {
		x.effect = false
		return 0, false
	}
	left := op.Choice % n
	for i := extent.ID(0); ; i++ {
		if among(i) {
			if left == 0 {
				return i, true
			}
			left--
		}
	}
}

func (x *Extent) any(extent.ID) bool { return true }

func (x *Extent) inUse(i extent.ID) bool { return inUse(x.model.Describe(i).Owner) }

func (x *Extent) pinned(i extent.ID) bool { return x.pins[i] > 0 }

// inUse reports whether an extent of that owner was appended to by a sequence: no floor under test appends to the log.
func inUse(o extent.Owner) bool { return o != extent.Free && o != extent.Superblock && o != extent.Log }

// equal compares every extent and every append.
func (x *Extent) equal() *Failure {
	for i := range extent.ID(x.model.Len()) {
		got, want := x.target.Describe(i), x.model.Describe(i)
		if !sameExtent(&got, &want) {
			return stateFailure("extent", "", fmt.Sprintf("extent %d is as what was done to it says", i), extentText(&want), extentText(&got))
		}
	}
	for i := range x.appends {
		at := x.appends[i].at
		want, wantErr := x.model.View(at.Place(), int(at.Length))
		got, err := x.target.Read(at.Place(), int(at.Length))
		switch {
		case wantErr == nil && err != nil, wantErr != nil && !errors.Is(err, wantErr):
			return stateFailure("error", siteOf(err), appendText(i)+" can be read until its extent is released", errorName(wantErr), errorName(err))
		case !bytes.Equal(got, want):
			return stateFailure("value", "", appendText(i)+" reads as it was filled", valueText(want), valueText(got))
		}
	}
	return nil
}

func appendText(i int) string { return fmt.Sprintf("append %d", i+1) }

// errorName is errorText for what may be no error.
func errorName(err error) string {
	if err == nil {
		return "ok"
	}
	return errorText(err)
}

// audit lets the store look at itself, and looks for blocks behind the write pointers.
func (x *Extent) audit() *Failure {
	if f := CheckAudit(x.target, x.disk, &x.scratch); f != nil || x.disk == nil {
		return f
	}
	g := x.model.Geometry()
	for i := range extent.ID(x.model.Len()) {
		e := x.model.Describe(i)
		if base := g.Base(i); e.Owner != extent.Superblock && x.disk.End(base, int64(g.ExtentBytes)) > base+int64(e.Pointer) {
			return auditFailure("request", "behind-pointer", "extents are written below their write pointers only", fmt.Sprintf("extent %d is written behind %d", i, e.Pointer))
		}
	}
	return nil
}
