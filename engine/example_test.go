package engine_test

import (
	"context"
	"encoding/json"
	"expvar"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
)

// A store on a file: a shard is put and waited for, the process ends without closing anything, and the shard is there again.
func ExampleStore_Wait() {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "disk")

	d, err := disk.OpenFile(path, disk.FileOptions{Size: 64 << 20, Sparse: true})
	if err != nil {
		log.Fatal(err)
	}
	if err := engine.Format(d, engine.Geometry{}); err != nil {
		log.Fatal(err)
	}
	store, err := engine.Open(d, engine.Options{})
	if err != nil {
		log.Fatal(err)
	}
	id := engine.ShardID{1}
	dep, err := store.Put(id, []byte("to be kept"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("after Put:", dep.State())
	if err := store.Wait(context.Background(), dep); err != nil {
		log.Fatal(err)
	}
	fmt.Println("after Wait:", dep.State())
	d.Close() // the store is not closed: this is how a process dies

	d, err = disk.OpenFile(path, disk.FileOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()
	store, err = engine.Open(d, engine.Options{})
	if err != nil {
		log.Fatal(err)
	}
	value, err := store.Get(id)
	fmt.Printf("%s, %v\n", value, err)
	fmt.Println(store.Close())
	// Output:
	// after Put: pending
	// after Wait: persistent
	// to be kept, <nil>
	// <nil>
}

// With background work on, goroutines of the store flush, merge and reclaim before puts need it; Close ends them.
func ExampleOptions_background() {
	d := disk.NewMemory(disk.Info{Size: 16 << 20, LogicalBlock: 512, PhysicalBlock: 4096, PowerSafe: true})
	if err := engine.Format(d, engine.Geometry{}); err != nil {
		log.Fatal(err)
	}
	store, err := engine.Open(d, engine.Options{Background: true})
	if err != nil {
		log.Fatal(err)
	}
	for n := range 10_000 { // 40 MB into 16 MiB: what is overwritten comes back as space
		if _, err := store.Put(engine.ShardID{byte(n % 100)}, make([]byte, 4000)); err != nil {
			log.Fatal(err)
		}
	}
	if err := store.Sync(context.Background()); err != nil {
		log.Fatal(err)
	}
	ids, err := store.List(nil, 1000)
	fmt.Println(len(ids), err, store.Close())
	// Output: 100 <nil> <nil>
}

// The figures of a store as a variable of a process.
func ExampleStore_Var() {
	d := disk.NewMemory(disk.Info{Size: 16 << 20, LogicalBlock: 512, PhysicalBlock: 4096, PowerSafe: true})
	if err := engine.Format(d, engine.Geometry{}); err != nil {
		log.Fatal(err)
	}
	store, err := engine.Open(d, engine.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	expvar.Publish("store", store.Var())

	var figures struct {
		Health      string
		Extents     int
		ExtentsFree int `json:"extents_free"`
	}
	if err := json.Unmarshal([]byte(expvar.Get("store").String()), &figures); err != nil {
		log.Fatal(err)
	}
	fmt.Println(figures.Health, figures.Extents, figures.ExtentsFree)
	// Output: ok 64 61
}
