package conformance

import "slices"

// Where a kind may stand.
var (
	inKV     = []string{"kv", "crash", "fault", "crash-fault"} // a whole store
	onWhole  = []string{"kv", "crash"}                         // one whose disk works: an operation of many steps is not judged on another
	inExtent = []string{"extent"}
	inChunk  = []string{"chunk"}
	inIndex  = []string{"index"}
	inCrash  = []string{"crash", "crash-fault"}
	inFault  = []string{"fault", "crash-fault"}
	inAll    = Suites
)

// kvAnd returns the suites of a whole store, and others.
func kvAnd(others ...string) []string { return append(slices.Clip(inKV), others...) }

// Arguments that several kinds have.
var (
	argKey      = Arg{Field: FieldKey, Role: RoleKey, Max: uint64(NoKey) - 1}
	argAfter    = Arg{Field: FieldKey, Role: RoleAfter, Name: "after", Default: uint64(NoKey), Max: uint64(NoKey) - 1}
	argLimit    = Arg{Field: FieldLen, Role: RoleCount, Name: "limit", Max: countMax, Draw: 9}
	argLen      = Arg{Field: FieldLen, Role: RoleSize, Name: "len", Max: ValueBytesMax}
	argFill     = Arg{Field: FieldFill, Role: RoleFill, Name: "fill", Max: FillMax - 1 + uint64(len(FillNames)), Draw: 1000}
	argMany     = Arg{Field: FieldChoice, Role: RoleCount, Name: "n", Max: 255, Draw: 24}
	argDep      = Arg{Field: FieldChoice, Role: RoleDep, Name: "dep", Max: depMax, Draw: 31}
	argOff      = Arg{Field: FieldOff, Role: RoleOffset, Name: "off", Max: ValueBytesMax, Draw: 600}
	argRange    = Arg{Field: FieldLen, Role: RoleRange, Name: "len", Max: ValueBytesMax, Draw: 300}
	argPick     = Arg{Field: FieldChoice, Role: RolePick, Name: "pick", Max: pickMax, Draw: 63}
	argExtent   = Arg{Field: FieldChoice, Role: RoleExtent, Name: "extent", Max: pickMax, Draw: 23}
	argStart    = Arg{Field: FieldWhich, Role: RoleFlag, Name: "start", Max: 1, Draw: 1, Since: 2, Suites: inKV}
	argOwner    = Arg{Field: FieldWhich, Role: RoleWord, Name: "owner", Max: 2, Draw: 2, Words: OwnerNames}
	argHow      = Arg{Field: FieldWhich, Role: RoleWord, Name: "how", Max: 7, Draw: 7, Words: ForgeryNames}
	argIn       = Arg{Field: FieldWhich, Role: RoleWord, Name: "in", Max: uint64(len(InterruptNames)) - 1, Draw: uint64(len(InterruptNames)) - 1, Words: InterruptNames, Often: []uint64{0, 1, 2, 3, 5}}
	argAt       = Arg{Field: FieldLen, Role: RoleCount, Name: "at", Max: countMax, Draw: 4}
	argKeep     = Arg{Field: FieldChoice, Role: RoleTrail, Name: "keep", Max: 1<<64 - 1}
	argOnly     = Arg{Field: FieldOff, Role: RoleFlag, Name: "only", Max: 1, Least: true} // a single state is simpler than all: sooner run, and sooner read
	argAgain    = Arg{Field: FieldFill, Role: RoleCount, Name: "again", Max: countMax, Draw: 5, Rare: true}
	argDo       = Arg{Field: FieldWhich, Role: RoleWord, Name: "do", Max: uint64(len(FaultNames)) - 1, Draw: uint64(len(FaultNames)) - 1, Words: FaultNames}
	argNth      = Arg{Field: FieldLen, Role: RoleCount, Name: "nth", Max: countMax, Draw: 7}
	argTimes    = Arg{Field: FieldFill, Role: RoleCount, Name: "times", Max: countMax, Draw: 3}
	argBlock    = Arg{Field: FieldOff, Role: RoleCount, Name: "block", Max: countMax, Draw: 255}
	argManner   = Arg{Field: FieldChoice, Role: RoleCount, Name: "how", Max: countMax, Draw: 4095}
	argRot      = Arg{Field: FieldWhich, Role: RoleWord, Name: "do", Max: uint64(len(RotNames)) - 1, Draw: uint64(len(RotNames)) - 1, Words: RotNames, Often: []uint64{1}}
	argThen     = Arg{Field: FieldLen, Role: RoleWord, Name: "then", Max: uint64(len(ThenNames)) - 1, Draw: uint64(len(ThenNames)) - 1, Words: ThenNames, Often: []uint64{0}}
	argRotten   = Arg{Field: FieldFill, Role: RoleCount, Name: "times", Max: 255, Draw: 15}
	afterAppend = Arg{Field: FieldChoice, Role: RoleAfterPick, Name: "dep", Max: pickMax, Draw: 15}
)

