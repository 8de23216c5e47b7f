package faultinject_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/faultinject"
)

const modelBlocks = 8

// modelBlock is a block as plainly as it can be said: what the device below has, and what was done to it, the newest last.
type modelBlock struct {
	pristine []byte
	damage   []modelDamage
}

// modelDamage makes other bytes of a block. Where dead is not 0, none.
type modelDamage struct {
	rule int
	dead syscall.Errno
	mask []byte // what is added to what lies below; else
	is   []byte // these are the bytes
}

// modelRule is a rule and its count.
type modelRule struct {
	faultinject.Rule
	id, seen, hits int
	older          map[int]modelDamage // for stale
}

// model is a Disk of eight blocks with one request at a time.
type model struct {
	blocks [modelBlocks]modelBlock
	rules  []*modelRule
	ids    int
	safe   bool
}

// view returns what block b looks like.
func (m *model) view(b int) modelDamage {
	v := modelDamage{is: m.blocks[b].pristine}
	for _, d := range m.blocks[b].damage {
		v = v.under(d)
	}
	return v
}

func (v modelDamage) under(d modelDamage) modelDamage {
	switch {
	case d.mask == nil:
		return d
	case v.dead != 0:
		return v
	}
	return modelDamage{is: xor(v.is, d.mask)}
}

func xor(a, b []byte) []byte {
	c := slices.Clone(a)
	for i := range c {
		c[i] ^= b[i]
	}
	return c
}

// do takes what the rule did before from block b, and adds d.
func (m *model) do(b, rule int, d modelDamage) {
	x := &m.blocks[b]
	x.damage = slices.DeleteFunc(slices.Clone(x.damage), func(o modelDamage) bool { return o.rule == rule })
	d.rule = rule
	x.damage = append(x.damage, d)
}

// span returns the blocks of [at, at+n) that the rule concerns.
func (r *modelRule) span(at, n int) (all []int) {
	for b := at; b < at+n; b++ {
		begin, end := int64(b*storyBlock), int64((b+1)*storyBlock)
		if r.latched() || end > r.From && (r.To == 0 || begin < r.To) {
			all = append(all, b)
		}
	}
	return all
}

func (r *modelRule) latched() bool {
	return r.hits > 0 && (r.Do == faultinject.Gone || r.Do == faultinject.ReadOnly)
}

var modelOn = map[faultinject.Action]faultinject.Target{
	faultinject.Fail: 7, faultinject.Short: 3, faultinject.Full: 6, faultinject.Lose: 2, faultinject.Misdirect: 2,
	faultinject.Stale: 1, faultinject.Flip: 2, faultinject.Zero: 2, faultinject.Garbage: 2, faultinject.Swap: 2,
	faultinject.Delay: 6, faultinject.Stall: 6, faultinject.Gone: 7, faultinject.ReadOnly: 6, faultinject.Lie: 4,
}

// far is the argument, at least 1.
func (r *modelRule) far() int { return int(min(max(r.Arg, 1), 1<<62)) }

func (r *modelRule) matches(on faultinject.Target, at, n int, fua bool) bool {
	if r.latched() && (r.Do == faultinject.Gone || on != faultinject.Read) {
		return true
	}
	mask := r.On
	if mask == 0 {
		mask = modelOn[r.Do]
	}
	span := r.span(at, n)
	switch {
	case r.latched() || mask&on == 0:
		return false
	case on == faultinject.Flush:
		return true
	case len(span) == 0:
		return false
	case r.Do == faultinject.Lie:
		return fua
	case r.Do == faultinject.Swap:
		return len(span) > r.far()
	case r.Do == faultinject.Stale:
		return slices.ContainsFunc(span, func(b int) bool { _, known := r.older[b]; return known })
	}
	return true
}

func (r *modelRule) due(seen int) bool { return seen >= r.Nth && (r.Times == 0 || r.hits < r.Times) }

// strike returns the rule that hits a request and the blocks of it, or nil.
func (m *model) strike(on faultinject.Target, at, n int, fua bool) (hit *modelRule, span []int) {
	for _, r := range m.rules {
		if r.Times > 0 && r.hits >= r.Times || !r.matches(on, at, n, fua) {
			continue
		}
		if r.seen++; hit == nil && r.due(r.seen) {
			hit, span = r, r.span(at, n)
			r.hits++
		}
	}
	return hit, span
}

