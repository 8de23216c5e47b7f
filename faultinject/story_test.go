package faultinject_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/faultinject"
)

// What the actions do is told as stories, in testdata/stories.txt, above a disk that loses power. A block holds one letter again and
// again, a dot is zeros, a hash a block that cannot be read, a question mark other bytes. The words:
//
//	rule RULE, lift ID, lift all
//	damage OFF N RULE            in bytes
//	submit AT LETTERS [fua]      a write of one block per letter; submit flush: a flush
//	reap N OUTCOME...            N times: the first letter of what completes, flush, nothing, or an error
//	poll OUTCOME                 the same, without waiting
//	write AT LETTERS [fua] [ERRNO], flush [ERRNO]: submit and reap, with that outcome
//	read AT LETTERS              each of these blocks by itself
//	below AT LETTERS             the same, from the device below
//	bad OFF N BOOL               in bytes
//	crash [ANSWERS]              a power cut; y and n answer the first questions
//	undecided WRITES BLOCKS      of the device below
//	events                       the lines that follow, indented, are all of them
const storyBlock = 64

type story struct {
	name  string
	lines []string
}

func stories(t *testing.T) (all []story) {
	text, err := os.ReadFile("testdata/stories.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		if name, begins := strings.CutPrefix(line, "story "); begins {
			all = append(all, story{name: name})
		} else if line != "" && line[0] != '#' {
			s := &all[len(all)-1]
			s.lines = append(s.lines, line)
		}
	}
	return all
}

func TestStoriesOfFaults(t *testing.T) {
	below := crashsim.New(storyDisk())
	d := faultinject.New(below) // used again for all of them: Reset makes it new
	for _, s := range stories(t) {
		t.Run(s.name, func(t *testing.T) {
			below.Reset(storyDisk())
			d.Reset(below)
			teller := &teller{d: d, below: below}
			for i := 0; i < len(s.lines); i++ {
				line := s.lines[i]
				var events []string
				for line == "events" && i+1 < len(s.lines) && s.lines[i+1][0] == '\t' {
					i++
					events = append(events, strings.TrimSpace(s.lines[i]))
				}
				if line == "events" {
					require.Equal(t, events, texts(d.Events()))
				} else if got, want := teller.tell(t, strings.Fields(line)); got != want {
					t.Fatalf("line %d of the story: %s\n got %s\nwant %s", i+1, line, got, want)
				}
			}
		})
	}
}

func storyDisk() crashsim.Config {
	return crashsim.Config{
		Info:   disk.Info{Size: 8 * storyBlock, LogicalBlock: storyBlock, PhysicalBlock: 2 * storyBlock},
		Device: crashsim.DeviceNumber(crashsim.Sectors, 2*storyBlock),
	}
}

func texts(events []faultinject.Event) (all []string) {
	for _, e := range events {
		all = append(all, e.String())
	}
	return all
}

// teller carries a story out.
type teller struct {
	d     *faultinject.Disk
	below *crashsim.Disk
}

// tell carries one line out, and returns what came of it and what should have.
func (s *teller) tell(t *testing.T, words []string) (got, want string) {
	argument := strings.Join(words[1:], " ")
	switch words[0] {
	case "rule":
		s.d.Add(mustParse(t, argument))
	case "damage":
		s.d.Damage(mustParse(t, strings.Join(words[3:], " ")), int64(number(t, words[1])), int64(number(t, words[2])))
	case "lift":
		if argument == "all" {
			s.d.LiftAll()
		} else {
			s.d.Lift(number(t, argument))
		}
	case "submit":
		s.d.Submit(request(t, words[1:]))
	case "reap":
		return s.reap(number(t, words[1]), true), strings.Join(words[2:], " ")
	case "poll":
		return s.reap(1, false), argument
	case "write", "flush":
		return s.do(t, words)
	case "read":
		return readBlocks(s.d, number(t, words[1]), len(words[2])), words[2]
	case "below":
		return readBlocks(s.below, number(t, words[1]), len(words[2])), words[2]
	case "bad":
		return fmt.Sprint(s.d.Bad(int64(number(t, words[1])), int64(number(t, words[2])))), words[3]
	case "crash":
		s.below.PowerOff()
		s.d.Forget()
		s.below.PowerOn(answers(argument))
	case "undecided":
		writes, blocks := s.below.Undecided()
		return fmt.Sprint(writes, blocks), argument
	default:
		t.Fatalf("%q is no word of a story", words[0])
	}
	return "", ""
}

func (s *teller) do(t *testing.T, words []string) (got, want string) {
	want = "<nil>"
	if last := words[len(words)-1]; strings.HasPrefix(last, "E") {
		want, words = last, words[:len(words)-1]
	}
	if words[0] == "write" {
		words = words[1:]
	}
	err := disk.Do(s.d, request(t, words))
	require.Nil(t, s.d.Reap(true))
	return outcome(err), want
}

// outcome names the error number of err.
func outcome(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return fmt.Sprint(err)
	}
	_, name, _ := strings.Cut(faultinject.Rule{Do: faultinject.Fail, Errno: errno}.String(), "errno=")
	return name
}

func (s *teller) reap(n int, wait bool) string {
	var all []string
	for range n {
		r := s.d.Reap(wait)
		switch {
		case r == nil:
			all = append(all, "nothing")
		case r.Err != nil:
			all = append(all, outcome(r.Err))
		case r.Kind == disk.Flush:
			all = append(all, "flush")
		default:
			all = append(all, string(r.Data[:1]))
		}
	}
	return strings.Join(all, " ")
}

func mustParse(t *testing.T, text string) faultinject.Rule {
	r, err := faultinject.ParseRule(text)
	require.NoError(t, err, text)
	return r
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

// request returns the one that the words stand for.
func request(t *testing.T, words []string) *disk.Request {
	if words[0] == "flush" {
		return &disk.Request{Kind: disk.Flush}
	}
	return write(number(t, words[0]), words[1], len(words) > 2)
}

// write returns a write of one block per letter.
func write(at int, letters string, fua bool) *disk.Request {
	r := &disk.Request{Kind: disk.Write, Off: int64(at * storyBlock), FUA: fua}
	for i := range len(letters) {
		r.Data = append(r.Data, bytes.Repeat([]byte{letters[i]}, storyBlock)...)
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
		case errors.Is(err, syscall.EIO):
			letters = append(letters, '#')
		case err != nil:
			return err.Error()
		case !bytes.Equal(p, bytes.Repeat(p[:1], storyBlock)):
			letters = append(letters, '?')
		case p[0] == 0:
			letters = append(letters, '.')
		default:
			letters = append(letters, p[0])
		}
	}
	return string(letters)
}
