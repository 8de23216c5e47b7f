package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/shardproof/shardproof/conformance"
	"github.com/shardproof/shardproof/corpus"
)

func corpusFlags(fs *flag.FlagSet, c *config) {
	suiteFlags(fs, c)
	fs.StringVar(&c.corpus, "corpus", "", "`DIR` of the corpus: the folder corpus of the source tree when left out")
	fs.StringVar(&c.as, "as", "", "`component/story` to keep the file as")
	fs.BoolVar(&c.goTest, "go", false, "export as a Go test, to stdout")
	fs.StringVar(&c.pkg, "package", "corpus_test", "`name` of the package the exported test belongs to")
}

// corpusVerb lists, extends or checks the corpus, or makes tests of its files.
func corpusVerb(ctx context.Context, cfg *config, stdout, stderr io.Writer) error {
	if len(cfg.args) == 0 {
		return usagef("list, add FILE, check or export --go FILE?")
	}
	what, args := cfg.args[0], cfg.args[1:]
	switch {
	case what == "list" && len(args) == 0:
		return corpusList(cfg, stdout)
	case what == "add" && len(args) == 1:
		return corpusAdd(cfg, args[0], stdout)
	case what == "check" && len(args) == 0:
		return corpusCheck(ctx, cfg, stdout)
	case what == "export" && len(args) > 0:
		return corpusExport(cfg, stdout)
	case what == "list" || what == "add" || what == "check" || what == "export":
		return usagef("corpus %s: %d files are named", what, len(args))
	}
	return usagef("corpus%s", didYouMean(what, []string{"list", "add", "check", "export"}, ""))
}

func corpusList(cfg *config, stdout io.Writer) error {
	files, err := loadCorpus(cfg.corpus)
	if err != nil {
		return err
	}
	for _, f := range files {
		fails := ""
		if f.Sequence.Fail != nil {
			fails = "  " + f.Sequence.Fail.Signature.String()
		}
		fmt.Fprintf(stdout, "%-40s %3d operations%s\n", f.Name, len(f.Sequence.Ops), fails)
	}
	return nil
}

// corpusAdd keeps a sequence. Whether it still fails is no condition: it is kept before the fault is repaired, and stays.
func corpusAdd(cfg *config, name string, stdout io.Writer) error {
	s, err := readSequence(name)
	if err != nil {
		return err
	}
	component, story, ok := strings.Cut(strings.TrimSuffix(cfg.as, ".seq"), "/")
	if !ok || component == "" || !isStory(component) || !isStory(story) {
		return usagef("--as %q: component/story, in a-z, 0-9 and -", cfg.as)
	}
	dir := cfg.corpus
	if dir == "" {
		root, err := sourceRoot("")
		if err != nil {
			return usagef("where is the corpus? %w; or say --corpus DIR", err)
		}
		dir = filepath.Join(root, "corpus")
	}
	target := filepath.Join(dir, component, story+".seq")
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		return usagef("%s is there already", target)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
		return usageError{err}
	}
	out, err := newOutput(target, nil)
	if err != nil {
		return err
	}
	defer out.discard()
	if err := out.bytes(s.AppendText(nil)); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: %d operations\n", target, len(s.Ops))
	return nil
}

func isStory(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// corpusCheck replays every file and sees that it is printed as it should be.
func corpusCheck(ctx context.Context, cfg *config, stdout io.Writer) error {
	texts, err := corpusTexts(cfg.corpus)
	if err != nil {
		return err
	}
	host, err := openHost(cfg)
	if err != nil {
		return err
	}
	defer host.close()
	worst := conformance.Held
	for _, f := range texts {
		if ctx.Err() != nil {
			return verdict(worst.Worse(verdictOf(context.Cause(ctx))))
		}
		s, err := conformance.Parse(f.Text)
		if err != nil {
			return malformed(f.Name, err)
		}
		suite, err := host.suiteOf(s, f.Name)
		if err != nil {
			return err
		}
		r := conformance.Replay(suite, s, f.Name, conformance.Print{Command: commandText(cfg.called)})
		outcome, v := string(r.Outcome)+replayDetail(&r), r.Verdict()
		if !bytes.Equal(f.Text, s.AppendText(nil)) {
			outcome += ", but is not in its canonical form"
			v = v.Worse(conformance.Inconclusive)
		}
		fmt.Fprintf(stdout, "%s: %s\n", f.Name, outcome)
		worst = worst.Worse(v)
	}
	return verdict(worst)
}

// loadCorpus reads the corpus in dir; the one built in if dir is empty, none if it is "none".
func loadCorpus(dir string) ([]conformance.CorpusFile, error) {
	texts, err := corpusTexts(dir)
	if err != nil {
		return nil, err
	}
	out := make([]conformance.CorpusFile, 0, len(texts))
	for _, f := range texts {
		s, err := conformance.Parse(f.Text)
		if err != nil {
			return nil, malformed(f.Name, err)
		}
		out = append(out, conformance.CorpusFile{Name: f.Name, Sequence: s})
	}
	return out, nil
}

func corpusTexts(dir string) ([]corpus.File, error) {
	switch dir {
	case "":
		return corpus.Files(), nil
	case "none":
		return nil, nil
	}
	var out []corpus.File
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".seq" {
			return err
		}
		text, err := os.ReadFile(name)
		out = append(out, corpus.File{Name: name, Text: text})
		return err
	})
	if err != nil {
		return nil, usageError{err}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

// malformed says where a file stops being a sequence, in the form editors jump to.
func malformed(name string, err error) error {
	var syntax *conformance.SyntaxError
	if errors.As(err, &syntax) {
		return usagef("%s:%d:%d: %s", name, syntax.Line, syntax.Column, syntax.Msg)
	}
	return usagef("%s: %w", name, err)
}
