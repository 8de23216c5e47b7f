package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/shardproof/shardproof/conformance"
	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// diskAction is one thing to do with a disk that is named on the command line.
type diskAction struct {
	name  string
	flags []string // those that mean something to it, beside --json
	run   func(*diskCall) error
}

// Everything but format opens the disk to be read: it gets no request but reads.
var diskActions = []diskAction{
	{"format", []string{"disk-size", "extent-size", "page-size", "erase"}, diskFormat},
	{"info", nil, diskInfo},
	{"check", nil, diskCheck},
	{"scrub", nil, diskScrub},
	{"dump", []string{"get", "o"}, diskDump},
	{"salvage", []string{"out", "extent-size"}, diskSalvage},
}

func diskFlags(fs *flag.FlagSet, c *config) {
	fs.Var(&c.diskSize, "disk-size", "format: `bytes` of a file that is made, or to use of a disk; all of it when left out")
	fs.Var(&c.extentSize, "extent-size", "format: `bytes` of an extent, chosen to suit the disk when left out; salvage: where no superblock says")
	fs.Var(&c.pageSize, "page-size", "format: `bytes` of an index page; 4KiB when left out")
	fs.BoolVar(&c.erase, "erase", false, "format: use a disk although there is something on it, which is lost")
	fs.StringVar(&c.get, "get", "", "dump: `ID` of the one shard to write, 32 hexadecimal digits")
	fs.StringVar(&c.output, "o", "", "dump: `FILE` for the shard's bytes, instead of stdout")
	fs.StringVar(&c.out, "out", "", "salvage: `DIR` for what is found, a file for each shard; none is overwritten")
	fs.StringVar(&c.json, "json", "", "`FILE` for the report; - is stdout")
	fs.BoolVar(&c.printConfig, "print-config", false, "show every flag's value and where it comes from, and end")
}

// diskCall is one call of the verb disk under way.
type diskCall struct {
	ctx    context.Context
	cfg    *config
	path   string
	stdout io.Writer // what is for people; nothing where the report goes to stdout
	data   io.Writer // stdout itself
	stderr io.Writer
	report diskReport
}

// diskReport is what --json writes. Names are stable; a field that does not apply is absent.
type diskReport struct {
	Schema   int            `json:"schema"`
	Action   string         `json:"action"`
	Path     string         `json:"path"`
	Clean    bool           `json:"clean"`
	Findings []string       `json:"findings"`
	Store    *storeReport   `json:"store,omitempty"`
	Shards   []shardReport  `json:"shards,omitempty"`
	Salvage  *salvageReport `json:"salvage,omitempty"`
}

// diskVerb does one thing with a disk. It answers 0 when nothing is wrong, 1 when something is, 2 when the disk cannot be used.
func diskVerb(ctx context.Context, cfg *config, stdout, stderr io.Writer) error {
	action, err := diskActionOf(cfg)
	if err != nil {
		return err
	}
	out, err := newOutput(cfg.json, stdout)
	if err != nil {
		return err
	}
	defer out.discard()
	c := &diskCall{ctx: ctx, cfg: cfg, path: cfg.args[1], stdout: stdout, data: stdout, stderr: stderr}
	if cfg.json == "-" {
		c.stdout = io.Discard
	}
	c.report = diskReport{Schema: 1, Action: action.name, Path: c.path, Findings: []string{}}
	if err := action.run(c); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return verdict(verdictOf(context.Cause(ctx)))
		}
		return err
	}
	return c.end(out)
}

