package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/shardproof/shardproof/conformance"
	"github.com/shardproof/shardproof/engine/disk"
)

const generatorVersion = conformance.GeneratorVersion

// host is what sequences are executed on: memory, or one disk that was claimed and is given back at the end.
type host struct {
	coarse bool      // crashes are looked at in one state
	claim  *claim    // nil: memory
	disk   disk.Disk // nil: memory
	lend   *conformance.RealDisk
}

// openHost claims the disk the flags name.
func openHost(cfg *config) (*host, error) {
	if cfg.disk == "memory" {
		return &host{}, nil
	}
	c, err := claimDisk(cfg.disk, int64(cfg.diskSize), cfg.erase)
	if err != nil {
		return nil, err
	}
	d, err := c.open()
	if err != nil {
		c.release()
		return nil, usageError{err}
	}
	h := &host{claim: c, disk: d, lend: conformance.NewRealDisk(d, c.created)}
	if need := conformance.DiskBytesMax(h.lend.Block()); d.Info().Size < need {
		h.close()
		return nil, usagef("%s has %s; with blocks of %d bytes sequences need up to %s", cfg.disk,
			conformance.FormatSize(uint64(d.Info().Size)), h.lend.Block(), conformance.FormatSize(uint64(need)))
	}
	return h, nil
}

// close gives the disk back; a file that was made is removed.
func (h *host) close() error {
	if h.disk == nil {
		return nil
	}
	var err error
	if !h.claim.created {
		err = h.lend.Wipe()
	}
	err = errors.Join(err, h.disk.Close())
	h.disk = nil
	h.claim.release()
	return err
}

// profileNames are the stock profiles that can be executed, and their mix.
func profileNames() []string {
	names := []string{"all"}
	for _, p := range conformance.Profiles {
		if executors[p.Suite] != nil {
			names = append(names, p.Name)
		}
	}
	return names
}

// suite returns what runs the profile.
func (h *host) suite(profile string) (conformance.Suite, error) {
	if !slices.Contains(profileNames(), profile) {
		return conformance.Suite{}, usagef("unknown profile%s", didYouMean(profile, profileNames(), ""))
	}
	if profile != "all" {
		return h.stock(conformance.ProfileNamed(profile)), nil
	}
	var parts []conformance.Suite
	for _, p := range conformance.Profiles {
		if executors[p.Suite] != nil {
			parts = append(parts, h.stock(p))
		}
	}
	return conformance.MixOf("all", parts, conformance.MixShares), nil
}

// stock returns what runs a stock profile.
func (h *host) stock(p *conformance.Profile) conformance.Suite {
	s := conformance.Suite{
		Profile: p.Name, Name: p.Suite, GeneratorVersion: generatorVersion, Reduce: conformance.ReduceOf(p.Suite), Probes: conformance.Probes,
		NewGenerator: func() conformance.Filler { return conformance.NewGenerator(p) },
	}
	newExecutor := executors[p.Suite]
	source := conformance.MemoryDisks
	switch p.Suite {
	case "crash":
		source = conformance.CrashDisks
	case "fault":
		source = conformance.FaultDisks
	case "crash-fault":
		source = conformance.CrashFaultDisks
	}
	s.NewExecutor = func() (conformance.Executor, error) {
		x := newExecutor(source())
		if kv, ok := x.(*conformance.KV); ok && h.coarse {
			x = kv.Coarse()
		}
		return x, nil
	}
	if h.disk != nil {
		s.WorkersMax = 1
		s.NewExecutor = func() (conformance.Executor, error) {
			return conformance.Scaled(newExecutor(h.lend.Disk), h.lend.Block()), nil
		}
	}
	return s
}

// suiteOf returns what executes s, which was read from file.
func (h *host) suiteOf(s *conformance.Sequence, file string) (conformance.Suite, error) {
	for _, p := range conformance.Profiles {
		if p.Suite == s.Suite && executors[s.Suite] != nil {
			return h.stock(p), nil
		}
	}
	return conformance.Suite{}, fmt.Errorf("%s: nothing here executes sequences of the suite %s", file, s.Suite)
}

// executors make what executes the sequences of each suite.
var executors = map[string]func(conformance.DiskSource) conformance.Executor{
	"kv":          func(d conformance.DiskSource) conformance.Executor { return conformance.NewKV(newStores(), d) },
	"crash":       func(d conformance.DiskSource) conformance.Executor { return conformance.NewKV(newStores(), d) },
	"fault":       func(d conformance.DiskSource) conformance.Executor { return conformance.NewKV(newStores(), d) },
	"crash-fault": func(d conformance.DiskSource) conformance.Executor { return conformance.NewKV(newStores(), d) },
	"extent": func(d conformance.DiskSource) conformance.Executor {
		return conformance.NewExtent(conformance.NewExtentFactory(), d)
	},
	"chunk": func(d conformance.DiskSource) conformance.Executor {
		return conformance.NewChunk(conformance.NewChunkFactory(), d)
	},
	// An index stands on models of the floors below: it needs no disk.
	"index": func(conformance.DiskSource) conformance.Executor {
		return conformance.NewIndex(conformance.NewIndexFactory())
	},
}

// newStores makes the factory of the stores under test; tests put stores in its place that are wrong on purpose.
var newStores = conformance.NewEngineFactory
