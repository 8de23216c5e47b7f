package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// sourceRoot finds the folder of this module's go.mod: dir, or the working directory or a folder above it.
func sourceRoot(dir string) (string, error) {
	if dir != "" {
		root, err := filepath.Abs(dir)
		if err == nil && !isModule(root) {
			err = errors.New(dir + " does not hold the go.mod of this module")
		}
		return root, err
	}
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if isModule(at) {
			return at, nil
		}
		up := filepath.Dir(at)
		if up == at {
			return "", errors.New("this is not inside the source tree")
		}
		at = up
	}
}

func isModule(dir string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	return err == nil && strings.HasPrefix(string(text), "module github.com/shardproof/shardproof\n")
}
