package conformance

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/shardproof/shardproof/crashsim"
	"github.com/shardproof/shardproof/engine"
	"github.com/shardproof/shardproof/engine/disk"
	"github.com/shardproof/shardproof/engine/iosched"
	"github.com/shardproof/shardproof/model"
)

// blockLog is a key-value store for the tests of the harness, right on an honest disk and wrong on one that breaks the promise it
// is built on: that a write with FUA is durable when it completes, or that a logical block is never torn.
//
//	block 0, 1: headers, written in turn; the newer one says where the log begins
//	half 0, 1:  records, one at the start of each physical block; one half is the log, the other takes the next one
//
// A mutation is one record, or several if the value does not fit a block; the last of them is final. All shards are in memory. Open
// writes a header of the next version, replays the log up to its first block that is not the next record, and writes all shards as a
// new log into the other half; so do a put that finds the log full, and Flush. Records carry the version of the header that their log
// was written for, which is durable only after them: what an older log left behind, an interrupted rewrite wrote, or a recovery
// dropped, is never taken for one.
type blockLog struct {
	lackingTarget // the calls it does not have
	disk          disk.Disk
	trust         trust
	info          disk.Info
	half          int64  // physical blocks
	block         []byte // scratch
	header        header
	at            int64 // physical blocks of the log in use
	state         model.State
	broken        error

	// Records are numbered from 1 on, from Open on.
	issued, completed, durable uint64 // durable <= completed <= issued: all up to these
	early                      []uint64
	flushing                   bool
}

// trust is what a blockLog relies on.
type trust struct {
	fua  bool // FUA makes a record durable; else a flush does
	torn bool // blocks may be torn, so each carries a checksum; else none does
}

// header is what the newer header block says.
type header struct {
	version uint64 // of this header; never used twice on one disk
	label   uint64 // the version that the records of the log carry
	half    int64  // where the log is
}

// The layout of a block: a checksum of all that follows it, or zero, and the fields. A header block has a header's.
const (
	blockCheck  = 0  // 4 bytes
	blockFlags  = 4  // 2
	blockLength = 6  // 2: bytes of the value in this block
	blockLabel  = 8  // 8: of the log; in a header block the version
	blockNumber = 16 // 8: of the record in its log, from 1; in a header block the label
	blockID     = 24 // 16; in a header block the half, in 8
	blockValue  = 40
)

const (
	flagBlock  = 1 << iota // set in every block
	flagFinal              // the last record of its mutation
	flagDelete             // the mutation takes the shard away
)

var (
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
	errBlockLost = errors.New("blockLog: the disk lost a request")
)

// partsMost is how many records a mutation takes at most.
const partsMost = 4

// blockLogs is the factory of blockLogs.
type blockLogs struct {
	trust
	block []byte // for reading
}

// on returns a store that knows nothing yet.
func (f *blockLogs) on(d disk.Disk) *blockLog {
	info := d.Info()
	f.block = slices.Grow(f.block[:0], info.LogicalBlock)[:info.LogicalBlock]
	return &blockLog{disk: d, trust: f.trust, info: info, half: info.Size/int64(info.PhysicalBlock)/2 - 1, block: f.block}
}

func (f *blockLogs) Format(d disk.Disk, _ *Config, before int) error {
	l := f.on(d)
	first := uint64(before)<<32 + 2
	for version := first - 1; version <= first; version++ { // of the store that was here before no header is left
		if err := l.writeHeader(header{version: version, label: first}); err != nil {
			return err
		}
	}
	return nil
}

func (f *blockLogs) Open(d disk.Disk, _ *Config) (Target, error) {
	l := f.on(d)
	if err := l.readHeader(); err != nil {
		return nil, err
	}
	next := l.header
	next.version++
	if err := l.writeHeader(next); err != nil {
		return nil, err
	}
	if err := l.replay(); err != nil {
		return nil, err
	}
	return l, l.rewrite()
}

// readHeader takes the newer header.
func (l *blockLog) readHeader() error {
	for n := range int64(2) {
		p, err := l.read(n)
		if err != nil {
			return err
		}
		if v := binary.LittleEndian.Uint64(p[blockLabel:]); isBlock(p) && v > l.header.version {
			l.header = header{v, binary.LittleEndian.Uint64(p[blockNumber:]), int64(binary.LittleEndian.Uint64(p[blockID:]))}
		}
	}
	if l.header.version == 0 {
		return errors.New("blockLog: no header")
	}
	return nil
}