// diskActionOf returns what the arguments ask for.
func diskActionOf(cfg *config) (*diskAction, error) {
	names := make([]string, len(diskActions))
	for i := range diskActions {
		names[i] = diskActions[i].name
	}
	if len(cfg.args) == 0 {
		return nil, usagef("%s? conformance-run disk info PATH", strings.Join(names, ", "))
	}
	i := slices.Index(names, cfg.args[0])
	if i < 0 {
		return nil, usagef("disk%s", didYouMean(cfg.args[0], names, ""))
	}
	if len(cfg.args) != 2 {
		return nil, usagef("%s: %d disks are named, want one", cfg.args[0], len(cfg.args)-1)
	}
	var strange error
	cfg.flags.Visit(func(f *flag.Flag) {
		general := f.Name == "json" || f.Name == "print-config" || cfg.from[f.Name] != "flag"
		if strange == nil && !general && !slices.Contains(diskActions[i].flags, f.Name) {
			strange = usagef("%s takes no --%s", cfg.args[0], f.Name)
		}
	})
	return &diskActions[i], strange
}

// find notes something that is wrong and shows it.
func (c *diskCall) find(err error) {
	c.report.Findings = append(c.report.Findings, oneLine(err))
	fmt.Fprintln(c.stdout, oneLine(err))
}

// oneLine returns the text of an error that may have joined several.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// end writes the report and says how the call ends.
func (c *diskCall) end(out *output) error {
	n := len(c.report.Findings)
	c.report.Clean = n == 0
	report, err := json.MarshalIndent(&c.report, "", "  ")
	if err != nil {
		return err
	}
	if err := out.bytes(append(report, '\n')); err != nil {
		return err
	}
	if n == 0 {
		return nil
	}
	text := c.report.Findings[0]
	if n > 1 {
		text = fmt.Sprintf("%s, the first: %s", plural(n, "finding"), text)
	}
	fmt.Fprintf(c.stderr, "conformance-run disk %s: %s: %s\n", c.report.Action, c.path, text)
	return verdict(conformance.Counterexample)
}

// readBlock is the block size for reading a file, in bytes: the smallest that a store can have been made with.
const readBlock = 64

// openDisk opens the disk to be read. An error is the user's to resolve.
func (c *diskCall) openDisk() (disk.Disk, error) {
	st, err := os.Stat(c.path)
	if err != nil {
		return nil, usageError{err}
	}
	var d *disk.File
	switch {
	case st.Mode().IsRegular() && st.Size() < readBlock:
		return nil, usagef("%s holds no store: %s", c.path, map[bool]string{true: "it is empty", false: "it is too short"}[st.Size() == 0])
	case st.Mode().IsRegular():
		d, err = disk.OpenFile(c.path, disk.FileOptions{LogicalBlock: readBlock, PhysicalBlock: readBlock, ReadOnly: true})
	case st.Mode()&os.ModeDevice != 0 && st.Mode()&os.ModeCharDevice == 0:
		d, err = disk.OpenDevice(c.path, disk.DeviceOptions{ReadOnly: true})
	default:
		return nil, usagef("%s is neither a file nor a block device", c.path)
	}
	if err != nil {
		return nil, c.unusable(err)
	}
	return newWatched(d, c.stderr), nil
}

// unusable puts why a disk cannot be used into a line.
func (c *diskCall) unusable(err error) error {
	switch {
	case errors.Is(err, engine.ErrBusy):
		return usagef("%s is in use by another store or process", c.path)
	case errors.Is(err, engine.ErrNoStore):
		return usagef("%s holds no store: no slot of a superblock is found", c.path)
	case errors.Is(err, engine.ErrVersion):
		return usagef("%s holds a store of another format version, which this program does not know", c.path)
	}
	return usageError{err}
}

// isUnusable reports whether err says that there is no store here for this program to judge.
func isUnusable(err error) bool {
	return errors.Is(err, engine.ErrNoStore) || errors.Is(err, engine.ErrVersion) || errors.Is(err, engine.ErrBusy)
}

// openStore opens the store on d to be read. A store that is too damaged to open is a finding: then it returns nil and no error.
func (c *diskCall) openStore(d disk.Disk) (*engine.Store, error) {
	s, err := engine.Open(d, engine.Options{ReadOnly: true})
	switch {
	case err == nil:
		return s, nil
	case isUnusable(err):
		return nil, c.unusable(err)
	}
	c.find(fmt.Errorf("the store cannot be opened: %w", err))
	return nil, nil
}
