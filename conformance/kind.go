package conformance

import "slices"

// Opset is the version of the operation alphabet. It goes up when kinds, arguments, options or words are added; what an older
// file means never changes. A sequence file names the first version that has all it uses.
const Opset = 7

// Suites are the names a sequence may be run under; each has one Executor.
var Suites = []string{"kv", "extent", "chunk", "index", "crash", "fault", "crash-fault"}

// wholeStore reports whether the sequences of suite drive a whole store, with its log.
func wholeStore(suite string) bool { return slices.Contains(inKV, suite) }

// Group is what a kind is for. Profiles, phases and the reducer treat the kinds of a group alike.
type Group uint8

const (
	GroupRead     Group = iota + 1 // answers from what is stored
	GroupMutate                    // changes what is stored
	GroupPersist                   // moves what is pending towards the device
	GroupMaintain                  // background steps, called singly
	GroupReboot                    // ends one life of the store and begins the next
)

func (g Group) String() string {
	switch g {
	case GroupRead:
		return "read"
	case GroupMutate:
		return "mutate"
	case GroupPersist:
		return "persist"
	case GroupMaintain:
		return "maintain"
	case GroupReboot:
		return "reboot"
	}
	return "none"
}

// Need is what an operation must find to have an effect, as far as a list of operations tells. The generator counts mutations
// since each was last used up; it is a matter of taste, not of validity: without it the operation does nothing.
type Need uint8

const (
	NeedNothing   Need = iota
	NeedLive           // a stored shard
	NeedMutation       // a mutation, ever
	NeedUnsynced       // a mutation that was not waited for
	NeedUnflushed      // a mutation since the memtable was written
	NeedUnchecked      // a mutation since the last audit
	NeedReopen         // a mutation since the store was opened
	NeedGarbage        // a mutation since space was reclaimed
	NeedPinned         // an extent that is pinned
	NeedRuns           // a run that was written since runs were merged
	needCount
)

// needs is a set of Need.
type needs uint16

func needsOf(all ...Need) (s needs) {
	for _, n := range all {
		s |= 1 << n
	}
	return s
}

// Field is a member of Op that an argument is kept in.
type Field uint8

const (
	FieldKey Field = iota + 1
	FieldLen
	FieldFill
	FieldOff
	FieldWhich
	FieldChoice
)

// Role is what an argument means: how it is written, drawn and reduced. A new role is one case in each of the three places.
type Role uint8

const (
	RoleKey       Role = iota + 1 // the key the operation is about; a bare word after the kind
	RoleAfter                     // a key to start after, or NoKey
	RoleSize                      // bytes of a value; written in page terms, see AppendSize
	RoleFill                      // contents of a value; see AppendValue
	RoleDep                       // a mutation, counted back from the newest, modulo how many there are
	RoleCount                     // a number of things; the smaller the simpler
	RoleOffset                    // where in a value to begin; written like a size
	RoleRange                     // bytes of a part of a value; written like a size
	RolePick                      // an append or a chunk, counted back from the newest, modulo how many there are
	RoleAfterPick                 // 0: none; else as RolePick, counted from 1
	RoleExtent                    // an extent, modulo how many the operation may be about
	RoleFlag                      // 0 or 1
	RoleWord                      // one of Words
	RoleTrail                     // answers to what a crash leaves open, the first one in the lowest bit: 1 is no
)

// Arg is one argument of a kind.
type Arg struct {
	Field   Field
	Role    Role
	Name    string   // in text; a RoleKey has none
	Default uint64   // not written; also the simplest value
	Max     uint64   // the largest value a file may hold
	Draw    uint64   // the generator draws Default..Draw where the role leaves it the choice
	Since   int      // the first opset that has it, where the kind is older; else 0
	Suites  []string // where it may stand; nil: wherever the kind may
	Words   []string // of a RoleWord, by value
	Often   []uint64 // what half of the draws are from
	Rare    bool     // seven of eight draws are the default
	Least   bool     // the largest value is the simplest
}

// in reports whether the argument may stand in a sequence of suite.
func (a *Arg) in(suite string) bool { return a.Suites == nil || slices.Contains(a.Suites, suite) }

// Bounds of what a file may hold, so that reading one takes bounded memory and so does running it.
const (
	ValueBytesMax = 1 << 24    // bytes of one value
	FillMax       = 0xffffff00 // fills from here up stand for contents with a meaning and have names, see FillNames
	depMax        = 1 << 16
	countMax      = 1 << 16
	pickMax       = 1 << 16
)

// KindInfo describes a kind. Everything that is not the meaning of an operation is driven by this table: parsing, printing,
// drawing, reducing. Executors alone know what a kind does.
type KindInfo struct {
	Name    string
	Suites  []string // where it may stand
	Since   int      // the first opset that has it
	Group   Group
	Rank    uint8 // simple before complex; the reducer prefers the smaller. Not the Kind: that is stable, this may be refined
	Args    []Arg // in the order they are written
	Needs   Need
	Settles needs  // the needs that are used up once it is done
	Simpler []Kind // what the reducer tries in its place, simplest first; each of smaller Rank
	Doc     string // one sentence
}

// Info returns the description of k.
func (k Kind) Info() *KindInfo { return &kinds[k] }

func (k Kind) String() string {
	if k >= kindCount {
		return "unknown"
	}
	return kinds[k].Name
}

// KindNamed returns the kind of that name. KindNone has no name in files.
func KindNamed(name string) (Kind, bool) {
	for k := KindNone + 1; k < kindCount; k++ {
		if kinds[k].Name == name {
			return k, true
		}
	}
	return KindNone, false
}

// In reports whether the kind may stand in a sequence of suite.
func (i *KindInfo) In(suite string) bool { return slices.Contains(i.Suites, suite) }

// arg returns the kind's argument of that role, or nil.
func (i *KindInfo) arg(r Role) *Arg {
	for a := range i.Args {
		if i.Args[a].Role == r {
			return &i.Args[a]
		}
	}
	return nil
}

// begins reports whether an operation of the kind can begin its work and leave the rest to what comes after.
func (i *KindInfo) begins() bool {
	return slices.ContainsFunc(i.Args, func(a Arg) bool { return a.Name == argStart.Name })
}

// NewOp returns an operation of kind k with every argument at its default.
func NewOp(k Kind) Op {
	o := Op{Kind: k, Key: NoKey}
	for i := range kinds[k].Args {
		a := &kinds[k].Args[i]
		o.Set(a.Field, a.Default)
	}
	return o
}

// Get returns the member f.
func (o *Op) Get(f Field) uint64 {
	switch f {
	case FieldKey:
		return uint64(o.Key)
	case FieldLen:
		return uint64(o.Len)
	case FieldFill:
		return uint64(o.Fill)
	case FieldOff:
		return uint64(o.Off)
	case FieldWhich:
		return uint64(o.Which)
	case FieldChoice:
		return o.Choice
	}
	panic("conformance: no such field")
}

// Set makes v the member f; v is within the argument's Max.
func (o *Op) Set(f Field, v uint64) {
	switch f {
	case FieldKey:
		o.Key = KeyID(v)
	case FieldLen:
		o.Len = uint32(v)
	case FieldFill:
		o.Fill = uint32(v)
	case FieldOff:
		o.Off = uint32(v)
	case FieldWhich:
		o.Which = uint8(v)
	case FieldChoice:
		o.Choice = v
	default:
		panic("conformance: no such field")
	}
}
