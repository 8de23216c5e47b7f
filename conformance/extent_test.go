package conformance

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/extent"
	"github.com/shardproof/shardproof/engine/iosched"
)

func TestModelExtentsAgreeWithTheirModel(t *testing.T) {
	requireHolds(t, NewExtent(NewModelExtentFactory(), nil), "extent", 2000)
	requireNoAllocation(t, NewExtent(NewModelExtentFactory(), nil), "extent")
}

// BenchmarkExtentHarness is what a sequence of the extent suite costs without an engine.
func BenchmarkExtentHarness(b *testing.B) {
	benchmarkFloor(b, NewExtent(NewModelExtentFactory(), nil), "extent")
}

// spoiledExtents writes what is appended to its disk, if it has one, at once; and is wrong in one way.
type spoiledExtents struct {
	modelExtents
	lies
	disk  disk.Disk
	bytes map[extent.Place][]byte // of every append
	last  extent.Locator
	old   extent.ID // the last extent that was released
}

func (e *spoiledExtents) Format(_ disk.Disk, c *Config) error {
	g := GeometryOf(c)
	e.Reset(&g, extent.Superblock)
	e.lies = lies{how: e.how}
	e.bytes, e.last, e.old = map[extent.Place][]byte{}, extent.Locator{}, 0
	return nil
}

func (e *spoiledExtents) Open(d disk.Disk, _ *Config) (ExtentTarget, error) {
	e.disk = d
	e.Reboot()
	return e, nil
}

func (e *spoiledExtents) Append(owner extent.Owner, n int, after iosched.Dependency, fill func(b []byte, at extent.Place)) (extent.Locator, iosched.Dependency, error) {
	lying := fill
	switch e.how {
	case "full too early":
		return extent.Locator{}, iosched.Dependency{}, extent.ErrFull
	case "too small a limit":
		if n > int(e.Geometry().ExtentBytes)/2 {
			return extent.Locator{}, iosched.Dependency{}, extent.ErrTooLarge
		}
	case "a new extent too early":
		e.modelExtents.Reboot()
	case "appends for another owner":
		owner = extent.Metadata
	case "old bytes under the append":
		lying = func(b []byte, at extent.Place) { b[0] = 1; fill(b, at) }
	case "filled twice":
		lying = func(b []byte, at extent.Place) { fill(b, at); clear(b); fill(b, at) }
	case "filled for another place":
		lying = func(b []byte, at extent.Place) { fill(b, at.At(1)) }
	case "one byte too few to fill":
		lying = func(b []byte, at extent.Place) { fill(b[:len(b)-1], at) }
	}
	l, d, err := e.modelExtents.Append(owner, n, e.unwrap(after), lying)
	if err != nil {
		return l, d, err
	}
	b, _ := e.View(l.Place(), n)
	e.bytes[l.Place()] = append([]byte(nil), b...)
	e.write(l)
	e.last = l
	if e.how == "place off" {
		l.Offset += e.Geometry().Physical
	}
	return l, e.wrap(d), nil
}

// write writes the blocks of an append to the disk.
func (e *spoiledExtents) write(l extent.Locator) {
	if e.disk == nil {
		return
	}
	n := e.Geometry().RoundUp(l.Length)
	off := e.Geometry().Base(l.Extent) + int64(l.Offset)
	times := 1
	switch e.how {
	case "writes behind the pointer":
		n += e.Geometry().Physical
	case "writes twice":
		times = 2
	}
	for range times {
		e.disk.Submit(&disk.Request{Kind: disk.Write, Off: off, Data: make([]byte, n)})
		e.disk.Reap(true)
	}
}

func (e *spoiledExtents) Read(at extent.Place, n int) ([]byte, error) {
	b, err := e.modelExtents.Read(at, n)
	b = append([]byte(nil), b...)
	switch old, known := e.bytes[at]; {
	case e.how == "read panics":
		panic("spoiled")
	case e.how == "wrong byte" && err == nil:
		b[0] ^= 1
	case e.how == "a byte short" && err == nil:
		b = b[:len(b)-1]
	case e.how == "stale read after release" && err != nil && known && len(old) >= n:
		return old[:n], nil
	case e.how == "reads behind the pointer" && err != nil && at.Generation == e.Describe(at.Extent).Generation:
		return make([]byte, n), nil
	case e.how == "lost append after reboot" && e.told && at == e.last.Place():
		clear(b)
	case e.how == "no read of the second extent" && at.Extent > 1:
		return nil, at.Corrupt("extent generation")
	}
	return b, err
}

func (e *spoiledExtents) Pin(x extent.ID) {
	if e.how != "pins are ignored" {
		e.modelExtents.Pin(x)
	}
}

