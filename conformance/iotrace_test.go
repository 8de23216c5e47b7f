package conformance

import (
	"bytes"
	"hash/crc32"
	"strconv"
	"strings"
	"testing"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/stretchr/testify/require"
)

func tracedMemory(reorder bool, seed uint64) (*TraceDisk, *disk.Memory, *Trace) {
	m := disk.NewMemory(disk.Info{Size: 64 << 10, LogicalBlock: 64, PhysicalBlock: 128, PowerSafe: true})
	d, t := new(TraceDisk), new(Trace)
	d.Reset(m, t, reorder, seed)
	return d, m, t
}

func writeOf(off int64, n int, fill byte) *disk.Request {
	return &disk.Request{Kind: disk.Write, Off: off, Data: bytes.Repeat([]byte{fill}, n)}
}

func TestTraceDiskFindsBrokenRules(t *testing.T) {
	twice := writeOf(0, 64, 1)
	cases := []struct {
		name string
		do   func(d *TraceDisk)
		rule string // "" where nothing is wrong
	}{
		{"neighbours in flight", func(d *TraceDisk) { d.Submit(writeOf(0, 64, 1)); d.Submit(writeOf(64, 64, 2)) }, ""},
		{"overlap", func(d *TraceDisk) { d.Submit(writeOf(0, 128, 1)); d.Submit(writeOf(64, 64, 2)) }, "overlap"},
		{"overlap from below", func(d *TraceDisk) { d.Submit(writeOf(64, 64, 1)); d.Submit(writeOf(0, 256, 2)) }, "overlap"},
		{"one after the other", func(d *TraceDisk) {
			d.Submit(writeOf(0, 128, 1))
			d.Reap(true)
			d.Submit(writeOf(64, 64, 2))
		}, ""},
		{"flush among writes", func(d *TraceDisk) {
			d.Submit(writeOf(0, 128, 1))
			d.Submit(&disk.Request{Kind: disk.Flush, Off: 64})
		}, ""},
		{"odd offset", func(d *TraceDisk) { d.Submit(writeOf(32, 64, 1)) }, "unaligned"},
		{"odd length", func(d *TraceDisk) { d.Submit(writeOf(0, 65, 1)) }, "unaligned"},
		{"empty write", func(d *TraceDisk) { d.Submit(writeOf(0, 0, 1)) }, "unaligned"},
		{"beyond the end", func(d *TraceDisk) { d.Submit(writeOf(64<<10-64, 128, 1)) }, "out-of-range"},
		{"before the start", func(d *TraceDisk) { d.Submit(writeOf(-64, 64, 1)) }, "out-of-range"},
		{"odd read", func(d *TraceDisk) { _ = d.Read(make([]byte, 10), 0) }, "unaligned"},
		{"read beyond the end", func(d *TraceDisk) { _ = d.Read(make([]byte, 64), 64<<10) }, "out-of-range"},
		{"submitted twice", func(d *TraceDisk) { d.Submit(twice); d.Submit(twice) }, "submitted-twice"},
		{"changed in flight", func(d *TraceDisk) {
			r := writeOf(0, 64, 1)
			d.Submit(r)
			r.Data[63]++
			d.Reap(true)
		}, "changed-in-flight"},
	}
	for _, c := range cases {
		for _, reorder := range []bool{false, true} {
			d, _, _ := tracedMemory(reorder, 1)
			c.do(d)
			if c.rule == "" {
				require.Nil(t, d.Violation(), c.name)
				require.Nil(t, CheckRequests(d), c.name)
				continue
			}
			require.NotNil(t, d.Violation(), c.name)
			require.Equal(t, c.rule, d.Violation().Rule, c.name)
			require.Equal(t, Signature{"AUDIT", KindNone, "request", c.rule}, CheckRequests(d).Signature, c.name)
		}
	}
}

func TestReorderedRequestsLandWhenReaped(t *testing.T) {
	orders := map[string]bool{}
	for seed := range uint64(50) {
		d, m, _ := tracedMemory(true, seed)
		for i := range 4 {
			d.Submit(writeOf(int64(i)*64, 64, byte(i)+1))
		}
		require.Zero(t, m.Bytes()[0], "held back")
		order := ""
		for d.Flying() > 0 {
			r := d.Reap(true)
			require.NoError(t, r.Err)
			require.Equal(t, r.Data, m.Bytes()[r.Off:r.Off+64], "landed")
			order += string('0' + r.Data[0])
		}
		require.Nil(t, d.Reap(true))
		orders[order] = true
	}
	require.Greater(t, len(orders), 12, "of 24 orders")
}

