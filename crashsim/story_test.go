package crashsim_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine/disk"
)

// The rules C1 to C6 are told as stories, in testdata/stories.txt. A block holds one letter again and again, a dot is zeros, a hash
// an unreadable block. The words:
//
//	device NAME, lie NAME        at the beginning only
//	submit AT LETTERS [fua]      a write of one block per letter; submit flush: a flush
//	reap N [power]               N requests complete, in the order submitted; or fail because the power is off
//	poison                       as the method: a flush has failed
//	write, flush                 as submit, and everything in flight completes
//	cut N, kill N, off [already] as the methods of Disk; already is what PowerOff returns
//	on [ANSWERS], crash [...]    PowerOn, PowerOff and PowerOn; y and n answer the first questions
//	read AT LETTERS              reads each of these blocks by itself
//	fails REQUEST                it gets ErrPower
//	images IMAGE...              all that Explore finds, each disk read block by block
//	leaves N                     of the exploration before
//	undecided WRITES BLOCKS
const storyBlock = 64

type story struct {
	name  string
	lines []string
}

func stories(t *testing.T) (all []story) {
	text, err := os.ReadFile("testdata/stories.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if name, begins := strings.CutPrefix(line, "story "); begins {
			all = append(all, story{name: name})
		} else if line != "" && line[0] != '#' {
			s := &all[len(all)-1]
			s.lines = append(s.lines, line)
		}
	}
	return all
}

func TestStoriesOfPowerCuts(t *testing.T) {
	d := crashsim.New(storyDisk()) // used again for all of them: Reset makes it new
	for _, s := range stories(t) {
		t.Run(s.name, func(t *testing.T) {
			config := storyDisk()
			for len(s.lines) > 0 && configure(&config, s.lines[0]) {
				s.lines = s.lines[1:]
			}
			d.Reset(config)
			teller := &teller{d: d}
			for i, line := range s.lines {
				if got, want := teller.tell(t, strings.Fields(line)); got != want {
					t.Fatalf("line %d of the story: %s\n got %s\nwant %s", i+1, line, got, want)
				}
			}
		})
	}
}

func storyDisk() crashsim.Config {
	return crashsim.Config{Info: disk.Info{Size: 8 * storyBlock, LogicalBlock: storyBlock, PhysicalBlock: 2 * storyBlock}, Device: crashsim.DeviceNumber(crashsim.Sectors, 2*storyBlock)}
}

// configure takes the words that say what disk it is.
func configure(c *crashsim.Config, line string) bool {
	word, name, _ := strings.Cut(line, " ")
	switch word {
	case "device":
		c.Device = crashsim.DeviceNumber(slices.Index(crashsim.DeviceNames, name), c.Info.PhysicalBlock)
	case "lie":
		c.Lie = map[string]crashsim.Lie{"noflush": crashsim.NoFlush, "nofua": crashsim.NoFUA, "reordered": crashsim.Reordered}[name]
	default:
		return false
	}
	return true
}

// teller carries a story out.
type teller struct {
	d        *crashsim.Disk
	explored crashsim.Exploration
}

// tell carries one line out, and returns what came of it and what should have.
func (s *teller) tell(t *testing.T, words []string) (got, want string) {
	argument := strings.Join(words[1:], " ")
	switch words[0] {
	case "submit":
		s.d.Submit(request(t, words[1:]))
	case "write":
		return s.do(request(t, words[1:])), "<nil>"
	case "flush":
		return s.do(&disk.Request{Kind: disk.Flush}), "<nil>"
	case "fails":
		return s.fails(t, words[1:]), fmt.Sprint(crashsim.ErrPower)
	case "reap":
		return s.reap(words[1:])
	case "cut":
		s.d.Cut(number(t, argument))
	case "kill":
		s.d.Kill(number(t, argument))
	case "off":
		return fmt.Sprint(s.d.PowerOff()), fmt.Sprint(argument == "already")
	case "poison":
		s.d.Poison()
	case "on":
		s.d.PowerOn(answers(argument))
	case "crash":
		s.d.PowerOff()
		s.d.PowerOn(answers(argument))
	case "read":
		return readBlocks(s.d, number(t, words[1]), len(words[2])), words[2]
	case "images":
		return s.images(t), argument
	case "leaves":
		return fmt.Sprint(s.explored.Leaves), argument
	case "undecided":
		writes, blocks := s.d.Undecided()
		return fmt.Sprint(writes, blocks), argument
	default:
		t.Fatalf("%q is no word of a story", words[0])
	}
	return "", ""
}

func (s *teller) do(r *disk.Request) string {
	if err := disk.Do(s.d, r); err != nil {
		return err.Error()
	}
	for s.d.Reap(true) != nil {
	}
	return "<nil>"
}

func (s *teller) fails(t *testing.T, words []string) string {
	if words[0] == "read" {
		return fmt.Sprint(s.d.Read(make([]byte, storyBlock), int64(number(t, words[1])*storyBlock)))
	}
	if words[0] == "write" {
		words = words[1:]
	}
	return s.do(request(t, words))
}

func (s *teller) reap(words []string) (got, want string) {
	n, _ := strconv.Atoi(words[0])
	for range n {
		r := s.d.Reap(true)
		if r == nil {
			return got + "nothing ", want
		}
		got += fmt.Sprint(r.Err, " ")
		if len(words) > 1 {
			want += crashsim.ErrPower.Error() + " "
		} else {
			want += "<nil> "
		}
	}
	return got, want
}

// images explores the disk, and returns each image once, sorted.
func (s *teller) images(t *testing.T) string {
	var all []string
	var err error
	s.explored, err = s.d.Explore(crashsim.Bounds{Plain: 1}, func(bool) (uint64, bool) {
		image := readBlocks(s.d, 0, 8)
		all = append(all, image)
		return digestOf(image), true
	})
	require.NoError(t, err)
	require.True(t, s.explored.Whole)
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

func number(t *testing.T, word string) int {
	n, err := strconv.Atoi(word)
	require.NoError(t, err)
	return n
}

// answers turns y and n into what PowerOn takes.
func answers(words string) (lost uint64) {
	for i, c := range words {
		if c == 'n' {
			lost |= 1 << i
		}
	}
	return lost
}

// request returns the one that the words after submit stand for.
func request(t *testing.T, words []string) *disk.Request {
	if words[0] == "flush" {
		return &disk.Request{Kind: disk.Flush}
	}
	r := &disk.Request{Kind: disk.Write, Off: int64(number(t, words[0]) * storyBlock), FUA: len(words) > 2}
	for _, letter := range []byte(words[1]) {
		r.Data = append(r.Data, bytes.Repeat([]byte{letter}, storyBlock)...)
	}
	return r
}

// readBlocks reads n blocks, each by itself, as letters.
func readBlocks(d disk.Disk, at, n int) string {
	p := make([]byte, storyBlock)
	var letters []byte
	for b := at; b < at+n; b++ {
		err := d.Read(p, int64(b*storyBlock))
		switch {
		case errors.Is(err, crashsim.ErrUnreadable):
			letters = append(letters, '#')
		case err != nil:
			return err.Error()
		case !bytes.Equal(p, bytes.Repeat(p[:1], storyBlock)):
			letters = append(letters, '?') // a mixture
		case p[0] == 0:
			letters = append(letters, '.')
		default:
			letters = append(letters, p[0])
		}
	}
	return string(letters)
}

// digestOf is FNV-1a.
func digestOf(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