func (e *spoiledExtents) Unpin(x extent.ID) {
	if e.how != "unpin forgotten" {
		e.modelExtents.Unpin(x)
	}
}

func (e *spoiledExtents) Release(x extent.ID) error {
	e.old = x
	if e.how == "release does nothing" {
		return nil
	}
	return e.modelExtents.Release(x)
}

func (e *spoiledExtents) Describe(x extent.ID) extent.Entry {
	d := e.modelExtents.Describe(x)
	switch {
	case e.how == "pointer off" && d.Pointer > 0:
		d.Pointer++
	case e.how == "pointer lost at reboot" && e.told:
		d.Pointer = 0
	case e.how == "owner lost at reboot" && e.told && d.Owner == extent.Copies:
		d.Owner = extent.Runs
	case e.how == "generation not bumped" && x == e.old && x > 0:
		d.Generation--
	case e.how == "generation bumped twice" && x == e.old && x > 0:
		d.Generation++
	}
	return d
}

func (e *spoiledExtents) Pump(n int) (int, error) {
	done, err := e.modelExtents.Pump(n)
	return e.pump(n, done, err)
}
func (e *spoiledExtents) Sync(context.Context) error { return e.sync(e.modelExtents.Sync) }
func (e *spoiledExtents) FlushSuperblock(ctx context.Context) error {
	if e.how == "superblock fails" {
		return errSpoiled
	}
	return e.modelExtents.FlushSuperblock(ctx)
}
func (e *spoiledExtents) Check(_ context.Context, report func(error)) error { return e.check(report) }
func (e *spoiledExtents) Close() error                                      { return e.close(e.modelExtents.Close()) }

