package conformance

import "slices"

// Profiles are the stock profiles, one a suite. The profile named all is a mix of them; see Mix.
var Profiles = []*Profile{kvProfile(), extentProfile(), chunkProfile(), indexProfile(), crashProfile(), faultProfile(), crashFaultProfile()}

// ProfileNamed returns the stock profile of that name, or nil.
func ProfileNamed(name string) *Profile {
	i := slices.IndexFunc(Profiles, func(p *Profile) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return Profiles[i]
}

// common is what the stock profiles share.
func common(suite string) *Profile {
	p := &Profile{
		Name: suite, Suite: suite,
		Swarm:      128,
		Phased:     51,
		Length:     Lengths{Short: 85, ShortMax: 20, Base: 20, Tail: 71, Max: 480},
		Spaces:     []KeySpace{{10, 1, 1}, {34, 2, 4}, {52, 5, 16}, {84, 17, 64}, {76, 65, 1000}},
		HighKeys:   48,
		Pooled:     48,
		Spread:     128,
		Geometry:   128,
		Knob:       128,
		Reorder:    96,
		UUIDBits:   24,
		UsefulMiss: 28,
		ReadBack:   72,
		LastLife:   64,
		FillShare:  60,
	}
	p.Fills.Plain, p.Fills.Repeat, p.Fills.Prefix = 28, 12, 12
	p.Fills.Magic, p.Fills.Frames, p.Fills.Places = 3, 4, 3
	return p
}

// kvProfile drives a whole store through its request interface and its background steps.
func kvProfile() *Profile {
	p := common("kv")
	p.Read, p.Write = KindGet, KindPut
	p.Kept = []Kind{KindGet, KindPut}
	p.Weights = Weights{
		KindGet: 56, KindPoll: 8, KindList: 10, KindPut: 70, KindDelete: 24, KindPump: 16, KindWait: 10, KindSync: 8,
		KindFlush: 12, KindCheck: 2, KindReboot: 8,
		KindHead: 6, KindGetRange: 22, KindCompact: 6, KindReclaim: 8, KindSuperblock: 3, KindScrub: 2, KindStat: 3,
		KindFormat: 1, KindLoad: 2, KindErase: 1,
	}
	p.Phases = []Phase{
		{"load", 4, Weights{KindPut: 80, KindGet: 8, KindGetRange: 4, KindPump: 8, KindFlush: 3, KindDelete: 4, KindLoad: 3}},
		{"churn", 4, Weights{KindPut: 36, KindDelete: 24, KindErase: 1, KindGet: 20, KindGetRange: 6, KindPump: 6, KindWait: 4, KindPoll: 4,
			KindFlush: 5, KindCompact: 3, KindReclaim: 4}},
		{"settle", 1, Weights{KindPut: 12, KindGet: 12, KindWait: 10, KindSync: 6, KindFlush: 16, KindCompact: 10, KindReclaim: 12,
			KindSuperblock: 4, KindReboot: 14, KindPump: 6}},
		{"verify", 2, Weights{KindGet: 48, KindGetRange: 12, KindHead: 8, KindList: 16, KindCheck: 3, KindScrub: 2, KindStat: 3,
			KindPoll: 4, KindPut: 8, KindReboot: 4}},
	}
	p.Keys = [kindCount]KeyChoice{
		KindGet:      {Hot: 110, Live: 118, Dead: 10, MustLive: true},
		KindHead:     {Hot: 96, Live: 122, Dead: 16, MustLive: true},
		KindGetRange: {Hot: 110, Live: 132, Dead: 6, MustLive: true},
		KindDelete:   {Hot: 90, Live: 136, Dead: 10, MustLive: true},
		KindPut:      {Hot: 76, Live: 24, Dead: 20},
		KindLoad:     {Hot: 24, Live: 24, Dead: 20},
		KindErase:    {Hot: 24, Live: 192, Dead: 10, MustLive: true},
		KindList:     {Hot: 64, Live: 96, Dead: 32},
	}
	p.Sizes = []SizeShare{
		{BiasSizeZero, 2}, {BiasSizeOne, 2}, {BiasSizeSmall, 15}, {BiasSizePage, 6}, {BiasSizeFrame, 8}, {BiasSizeGroup, 3},
		{BiasSizeExtent, 3}, {BiasSizeMax, 1}, {BiasSizeParts, 1},
	}
	p.Timings = []Timing{
		{BiasReclaimAtOnce, KindPut, KindReclaim, 0, 4},
		{BiasTwice, KindFlush, KindFlush, 0, 10},
		{BiasTwice, KindReclaim, KindReclaim, 0, 24},
		{BiasTwice, KindReboot, KindReboot, 0, 8},
		{BiasDeleteFlush, KindDelete, KindFlush, 0, 12},
		{BiasFlushCompact, KindFlush, KindCompact, 10, 48},
		{BiasFlushCompact, KindCompact, KindReclaim, 0, 48},
		{BiasMoveReboot, KindCompact, KindReboot, 48, 20},
		{BiasMoveReboot, KindReclaim, KindReboot, 24, 24},
		{BiasMoveReboot, KindSuperblock, KindReboot, 0, 32},
		{BiasReuse, KindReclaim, KindPut, 48, 80},
	}
	p.Full = 8
	p.FrameHeader, p.FrameTrailer, p.UnitHeader, p.DirectoryEntry = 64, 24, 64, 25
	p.PartsShare = 30
	return p
}

// extentProfile drives the floor of extents: appends, soft pointers, releases.
func extentProfile() *Profile {
	p := common("extent")
	p.HighKeys, p.Pooled, p.Spread = 0, 0, 0 // there are no keys
	p.Read, p.Write = KindRead, KindAppend
	p.Kept = []Kind{KindRead, KindAppend}
	p.Weights = Weights{
		KindAppend: 72, KindRead: 76, KindRelease: 6, KindPin: 6, KindUnpin: 6, KindDescribe: 12, KindSuperblock: 12,
		KindPump: 24, KindSync: 10, KindPoll: 16, KindCheck: 3, KindReboot: 10,
	}
	p.Phases = []Phase{
		{"load", 3, Weights{KindAppend: 80, KindRead: 16, KindPump: 12, KindPoll: 4}},
		{"churn", 4, Weights{KindAppend: 40, KindRead: 24, KindRelease: 9, KindPump: 12, KindSuperblock: 8, KindPin: 3, KindUnpin: 3}},
		{"settle", 1, Weights{KindAppend: 12, KindRead: 16, KindSync: 12, KindSuperblock: 16, KindReboot: 16, KindPump: 12}},
		{"verify", 2, Weights{KindRead: 64, KindDescribe: 24, KindPoll: 12, KindCheck: 4, KindAppend: 8}},
	}
	p.Sizes = []SizeShare{
		{BiasSizeZero, 1}, {BiasSizeOne, 2}, {BiasSizeSmall, 20}, {BiasSizePage, 8}, {BiasSizeFrame, 10}, {BiasSizeExtent, 4}, {BiasSizeMax, 2},
	}
	p.Timings = []Timing{
		{BiasReclaimAtOnce, KindAppend, KindRelease, 0, 2},
		{BiasTwice, KindRelease, KindRelease, 0, 8},
		{BiasTwice, KindSuperblock, KindSuperblock, 0, 12},
		{BiasMoveReboot, KindRelease, KindReboot, 16, 16},
		{BiasMoveReboot, KindSuperblock, KindReboot, 12, 24},
		{BiasReuse, KindRelease, KindAppend, 32, 96},
	}
	p.FillShare = 80
	return p
}

// chunkProfile drives the floor of chunks: frames, locators, reclamation.
func chunkProfile() *Profile {
	p := common("chunk")
	p.HighKeys, p.Pooled, p.Spread = 0, 0, 0 // there are no keys
	p.Read, p.Write = KindGetChunk, KindPutChunk
	p.Kept = []Kind{KindGetChunk, KindPutChunk}
	p.Weights = Weights{
		KindPutChunk: 72, KindGetChunk: 72, KindStale: 20, KindForget: 36, KindReclaim: 24, KindPump: 16, KindSync: 10,
		KindCheck: 3, KindReboot: 10,
	}
	p.Phases = []Phase{
		{"load", 3, Weights{KindPutChunk: 80, KindGetChunk: 16, KindPump: 8, KindForget: 4}},
		{"churn", 4, Weights{KindPutChunk: 40, KindGetChunk: 20, KindForget: 32, KindReclaim: 20, KindPump: 8}},
		{"settle", 1, Weights{KindPutChunk: 12, KindGetChunk: 16, KindSync: 12, KindReclaim: 20, KindReboot: 16, KindPump: 8}},
		{"verify", 2, Weights{KindGetChunk: 64, KindStale: 24, KindCheck: 4, KindPutChunk: 8}},
	}
	p.Sizes = []SizeShare{
		{BiasSizeZero, 2}, {BiasSizeOne, 2}, {BiasSizeSmall, 20}, {BiasSizePage, 6}, {BiasSizeFrame, 12}, {BiasSizeExtent, 4}, {BiasSizeMax, 1},
	}
	p.Timings = []Timing{
		{BiasReclaimAtOnce, KindPutChunk, KindReclaim, 0, 8},
		{BiasReclaimAtOnce, KindForget, KindReclaim, 0, 16},
		{BiasTwice, KindReclaim, KindReclaim, 0, 24},
		{BiasMoveReboot, KindReclaim, KindReboot, 24, 20},
		{BiasReuse, KindReclaim, KindPutChunk, 48, 80},
	}
	p.FrameHeader, p.FrameTrailer = 64, 24
	p.FillShare = 80
	return p
}

// indexProfile drives the floor of the index: entries, runs, levels.
func indexProfile() *Profile {
	p := common("index")
	p.Fills.Prefix, p.Fills.Magic, p.Fills.Frames, p.Fills.Places = 0, 0, 0, 0
	p.Read, p.Write = KindLookup, KindInsert
	p.Kept = []Kind{KindLookup, KindInsert}
	p.Weights = Weights{
		KindLoad: 6, KindErase: 2, KindRewrite: 8,
		KindInsert: 72, KindRemove: 28, KindLookup: 64, KindScan: 20, KindMove: 16, KindFlush: 24, KindCompact: 20, KindCheck: 3, KindReboot: 10,
	}
	p.Phases = []Phase{
		{"load", 4, Weights{KindInsert: 80, KindLookup: 12, KindFlush: 8, KindRemove: 4, KindLoad: 12}},
		{"churn", 4, Weights{KindInsert: 36, KindRemove: 28, KindErase: 2, KindLookup: 20, KindMove: 8, KindFlush: 12, KindCompact: 8}},
		{"settle", 1, Weights{KindInsert: 12, KindRemove: 8, KindLookup: 12, KindFlush: 20, KindCompact: 20, KindRewrite: 8, KindReboot: 12}},
		{"verify", 2, Weights{KindLookup: 64, KindScan: 24, KindCheck: 4, KindInsert: 8, KindReboot: 4}},
	}
	p.Keys = [kindCount]KeyChoice{
		KindLookup: {Hot: 110, Live: 110, Dead: 18, MustLive: true},
		KindRemove: {Hot: 80, Live: 136, Dead: 16, MustLive: true},
		KindMove:   {Hot: 80, Live: 152, Dead: 12, MustLive: true},
		KindInsert: {Hot: 76, Live: 24, Dead: 28},
		KindLoad:   {Hot: 24, Live: 24, Dead: 28},
		KindErase:  {Hot: 24, Live: 192, Dead: 16, MustLive: true},
		KindScan:   {Hot: 64, Live: 96, Dead: 32},
	}
	p.Timings = []Timing{
		{BiasTwice, KindFlush, KindFlush, 0, 10},
		{BiasTwice, KindCompact, KindCompact, 0, 32},
		{BiasDeleteFlush, KindRemove, KindFlush, 0, 16},
		{BiasFlushCompact, KindFlush, KindCompact, 10, 48},
		{BiasMoveReboot, KindCompact, KindReboot, 32, 20},
		{BiasMoveReboot, KindRewrite, KindReboot, 0, 24},
		{BiasTwice, KindRewrite, KindRewrite, 24, 24},
		{BiasReuse, KindCompact, KindInsert, 52, 64},
	}
	return p
}

// crashProfile drives a whole store on a disk that loses power. Little is waited for, so that much is at stake.
func crashProfile() *Profile {
	p := kvProfile()
	p.Name, p.Suite = "crash", "crash"
	p.Length = Lengths{Short: 40, ShortMax: 20, Base: 20, Tail: 28, Max: 200}
	p.Spaces = []KeySpace{{20, 1, 1}, {72, 2, 4}, {84, 5, 10}, {80, 11, 32}}
	p.Base = []Setting{{OptGroup, 2, 192}, {OptWindowUnits, 16, 192}, {OptWindow, 128, 192}, {OptMemtable, 64, 192}}
	p.Sizes = []SizeShare{
		{BiasSizeZero, 2}, {BiasSizeOne, 2}, {BiasSizeSmall, 34}, {BiasSizePage, 8}, {BiasSizeFrame, 8}, {BiasSizeGroup, 3},
		{BiasSizeExtent, 1}, {BiasSizeMax, 1}, {BiasSizeParts, 1},
	}
	p.AtStake, p.Beside = 14, 48
	lessWaiting := func(w *Weights) {
		for _, k := range []Kind{KindPump, KindWait, KindSync, KindFlush, KindReboot, KindCompact, KindReclaim, KindSuperblock, KindCheck, KindScrub} {
			w[k] = (w[k] + 5) / 6
		}
	}
	lessWaiting(&p.Weights)
	p.Weights[KindCrash], p.Weights[KindKill] = 1, 2
	for i := range p.Phases {
		w := &p.Phases[i].Weights
		lessWaiting(w)
		w[KindCrash], w[KindKill] = 1, 1
	}
	return p
}

// faultProfile drives a whole store on a disk that breaks and is healed, again and again.
func faultProfile() *Profile {
	p := kvProfile()
	p.Name, p.Suite = "fault", "fault"
	p.Length = Lengths{Short: 40, ShortMax: 20, Base: 20, Tail: 28, Max: 200}
	p.Spaces = []KeySpace{{20, 1, 1}, {72, 2, 4}, {84, 5, 10}, {80, 11, 32}}
	p.Full = 0
	breaking := func(w *Weights) {
		w[KindFault], w[KindHeal] = 12, 4
		w[KindSuperblock] += 5 // it reads only what a repair in its midst needs
		w[KindFill], w[KindDrain], w[KindFormat] = 0, 0, 0
	}
	breaking(&p.Weights)
	for i := range p.Phases {
		breaking(&p.Phases[i].Weights)
	}
	p.Weights[KindRot] = 5
	p.Kept = append(p.Kept[:2:2], KindFault)
	p.Timings = append(slices.Clone(p.Timings), Timing{BiasFaultReboot, KindFault, KindReboot, 0, 24})
	return p
}

// crashFaultProfile drives a whole store on a disk that breaks and loses power.
func crashFaultProfile() *Profile {
	p := crashProfile()
	p.Name, p.Suite = "crash-fault", "crash-fault"
	p.AtStake = 10 // every state is opened three times: a few that leave most states behind would take most of the time
	p.Full = 0
	breaking := func(w *Weights) {
		w[KindFault], w[KindHeal] = 12, 2
		w[KindCrash], w[KindKill] = 1, 1
		w[KindFill], w[KindDrain], w[KindFormat] = 0, 0, 0
	}
	breaking(&p.Weights)
	for i := range p.Phases {
		breaking(&p.Phases[i].Weights)
	}
	p.Weights[KindRot] = 1
	p.Kept = append(p.Kept[:2:2], KindFault)
	return p
}
