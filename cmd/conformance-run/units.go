package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/shardproof/shardproof/conformance"
)

// count is a flag for a number of things: 200000, 200k, 10M, 200_000.
type count uint64

func (c *count) String() string { return strconv.FormatUint(uint64(*c), 10) }

func (c *count) Set(s string) error {
	n, err := scaled(s, map[string]uint64{"": 1, "k": 1e3, "M": 1e6, "G": 1e9})
	*c = count(n)
	if err != nil {
		return fmt.Errorf("a number such as 200000, 200k or 10M")
	}
	return nil
}

// size is a flag for bytes: 65536, 64KiB, 64MiB, 1GB.
type size int64

func (z *size) String() string {
	return strings.ReplaceAll(conformance.FormatSize(uint64(*z)), " ", "")
}

func (z *size) Set(s string) error {
	n, err := scaled(s, map[string]uint64{"": 1, "B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40})
	if err == nil && n > math.MaxInt64 {
		err = strconv.ErrRange
	}
	*z = size(n)
	if err != nil {
		return fmt.Errorf("a size such as 65536, 64KiB or 1GB")
	}
	return nil
}

// scaled reads a number with a unit. Underscores separate digits.
func scaled(s string, units map[string]uint64) (uint64, error) {
	digits := strings.TrimRight(s, "BGKMTbikm")
	factor, ok := units[s[len(digits):]]
	if !ok {
		return 0, fmt.Errorf("unknown unit %q", s[len(digits):])
	}
	digits = strings.ReplaceAll(digits, "_", "")
	if whole, err := strconv.ParseUint(digits, 10, 64); err == nil {
		if whole > math.MaxUint64/factor {
			return 0, strconv.ErrRange
		}
		return whole * factor, nil
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil || strings.Trim(digits, "0123456789.") != "" || f*float64(factor) >= math.MaxUint64 {
		return 0, strconv.ErrSyntax
	}
	return uint64(f * float64(factor)), nil
}

// seed is a flag for a run's seed, decimal or 0x and hexadecimal digits.
type seed struct {
	value uint64
	given bool
}

func (d *seed) String() string {
	if !d.given {
		return ""
	}
	return fmt.Sprintf("%#x", d.value)
}

func (d *seed) Set(s string) (err error) {
	d.value, err = strconv.ParseUint(s, 0, 64)
	d.given = true
	if err != nil {
		return fmt.Errorf("a number such as 7 or 0x5eed")
	}
	return nil
}

// shardFlag is a flag for a share of a run: 0/16 is the first of sixteen.
type shardFlag struct{ conformance.Shard }

func (f *shardFlag) Set(s string) error {
	i, n, ok := strings.Cut(s, "/")
	index, err1 := strconv.ParseUint(i, 10, 32)
	total, err2 := strconv.ParseUint(n, 10, 32)
	if !ok || err1 != nil || err2 != nil || index >= total {
		return fmt.Errorf("a share such as 0/4, the first of four, or 3/4, the last")
	}
	f.Shard = conformance.Shard{Index: index, Count: total}
	return nil
}

// workersFlag is a flag for a number of workers, or auto.
type workersFlag int

func (f *workersFlag) String() string {
	if *f == 0 {
		return "auto"
	}
	return strconv.Itoa(int(*f))
}

func (f *workersFlag) Set(s string) error {
	if s == "auto" {
		*f = 0
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 4096 {
		return fmt.Errorf("auto or a number from 1")
	}
	*f = workersFlag(n)
	return nil
}

// grouped writes a number with its digits in groups of three: 4 812 334.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// brief writes a number in four digits: 1.84M.
func brief(n float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if n >= u.size {
			size := u.size
			if u.name == "k" {
				size = 1e3
			}
			return strconv.FormatFloat(n/size, 'f', max(0, 2-int(math.Log10(n/size))), 64) + u.name
		}
	}
	return strconv.FormatFloat(n, 'f', 0, 64)
}

// clock writes a duration in whole seconds: 1h0m, 12m03s, 7s.
func clock(d time.Duration) string {
	d = d.Round(time.Second)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case h > 0:
		return fmt.Sprintf("%dh%02dm", h, m)
	case m > 0:
		return fmt.Sprintf("%dm%02ds", m, s)
	}
	return fmt.Sprintf("%ds", s)
}
