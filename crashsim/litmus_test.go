package crashsim

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/engine/disk"
)

// Is the simulator a device? A recorded history of a real one is fed to it, request by request, and what the real one held at some
// moment must be among what the simulator allows then. A simulator that is too strict has to fail that.
//
// Not seen: a device that does worse than the one at hand; the rules C1 to C6 come from what devices promise, not from this.

// history is what was asked of a disk, in the order in which that happened as far as anybody outside can say: a request has begun
// no later, and ended no earlier, than it is noted here.
type history struct {
	mu     sync.Mutex
	events []event
}

// event is that a request began, or ended.
type event struct {
	request *disk.Request
	ended   bool
}

func (h *history) note(r *disk.Request, ended bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event{r, ended})
}

// simulator is what a history is fed to.
type simulator struct {
	device         Device
	flushesFlight  bool // too strict: a flush covers what had completed when it ended
	flushesWithFUA bool // too strict: a write with FUA makes durable what had completed before
}

// The simulator that stands for a disk of which nothing is known, and those that promise too much.
var (
	honest = simulator{device: Device{Cache: true}}
	strict = map[string]simulator{
		"completed writes are durable":    {device: Device{}},
		"writes are never torn":           {device: Device{Cache: true, AtomicBytes: 1 << 30}},
		"a flush covers writes in flight": {device: Device{Cache: true}, flushesFlight: true},
		"a write with FUA is a flush":     {device: Device{Cache: true}, flushesWithFUA: true},
	}
)

// after returns the disk after these events, with the power cut and switched on.
func (s *simulator) after(info disk.Info, events []event) *Disk {
	d := New(Config{Info: info, Device: s.device})
	for _, e := range events {
		if !e.ended {
			d.Submit(e.request)
			continue
		}
		i := slices.Index(d.flight, e.request)
		r, cover := d.flight[i], d.covers[i]
		d.flight, d.covers = slices.Delete(d.flight, i, i+1), slices.Delete(d.covers, i, i+1)
		if all := d.passed + uint64(len(d.pend)); r.Kind == disk.Flush && s.flushesFlight || r.FUA && s.flushesWithFUA {
			d.flushed(all)
			cover = all
		}
		if err := d.complete(r, cover); err != nil {
			panic(err)
		}
	}
	d.PowerOff()
	d.PowerOn(0)
	return d
}

// allows reports whether d may hold this image, of the whole disk: one leaf of the exploration does. A leaf ends at the first block
// that differs, so there are few of them.
func allows(t testing.TB, d *Disk, image []byte) bool {
	p := make([]byte, d.block)
	out, err := d.Explore(Bounds{Leaves: 1 << 20}, func(bool) (uint64, bool) {
		for off := int64(0); off < int64(len(image)); off += d.block {
			require.NoError(t, d.Read(p, off))
			if !bytes.Equal(p, image[off:off+d.block]) {
				return uint64(off), true
			}
		}
		return 0, false
	})
	require.NoError(t, err)
	require.True(t, out.Found || out.Whole)
	return out.Found
}

