package conformance

import "context"

// replayCorpus runs what once failed before anything random. Files of another suite are passed over: another profile's run has
// them.
func (r *run) replayCorpus(ctx context.Context) {
	g := r.guard()
	defer func() {
		if err := g.Close(); err != nil {
			r.tally.fault(err)
		}
		r.tally.addProbes(g)
	}()
	for i := range r.cfg.Corpus {
		f := &r.cfg.Corpus[i]
		if !r.cfg.Suite.Executes(f.Sequence.Suite) {
			continue
		}
		if ctx.Err() != nil {
			return
		}
		g.corpus.Store(f)
		res := g.Run(f.Sequence)
		r.corpus++
		switch {
		case res.Err != nil:
			r.tally.fault(&CorpusError{f.Name, res.Err})
		case res.Failure != nil:
			r.tally.found(&finding{corpus: f, failure: res.Failure, occurrences: 1})
		}
	}
}

// CorpusError says which file of the corpus could not be replayed.
type CorpusError struct {
	Name string
	Err  error
}

func (e *CorpusError) Error() string { return "corpus " + e.Name + ": " + e.Err.Error() }
func (e *CorpusError) Unwrap() error { return e.Err }
