package conformance

import (
	"fmt"

	"github.com/shardproof/shardproof/crashsim"
)

// Option is a knob of the store under test or of its disk: part of the test case, drawn by the generator, printed when it is
// not at its default, put back to its default by the reducer when that keeps the failure.
type Option uint8

// The options. Sizes are in blocks, so that a sequence keeps its meaning on a device with larger blocks.
const (
	OptBlock       Option = iota // bytes of a logical block
	OptPhysical                  // logical blocks in a physical one
	OptPage                      // blocks in a page: the unit of index blocks and of the caches
	OptExtent                    // blocks in an extent
	OptExtents                   // extents on the disk
	OptGroup                     // blocks in the largest group-commit unit
	OptWindowUnits               // log units in flight, at most
	OptWindow                    // blocks of log in flight, at most
	OptMemtable                  // entries of the memtable, at most
	OptTable                     // pages in a table of a sorted run, at most
	OptSuperPage                 // blocks in a superblock page; 0: the best, which is one page here
	OptReorder                   // 1: the disk completes requests in an order drawn from the seed
	OptUUIDBits                  // bits of entropy in a chunk's UUID
	OptSeed                      // of UUIDs and of the completion order
	OptCache                     // pages of the data cache
	OptIndexCache                // pages of the index cache
	OptFanout                    // how much larger each level of the index is than the one above
	OptTrigger                   // runs of the first level that start a compaction
	OptFilterBits                // bits a key of the filters of runs
	OptPartSize                  // blocks of the largest part of a shard; 0: as large as fits
	OptDevice                    // what a power cut does to a write; one of crashsim.DeviceNames
	optionCount
)

// OptionInfo describes one option.
type OptionInfo struct {
	Name    string
	Default uint32
	Min     uint32
	Max     uint32
	Draw    []uint32 // what the generator draws from, simplest first
	Doc     string

	// Geometry options shape the store and its disk; the others, how disk and randomness behave.
	Geometry bool
	Since    int      // the first opset that has it
	Suites   []string // that it means something to: there it is drawn
}

// ofIndex are the suites in which an index runs.
var ofIndex = []string{"kv", "crash", "fault", "crash-fault", "index"}

var options = [optionCount]OptionInfo{
	OptBlock:       {"block", 64, 64, 4096, []uint32{64, 128, 512}, "bytes of a logical block", true, 1, inAll},
	OptPhysical:    {"pblock", 1, 1, 64, []uint32{1, 2, 8}, "logical blocks in a physical one", true, 1, inAll},
	OptPage:        {"page", 2, 1, 64, []uint32{2, 1, 4, 8}, "blocks in a page", true, 1, inAll},
	OptExtent:      {"extent", 64, 16, 65536, []uint32{64, 48, 96, 128}, "blocks in an extent", true, 1, inAll},
	OptExtents:     {"extents", 16, 11, 4096, []uint32{16, 11, 12, 24}, "extents on the disk", true, 1, inAll},
	OptGroup:       {"group", 8, 2, 4096, []uint32{8, 4, 16, 2}, "blocks in the largest group-commit unit", true, 1, inKV},
	OptWindowUnits: {"windowunits", 4, 1, 64, []uint32{4, 1, 2, 8, 16}, "log units in flight", true, 1, inKV},
	OptWindow:      {"window", 32, 16, 4096, []uint32{32, 16, 64, 128}, "blocks of log in flight", true, 1, inKV},
	OptMemtable:    {"memtable", 16, 1, 65536, []uint32{16, 1, 4, 8, 64}, "entries of the memtable", true, 1, ofIndex},
	OptTable:       {"table", 64, 1, 65536, []uint32{64, 1, 2, 4}, "pages in a table of a sorted run", true, 1, ofIndex},
	OptSuperPage:   {"superpage", 0, 0, 4096, []uint32{0, 8}, "blocks in a superblock page; 0: one page", true, 1, inAll},
	OptReorder:     {"reorder", 0, 0, 1, []uint32{0, 1}, "complete requests out of order", false, 1, inAll},
	OptUUIDBits:    {"uuidbits", 128, 2, 128, []uint32{128, 2, 4}, "bits of entropy in a UUID", false, 1, inAll},
	OptSeed:        {"seed", 0, 0, 1<<32 - 1, nil, "seed of UUIDs and completion order", false, 1, inAll},

	OptCache:      {"cache", 8, 1, 65536, []uint32{8, 1, 2, 64}, "pages of the data cache", true, 2, inKV},
	OptIndexCache: {"indexcache", 8, 1, 65536, []uint32{8, 1, 2, 64}, "pages of the index cache", true, 2, ofIndex},
	OptFanout:     {"fanout", 4, 2, 8, []uint32{4, 2, 3, 8}, "growth from one level of the index to the next", true, 2, ofIndex},
	OptTrigger:    {"trigger", 2, 1, 4, []uint32{2, 1, 3, 4}, "runs of the first level that start a compaction", true, 2, ofIndex},
	OptFilterBits: {"filterbits", 10, 0, 16, []uint32{10, 0, 1, 4, 16}, "bits a key of the filters", true, 2, ofIndex},
	OptDevice:     {"device", 0, 0, uint32(len(crashsim.DeviceNames)) - 1, []uint32{0, 1, 2, 4, 3, 1, 2, 4}, "what a power cut does: 0 any block of a write, 1 no cache, 2 physical blocks are whole, 3 one may be unreadable, 4 short writes are whole", false, 4, inCrash},
	OptPartSize:   {"partsize", 0, 0, 65536, []uint32{0, 8, 16, 32}, "blocks of the largest part; 0: as large as fits", true, 2, inKV},
}

