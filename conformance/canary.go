package conformance

// canarySequences is how many sequences are run on an executor that lies. Most sequences read something early on; some end
// before they do.
const canarySequences = 16

// canary shows that the alarm rings: it runs the first sequences on an executor whose store gives one wrong answer, through
// the same steps as any other sequence, and counts in how many of them the failure was seen. Nothing of it enters the tally. It
// returns nil where the executor cannot lie.
func (r *run) canary() *CanaryReport {
	w := newWorker(r)
	defer w.exec.Close()
	separate := newTally()
	report := &CanaryReport{}
	var b batch
	for number := range uint64(canarySequences) {
		w.gen.Fill(&w.seq, MixSeed(r.cfg.Seed, number))
		w.exec.number.Store(number)
		lied := false
		res := w.exec.call(func(e Executor) Result {
			l, ok := e.(Liar)
			if !ok {
				return Result{}
			}
			lied = true
			return l.RunSpoiled(&w.seq)
		})
		if res.Err != nil {
			r.tally.fault(res.Err)
			return nil
		}
		if !lied {
			return nil
		}
		report.Ran++
		separate.add(&b, number, &res)
	}
	for _, f := range separate.sorted() {
		if f.failure.Property == "EQ" {
			report.Caught += f.occurrences
		}
	}
	return report
}
