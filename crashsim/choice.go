package crashsim

import "math/rand/v2"

// chooser answers questions about what is undecided. Yes is true: kept, whole, readable.
type chooser struct {
	trail  []bool   // the answers since PowerOn, in order
	asked  []uint64 // what each was about
	given  int
	lost   uint64 // beyond trail, outside of an exploration
	random *rand.PCG
	shaken bool // a question differs from the one that was asked at this place before
}

// begin forgets all answers.
func (c *chooser) begin(lost uint64) {
	*c = chooser{trail: c.trail[:0], asked: c.asked[:0], lost: lost}
}

// again makes c give the first n answers of its trail again, and new ones after these.
func (c *chooser) again(n int) {
	c.trail, c.asked, c.given = c.trail[:n], c.asked[:n], 0
}

// ask returns the answer to the next question; about says which it is.
func (c *chooser) ask(about uint64) bool {
	i := c.given
	c.given++
	if i < len(c.trail) {
		c.shaken = c.shaken || c.asked[i] != about
		return c.trail[i]
	}
	yes := true
	switch {
	case c.random != nil:
		yes = c.random.Uint64()&1 == 0
	case i < 64:
		yes = c.lost>>i&1 == 0
	}
	c.trail, c.asked = append(c.trail, yes), append(c.asked, about)
	return yes
}

// foreseen returns what the next question is about, if its answer is prescribed; 0 if not.
func (c *chooser) foreseen() uint64 {
	if c.given < len(c.trail) {
		return c.asked[c.given]
	}
	return 0
}

// next turns the trail into that of the next leaf, depth first, yes before no. It returns false when there is none.
func (c *chooser) next() bool {
	last := len(c.trail) - 1
	for last >= 0 && !c.trail[last] {
		last--
	}
	if last < 0 {
		return false
	}
	c.again(last + 1)
	c.trail[last] = false
	return true
}

// Answers returns a hash of the answers given since PowerOn.
func (d *Disk) Answers() uint64 {
	h := uint64(d.choice.given)
	for _, yes := range d.choice.trail[:d.choice.given] {
		h *= 0x9e3779b97f4a7c15
		if yes {
			h ^= h>>31 | 1<<63
		}
	}
	return h ^ h>>29
}

// Trail returns the answers given since PowerOn, as PowerOn takes them, and false if they do not fit.
func (d *Disk) Trail() (lost uint64, fits bool) { return d.choice.asBits() }

// asBits returns the trail as PowerOn takes it, and false if it does not fit.
func (c *chooser) asBits() (lost uint64, fits bool) {
	for i, yes := range c.trail {
		if yes {
			continue
		}
		if i >= 64 {
			return 0, false
		}
		lost |= 1 << i
	}
	return lost, true
}