// read returns the logical block at the start of a physical one; zeros if that is no block of ours, or cannot be read, as one whose
// write was interrupted. It is valid until the next read.
func (l *blockLog) read(physical int64) ([]byte, error) {
	p := l.block
	off := physical * int64(l.info.PhysicalBlock)
	whole, err := true, error(nil)
	if l.trust.torn {
		whole, err = disk.ReadUnit(l.disk, p, off, sealed)
	} else {
		err = l.disk.Read(p, off)
	}
	if !whole || errors.Is(err, crashsim.ErrUnreadable) {
		clear(p)
		err = nil
	}
	return p, err
}

// sealed reports whether p is a block with its checksum.
func sealed(p []byte) bool {
	return isBlock(p) && binary.LittleEndian.Uint32(p[blockCheck:]) == crc32.Checksum(p[blockFlags:], castagnoli)
}

// isBlock reports whether p says that it is a block of ours.
func isBlock(p []byte) bool { return binary.LittleEndian.Uint16(p[blockFlags:])&flagBlock != 0 }

// replay reads the log up to its first block that is not the next record.
func (l *blockLog) replay() error {
	var value []byte
	for number := uint64(1); number <= uint64(l.half); number++ {
		p, err := l.read(2 + l.header.half*l.half + int64(number) - 1)
		if err != nil {
			return err
		}
		if !isBlock(p) || binary.LittleEndian.Uint64(p[blockLabel:]) != l.header.label || binary.LittleEndian.Uint64(p[blockNumber:]) != number {
			return nil
		}
		n := int(binary.LittleEndian.Uint16(p[blockLength:]))
		if n > l.payload() {
			return fmt.Errorf("blockLog: record %d says that it has %d bytes", number, n)
		}
		value = append(value, p[blockValue:blockValue+n]...)
		flags := binary.LittleEndian.Uint16(p[blockFlags:])
		if flags&flagFinal != 0 {
			m := model.Mutation{Shard: model.Shard{ID: engine.ShardID(p[blockID : blockID+16]), Data: value}, Delete: flags&flagDelete != 0}
			l.state, value = l.state.Apply(m), nil
		}
	}
	return nil
}

// rewrite writes all shards as a new log into the other half. Afterwards all is durable.
func (l *blockLog) rewrite() error {
	next := header{version: l.header.version + 1, label: l.header.version + 1, half: 1 - l.header.half}
	l.header, l.at = next, 0
	for _, s := range l.state {
		l.append(model.Mutation{Shard: s})
	}
	if err := l.settle(); err != nil {
		return err
	}
	return l.writeHeader(next)
}

// writeHeader makes h what the next Open finds.
func (l *blockLog) writeHeader(h header) error {
	p := make([]byte, l.info.PhysicalBlock)
	binary.LittleEndian.PutUint16(p[blockFlags:], flagBlock)
	binary.LittleEndian.PutUint64(p[blockLabel:], h.version)
	binary.LittleEndian.PutUint64(p[blockNumber:], h.label)
	binary.LittleEndian.PutUint64(p[blockID:], uint64(h.half))
	l.submit(p, int64(h.version%2))
	l.header = h
	return l.settle()
}

// submit seals the block that p begins with and writes p. It counts as a record.
func (l *blockLog) submit(p []byte, physical int64) {
	if l.trust.torn {
		binary.LittleEndian.PutUint32(p[blockCheck:], crc32.Checksum(p[blockFlags:l.info.LogicalBlock], castagnoli))
	}
	l.issued++
	l.disk.Submit(&disk.Request{Kind: disk.Write, FUA: l.trust.fua, Off: physical * int64(l.info.PhysicalBlock), Data: p, Tag: l.issued})
}

// append writes the records of a mutation, for which there is room.
func (l *blockLog) append(m model.Mutation) {
	rest := m.Data
	for final := false; !final; {
		p := make([]byte, l.info.PhysicalBlock)
		n := copy(p[blockValue:l.info.LogicalBlock], rest)
		rest = rest[n:]
		flags := uint16(flagBlock)
		if final = len(rest) == 0; final {
			flags |= flagFinal
		}
		if m.Delete {
			flags |= flagDelete
		}
		binary.LittleEndian.PutUint16(p[blockFlags:], flags)
		binary.LittleEndian.PutUint16(p[blockLength:], uint16(n))
		binary.LittleEndian.PutUint64(p[blockLabel:], l.header.label)
		binary.LittleEndian.PutUint64(p[blockNumber:], uint64(l.at)+1)
		copy(p[blockID:], m.ID[:])
		l.submit(p, 2+l.header.half*l.half+l.at)
		l.at++
	}
}

