package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/shardproof/shardproof/conformance"
)

func versionFlags(fs *flag.FlagSet, c *config) {
	fs.StringVar(&c.commit, "commit", "", "`revision` to report when the program does not know its own")
}

// versionVerb says which program this is.
func versionVerb(_ context.Context, cfg *config, stdout, _ io.Writer) error {
	id := programIdentity(cfg.commit)
	fmt.Fprintf(stdout, "conformance-run %s\ncommit     %s\nbinary     sha256 %s\ngenerator  %d\nreport     schema %d\nbuilt with %s %s/%s\n",
		id.version, id.commit, binarySum(), generatorVersion, conformance.ReportSchema, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// identity is what the program knows of itself.
type identity struct{ version, commit string }

// programIdentity reads the build's own record. fallback is the revision to give when the build has none.
func programIdentity(fallback string) identity {
	id := identity{version: "devel", commit: "unknown"}
	if fallback != "" {
		id.commit = fallback
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return id
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		id.version = v
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+dirty"
			}
		}
	}
	if revision != "" {
		id.commit = revision + dirty
	}
	return id
}

// identify writes into rep which program made it.
func identify(rep *conformance.Report, commit string) {
	id := programIdentity(commit)
	rep.Version, rep.Commit, rep.BinarySHA256 = id.version, id.commit, binarySum()
}

// binarySum is the SHA-256 of the running program's file, empty where that cannot be read.
func binarySum() string {
	name, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
