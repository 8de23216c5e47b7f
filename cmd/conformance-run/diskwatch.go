package main

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/shardproof/shardproof/conformance"
	"github.com/shardproof/shardproof/engine/disk"
)

// watched is a disk that is read for long: it shows on the way how much has been read.
type watched struct {
	disk.Disk
	line  *progressLine
	begun time.Time
	bytes atomic.Int64 // read so far
}

func newWatched(d disk.Disk, stderr io.Writer) *watched {
	return &watched{Disk: d, line: newProgressLine(stderr), begun: time.Now()}
}

// Read reads, and shows the line when it is time to.
func (w *watched) Read(p []byte, off int64) error {
	err := w.Disk.Read(p, off)
	n := w.bytes.Add(int64(len(p)))
	w.line.print(time.Since(w.begun), func(elapsed time.Duration) string {
		return fmt.Sprintf("%s  %s read (%s/s)", clock(elapsed), conformance.FormatSize(uint64(n)), conformance.FormatSize(uint64(float64(n)/elapsed.Seconds())))
	})
	return err
}

// Close takes the line off the terminal and closes the disk.
func (w *watched) Close() error {
	w.line.clear()
	return w.Disk.Close()
}
