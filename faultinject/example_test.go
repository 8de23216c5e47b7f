package faultinject_test

import (
	"bytes"
	"errors"
	"fmt"
	"syscall"

	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/faultinject"
)

// The second write is acknowledged and never lands. Once the rule is lifted, what it wrote comes to light.
func ExampleDisk() {
	d := faultinject.New(disk.NewMemory(disk.Info{Size: 4096, LogicalBlock: 512, PhysicalBlock: 512}))
	rule, err := faultinject.ParseRule("lose write nth=2 times=1")
	if err != nil {
		panic(err)
	}
	id := d.Add(rule)
	write := func(letter string) {
		fmt.Println("write", letter, disk.Do(d, &disk.Request{Kind: disk.Write, Data: bytes.Repeat([]byte(letter), 512)}))
	}
	read := func() {
		p := make([]byte, 512)
		fmt.Println("read", d.Read(p, 0), string(p[:1]))
	}
	write("a")
	write("b")
	read()
	for _, e := range d.Events() {
		fmt.Println(e)
	}
	d.Lift(id)
	read()
	// Output:
	// write a <nil>
	// write b <nil>
	// read <nil> a
	// rule 1, IO 2: lose write of 512 B at 0
	// read <nil> b
}

// A block goes bad, and is good again once it was written.
func ExampleDisk_Damage() {
	d := faultinject.New(disk.NewMemory(disk.Info{Size: 4096, LogicalBlock: 512, PhysicalBlock: 512}))
	d.Damage(faultinject.Rule{Do: faultinject.Fail}, 1024, 512)

	p := make([]byte, 2048)
	var injected *faultinject.Error
	err := d.Read(p, 0)
	fmt.Println(errors.Is(err, syscall.EIO), errors.As(err, &injected), injected.Off, d.Bad(0, 1024), d.Bad(0, 2048))
	fmt.Println(disk.Do(d, &disk.Request{Kind: disk.Write, Off: 1024, Data: p[:512]}), d.Read(p, 0))
	// Output:
	// true true 1024 false true
	// <nil> <nil>
}

func ExampleParseRule() {
	r, err := faultinject.ParseRule("fail read errno=EIO times=1 nth=2 from=4096 to=8192")
	fmt.Println(r, err)
	_, err = faultinject.ParseRule("fail read times=once")
	fmt.Println(err)
	// Output:
	// fail read from=4096 to=8192 nth=2 times=1 errno=EIO <nil>
	// column 17: "once" is no number from 0 to 9223372036854775807
}