func (r *modelRule) fails() bool {
	switch r.Do {
	case faultinject.Fail, faultinject.Short, faultinject.Full, faultinject.Gone, faultinject.ReadOnly:
		return true
	}
	return false
}

func (r *modelRule) errno() syscall.Errno {
	switch {
	case r.Errno != 0:
		return r.Errno
	case r.Do == faultinject.Full:
		return syscall.ENOSPC
	case r.Do == faultinject.ReadOnly:
		return syscall.EROFS
	}
	return syscall.EIO
}

// partner returns the place in span of what place i is exchanged with.
func (r *modelRule) partner(i, n int) int {
	far := r.far()
	switch {
	case far >= n:
		return i
	case i/far%2 == 1:
		return i - far
	case i+far < n:
		return i + far
	}
	return i
}

func (m *model) write(at int, data []byte, fua bool) syscall.Errno {
	n := len(data) / storyBlock
	concerned := map[*modelRule][]int{} // by rules for stale reads
	for _, r := range m.rules {
		if r.Do == faultinject.Stale && (r.Times == 0 || r.hits < r.Times) {
			concerned[r] = r.span(at, n)
		}
	}
	r, span := m.strike(faultinject.Write, at, n, fua)
	done := n
	if r != nil && r.fails() {
		switch {
		case r.Effect == faultinject.All:
		case r.Effect == faultinject.Part, r.Do == faultinject.Short:
			done = n / 2
		default:
			done = 0
		}
	}
	before := m.blocks
	m.stepBack(concerned, at, done)
	for i := range done {
		m.blocks[at+i] = modelBlock{pristine: data[i*storyBlock : (i+1)*storyBlock]}
	}
	if r == nil {
		return 0
	} else if r.fails() {
		return r.errno()
	}
	old := model{blocks: before}
	bytesOf := func(b int) modelDamage { return modelDamage{is: m.blocks[b].pristine} }
	switch r.Do {
	case faultinject.Lose, faultinject.Misdirect:
		for _, b := range span {
			m.do(b, r.id, old.view(b))
		}
	case faultinject.Swap:
		for i, b := range span {
			m.do(b, r.id, bytesOf(span[r.partner(i, len(span))]))
		}
	default:
		for _, b := range span {
			if d, is := follows(r.Rule, b); is {
				m.do(b, r.id, d)
			}
		}
	}
	for i := 0; r.Do == faultinject.Misdirect && i < len(span); i++ {
		m.do((span[i]+r.far()%modelBlocks)%modelBlocks, r.id, bytesOf(span[i]))
	}
	return 0
}

// stepBack lets the rules for stale reads remember.
func (m *model) stepBack(concerned map[*modelRule][]int, at, done int) {
	for r, span := range concerned {
		for _, b := range span {
			if b < at+done {
				r.older[b] = m.view(b)
			}
		}
	}
}

// follows returns the damage that follows from the rule and the place. What it is exactly a disk of zeros shows.
func follows(r faultinject.Rule, b int) (d modelDamage, is bool) {
	switch r.Do {
	case faultinject.Fail:
		x := modelRule{Rule: r}
		return modelDamage{dead: x.errno()}, true
	case faultinject.Zero:
		return modelDamage{is: make([]byte, storyBlock)}, true
	case faultinject.Flip, faultinject.Garbage:
		d := faultinject.New(memory(true))
		d.Damage(faultinject.Rule{Do: r.Do, Arg: r.Arg}, int64(b*storyBlock), 1)
		p := make([]byte, storyBlock)
		if err := d.Read(p, int64(b*storyBlock)); err != nil {
			panic(err)
		}
		if r.Do == faultinject.Flip {
			return modelDamage{mask: p}, true
		}
		return modelDamage{is: p}, true
	}
	return d, false
}

// sight returns what a read sees of the blocks [at, at+n), and the error that it fails with anyway.
func (m *model) sight(at, n int) (all []modelDamage, r *modelRule, span []int) {
	r, span = m.strike(faultinject.Read, at, n, false)
	for b := at; b < at+n; b++ {
		v := m.view(b)
		if i := slices.Index(span, b); i >= 0 {
			switch r.Do {
			case faultinject.Misdirect:
				v = m.view((b + r.far()%modelBlocks) % modelBlocks)
			case faultinject.Swap:
				v = m.view(span[r.partner(i, len(span))])
			case faultinject.Stale:
				if older, known := r.older[b]; known {
					v = older
				}
			case faultinject.Flip, faultinject.Zero, faultinject.Garbage:
				d, _ := follows(r.Rule, b)
				v = v.under(d)
			}
		}
		all = append(all, v)
	}
	return all, r, span
}

