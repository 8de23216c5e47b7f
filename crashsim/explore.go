package crashsim

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
)

var (
	// ErrCertificate is returned when the weights of all leaves are not the whole space: the explorer is wrong.
	ErrCertificate = errors.New("crashsim: the weights of the leaves do not add up to the number of images")
	// ErrShaken is returned when the same answers led to other questions: what was explored is not deterministic.
	ErrShaken = errors.New("crashsim: the same answers led to another question")
	// ErrInexact is returned when one of the images that a leaf stands for does not give what the leaf gave.
	ErrInexact = errors.New("crashsim: an image does not give what its leaf gave")
)

// Bounds bound one exploration.
type Bounds struct {
	Leaves  int    // followed depth first; 0: DefaultLeaves
	Samples int    // followed by chance where there are more than Leaves
	Seed    uint64 // of chance
	Plain   int    // one leaf in so many is run again on one of its images, with everything decided beforehand; 0: none
}

// DefaultLeaves is what Bounds.Leaves is if it is 0.
const DefaultLeaves = 4096

// Exploration says what an exploration covered.
type Exploration struct {
	Leaves  int     // different ones
	Runs    int     // of what was explored
	Share   float64 // of all images that the leaves stand for; exactly 1 if Whole
	Images  float64 // all of them
	Whole   bool    // every image was covered, and the weights prove it
	Plain   int     // leaves that were run again
	Chance  int     // of Leaves: found by chance
	Assumed int     // questions of which it was not shown that no mixture passes by chance; see independent
	Found   bool    // visit ended it
	Lost    uint64  // the trail of that leaf, for PowerOn
	Fits    bool    // whether it can be said that way
}

// Visit runs what is explored, from the state right after PowerOn. What it does depends on nothing but what it reads, and Answers;
// with again set it does what it did in the call before. It returns a digest of all that it saw, and false to end the exploration.
type Visit func(again bool) (digest uint64, goOn bool)

// Explore calls visit for every state that the power cut before the last PowerOn can have left, as far as visit can tell them
// apart, each time from the same beginning. Afterwards the disk is as it was. Nothing is in flight. visit may let the power fail, and
// call Explore itself after that, once, at its end. Errors: ErrCertificate, ErrShaken, ErrInexact; what was found then is worth
// nothing.
func (d *Disk) Explore(b Bounds, visit Visit) (Exploration, error) {
	var e *explorer
	if n := len(d.resting); n > 0 {
		e, d.resting = d.resting[n-1], d.resting[:n-1]
	} else {
		e = new(explorer)
	}
	if b.Leaves == 0 {
		b.Leaves = DefaultLeaves
	}
	assumed := d.assumed
	e.begin(d, b, visit)
	err := e.run()
	e.out.Assumed = d.assumed - assumed
	e.end()
	d.resting = append(d.resting, e)
	return e.out, err
}

// Try runs visit from the state after the last PowerOn, with the answers of lost as PowerOn takes them. Afterwards the
// disk is as it was. It returns what visit returns.
func (d *Disk) Try(lost uint64, visit Visit) (digest uint64, goOn bool) {
	var e explorer
	e.begin(d, Bounds{}, nil)
	e.inner.begin(lost)
	e.frozen, d.choice = true, &e.inner
	digest, goOn = visit(false)
	e.end()
	return digest, goOn
}

// explorer is one exploration under way.
type explorer struct {
	disk   *Disk
	outer  *explorer // that was under way, if any
	before *chooser  // that answered
	bounds Bounds
	visit  Visit
	out    Exploration

	choice chooser // the answers of the leaf
	inner  chooser // those after a power cut within the leaf, until that is explored
	units  int     // that there were at the beginning
	digest uint64  // of the leaf
	frozen bool    // the questions of the leaf are over; its weight is known
	cut    bool    // by a power cut within the leaf
	rng    rand.PCG

	space, sum, weight, factor big.Int // images at the beginning, in all leaves so far, in this leaf; scratch
	groups                     []int32 // scratch
	image                      []unit  // scratch
	damage                     []hurtState
}

// begin makes e as new.
func (e *explorer) begin(d *Disk, b Bounds, visit Visit) {
	e.disk, e.bounds, e.visit, e.out = d, b, visit, Exploration{}
	e.outer, e.before = d.exploring, d.choice
	e.choice.begin(0)
	e.units = len(d.units)
	e.frozen = false
	e.rng.Seed(b.Seed, 0xe471)
	e.weigh()
	e.space.Set(&e.weight)
	e.out.Images = e.toFloat(&e.space)
	e.sum.SetInt64(0)
	d.mark()
	d.exploring = e
}