// InterruptNames are what `crash` and `kill` interrupt, by Op.Which; next is the operation that follows.
var InterruptNames = []string{"nothing", "next", "sync", "flush", "compact", "reclaim", "superblock", "close"}

// RotNames are the ways in which `rot` damages a block, by Op.Which: those of `fault`; and pair, where two cannot be read, the other one
// in the next slot of the same page of the superblock, or the next one behind that.
var RotNames = []string{"unreadable", "flip", "zero", "garbage", "swap", "pair"}

// ThenNames are the steps that `rot` takes on a damaged disk, by Op.Len. For a repair a shard is put once more, as it was, and one write
// fails while the superblock is written.
var ThenNames = []string{"nothing", "flush", "compact", "reclaim", "superblock", "reboot", "repair"}

// OwnerNames are the owners that `append` appends for, by Op.Which.
var OwnerNames = []string{"runs", "metadata", "copies"}

// ForgeryNames are what is wrong with the locator of `stale`, by Op.Which.
var ForgeryNames = []string{
	"offset",     // one byte on
	"block",      // one block on
	"shorter",    // one byte less
	"longer",     // one byte more
	"generation", // that before
	"extent",     // the next one
	"pointer",    // at the write pointer of its extent
	"zero",       // no place at all
}

var kinds = [kindCount]KindInfo{
	KindNone: {Name: "none", Doc: "Nothing."},
	KindGet: {Name: "get", Suites: inKV, Since: 1, Group: GroupRead, Rank: 10,
		Needs: NeedLive,
		Args:  []Arg{argKey},
		Doc:   "Read a shard: its bytes, or not found."},
	KindPoll: {Name: "poll", Suites: kvAnd("extent"), Since: 1, Group: GroupRead, Rank: 18,
		Needs: NeedMutation,
		Args:  []Arg{argDep},
		Doc:   "Ask whether the dependency of a mutation is persistent; 0 is the newest. Nothing if there was none."},
	KindList: {Name: "list", Suites: inKV, Since: 1, Group: GroupRead, Rank: 19,
		Needs: NeedLive,
		Args:  []Arg{argAfter, argLimit},
		Doc:   "Read one page of shard ids above after; limit 0 is all of them."},
	KindPut: {Name: "put", Suites: inKV, Since: 1, Group: GroupMutate, Rank: 30,
		Args: []Arg{argKey, argLen, argFill},
		Doc:  "Store a shard."},
	KindDelete: {Name: "delete", Suites: inKV, Since: 1, Group: GroupMutate, Rank: 40,
		Needs: NeedLive,
		Args:  []Arg{argKey}, Simpler: []Kind{KindPut},
		Doc: "Remove a shard."},
	KindPump: {Name: "pump", Suites: kvAnd("extent", "chunk"), Since: 1, Group: GroupPersist, Rank: 50,
		Needs: NeedUnsynced,
		Args:  []Arg{{Field: FieldLen, Role: RoleCount, Name: "n", Default: 1, Max: countMax, Draw: 4}},
		Doc:   "Let up to n requests of the disk complete."},
	KindWait: {Name: "wait", Suites: inKV, Since: 1, Group: GroupPersist, Rank: 51,
		Needs: NeedUnsynced,
		Args:  []Arg{argDep}, Simpler: []Kind{KindPump},
		Doc: "Wait until a mutation is persistent; 0 is the newest. Nothing if there was none."},
	KindSync: {Name: "sync", Suites: kvAnd("extent", "chunk"), Since: 1, Group: GroupPersist, Rank: 52,
		Needs: NeedUnsynced, Settles: needsOf(NeedUnsynced),
		Simpler: []Kind{KindWait},
		Doc:     "Wait until every mutation is persistent."},
	KindFlush: {Name: "flush", Suites: kvAnd("index"), Since: 1, Group: GroupMaintain, Rank: 54,
		Needs: NeedUnflushed, Settles: needsOf(NeedUnsynced, NeedUnflushed),
		Args: []Arg{argStart}, Simpler: []Kind{KindSync},
		Doc: "Write the memtable into a sorted run; start=1 begins that and leaves the rest to what comes after."},
	KindCheck: {Name: "check", Suites: inAll, Since: 1, Group: GroupMaintain, Rank: 60,
		Needs: NeedUnchecked, Settles: needsOf(NeedUnchecked),
		Doc: "Let the store audit itself."},
	KindReboot: {Name: "reboot", Suites: inAll, Since: 1, Group: GroupReboot, Rank: 70,
		Needs: NeedReopen, Settles: needsOf(NeedUnsynced, NeedUnflushed, NeedReopen),
		Simpler: []Kind{KindSync, KindFlush},
		Doc:     "Close cleanly and open again."},

	KindHead: {Name: "head", Suites: inKV, Since: 2, Group: GroupRead, Rank: 11,
		Needs: NeedLive,
		Args:  []Arg{argKey}, Simpler: []Kind{KindGet},
		Doc: "Ask for the size of a shard."},
	KindGetRange: {Name: "getrange", Suites: inKV, Since: 2, Group: GroupRead, Rank: 12,
		Needs: NeedLive,
		Args:  []Arg{argKey, argOff, argRange}, Simpler: []Kind{KindGet},
		Doc: "Read len bytes of a shard from off on: fewer where it ends before."},
	KindCompact: {Name: "compact", Suites: kvAnd("index"), Since: 2, Group: GroupMaintain, Rank: 55,
		Needs: NeedRuns, Settles: needsOf(NeedRuns),
		Args: []Arg{argStart}, Simpler: []Kind{KindFlush},
		Doc: "Take one step of merging runs; start=1 begins it and leaves the rest to what comes after."},
	KindReclaim: {Name: "reclaim", Suites: kvAnd("chunk"), Since: 2, Group: GroupMaintain, Rank: 56,
		Needs: NeedGarbage, Settles: needsOf(NeedGarbage),
		Args:    []Arg{{Field: FieldChoice, Role: RoleExtent, Name: "extent", Max: pickMax, Draw: 23, Suites: inChunk}, argStart},
		Simpler: []Kind{KindSync, KindFlush},
		Doc:     "Move what lives out of an extent and free it: out of the best one, or out of that extent of those in use."},
	KindSuperblock: {Name: "superblock", Suites: kvAnd("extent"), Since: 2, Group: GroupPersist, Rank: 53,
		Needs: NeedMutation, Simpler: []Kind{KindSync},
		Doc: "Write the table of extents."},
	KindScrub: {Name: "scrub", Suites: inKV, Since: 2, Group: GroupMaintain, Rank: 61,
		Needs: NeedUnchecked, Settles: needsOf(NeedUnchecked),
		Simpler: []Kind{KindCheck},
		Doc:     "Read and check all that is stored."},
	KindStat: {Name: "stat", Suites: inKV, Since: 2, Group: GroupRead, Rank: 21,
		Needs: NeedMutation,
		Doc:   "Ask for the figures of space."},
	KindFill: {Name: "fill", Suites: onWhole, Since: 2, Group: GroupMutate, Rank: 80,
		Args: []Arg{argLen}, Simpler: []Kind{KindPut},
		Doc: "Put shards of that size under fresh names until there is no space or there are 200."},
	KindDrain: {Name: "drain", Suites: onWhole, Since: 2, Group: GroupMaintain, Rank: 81,
		Needs: NeedMutation, Settles: needsOf(NeedUnsynced, NeedUnflushed, NeedGarbage, NeedRuns),
		Simpler: []Kind{KindFlush, KindCompact, KindReclaim},
		Doc:     "Delete every shard, then flush, compact and reclaim until nothing changes."},

	KindAppend: {Name: "append", Suites: inExtent, Since: 2, Group: GroupMutate, Rank: 32,
		Args: []Arg{argOwner, argLen, argFill, afterAppend},
		Doc:  "Append bytes for an owner, to be written once the append that dep counts back to is persistent; 0 waits for none."},
	KindRead: {Name: "read", Suites: inExtent, Since: 2, Group: GroupRead, Rank: 14,
		Needs: NeedMutation,
		Args:  []Arg{argPick, argOff, argRange},
		Doc:   "Read what was appended, from off on; len 0 is the rest of it. What was released cannot be read."},
	KindRelease: {Name: "release", Suites: inExtent, Since: 2, Group: GroupMaintain, Rank: 43,
		Needs: NeedGarbage,
		Args:  []Arg{argExtent},
		Doc:   "Free an extent of those in use."},
	KindPin: {Name: "pin", Suites: inExtent, Since: 2, Group: GroupMaintain, Rank: 45,
		Needs: NeedMutation,
		Args:  []Arg{argExtent},
		Doc:   "Keep an extent of those in use from being released."},
	KindUnpin: {Name: "unpin", Suites: inExtent, Since: 2, Group: GroupMaintain, Rank: 46,
		Needs: NeedPinned,
		Args:  []Arg{argExtent},
		Doc:   "Take back a pin, of an extent of those that are pinned."},
	KindDescribe: {Name: "describe", Suites: inExtent, Since: 2, Group: GroupRead, Rank: 16,
		Args: []Arg{argExtent},
		Doc:  "Ask for owner, generation and pointer of an extent, of all."},

	KindPutChunk: {Name: "putchunk", Suites: inChunk, Since: 2, Group: GroupMutate, Rank: 33,
		Args: []Arg{argLen, argFill},
		Doc:  "Write a frame."},
	KindGetChunk: {Name: "getchunk", Suites: inChunk, Since: 2, Group: GroupRead, Rank: 15,
		Needs: NeedLive,
		Args:  []Arg{argPick},
		Doc:   "Read a chunk that something refers to."},
	KindStale: {Name: "stale", Suites: inChunk, Since: 2, Group: GroupRead, Rank: 17,
		Needs: NeedLive,
		Args:  []Arg{argPick, argHow}, Simpler: []Kind{KindGetChunk},
		Doc: "Read at a locator that is almost that of a chunk: an error, never another's bytes."},
	KindForget: {Name: "forget", Suites: inChunk, Since: 2, Group: GroupMutate, Rank: 42,
		Needs: NeedLive,
		Args:  []Arg{argPick}, Simpler: []Kind{KindGetChunk},
		Doc: "Let nothing refer to a chunk any more."},

	KindInsert: {Name: "insert", Suites: inIndex, Since: 2, Group: GroupMutate, Rank: 31,
		Args: []Arg{argKey, argFill},
		Doc:  "Give a shard a new entry."},
	KindRemove: {Name: "remove", Suites: inIndex, Since: 2, Group: GroupMutate, Rank: 41,
		Needs: NeedLive,
		Args:  []Arg{argKey}, Simpler: []Kind{KindInsert},
		Doc: "Delete a shard's entry."},
	KindLookup: {Name: "lookup", Suites: inIndex, Since: 2, Group: GroupRead, Rank: 13,
		Needs: NeedLive,
		Args:  []Arg{argKey},
		Doc:   "Ask for the entry of a shard."},
	KindScan: {Name: "scan", Suites: inIndex, Since: 2, Group: GroupRead, Rank: 20,
		Needs: NeedLive,
		Args:  []Arg{argAfter, argLimit},
		Doc:   "Read one page of entries above after; limit 0 is all of them."},
	KindMove: {Name: "move", Suites: inIndex, Since: 2, Group: GroupMaintain, Rank: 44,
		Needs: NeedLive,
		Args:  []Arg{argKey}, Simpler: []Kind{KindLookup},
		Doc: "Give the entry of a shard another place, if it is still the one that was looked up."},

	KindFormat: {Name: "format", Suites: onWhole, Since: 3, Group: GroupReboot, Rank: 82,
		Needs: NeedReopen, Settles: needsOf(NeedMutation, NeedUnsynced, NeedUnflushed, NeedUnchecked, NeedReopen, NeedGarbage, NeedRuns),
		Simpler: []Kind{KindReboot},
		Doc:     "Close cleanly and make a new, empty store on the disk, which still holds what the old one wrote."},
	KindLoad: {Name: "load", Suites: ofIndex, Since: 3, Group: GroupMutate, Rank: 34,
		Args: []Arg{argKey, argMany, {Field: FieldLen, Role: RoleSize, Name: "len", Max: ValueBytesMax, Suites: inKV}, argFill},
		Doc:  "Store n shards: under that key and those behind it, with contents that follow one another."},
	KindErase: {Name: "erase", Suites: ofIndex, Since: 3, Group: GroupMutate, Rank: 42,
		Needs: NeedLive,
		Args:  []Arg{argKey, argMany}, Simpler: []Kind{KindLoad},
		Doc: "Delete n shards: that one and those behind it."},
	KindRewrite: {Name: "rewrite", Suites: inIndex, Since: 3, Group: GroupMaintain, Rank: 57,
		Needs: NeedRuns,
		Args:  []Arg{argExtent}, Simpler: []Kind{KindCompact},
		Doc: "Write a table that lies in an extent of those with tables elsewhere."},

	KindCrash: {Name: "crash", Suites: inCrash, Since: 4, Group: GroupReboot, Rank: 74,
		Needs: NeedUnsynced, Settles: needsOf(NeedUnsynced, NeedReopen),
		Args: []Arg{argIn, argAt, argAgain, argOnly, argKeep}, Simpler: []Kind{KindReboot, KindSync, KindFlush, KindKill},
		Doc: "Cut the power once at requests of that step have completed, look at all that this can leave, and go on with what keep says; only=1: look at that alone. again: what keep says is opened, and the power cut once more when one request less has completed."},
	KindKill: {Name: "kill", Suites: inCrash, Since: 4, Group: GroupReboot, Rank: 72,
		Needs: NeedMutation, Settles: needsOf(NeedUnsynced, NeedReopen),
		Args: []Arg{argIn, argAt, argAgain}, Simpler: []Kind{KindReboot, KindSync, KindFlush},
		Doc: "Let the process die once at requests of that step have completed, with all it gave the disk in the cache, and open again. again: cut the power when one request less of that has completed, and look at all that this can leave."},

	KindFault: {Name: "fault", Suites: inFault, Since: 5, Group: GroupRead, Rank: 70,
		Args: []Arg{argDo, argNth, argTimes, argBlock, argManner},
		Doc:  "Let the disk break in that way: at a request to come, the one behind nth others that match, and as often again as times says; or at once, in a block that was written, counted from the first, modulo how many there are."},
	KindHeal: {Name: "heal", Suites: inFault, Since: 5, Group: GroupReboot, Rank: 71,
		Simpler: []Kind{KindReboot},
		Doc:     "Let the disk be whole again, with all that was on it; the store goes on, or is opened again if it has given up."},
	KindRot: {Name: "rot", Suites: inFault, Since: 7, Group: GroupReboot, Rank: 73,
		Needs: NeedReopen, Settles: needsOf(NeedUnsynced, NeedReopen),
		Args: []Arg{argRot, argThen, argRotten, argBlock, argManner}, Simpler: []Kind{KindReboot},
		Doc: "Close cleanly. In a copy of the disk for each let a written block be damaged in that way, the one of that number and as many behind it as times says: open, take the step, ask for everything, heal, and ask again. Then open the disk itself. The blocks that a write began or ended with are counted first."},
}
