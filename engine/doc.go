// Package engine is a storage node engine for block devices: a Store keeps shards, bytes by a sixteen-byte name, on one disk.
//
//	Put, Delete ──► log (unit, window, flush) ──► Dependency: pending, persistent
//	     └────────► memtable ──Flush──► sorted run + metadata ──► root ──► log shortened, extents released
//	Compact    ──► runs merged, slice by slice ──► metadata ──► root ──► extents released
//	Reclaim    ──► live frames of an extent copied ──► memtable, only where it still names them ──► Flush ──► released
//	Get, List  ──► memtable, runs ──► frame, from the log's memory, the cache or the disk
//	Open       ──► superblock ──► metadata ──► replay of the log ──► new epoch
//	a request fails ──► steps end, units in memory get new places ──► new epoch ──► units ──► calls go on
//
// With background work off a Store starts no goroutine and reads no clock: Flush and Pump are steps that the caller takes, and
// Wait, Sync and a put that finds the window full let requests complete on the caller's goroutine. With it on, goroutines take the
// same steps: requests complete by themselves, commits are shared by all who wait, and flush, compaction and reclamation run before
// puts need them.
//
// Invariants (the packages below state their own; names in brackets are the durability protocol's)
//
//	N1  (P4) A put or delete reports persistent only when it will survive any crash; then so will every mutation before it.
//	N2  (P7) Open answers nothing before what it accepted is durable and a new epoch is recorded in two slots. Everything
//	    before that can be repeated, so a crash during recovery changes nothing.
//	N3  (P8) A run, the metadata, and the pointers behind them are durable before the root that names them is written; the
//	    run holds exactly the mutations before that root's replay position.
//	N4  (P12) An extent is released only when the relied-on root neither lists it in the log nor counts a live byte in it, and
//	    nothing in memory appends to it.
//	N5  (P15) The log between replay position and end is bounded; a mutation that would pass the bound flushes first. A
//	    reserve that no put may take lets flush and deletes run on a full disk.
//	N6  Get answers the newest bytes, ErrNotFound, or a typed error: never other bytes, and never "not found" for what may
//	    exist.
//	N7  (P5) A failed write or flush is never asked for again: what it may have lost is written anew from memory, in other places
//	    and in a new epoch that is relied on before. Steps under way have not begun then, whatever the memtable names is durable or
//	    in memory, and every call goes on; a device that fails again and again makes the store read-only.
//
// All methods of a Store may be called from several goroutines. They run one at a time; what waits lets others run meanwhile if
// background work is on.
package engine