func TestWithoutReorderTheDiskChooses(t *testing.T) {
	d, _, _ := tracedMemory(false, 1)
	for i := range 4 {
		d.Submit(writeOf(int64(i)*64, 64, 1))
	}
	for i := range 4 {
		require.EqualValues(t, i*64, d.Reap(true).Off)
	}
	require.Nil(t, d.Reap(true))
}

func TestTraceDiskForwardsQuestions(t *testing.T) {
	d, m, trace := tracedMemory(false, 1)
	m.Overwrite(bytes.Repeat([]byte{7}, 64), 256)
	seven := func(_ int64, block []byte) bool { return block[0] == 7 }
	yes, err := disk.Ask(d, nil, 0, 512, seven)
	require.NoError(t, err)
	require.True(t, yes)
	before := trace.Sum()
	no, err := disk.Ask(d, nil, 512, 512, seven)
	require.NoError(t, err)
	require.False(t, no)
	require.NotEqual(t, before, trace.Sum(), "traced")

	p := make([]byte, 64)
	whole, err := disk.ReadUnit(d, p, 256, func(p []byte) bool { return p[0] == 7 })
	require.NoError(t, err)
	require.True(t, whole)
	require.EqualValues(t, 7, p[63])
}

func TestTraceSeesWhatARequestDiffersIn(t *testing.T) {
	sum := func(do func(d *TraceDisk)) uint64 {
		d, _, trace := tracedMemory(false, 1)
		do(d)
		return trace.Sum()
	}
	sums := map[uint64]string{}
	for name, do := range map[string]func(d *TraceDisk){
		"nothing":      func(*TraceDisk) {},
		"write":        func(d *TraceDisk) { d.Submit(writeOf(0, 64, 1)) },
		"other bytes":  func(d *TraceDisk) { d.Submit(writeOf(0, 64, 2)) },
		"other place":  func(d *TraceDisk) { d.Submit(writeOf(64, 64, 1)) },
		"other length": func(d *TraceDisk) { d.Submit(writeOf(0, 128, 1)) },
		"fua":          func(d *TraceDisk) { r := writeOf(0, 64, 1); r.FUA = true; d.Submit(r) },
		"flush":        func(d *TraceDisk) { d.Submit(&disk.Request{Kind: disk.Flush}) },
		"reaped":       func(d *TraceDisk) { d.Submit(writeOf(0, 64, 1)); d.Reap(true) },
		"read":         func(d *TraceDisk) { _ = d.Read(make([]byte, 64), 0) },
		"read more":    func(d *TraceDisk) { _ = d.Read(make([]byte, 128), 0) },
	} {
		h := sum(do)
		require.Empty(t, sums[h], "%s has the trace of", name)
		sums[h] = name
	}
}

// A CRC-32C of a record that ends in its own CRC-32C is the same whatever the record holds. The trace must not be blind to that.
func TestTraceTellsRecordsWithTheirOwnChecksumApart(t *testing.T) {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	traces, crcs := map[uint64]bool{}, map[uint32]bool{}
	for i := range 200 {
		p := AppendValue(nil, 60, uint32(i)+2)
		c := crc32.Checksum(p, castagnoli)
		p = append(p, byte(c), byte(c>>8), byte(c>>16), byte(c>>24))
		traces[ContentSum(p)] = true
		crcs[crc32.Checksum(p, castagnoli)] = true
	}
	require.Len(t, traces, 200)
	require.Len(t, crcs, 1)
}

// The trace is compared between machines and between versions of the suite: a change of its definition is a change of format.
func TestTraceNeverChanges(t *testing.T) {
	var trace Trace
	trace.Word(1)
	for n := range 100 {
		trace.Bytes(AppendValue(nil, uint32(n), 5))
	}
	require.Equal(t, uint64(0xa29224d5a4e1f87e), trace.Sum())
}