// strangers returns the blocks of an image, that was copied between two moments, that hold what the simulator allows at none of them.
// A copy takes time, so that nothing is said of two blocks at once.
func (s *simulator) strangers(info disk.Info, h *history, from, to int, image []byte) (blocks []int) {
	known := make([]bool, len(image)/info.LogicalBlock)
	for at := from; at <= to; at++ {
		d := s.after(info, h.events[:at])
		for b := range known {
			known[b] = known[b] || d.mayHold(int32(b), image[b*info.LogicalBlock:(b+1)*info.LogicalBlock])
		}
	}
	for b, is := range known {
		if !is {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// mayHold reports whether p is one of the versions of block b.
func (d *Disk) mayHold(b int32, p []byte) bool {
	v := d.head[b]
	if v == 0 {
		return bytes.Equal(p, d.at(b))
	}
	for ; v != 0; v = d.versions[v].prev {
		if bytes.Equal(p, d.content(v)) {
			return true
		}
	}
	return false
}

// Recorded histories: what a device did, as letters. wN+B begins write number N at block B, as many blocks as its letter is repeated;
// f begins a flush; a dot after a number ends it. The image is what was found at the end.
var recorded = []struct {
	name, events, image string
	allowed             bool
	tooStrict           []string // the simulators that do not allow it, although it was there
}{
	{"a completed write was lost", "1w0aa 1.", "........", true, []string{"completed writes are durable"}},
	{"half of a completed write was lost", "1w0aa 1.", ".a......", true, []string{"completed writes are durable", "writes are never torn"}},
	{"a write in flight was torn", "1w2bbb", "..b.b...", true, []string{"writes are never torn"}},
	{"a write completed while a flush was under way", "1w0a 2f 1. 2.", "........", true, []string{"completed writes are durable", "a flush covers writes in flight"}},
	{"the later of two writes is there, and the earlier is not", "1w0a 1. 2w1b 2.", ".b......", true, []string{"completed writes are durable"}},
	{"a write with FUA outlived an earlier one", "1w0a 1. 2F1b 2.", ".b......", true, []string{"completed writes are durable", "a write with FUA is a flush"}},
	{"everything is there", "1w0a 1. 2f 2. 3w0bb", "bb......", true, nil},
	{"nothing had to be", "1w0a 1. 2f 2. 3w0bb", "a.......", true, nil},

	{"a flushed write was lost", "1w0a 1. 2f 2.", "........", false, nil},
	{"a write with FUA was lost", "1F0a 1.", "........", false, nil},
	{"what nobody wrote", "1w0a 1.", "b.......", false, nil},
	{"what was overwritten durably", "1w0a 1. 2w0b 2. 3f 3.", "a.......", false, nil},
	{"what was written elsewhere", "1w0ab 1.", "b.......", false, nil},
	{"half of a flushed write", "1w0aa 1. 2f 2.", "a.......", false, nil},
}

func TestASimulatorThatIsTooStrictIsFoundOut(t *testing.T) {
	info := small(0).Info
	info.Size = 512
	for _, c := range recorded {
		t.Run(c.name, func(t *testing.T) {
			h := parseHistory(t, c.events)
			image := lettersOf(c.image)
			require.Equal(t, c.allowed, allows(t, honest.after(info, h.events), image))
			require.Equal(t, c.allowed, len(honest.strangers(info, h, len(h.events), len(h.events), image)) == 0)
			if !c.allowed {
				return
			}
			var found []string
			for name, s := range strict {
				if !allows(t, s.after(info, h.events), image) {
					found = append(found, name)
				}
			}
			require.ElementsMatch(t, c.tooStrict, found)
		})
	}
}

// A copy that takes time may hold of each block what it held at any moment meanwhile, and nothing else.
func TestACopyThatTakesTimeIsJudgedBlockByBlock(t *testing.T) {
	info := small(0).Info
	info.Size = 512
	h := parseHistory(t, "1w0a 1. 2f 2. 3w0b 3. 4f 4. 5w1c 5. 6f 6.")
	for _, c := range []struct {
		image    string
		from, to int
		want     []int
	}{
		{"ac......", 4, 12, nil},
		{"a.......", 4, 4, nil},
		{"a.......", 8, 12, []int{0}},
		{"bc......", 4, 8, []int{1}},
		{"c.......", 0, 12, []int{0}},
	} {
		require.Equal(t, c.want, honest.strangers(info, h, c.from, c.to, lettersOf(c.image)), "%s in [%d,%d]", c.image, c.from, c.to)
	}
}

func parseHistory(t *testing.T, text string) *history {
	h := new(history)
	requests := map[byte]*disk.Request{}
	for _, word := range strings.Fields(text) {
		n := word[0]
		if word[1] == '.' {
			h.note(requests[n], true)
			continue
		}
		r := &disk.Request{Kind: disk.Flush}
		if word[1] != 'f' {
			r = &disk.Request{Kind: disk.Write, FUA: word[1] == 'F', Off: int64(word[2]-'0') * 64, Data: lettersOf(word[3:])}
		}
		requests[n] = r
		h.note(r, false)
	}
	return h
}

// lettersOf returns blocks of 64 bytes, one for each letter.
func lettersOf(letters string) (p []byte) {
	for _, c := range []byte(letters) {
		if c == '.' {
			c = 0
		}
		p = append(p, fill(64, c)...)
	}
	return p
}