// partSizeMin blocks hold a part's frame and leave some for its bytes, with blocks of 64 bytes.
const partSizeMin = 4

// Info returns the description of o.
func (o Option) Info() *OptionInfo { return &options[o] }

// Config holds a value for every option. Use DefaultConfig for the defaults; the zero Config is not valid.
type Config struct{ values [optionCount]uint32 }

// DefaultConfig returns every option at its default.
func DefaultConfig() Config { return defaultConfig }

var defaultConfig = func() (c Config) {
	for o := range optionCount {
		c.values[o] = options[o].Default
	}
	return c
}()

// Get returns the value of o.
func (c *Config) Get(o Option) uint32 { return c.values[o] }

// Set makes v the value of o.
func (c *Config) Set(o Option, v uint32) { c.values[o] = v }

// Page returns the bytes of a page.
func (c *Config) Page() uint32 { return c.values[OptBlock] * c.values[OptPage] }

// ValueMax returns the bytes of the longest value a store of this shape takes. A frame must fit an extent and the window, with
// a unit around it that repeats the directory of the fullest unit before it; the sizes are those of the log's format.
func (c *Config) ValueMax() uint32 {
	const unitHeader, directoryEntry, frame, framesMax = 64, 25, 64 + 24, 512
	block := c.values[OptBlock]
	group := min(c.values[OptGroup], c.values[OptWindow]) * block
	frames := min(max((group-min(group, unitHeader))/frame, 1), framesMax)
	return min(c.values[OptExtent], c.values[OptWindow])*block - unitHeader - frames*directoryEntry - frame
}

// Check returns what makes the options unfit for a store, or nil. Every Config that is drawn, parsed or tried passes it.
func (c *Config) Check() error {
	for o := range optionCount {
		info, v := &options[o], c.values[o]
		if v < info.Min || v > info.Max {
			return fmt.Errorf("option %s is %d, not within %d..%d", info.Name, v, info.Min, info.Max)
		}
	}
	v := &c.values
	switch {
	case v[OptBlock]&(v[OptBlock]-1) != 0:
		return fmt.Errorf("option block is %d, not a power of two", v[OptBlock])
	case v[OptPhysical]&(v[OptPhysical]-1) != 0:
		return fmt.Errorf("option pblock is %d, not a power of two", v[OptPhysical])
	case v[OptExtent]%v[OptPhysical] != 0:
		return fmt.Errorf("option extent is %d, not a multiple of pblock=%d", v[OptExtent], v[OptPhysical])
	case v[OptPhysical]*v[OptBlock] > 1<<16:
		return fmt.Errorf("option pblock is %d, more than 64 KiB", v[OptPhysical])
	case v[OptExtent] < 8*v[OptPhysical]:
		return fmt.Errorf("option extent is %d, less than eight of pblock=%d", v[OptExtent], v[OptPhysical])
	case v[OptWindow] < 4*v[OptPhysical]:
		return fmt.Errorf("option window is %d, less than four of pblock=%d", v[OptWindow], v[OptPhysical])
	case v[OptWindow]%v[OptPhysical] != 0:
		return fmt.Errorf("option window is %d, not a multiple of pblock=%d", v[OptWindow], v[OptPhysical])
	case v[OptGroup] < v[OptPhysical]:
		return fmt.Errorf("option group is %d, less than pblock=%d", v[OptGroup], v[OptPhysical])
	case v[OptGroup] > v[OptExtent]:
		return fmt.Errorf("option group is %d, more than extent=%d", v[OptGroup], v[OptExtent])
	case v[OptPartSize] > 0 && v[OptPartSize] < partSizeMin:
		return fmt.Errorf("option partsize is %d, neither 0 nor at least %d", v[OptPartSize], partSizeMin)
	case v[OptWindow] < v[OptGroup]:
		return fmt.Errorf("option window is %d, less than group=%d", v[OptWindow], v[OptGroup])
	}
	return nil
}

// optionNamed returns the option of that name.
func optionNamed(name string) (Option, bool) {
	for o := range optionCount {
		if options[o].Name == name {
			return o, true
		}
	}
	return 0, false
}