// end makes the disk what it was when e began.
func (e *explorer) end() {
	e.disk.unmark()
	e.disk.exploring, e.disk.choice = e.outer, e.before
}

func (e *explorer) run() error {
	done, err := e.depthFirst()
	if err != nil || done || e.out.Found {
		return err
	}
	err = e.byChance()
	e.out.Share = e.share()
	return err
}

// depthFirst follows the leaves in order, and checks the certificate once there are no more.
func (e *explorer) depthFirst() (done bool, err error) {
	for more := true; more; more = e.choice.next() {
		if e.out.Leaves == e.bounds.Leaves {
			return false, nil
		}
		if err := e.leaf(); err != nil || e.out.Found {
			return false, err
		}
		e.count()
		if err := e.again(); err != nil {
			return false, err
		}
	}
	if e.sum.Cmp(&e.space) != 0 {
		return false, fmt.Errorf("%w: %v of %v in %d leaves", ErrCertificate, &e.sum, &e.space, e.out.Leaves)
	}
	e.out.Whole, e.out.Share = true, 1
	return true, nil
}

// count adds the leaf that was run to what is covered.
func (e *explorer) count() {
	if !e.frozen {
		e.weigh()
	}
	e.out.Leaves++
	e.sum.Add(&e.sum, &e.weight)
}

// leaf runs one leaf. The disk stays as that left it.
func (e *explorer) leaf() error {
	d := e.disk
	d.rewind()
	d.exploring, d.choice = e, &e.choice
	e.frozen, e.cut, e.choice.given = false, false, 0
	e.out.Runs++
	digest, goOn := e.visit(false)
	d.exploring, d.choice = e, &e.choice
	e.digest = digest
	if e.choice.shaken || e.choice.given < len(e.choice.trail) {
		return ErrShaken
	}
	if !goOn {
		e.out.Found = true
		e.out.Lost, e.out.Fits = e.choice.asBits()
	}
	return nil
}

// freeze ends the questions of a leaf.
func (e *explorer) freeze(lost uint64) {
	if !e.frozen {
		e.weigh()
		e.frozen = true
	}
	e.inner.begin(lost)
	e.disk.choice = &e.inner
}

// weigh finds out how many images agree with all that was decided, of those that there were at the beginning.
func (e *explorer) weigh() {
	d := e.disk
	free := uint(0)
	e.groups = cleared(e.groups, len(d.groups))
	for i := range d.units[1:e.units] {
		u := &d.units[1+i]
		switch {
		case u.state != open:
		case d.groups[u.group].left > 0:
			e.groups[u.group]++
		default:
			free++
		}
	}
	e.weight.SetInt64(d.hurt.images())
	for _, n := range e.groups {
		if n > 0 { // of n units not all match
			e.factor.Lsh(e.factor.SetInt64(1), uint(n))
			e.weight.Mul(&e.weight, e.factor.Sub(&e.factor, one))
		}
	}
	e.weight.Lsh(&e.weight, free)
}

var one = big.NewInt(1)

// toFloat returns x, rounded.
func (e *explorer) toFloat(x *big.Int) float64 {
	shift := max(0, x.BitLen()-64)
	return math.Ldexp(float64(e.factor.Rsh(x, uint(shift)).Uint64()), shift)
}

// share returns which part of the space the leaves so far stand for.
func (e *explorer) share() float64 {
	f, _ := new(big.Rat).SetFrac(&e.sum, &e.space).Float64()
	return f
}

// byChance follows leaves whose answers are drawn. Those that were followed before count once.
func (e *explorer) byChance() error {
	first := slices.Clone(e.choice.trail) // the first leaf that was not followed
	seen := make(map[string]bool)
	for range e.bounds.Samples {
		e.choice.again(0)
		e.choice.random = &e.rng
		err := e.leaf()
		e.choice.random = nil
		if err != nil || e.out.Found {
			return err
		}
		key := trailKey(e.choice.trail)
		if before(e.choice.trail, first) || seen[key] {
			continue
		}
		seen[key] = true
		e.out.Chance++
		e.count()
	}
	return nil
}

func trailKey(trail []bool) string {
	key := make([]byte, len(trail))
	for i, yes := range trail {
		key[i] = '0'
		if yes {
			key[i] = '1'
		}
	}
	return string(key)
}

// before reports whether leaf a comes before the one that begins with b, depth first.
func before(a, b []bool) bool {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return a[i]
		}
	}
	return false
}
