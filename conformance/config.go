package conformance

// Option is a knob of the store under test or of its disk: part of the test case, drawn by the generator, printed when it is
// not at its default, put back to its default by the reducer when that keeps the failure.
type Option uint8

// The options of the kv suite. Sizes are in blocks, so that a sequence keeps its meaning on a device with larger blocks.
const (
	OptBlock       Option = iota // bytes of a logical block
	OptPhysical                  // logical blocks in a physical one
	OptPage                      // blocks in a page: the unit of index blocks and, later, of the cache
	OptExtent                    // blocks in an extent
	OptExtents                   // extents on the disk
	OptGroup                     // blocks in the largest group-commit unit
	OptWindowUnits               // log units in flight, at most
	OptWindow                    // blocks of log in flight, at most
	OptMemtable                  // entries of the memtable, at most
	OptReorder                   // 1: the disk completes requests in an order drawn from the seed
	OptUUIDBits                  // bits of entropy in a chunk's UUID
	OptSeed                      // of UUIDs and of the completion order
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
}

var options = [optionCount]OptionInfo{
	OptBlock:       {"block", 64, 64, 4096, []uint32{64, 128, 512}, "bytes of a logical block"},
	OptPhysical:    {"pblock", 1, 1, 64, []uint32{1, 2, 8}, "logical blocks in a physical one"},
	OptPage:        {"page", 2, 1, 64, []uint32{2, 1, 4, 8}, "blocks in a page"},
	OptExtent:      {"extent", 64, 16, 65536, []uint32{64, 48, 96, 128}, "blocks in an extent"},
	OptExtents:     {"extents", 16, 11, 4096, []uint32{16, 11, 12, 24}, "extents on the disk"},
	OptGroup:       {"group", 8, 2, 4096, []uint32{8, 4, 16}, "blocks in the largest group-commit unit"},
	OptWindowUnits: {"windowunits", 4, 1, 64, []uint32{4, 1, 2, 8}, "log units in flight"},
	OptWindow:      {"window", 32, 16, 4096, []uint32{32, 16, 64}, "blocks of log in flight"},
	OptMemtable:    {"memtable", 16, 1, 65536, []uint32{16, 1, 4, 8, 64}, "entries of the memtable"},
	OptReorder:     {"reorder", 0, 0, 1, []uint32{0, 1}, "complete requests out of order"},
	OptUUIDBits:    {"uuidbits", 128, 2, 128, []uint32{128, 2, 4}, "bits of entropy in a UUID"},
	OptSeed:        {"seed", 0, 0, 1<<32 - 1, nil, "seed of UUIDs and completion order"},
}

// Info returns the description of o.
func (o Option) Info() *OptionInfo { return &options[o] }

// Config holds a value for every option. Use DefaultConfig for the defaults; the zero Config is not valid.
type Config struct{ values [optionCount]uint32 }

// DefaultConfig returns every option at its default.
func DefaultConfig() Config {
	var c Config
	for o := range optionCount {
		c.values[o] = options[o].Default
	}
	return c
}

// Get returns the value of o.
func (c *Config) Get(o Option) uint32 { return c.values[o] }

// Set makes v the value of o.
func (c *Config) Set(o Option, v uint32) { c.values[o] = v }

// Page returns the bytes of a page.
func (c *Config) Page() uint32 { return c.values[OptBlock] * c.values[OptPage] }
