package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// String returns the profile as lines of words and numbers, complete, so that two can be compared with a diff. Nothing reads
// it back.
func (p *Profile) String() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s", name)
		fmt.Fprintf(&b, format, args...)
		b.WriteByte('\n')
	}
	line("profile", "%s suite=%s generator=%d", p.Name, p.Suite, GeneratorVersion)
	for bias := range biasCount {
		if p.Off.Has(bias) {
			line("off", "%s", bias)
		}
	}
	line("mix", "swarm=%d/256 phased=%d/256 kept=%v read=%v write=%v full=%d/256", p.Swarm, p.Phased, p.Kept, p.Read, p.Write, p.Full)
	line("weights", "%s", p.Weights)
	for _, ph := range p.Phases {
		line("phase", "%s share=%d %s", ph.Name, ph.Share, ph.Weights)
	}
	line("length", "%+v", p.Length)
	for _, s := range p.Spaces {
		line("keys", "%d..%d odds=%d/256", s.Min, s.Max, s.Odds)
	}
	line("keys", "high=%d/256 pooled=%d/256 spread=%d/256", p.HighKeys, p.Pooled, p.Spread)
	for k, c := range p.Keys {
		if c != (KeyChoice{}) {
			line("key of", "%s %+v", Kind(k), c)
		}
	}
	for _, s := range p.Sizes {
		line("size", "%s share=%d/64", s.Bias, s.Share)
	}
	line("fills", "of 256: %+v", p.Fills)
	for _, t := range p.Timings {
		line("after", "%s comes %s odds=%d/256 from=%d bias=%s", t.After, t.Then, t.Odds, t.From, t.Bias)
	}
	line("frame", "header=%d trailer=%d unit=%d entry=%d", p.FrameHeader, p.FrameTrailer, p.UnitHeader, p.DirectoryEntry)
	line("options", "geometry=%d/256 knob=%d/256 reorder=%d/256 uuidbits=%d/256", p.Geometry, p.Knob, p.Reorder, p.UUIDBits)
	for _, s := range p.Base {
		line("base", "%s=%d stays=%d/256", s.Option.Info().Name, s.Value, s.Stays)
	}
	for o := range optionCount {
		if i := o.Info(); i.Draw != nil && slices.Contains(i.Suites, p.Suite) {
			line("option", "%s %v", i.Name, i.Draw)
		}
	}
	line("steps", "atstake=%d beside=%d/256 miss=%d/256 readback=%d/256 lastlife=%d/256 fillshare=%d%% partsshare=%d%%", p.AtStake, p.Beside, p.UsefulMiss, p.ReadBack, p.LastLife,
		p.FillShare, p.PartsShare)
	return b.String()
}

func (w Weights) String() string {
	var all []string
	for k, v := range w {
		if v > 0 {
			all = append(all, fmt.Sprintf("%s=%d", Kind(k), v))
		}
	}
	return strings.Join(all, " ")
}