func TestEverySpoiledExtentIsFound(t *testing.T) {
	const put = "append owner=runs len=100 fill=2"
	requireFound(t, "extent", []spoilCase{
		{"wrong byte", put + "; read", Signature{"EQ", KindRead, "value", ""}, 1, "100 B"},
		{"wrong byte", put, Signature{"EQ", KindNone, "value", ""}, 1, "append 1 reads as it was filled"},
		{"a byte short", put + "; read off=10", Signature{"EQ", KindRead, "value", ""}, 1, "89 B"},
		{"stale read after release", put + "; release; read", Signature{"EQ", KindRead, "error", "ok"}, 2, "corrupt"},
		{"stale read after release", put + "; release", Signature{"EQ", KindNone, "error", "ok"}, 2, "until its extent is released"},
		{"reads behind the pointer", put + "; read off=90 len=100", Signature{"EQ", KindRead, "error", "ok"}, 1, "corrupt"},
		{"no read of the second extent", "append owner=runs len=4000; append owner=runs len=4000; read", Signature{"EQ", KindRead, "error", "corrupt-extent-generation"}, 2, "generation"},
		{"place off", put, Signature{"EQ", KindAppend, "fill", ""}, 0, "zero before"},
		{"pointer off", put + "; describe extent=1", Signature{"EQ", KindDescribe, "extent", ""}, 1, "pointer 129"},
		{"pointer off", put, Signature{"EQ", KindNone, "extent", ""}, 1, "extent 1 is as"},
		{"pointer lost at reboot", put + "; reboot; describe extent=1", Signature{"EQ", KindDescribe, "extent", ""}, 2, "pointer 0"},
		{"owner lost at reboot", "append owner=copies len=9; reboot", Signature{"EQ", KindNone, "extent", ""}, 2, "runs"},
		{"lost append after reboot", put + "; reboot; read", Signature{"EQ", KindRead, "value", ""}, 2, "100 B"},
		{"lost append after reboot", put, Signature{"EQ", KindNone, "value", ""}, 1, "append 1"},
		{"generation not bumped", put + "; release; describe extent=1", Signature{"EQ", KindDescribe, "extent", ""}, 2, "generation 1"},
		{"generation bumped twice", put + "; release", Signature{"EQ", KindNone, "extent", ""}, 2, "generation 3"},
		{"release does nothing", put + "; release; describe extent=1", Signature{"EQ", KindDescribe, "extent", ""}, 2, "free"},
		{"pins are ignored", put + "; pin; release", Signature{"EQ", KindRelease, "error", "ok"}, 2, "pinned"},
		{"unpin forgotten", put + "; pin; unpin; release", Signature{"EQ", KindRelease, "error", "pinned"}, 3, "pinned"},
		{"a new extent too early", put + "; " + put, Signature{"EQ", KindAppend, "place", ""}, 1, "2.1+0"},
		{"appends for another owner", put, Signature{"EQ", KindNone, "extent", ""}, 1, "metadata"},
		{"full too early", put, Signature{"EQ", KindAppend, "error", "full"}, 0, "full"},
		{"too small a limit", "append owner=runs len=4000", Signature{"EQ", KindAppend, "error", "too-large"}, 0, "larger than an extent"},
		{"old bytes under the append", put, Signature{"EQ", KindAppend, "fill", ""}, 0, "zero before: false"},
		{"filled twice", put, Signature{"EQ", KindAppend, "fill", ""}, 0, "2 times"},
		{"filled for another place", put, Signature{"EQ", KindAppend, "fill", ""}, 0, "once"},
		{"one byte too few to fill", put, Signature{"EQ", KindAppend, "fill", ""}, 0, "100 bytes"},
		{"read panics", put + "; read", Signature{"EQ", KindRead, "panic", "conformance.(*spoiledExtents).Read"}, 1, "panic"},
		{"superblock fails", "superblock", Signature{"EQ", KindSuperblock, "error", "it-went-wrong"}, 0, "went wrong"},
		{"pump overshoots", "pump n=2", Signature{"EQ", KindPump, "count", ""}, 0, "3 completed"},
		{"dependency goes back", put + "; sync; poll", Signature{"EQ", KindSync, "state", "pending"}, 1, "stays so"},
		{"dependency too early", put + "; " + put + " dep=1; poll", Signature{"EQ", KindPoll, "state", "persistent"}, 2, "not persistent before dep=1"},
		{"dependency never persistent", put + "; sync", Signature{"PROGRESS", KindSync, "state", "pending"}, 1, "waited for"},
		{"dependency never persistent", put, Signature{"PROGRESS", KindNone, "state", "pending"}, 1, "dep=1"},
		{"dependency failed", put + "; poll", Signature{"EQ", KindPoll, "state", "failed"}, 1, "failed"},
		{"dependency failed", put + "; reboot", Signature{"PROGRESS", KindReboot, "state", "failed"}, 1, "disk IO failed"},
		{"sync does nothing", put + "; sync", Signature{"PROGRESS", KindSync, "state", "pending"}, 1, "waited for"},
		{"sync does nothing", put + "; release", Signature{"PROGRESS", KindRelease, "state", "pending"}, 1, "waited for"},
		{"close leaves the newest pending", put + "; reboot", Signature{"PROGRESS", KindReboot, "state", "pending"}, 1, "dep=1"},
		{"close fails", "reboot", Signature{"EQ", KindReboot, "close", "io"}, 0, "closed"},
		{"check complains", "check", Signature{"AUDIT", KindCheck, "check", "corrupt-frame-trailer"}, 0, "extent 3 at 64"},
		{"check cannot look", "check", Signature{"AUDIT", KindCheck, "error", "io"}, 0, "disk IO failed"},
		{"writes twice", put, Signature{"AUDIT", KindAppend, "request", "rewritten"}, 0, "write of 128 B"},
		{"writes behind the pointer", put, Signature{"AUDIT", KindNone, "request", "behind-pointer"}, 1, "behind 128"},
		{"writes behind the pointer", put + "; " + put, Signature{"AUDIT", KindAppend, "request", "rewritten"}, 1, "write of 192 B"},
	}, func(how string) Executor {
		return NewExtent(&spoiledExtents{lies: lies{how: how}}, MemoryDisks())
	})
}

func TestAReleasedExtentIsWrittenAgain(t *testing.T) {
	s := parsed(t, "extent", "append owner=runs len=4000; release; append owner=runs len=4000; release")
	r := NewExtent(&spoiledExtents{}, MemoryDisks()).Run(s)
	require.Nil(t, r.Failure)
	require.EqualValues(t, 2, r.Stats.Requests)
}

func TestFullIsExactlyWhenNoExtentIsFree(t *testing.T) {
	const put = "append owner=runs len=4096"
	s := parsed(t, "extent", "options extents=11; "+strings.Repeat(put+"; ", 11)+"release extent=3; "+put+"; "+put)
	r := NewExtent(NewModelExtentFactory(), nil).Run(s)
	require.Nil(t, r.Failure)
	require.EqualValues(t, 2, r.Stats.Refused)
}

func TestExtentExecutorCanLie(t *testing.T) {
	x := NewExtent(NewModelExtentFactory(), nil)
	s := parsed(t, "extent", "append owner=runs len=100 fill=2; read")
	want := x.Run(s)
	require.Equal(t, Signature{"EQ", KindRead, "value", ""}, x.RunSpoiled(s).Failure.Signature)
	require.Equal(t, want, x.Run(s))
}
