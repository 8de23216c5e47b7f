package conformance_test

import (
	"fmt"

	"github.com/shardproof/shardproof/conformance"
)

func ExampleParse() {
	s, err := conformance.Parse([]byte("conformance-seq 1\nsuite kv opset 1\nput k0 len=127 # one less than a page\nreboot\nget k0\n"))
	if err != nil {
		panic(err)
	}
	fmt.Print(s)
	_, err = conformance.Parse([]byte("conformance-seq 1\nsuite kv opset 1\nputt k0\n"))
	fmt.Println(err)
	// Output:
	// conformance-seq 1
	// suite kv opset 1
	// put     k0 len=1p-1  # one less than a page
	// reboot
	// get     k0
	// line 3, column 1: unknown operation "putt"
}

// forgetful fails at the first read after a reboot.
type forgetful struct{}

func (forgetful) Run(s *conformance.Sequence) conformance.Result {
	rebooted := false
	for i, o := range s.Ops {
		if rebooted && o.Kind == conformance.KindGet {
			sig := conformance.Signature{Property: "EQ", Kind: o.Kind, Field: "error"}
			return conformance.Result{Failure: &conformance.Failure{Signature: sig, At: i}}
		}
		rebooted = rebooted || o.Kind == conformance.KindReboot
	}
	return conformance.Result{}
}

func (forgetful) Close() error { return nil }

// A run draws sequences until one fails, and reduces that one.
func ExampleReducer() {
	g := conformance.NewGenerator(conformance.ProfileNamed("kv"))
	var s conformance.Sequence
	for n := uint64(0); ; n++ {
		g.Fill(&s, conformance.MixSeed(1, n))
		if (forgetful{}).Run(&s).Failure != nil {
			break
		}
	}
	r := conformance.Reducer{Exec: forgetful{}}
	small, stats := r.Reduce(&s)
	fmt.Println("minimal:", stats.Minimal)
	fmt.Print(small)
	// Output:
	// minimal: true
	// conformance-seq 1
	// suite kv opset 1
	// fail at=2 property=EQ op=get field=error
	// reboot
	// get     k0
}
