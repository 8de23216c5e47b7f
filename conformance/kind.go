package conformance

// Opset is the version of the operation alphabet, written into every sequence file. It goes up when a kind or an argument is
// added; what an older file means never changes.
const Opset = 1

// Suites are the names a sequence may be run under; each has one Executor.
var Suites = []string{"kv"}

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
	FieldChoice
)

// Role is what an argument means: how it is written, drawn and reduced. A new role is one case in each of the three places.
type Role uint8

const (
	RoleKey   Role = iota + 1 // the key the operation is about; a bare word after the kind
	RoleAfter                 // a key to start after, or NoKey
	RoleSize                  // bytes of a value; written in page terms, see AppendSize
	RoleFill                  // contents of a value; see AppendValue
	RoleDep                   // a mutation, counted back from the newest, modulo how many there are
	RoleCount                 // a number of things; the smaller the simpler
)

// Arg is one argument of a kind.
type Arg struct {
	Field   Field
	Role    Role
	Name    string // in text; a RoleKey has none
	Default uint64 // not written; also the simplest value
	Max     uint64 // the largest value a file may hold
	Draw    uint64 // the generator draws Default..Draw where the role leaves it the choice
}

// Bounds of what a file may hold, so that reading one takes bounded memory and so does running it.
const (
	ValueBytesMax = 1 << 24    // bytes of one value
	FillMax       = 0xffffff00 // fills from here up are reserved for contents with a meaning, such as a whole frame
	depMax        = 1 << 16
	countMax      = 1 << 16
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

var kv = []string{"kv"}

var (
	argKey  = Arg{Field: FieldKey, Role: RoleKey, Max: uint64(NoKey) - 1}
	argLen  = Arg{Field: FieldLen, Role: RoleSize, Name: "len", Max: ValueBytesMax}
	argFill = Arg{Field: FieldFill, Role: RoleFill, Name: "fill", Max: FillMax - 1}
	argDep  = Arg{Field: FieldChoice, Role: RoleDep, Name: "dep", Max: depMax, Draw: 31}
)

var kinds = [kindCount]KindInfo{
	KindNone: {Name: "none", Doc: "Nothing."},
	KindGet: {Name: "get", Suites: kv, Since: 1, Group: GroupRead, Rank: 1,
		Needs: NeedLive,
		Args:  []Arg{argKey},
		Doc:   "Read a shard: its bytes, or not found."},
	KindPoll: {Name: "poll", Suites: kv, Since: 1, Group: GroupRead, Rank: 2,
		Needs: NeedMutation,
		Args:  []Arg{argDep},
		Doc:   "Ask whether the dependency of a mutation is persistent; 0 is the newest. Nothing if there was none."},
	KindList: {Name: "list", Suites: kv, Since: 1, Group: GroupRead, Rank: 3,
		Needs: NeedLive,
		Args: []Arg{
			{Field: FieldKey, Role: RoleAfter, Name: "after", Default: uint64(NoKey), Max: uint64(NoKey) - 1},
			{Field: FieldLen, Role: RoleCount, Name: "limit", Max: countMax, Draw: 9},
		},
		Doc: "Read one page of shard ids above after; limit 0 is all of them."},
	KindPut: {Name: "put", Suites: kv, Since: 1, Group: GroupMutate, Rank: 4,
		Args: []Arg{argKey, argLen, argFill},
		Doc:  "Store a shard."},
	KindDelete: {Name: "delete", Suites: kv, Since: 1, Group: GroupMutate, Rank: 5,
		Needs: NeedLive,
		Args:  []Arg{argKey}, Simpler: []Kind{KindPut},
		Doc: "Remove a shard."},
	KindPump: {Name: "pump", Suites: kv, Since: 1, Group: GroupPersist, Rank: 6,
		Needs: NeedUnsynced,
		Args:  []Arg{{Field: FieldLen, Role: RoleCount, Name: "n", Default: 1, Max: countMax, Draw: 4}},
		Doc:   "Let up to n requests of the disk complete."},
	KindWait: {Name: "wait", Suites: kv, Since: 1, Group: GroupPersist, Rank: 7,
		Needs: NeedUnsynced,
		Args:  []Arg{argDep}, Simpler: []Kind{KindPump},
		Doc: "Wait until a mutation is persistent; 0 is the newest. Nothing if there was none."},
	KindSync: {Name: "sync", Suites: kv, Since: 1, Group: GroupPersist, Rank: 8,
		Needs: NeedUnsynced, Settles: needsOf(NeedUnsynced),
		Simpler: []Kind{KindWait},
		Doc:     "Wait until every mutation is persistent."},
	KindFlush: {Name: "flush", Suites: kv, Since: 1, Group: GroupMaintain, Rank: 9,
		Needs: NeedUnflushed, Settles: needsOf(NeedUnsynced, NeedUnflushed),
		Simpler: []Kind{KindSync},
		Doc:     "Write the memtable into a sorted run."},
	KindCheck: {Name: "check", Suites: kv, Since: 1, Group: GroupMaintain, Rank: 10,
		Needs: NeedUnchecked, Settles: needsOf(NeedUnchecked),
		Doc: "Let the store audit itself."},
	KindReboot: {Name: "reboot", Suites: kv, Since: 1, Group: GroupReboot, Rank: 11,
		Needs: NeedReopen, Settles: needsOf(NeedUnsynced, NeedUnflushed, NeedReopen),
		Simpler: []Kind{KindSync, KindFlush},
		Doc:     "Close cleanly and open again."},
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
func (i *KindInfo) In(suite string) bool {
	for _, s := range i.Suites {
		if s == suite {
			return true
		}
	}
	return false
}

// arg returns the kind's argument of that role, or nil.
func (i *KindInfo) arg(r Role) *Arg {
	for a := range i.Args {
		if i.Args[a].Role == r {
			return &i.Args[a]
		}
	}
	return nil
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
	case FieldChoice:
		o.Choice = v
	default:
		panic("conformance: no such field")
	}
}
