package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// deviceInUse returns why the block device at path must be left alone: it, a part of it, or something built on it is in use. The
// kernel refuses an exclusive open of such a device as well; this says why.
func deviceInUse(path string) error {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return err
	}
	rdev := uint64(st.Rdev) // its type differs between architectures
	major, minor := rdev>>8&0xfff|rdev>>32&^0xfff, rdev&0xff|rdev>>12&^0xff
	sys := fmt.Sprintf("/sys/dev/block/%d:%d", major, minor)
	devices := map[string]bool{fmt.Sprintf("%d:%d", major, minor): true}
	parts, _ := filepath.Glob(sys + "/*/dev")
	for _, part := range parts {
		if number, err := os.ReadFile(part); err == nil {
			devices[strings.TrimSpace(string(number))] = true
		}
	}
	holders, _ := filepath.Glob(sys + "/holders/*")
	ofParts, _ := filepath.Glob(sys + "/*/holders/*")
	if holders = append(holders, ofParts...); len(holders) > 0 {
		return fmt.Errorf("%s is built on it", filepath.Base(holders[0]))
	}
	if err := mountedOn(devices); err != nil {
		return err
	}
	return usedForSwap(rdev)
}

// mountedOn reads the kernel's table of mounts; the third field of a line is the device's number.
func mountedOn(devices map[string]bool) error {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("whether it is mounted cannot be told: %w", err)
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 4 && devices[f[2]] {
			return fmt.Errorf("it is mounted on %s", f[4])
		}
	}
	return nil
}

// usedForSwap reads the kernel's table of swap areas. A system without one has none.
func usedForSwap(rdev uint64) error {
	table, err := os.ReadFile("/proc/swaps")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		var st syscall.Stat_t
		if len(f) > 0 && strings.HasPrefix(f[0], "/") && syscall.Stat(f[0], &st) == nil && uint64(st.Rdev) == rdev {
			return errors.New("it is used for swap")
		}
	}
	return nil
}
