//go:build !linux

package main

import "errors"

// deviceInUse refuses: block devices are driven on Linux only.
func deviceInUse(string) error { return errors.New("block devices are driven on Linux only") }
