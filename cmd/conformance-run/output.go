package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/shardproof/shardproof/conformance"
)

// output is a report to be written. It is opened before the work begins, so that a place that cannot be written to is known at
// once, and takes its name only when it is complete: what was there before is replaced wholly or not at all.
type output struct {
	path string
	temp *os.File // nil: nothing is asked for, or to is
	to   io.Writer
}

// newOutput prepares to write to path: nothing if it is empty, stdout if it is -.
func newOutput(path string, stdout io.Writer) (*output, error) {
	switch path {
	case "":
		return &output{}, nil
	case "-":
		return &output{to: stdout}, nil
	}
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		if st.IsDir() {
			return nil, usagef("%s is a directory", path)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0) // a terminal, a pipe: it has no contents to keep
		if err != nil {
			return nil, usageError{err}
		}
		return &output{to: f}, nil
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, usagef("the report %s cannot be written: %w", path, err)
	}
	return &output{path: path, temp: temp}, nil
}

// write seals rep and writes it.
func (o *output) write(rep *conformance.Report) error {
	data, err := rep.Seal()
	if err != nil {
		return err
	}
	return o.bytes(data)
}

// bytes writes data and gives it its name.
func (o *output) bytes(data []byte) error {
	if o.to != nil {
		_, err := o.to.Write(data)
		return err
	}
	if o.temp == nil {
		return nil
	}
	_, err := o.temp.Write(data)
	err = errors.Join(err, o.temp.Chmod(0o644), o.temp.Sync(), o.temp.Close())
	if err == nil {
		err = os.Rename(o.temp.Name(), o.path)
	}
	if err == nil {
		o.temp = nil
	}
	return err
}

// writeNew writes data to a file that does not exist yet.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err != nil {
		f.Close()
		os.Remove(path) // ours, and of no use
		return err
	}
	return f.Close()
}

// discard removes what was not written.
func (o *output) discard() {
	if o.temp != nil {
		o.temp.Close()
		os.Remove(o.temp.Name())
		o.temp = nil
	}
}

// checkDirectory reports whether files can be made in dir, or in the folder it would be made in.
func checkDirectory(dir string) error {
	at := filepath.Clean(dir)
	for {
		st, err := os.Stat(at)
		if err == nil {
			if !st.IsDir() {
				return usagef("%s is not a directory", at)
			}
			break
		}
		up := filepath.Dir(at)
		if !errors.Is(err, os.ErrNotExist) || up == at {
			return usageError{err}
		}
		at = up
	}
	f, err := os.CreateTemp(at, ".conformance-run.*")
	if err != nil {
		return usagef("nothing can be written to %s: %w", at, err)
	}
	f.Close()
	return os.Remove(f.Name())
}
