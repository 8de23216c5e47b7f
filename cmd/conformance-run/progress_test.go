package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shardproof/shardproof/conformance"
)

func TestTheProgressLineHasTheSameWordsEachTime(t *testing.T) {
	last := conformance.Progress{Elapsed: 720 * time.Second, Sequences: 1_832_347}
	p := conformance.Progress{Elapsed: 723 * time.Second, Sequences: 1_840_000, For: time.Hour, Probes: 41, ProbesOwed: 44}
	require.Equal(t, "12m03s  1.84M seqs (2 551/s)  probes 41/44  failures 0  left 47m57s", progressText(p, last))
	p = conformance.Progress{Elapsed: 10 * time.Second, Sequences: 500, Total: 2000, Failures: 2}
	require.Equal(t, "10s  500 seqs of 2000 (50/s)  failures 2  left 30s", progressText(p, conformance.Progress{}))
}

func TestProgressIsAPlainLineEveryThirtySecondsWhereThereIsNoTerminal(t *testing.T) {
	var out bytes.Buffer
	line := newProgressLine(&out)
	for s := range 100 {
		line.show(conformance.Progress{Elapsed: time.Duration(s) * time.Second, Sequences: uint64(s)})
	}
	line.clear()
	require.Equal(t, 3, strings.Count(out.String(), "\n"))
	require.NotContains(t, out.String(), "\r")
}

func TestTheProgressLineIsRedrawnOnATerminal(t *testing.T) {
	var out bytes.Buffer
	line := &progressLine{w: &out, terminal: true, every: time.Second}
	line.show(conformance.Progress{Elapsed: 10 * time.Second, Sequences: 1234567})
	long := out.Len()
	line.show(conformance.Progress{Elapsed: 11 * time.Second, Sequences: 1234567})
	second := out.String()[long:]
	require.Equal(t, long, len(second), "a shorter line covers the one before")
	line.clear()
	require.NotContains(t, out.String(), "\n")
}