// read returns the bytes, or the error.
func (m *model) read(at, n int) ([]byte, syscall.Errno) {
	all, r, _ := m.sight(at, n)
	if r != nil && r.fails() && r.Do != faultinject.Short {
		return nil, r.errno()
	}
	var p []byte
	for i, v := range all {
		if r != nil && r.Do == faultinject.Short && i >= n/2 {
			return nil, r.errno()
		}
		if v.dead != 0 {
			return nil, v.dead
		}
		p = append(p, v.is...)
	}
	return p, 0
}

// ask asks for blocks that begin with letter, or cannot be read.
func (m *model) ask(at, n int, letter byte) (bool, syscall.Errno) {
	all, r, span := m.sight(at, n)
	if r != nil && (r.Do == faultinject.Gone || m.safe && r.fails()) {
		return false, r.errno()
	}
	for i := 0; i < n; i += 2 {
		struck := r != nil && r.fails() && (slices.Contains(span, at+i) || slices.Contains(span, at+i+1))
		switch {
		case struck:
			return true, 0
		case all[i].dead != 0 && m.safe:
			return false, all[i].dead
		case all[i].dead != 0 || all[i].is[0] == letter:
			return true, 0
		}
	}
	return false, 0
}

func (m *model) damage(r faultinject.Rule, at, n int) {
	m.ids++
	x := modelRule{Rule: r, id: m.ids}
	before := m.blocks
	for i := range n {
		d, is := follows(r, at+i)
		if r.Do == faultinject.Swap {
			j := x.partner(i, n)
			d, is = modelDamage{is: before[at+j].pristine}, j != i
		}
		if is {
			m.do(at+i, m.ids, d)
		}
	}
}

func (m *model) lift(id int) {
	m.rules = slices.DeleteFunc(m.rules, func(r *modelRule) bool { return r.id == id })
	for b := range m.blocks {
		x := &m.blocks[b]
		x.damage = slices.DeleteFunc(slices.Clone(x.damage), func(d modelDamage) bool { return d.rule == id })
	}
}

func (m *model) bad(at, n int) bool {
	for b := at; b < at+n; b++ {
		if len(m.blocks[b].damage) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(m.rules, func(r *modelRule) bool {
		return r.matches(faultinject.Read, at, n, false) && r.due(r.seen+1)
	})
}

func memory(safe bool) *disk.Memory {
	return disk.NewMemory(disk.Info{
		Size: modelBlocks * storyBlock, LogicalBlock: storyBlock, PhysicalBlock: 2 * storyBlock, PowerSafe: safe,
	})
}

// noAsker hides what a disk has beside Disk.
type noAsker struct{ disk.Disk }

// Property: a Disk does what its model does, the device below has all that was done, and lifting everything brings it to light.
func TestDiskIsItsModel(t *testing.T) {
	for a := faultinject.Fail; a <= faultinject.Lie; a++ { // each is the action of one rule at least
		if a != faultinject.Stall {
			t.Run(a.String(), func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { compare(t, a) }) })
		}
	}
}

func compare(t *rapid.T, a faultinject.Action) {
	x := compared{t: t, m: &model{safe: rapid.Bool().Draw(t, "power-safe")}}
	x.below = memory(x.m.safe)
	x.d = faultinject.New(x.below)
	if rapid.Bool().Draw(t, "no asker") {
		x.d.Reset(noAsker{x.below})
	}
	for b := range x.m.blocks {
		x.m.blocks[b].pristine = make([]byte, storyBlock)
	}
	x.add(drawRuleOf(t, a, modelBlocks*storyBlock))
	for range rapid.IntRange(1, 60).Draw(t, "operations") {
		x.step()
	}
	x.d.LiftAll()
	for b := range modelBlocks {
		p := make([]byte, storyBlock)
		require.NoError(t, x.d.Read(p, int64(b*storyBlock)))
		require.Equal(t, x.m.blocks[b].pristine, p)
		require.Equal(t, x.m.blocks[b].pristine, x.below.Bytes()[b*storyBlock:(b+1)*storyBlock])
	}
}

