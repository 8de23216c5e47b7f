package conformance

import "errors"

// MixShare is the share of one stock profile in the profile named all.
type MixShare struct {
	Profile string
	Share   int // relative to the others
}

// MixShares are the shares of the stock profiles: half of all sequences drive the whole store, of these a quarter through crashes, an
// eighth on disks that break, and an eighth through both.
var MixShares = []MixShare{{"kv", 4}, {"crash", 2}, {"fault", 1}, {"crash-fault", 1}, {"chunk", 4}, {"extent", 2}, {"index", 2}}

// mixParts is the sum of the shares.
const mixParts = 16

// mixShare returns the share of a stock profile in the mix.
func mixShare(profile string) int {
	for _, s := range MixShares {
		if s.Profile == profile {
			return s.Share
		}
	}
	return mixParts
}

// MixOf returns the suite named name that runs sequences of all parts, each as often as shares has its profile. Which part a
// sequence belongs to depends on its seed alone, so that shards and workers share out the same set. A part without a share is
// executed, for files, but never drawn.
func MixOf(name string, parts []Suite, shares []MixShare) Suite {
	m := Suite{Profile: name, Name: name, Parts: parts}
	var table []int // by draw: the part
	for _, s := range shares {
		for i := range parts {
			for range s.Share {
				if parts[i].Profile == s.Profile {
					table = append(table, i)
				}
			}
		}
	}
	for i := range parts {
		p := &parts[i]
		m.GeneratorVersion, m.Reduce, m.Probes = p.GeneratorVersion, p.Reduce, p.Probes
		if p.WorkersMax > 0 {
			m.WorkersMax = p.WorkersMax
		}
	}
	m.NewGenerator = func() Filler {
		f := &mixFiller{table: table}
		for i := range parts {
			f.parts = append(f.parts, parts[i].NewGenerator())
		}
		return f
	}
	m.NewExecutor = func() (Executor, error) {
		x := &mixExecutor{parts: parts, made: make([]Executor, len(parts))}
		for i := range parts {
			var err error
			if x.made[i], err = parts[i].NewExecutor(); err != nil {
				return nil, errors.Join(err, x.Close())
			}
		}
		return x, nil
	}
	return m
}

// mixFiller draws each sequence with the generator of its part.
type mixFiller struct {
	parts []Filler
	table []int
}

// Fill implements Filler.
func (f *mixFiller) Fill(dst *Sequence, seed uint64) {
	f.parts[f.table[mix64(seed^0x3117)%uint64(len(f.table))]].Fill(dst, seed)
}

// mixExecutor runs each sequence on the executor of its suite.
type mixExecutor struct {
	parts []Suite
	made  []Executor
}

// of returns the executor of s, nil if there is none.
func (x *mixExecutor) of(s *Sequence) Executor {
	for i := range x.parts {
		if x.parts[i].Name == s.Suite {
			return x.made[i]
		}
	}
	return nil
}

// errNoExecutor is for a sequence of a suite that nothing here executes.
var errNoExecutor = errors.New("nothing here executes sequences of that suite")

// Run implements Executor.
func (x *mixExecutor) Run(s *Sequence) Result {
	if e := x.of(s); e != nil {
		return e.Run(s)
	}
	return Result{Err: errNoExecutor}
}

// RunSpoiled implements Liar; a part that cannot lie runs s as it is.
func (x *mixExecutor) RunSpoiled(s *Sequence) Result {
	if l, ok := x.of(s).(Liar); ok {
		return l.RunSpoiled(s)
	}
	return x.Run(s)
}

// Explain implements Explainer; a part without one has no steps.
func (x *mixExecutor) Explain(s *Sequence) (Result, []Step) {
	if e, ok := x.of(s).(Explainer); ok {
		return e.Explain(s)
	}
	return x.Run(s), nil
}

// AddProbes implements ProbeSource for the parts that do.
func (x *mixExecutor) AddProbes(add func(name string, count uint64)) {
	for _, e := range x.made {
		if p, ok := e.(ProbeSource); ok {
			p.AddProbes(add)
		}
	}
}

// Close implements Executor.
func (x *mixExecutor) Close() (err error) {
	for _, e := range x.made {
		if e != nil {
			err = errors.Join(err, e.Close())
		}
	}
	return err
}