func TestTraceSeesEveryByte(t *testing.T) {
	for n := range 80 {
		p := AppendValue(nil, uint32(n), 9)
		want := ContentSum(p)
		require.NotEqual(t, want, ContentSum(append(p, 0)[:n+1]), "length %d", n)
		for i := range p {
			p[i] ^= 0x10
			require.NotEqual(t, want, ContentSum(p), "byte %d of %d", i, n)
			p[i] ^= 0x10
		}
	}
}

func TestTraceDiskAllocatesNothing(t *testing.T) {
	d, m, trace := tracedMemory(true, 1)
	requests := []*disk.Request{writeOf(0, 64, 1), writeOf(64, 64, 1), writeOf(256, 128, 1), {Kind: disk.Flush}}
	p := make([]byte, 128)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		d.Reset(m, trace, true, 5)
		for _, r := range requests {
			d.Submit(r)
		}
		for d.Reap(true) != nil {
		}
		_ = d.Read(p, 0)
	}))
}

// writingFactory makes models that also write a block to their disk at every put, in a way that how breaks.
type writingFactory struct {
	Factory
	how string
}

type writingTarget struct {
	Target
	d    disk.Disk
	how  string
	puts int64
}

func (f writingFactory) Open(d disk.Disk, c *Config) (Target, error) {
	t, err := f.Factory.Open(d, c)
	return &writingTarget{Target: t, d: d, how: f.how}, err
}

func (t *writingTarget) Put(id engine.ShardID, data []byte) (engine.Dependency, error) {
	if t.how != "overlap" {
		t.puts++
	}
	t.d.Submit(writeOf(t.puts*64, 64, 1))
	return t.Target.Put(id, data)
}

func (t *writingTarget) Close() error {
	for t.how != "left-in-flight" && t.d.Reap(true) != nil {
	}
	return t.Target.Close()
}

func TestBrokenRequestsFailTheSequence(t *testing.T) {
	for _, reorder := range []uint32{0, 1} {
		s := parsed(t, "kv", "put k1 len=10 fill=2; put k2 len=10 fill=2; reboot")
		s.Config.Set(OptReorder, reorder)
		run := func(how string) Result {
			return NewKV(writingFactory{NewModelFactory(), how}, MemoryDisks()).Run(s)
		}
		r := run("")
		require.Nil(t, r.Failure)
		require.EqualValues(t, 2, r.Stats.Requests)
		require.EqualValues(t, 128, r.Stats.Bytes)
		require.Equal(t, Signature{"AUDIT", KindPut, "request", "overlap"}, run("overlap").Failure.Signature)
		require.Equal(t, Signature{"AUDIT", KindReboot, "request", "left-in-flight"}, run("left-in-flight").Failure.Signature)
	}
}

func TestReorderingIsPartOfTheSequence(t *testing.T) {
	s := parsed(t, "kv", strings.Repeat("put k1 len=10 fill=2; ", 20))
	s.Config.Set(OptReorder, 1)
	x := NewKV(writingFactory{NewModelFactory(), ""}, MemoryDisks())
	first := x.Run(s).Trace
	require.Equal(t, first, x.Run(s).Trace)
	s.Config.Set(OptSeed, 1)
	require.NotEqual(t, first, x.Run(s).Trace)
}

func BenchmarkTraceDisk(b *testing.B) {
	d, m, trace := tracedMemory(true, 1)
	r := writeOf(0, 512, 1)
	b.SetBytes(512)
	b.ReportAllocs()
	for b.Loop() {
		d.Submit(r)
		d.Reap(true)
	}
	d.Reset(m, trace, false, 0)
}

func BenchmarkContentSum(b *testing.B) {
	for _, n := range []int{16, 64, 512, 4096} {
		p := AppendValue(nil, uint32(n), 5)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				ContentSum(p)
			}
		})
	}
}

func TestAnOperationThatAsksForEverEndsItsSequence(t *testing.T) {
	d, _, _ := tracedMemory(false, 1)
	p := make([]byte, 64)
	read := func(times int) {
		for range times {
			require.NoError(t, d.Read(p, 0))
		}
	}
	most := requestsBase + requestsPerBlock*(64<<10)/64
	for range 3 {
		d.Operation(KindPut)
		read(most)
	}
	require.PanicsWithValue(t, runaway{uint64(3*most + 1)}, func() { read(1) })
}