// compared is a Disk beside its model.
type compared struct {
	t     *rapid.T
	d     *faultinject.Disk
	below *disk.Memory
	m     *model
}

func (x *compared) step() {
	t := x.t
	at := rapid.IntRange(0, modelBlocks-1).Draw(t, "at")
	n := rapid.IntRange(1, modelBlocks-at).Draw(t, "n")
	off, size := int64(at*storyBlock), int64(n*storyBlock)
	switch rapid.IntRange(0, 11).Draw(t, "operation") {
	case 0, 1:
		if r := drawRule(t, modelBlocks*storyBlock); r.Do != faultinject.Stall {
			x.add(r)
		}
	case 2:
		r := drawRule(t, modelBlocks*storyBlock)
		r.Do = rapid.SampledFrom([]faultinject.Action{faultinject.Fail, faultinject.Flip, faultinject.Zero, faultinject.Garbage,
			faultinject.Swap}).Draw(t, "damage")
		if r.Validate() == nil {
			x.m.damage(r, at, n)
			require.Equal(t, x.m.ids, x.d.Damage(r, off, size))
		}
	case 3:
		id := rapid.IntRange(1, x.m.ids+1).Draw(t, "lift")
		x.m.lift(id)
		x.d.Lift(id)
	case 4, 5, 6, 7:
		r := &disk.Request{Kind: disk.Write, Off: off, FUA: rapid.Bool().Draw(t, "fua")}
		for range n {
			r.Data = append(r.Data, bytes.Repeat([]byte{byte(rapid.IntRange('a', 'z').Draw(t, "letter"))}, storyBlock)...)
		}
		x.same(x.m.write(at, slices.Clone(r.Data), r.FUA), disk.Do(x.d, r))
	case 8:
		var want syscall.Errno
		if r, _ := x.m.strike(faultinject.Flush, 0, 0, false); r != nil && r.fails() {
			want = r.errno()
		}
		x.same(want, disk.Do(x.d, &disk.Request{Kind: disk.Flush}))
	case 9:
		x.read(at, n)
	case 10:
		letter := byte(rapid.IntRange('a', 'z').Draw(t, "letter"))
		first, count := at&^1, min((n+1)&^1, modelBlocks-at&^1)
		want, errno := x.m.ask(first, count, letter)
		yes, err := x.d.Ask(int64(first*storyBlock), int64(count*storyBlock),
			func(_ int64, p []byte) bool { return p == nil || p[0] == letter })
		x.same(errno, err)
		require.Equal(t, want, yes)
	case 11:
		x.read(0, modelBlocks)
	}
	require.Equal(t, x.m.bad(at, n), x.d.Bad(off, size))
}

func (x *compared) add(r faultinject.Rule) {
	x.m.ids++
	x.m.rules = append(x.m.rules, &modelRule{Rule: r, id: x.m.ids, older: map[int]modelDamage{}})
	require.Equal(x.t, x.m.ids, x.d.Add(r))
}

// read reads, by ReadUnit now and then.
func (x *compared) read(at, n int) {
	bad := x.m.bad(at, n)
	want, errno := x.m.read(at, n)
	p := make([]byte, n*storyBlock)
	var err error
	if rapid.Bool().Draw(x.t, "unit") {
		var whole bool
		whole, err = x.d.ReadUnit(p, int64(at*storyBlock), func(p []byte) bool { return bytes.Equal(p, want) })
		require.Equal(x.t, errno == 0, whole)
	} else {
		err = x.d.Read(p, int64(at*storyBlock))
	}
	x.same(errno, err)
	if err == nil {
		require.Equal(x.t, want, p)
	}
	if !bad {
		require.NoError(x.t, err)
		require.Equal(x.t, x.below.Bytes()[at*storyBlock:(at+n)*storyBlock], p)
	}
}

func (x *compared) same(want syscall.Errno, err error) {
	if want == 0 {
		require.NoError(x.t, err)
		return
	}
	require.ErrorIs(x.t, err, want)
	var e *faultinject.Error
	require.True(x.t, errors.As(err, &e))
	require.Equal(x.t, x.d.Count(), e.IO)
	require.Contains(x.t, err.Error(), fmt.Sprintf("rule %d, IO %d: ", e.Rule, e.IO))
}
