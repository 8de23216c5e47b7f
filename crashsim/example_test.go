package crashsim_test

import (
	"bytes"
	"fmt"

	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine/disk"
)

// Two blocks are overwritten, and the power fails before a flush. What recovers looks at the second one only if the first is new: of
// the four images it can tell three apart.
func ExampleDisk_Explore() {
	d := crashsim.New(crashsim.Config{
		Info:   disk.Info{Size: 4096, LogicalBlock: 512, PhysicalBlock: 512},
		Device: crashsim.Device{Cache: true},
	})
	write := func(off int64, letter string) {
		if err := disk.Do(d, &disk.Request{Kind: disk.Write, Off: off, Data: bytes.Repeat([]byte(letter), 512)}); err != nil {
			panic(err)
		}
	}
	write(0, "a")
	write(512, "b")
	if err := disk.Do(d, &disk.Request{Kind: disk.Flush}); err != nil {
		panic(err)
	}
	write(0, "A")
	write(512, "B")
	d.PowerOff()
	d.PowerOn(0)

	p := make([]byte, 512)
	read := func(off int64) string {
		if err := d.Read(p, off); err != nil {
			panic(err)
		}
		return string(p[:1])
	}
	out, err := d.Explore(crashsim.Bounds{}, func(bool) (digest uint64, goOn bool) {
		found := read(0)
		if found == "A" {
			found += read(512)
		}
		fmt.Println(found)
		return 0, true
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(out.Leaves, "leaves are all images:", out.Whole)
	// Output:
	// AB
	// Ab
	// a
	// 3 leaves are all images: true
}
