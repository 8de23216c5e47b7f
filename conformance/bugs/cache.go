package bugs

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// What the compiler keeps of a bug is of no use to the next: hundreds of them would fill the disk of whoever tries them every night. So
// each is built with a cache of its own, which begins as links to what the source without a bug left, and goes with it.

// prepare builds the command without a bug, into the cache that those of the bugs begin with.
func (t *Trial) prepare(ctx context.Context) error {
	t.once.Do(func() {
		t.base = filepath.Join(t.Dir, "cache")
		if err := t.compile(ctx, t.base, "-o", os.DevNull); err != nil {
			t.baseErr = fmt.Errorf("the source cannot be built: %w", err)
		}
	})
	return t.baseErr
}

// compile builds the command with the cache in that folder.
func (t *Trial) compile(ctx context.Context, cache string, args ...string) error {
	build := exec.CommandContext(ctx, "go", append(append([]string{"build", "-buildvcs=false"}, args...), command)...)
	build.Dir = t.Root
	build.Env = append(os.Environ(), "GOCACHE="+cache)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}

// linkTree makes the folder to, with links to all files in from.
func linkTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(target, 0o777)
		}
		return os.Link(path, target)
	})
}
