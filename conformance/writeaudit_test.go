package conformance

import (
	"testing"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/stretchr/testify/require"
)

// laidTarget says what a test wants to hear of its extents, each of 1 KiB.
type laidTarget struct {
	Target
	extents []ExtentState
}

func (t *laidTarget) AppendExtents(dst []ExtentState) []ExtentState { return append(dst, t.extents...) }
func (t *laidTarget) Space() Space                                  { return Space{ExtentBytes: 1 << 10} }

// slotted makes stores of one page in three slots, and another in three behind those.
type slotted struct{ Factory }

func (slotted) AppendSlots(dst []Slot, _ disk.Disk) []Slot {
	for i := range int64(6) {
		dst = append(dst, Slot{Off: 128 * i, Size: 128, Page: int(i / 3)})
	}
	return dst
}

func TestNothingIsWrittenAgainBeforeItsExtentIsReset(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(d *TraceDisk, t *laidTarget, write func(off int64, n int))
		rule string
	}{
		"appends": {func(d *TraceDisk, s *laidTarget, write func(int64, int)) {
			write(1<<10+128, 64)
			write(1<<10+192, 64)
			d.Look(s)
			write(2<<10, 256)
		}, ""},
		"below the pointer after open": {func(_ *TraceDisk, _ *laidTarget, write func(int64, int)) { write(1<<10, 64) }, "rewritten"},
		"written twice in one operation": {func(_ *TraceDisk, _ *laidTarget, write func(int64, int)) {
			write(2<<10, 64)
			write(2<<10, 64)
		}, "rewritten"},
		"written twice": {func(d *TraceDisk, s *laidTarget, write func(int64, int)) {
			write(2<<10, 64)
			s.extents[2].Pointer = 64
			d.Look(s)
			write(2<<10, 64)
		}, "rewritten"},
		"reset in between": {func(d *TraceDisk, s *laidTarget, write func(int64, int)) {
			write(2<<10, 64)
			s.extents[2].Generation++
			d.Look(s)
			write(2<<10, 64)
		}, ""},
		"reset in the same operation": {func(_ *TraceDisk, s *laidTarget, write func(int64, int)) {
			write(2<<10, 64)
			write(2<<10, 64)
			s.extents[2].Generation++
		}, ""},
		"another extent reset": {func(_ *TraceDisk, s *laidTarget, write func(int64, int)) {
			write(2<<10, 64)
			write(2<<10, 64)
			s.extents[3].Generation++
		}, "rewritten"},
		"a write into two extents, the first of them reset": {func(_ *TraceDisk, s *laidTarget, write func(int64, int)) {
			write(3<<10, 64)
			write(2<<10, 2<<10)
			s.extents[2].Generation++
		}, "rewritten"},
		"a write into two extents, the second of them reset": {func(_ *TraceDisk, s *laidTarget, write func(int64, int)) {
			write(3<<10, 64)
			write(2<<10, 2<<10)
			s.extents[3].Generation++
		}, ""},
		"after a crash": {func(d *TraceDisk, s *laidTarget, write func(int64, int)) {
			write(2<<10, 64)
			d.Forget()
			write(2<<10, 64) // recovery
			d.Look(s)
			write(2<<10, 64)
		}, ""},
		"the superblock": {func(_ *TraceDisk, _ *laidTarget, write func(int64, int)) {
			write(0, 64)
			write(0, 64)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, _, _ := tracedMemory(false, 1)
			s := &laidTarget{extents: []ExtentState{{1, 0}, {1, 128}, {1, 0}, {1, 0}}}
			d.FindSlots(slotted{})
			d.Look(s)
			c.do(d, s, func(off int64, n int) {
				d.Submit(writeOf(off, n, 1))
				d.Reap(true)
				d.Submit(&disk.Request{Kind: disk.Flush})
				d.Reap(true)
			})
			d.Look(s)
			requireRule(t, d, c.rule)
		})
	}
}

func TestOneSlotOfAPageIsOnItsWay(t *testing.T) {
	const page, slot = 3 * 128, 128
	for name, c := range map[string]struct {
		requests string // letters: a b c the slots of one page, x of another, f a flush; a dash reaps one
		rule     string
	}{
		"in turn":                        {"a-f-b-f-c-f-a-f-", ""},
		"two in flight":                  {"ab", "second-slot"},
		"two without a flush":            {"a-b", "second-slot"},
		"a flush that began before":      {"fa--b", "second-slot"},
		"a flush that is under way":      {"a-fb", "second-slot"},
		"two pages":                      {"ax--f-bx--f-", ""},
		"the same slot again":            {"a-a-f-b-f-", ""},
		"a flush before the write ended": {"af--b", "second-slot"},
	} {
		t.Run(name, func(t *testing.T) {
			d, _, _ := tracedMemory(false, 1)
			d.FindSlots(slotted{})
			for _, r := range c.requests {
				switch r {
				case '-':
					d.Reap(true)
				case 'f':
					d.Submit(&disk.Request{Kind: disk.Flush})
				case 'x':
					d.Submit(writeOf(page, 64, 1))
				default:
					d.Submit(writeOf(slot*int64(r-'a'), 64, 1))
				}
			}
			requireRule(t, d, c.rule)
		})
	}
}

func requireRule(t *testing.T, d *TraceDisk, rule string) {
	t.Helper()
	if rule == "" {
		require.Nil(t, d.Violation())
		return
	}
	require.NotNil(t, d.Violation())
	require.Equal(t, rule, d.Violation().Rule)
}