// step lets one request complete, after submitting a flush where only that is left to do. It returns false if nothing is.
func (l *blockLog) step() (bool, error) {
	if l.broken != nil || l.durable == l.issued {
		return false, l.broken
	}
	if l.completed == l.issued && !l.flushing {
		l.flushing = true
		l.disk.Submit(&disk.Request{Kind: disk.Flush, Tag: l.issued})
	}
	r := l.disk.Reap(true)
	switch {
	case r == nil:
		l.broken = errBlockLost
	case r.Err != nil:
		l.broken = r.Err
	case r.Kind == disk.Flush:
		l.flushing, l.durable = false, r.Tag
	default:
		l.complete(r.Tag)
	}
	return true, l.broken
}

// complete notes that record n is on the disk.
func (l *blockLog) complete(n uint64) {
	l.early = append(l.early, n)
	for i := slices.Index(l.early, l.completed+1); i >= 0; i = slices.Index(l.early, l.completed+1) {
		l.completed++
		l.early = slices.Delete(l.early, i, i+1)
	}
	if l.trust.fua {
		l.durable = l.completed
	}
}

// settle returns when everything is durable.
func (l *blockLog) settle() error { return l.await(l.issued) }

func (l *blockLog) await(n uint64) error {
	for l.durable < n {
		if _, err := l.step(); err != nil {
			return err
		}
	}
	return nil
}

// StateOf and ErrOf make the numbers of records a watermark.
func (l *blockLog) StateOf(n uint64) iosched.State {
	switch {
	case n <= l.durable:
		return iosched.Persistent
	case l.broken != nil:
		return iosched.Failed
	}
	return iosched.Pending
}

func (l *blockLog) ErrOf(n uint64) error {
	if n <= l.durable {
		return nil
	}
	return l.broken
}

// payload returns how many bytes of a value a record holds.
func (l *blockLog) payload() int { return l.info.LogicalBlock - blockValue }

// records returns how many records a value of n bytes takes.
func (l *blockLog) records(n int) int64 { return int64(max(1, (n+l.payload()-1)/l.payload())) }

func (l *blockLog) MaxShard() int { return partsMost * l.payload() }

func (l *blockLog) Put(id engine.ShardID, data []byte) (engine.Dependency, error) {
	if len(data) > l.MaxShard() {
		return engine.Dependency{}, engine.ErrTooLarge
	}
	live := l.records(len(data))
	for _, s := range l.state {
		live += l.records(len(s.Data))
	}
	if live >= l.half { // so a delete fits in any case
		return engine.Dependency{}, engine.ErrFull
	}
	return l.mutate(model.Mutation{Shard: model.Shard{ID: id, Data: slices.Clone(data)}})
}

func (l *blockLog) Delete(id engine.ShardID) (engine.Dependency, error) {
	return l.mutate(model.Mutation{Shard: model.Shard{ID: id}, Delete: true})
}

func (l *blockLog) mutate(m model.Mutation) (engine.Dependency, error) {
	if l.at+l.records(len(m.Data)) > l.half {
		if err := l.rewrite(); err != nil {
			return engine.Dependency{}, err
		}
	}
	l.append(m)
	l.state = l.state.Apply(m)
	return iosched.NewDependency(l, l.issued), l.broken
}

func (l *blockLog) AppendShard(dst []byte, id engine.ShardID) ([]byte, error) {
	if i, found := l.state.Find(id); found {
		return append(dst, l.state[i].Data...), nil
	}
	return dst, engine.ErrNotFound
}

func (l *blockLog) AppendList(dst []engine.ShardID, after *engine.ShardID, limit int) ([]engine.ShardID, error) {
	for _, s := range l.state {
		if limit > 0 && (after == nil || slices.Compare(s.ID[:], after[:]) > 0) {
			dst = append(dst, s.ID)
			limit--
		}
	}
	return dst, nil
}

// Wait waits for what this life has issued; what earlier ones have is durable.
func (l *blockLog) Wait(_ context.Context, d engine.Dependency) error { return l.await(d.Number(l)) }
func (l *blockLog) Sync(context.Context) error                        { return l.settle() }
func (l *blockLog) Flush(context.Context) error                       { return l.rewrite() }
func (l *blockLog) Close() error                                      { return l.settle() }
func (l *blockLog) Check(context.Context, func(error)) error          { return nil }
func (l *blockLog) Space() Space                                      { return UnknownSpace }

func (l *blockLog) Pump(n int) (int, error) {
	for i := range n {
		if more, err := l.step(); !more || err != nil {
			return i, err
		}
	}
	return n, nil
}
