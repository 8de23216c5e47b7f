package conformance

// Run implements Executor. A sequence that breaks its disk is run on a whole one first: what is allowed on a broken disk must not hide what
// is wrong without. Of crashes one state is looked at then.
func (x *KV) Run(s *Sequence) Result {
	if r, wrong := x.runWhole(s); wrong {
		return r
	}
	return x.course.Run(s)
}

// Explain implements Explainer.
func (x *KV) Explain(s *Sequence) (Result, []Step) {
	if _, wrong := x.runWhole(s); wrong {
		defer x.spare()()
		return x.course.Explain(s)
	}
	return x.course.Explain(s)
}

// runWhole runs s, if it breaks its disk, on one that does not break, and reports whether that went wrong.
func (x *KV) runWhole(s *Sequence) (r Result, wrong bool) {
	for i := range s.Ops {
		if s.Ops[i].Kind == KindFault {
			defer x.spare()()
			r = x.course.Run(s)
			return r, r.Failure != nil || r.Err != nil
		}
	}
	return r, false
}

// spare lets nothing break until the function it returns is called.
func (x *KV) spare() (end func()) {
	coarse := x.crashed.coarse
	x.spared, x.crashed.coarse = true, true
	return func() { x.spared, x.crashed.coarse = false, coarse }
}
