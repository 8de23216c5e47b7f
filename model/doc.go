// Package model says what a store must answer, and each floor below it, in lines plain enough to be believed by reading them.
//
//	Put, Delete ──► mutation n ──► now: every answer
//	                     │
//	                     └─► later ── Persist(n) ──► base
//
// A Store stands beside the engine as its reference, or in the engine's place as a mock. Beside the engine it is told what the
// engine reported persistent (Persist); in its place it decides by itself, one mutation for each request pumped.
//
// Extents, Chunks (which lies on Extents), Index and Recorder do the same for the floors below, each also as a mock under the
// component above it.
//
// Invariants
//
//	M1  now is base with every mutation of later applied in order.
//	M2  What a crash may leave is base with some prefix of later applied, and nothing else. For a shard k, base holds what is
//	    certainly there and the mutations of k in later are what may have replaced it.
//	M3  Mutations are numbered from 1 without gaps, refused ones not at all; a dependency is one number, persistent if and only
//	    if it is at most Persisted, which never goes back.
//
// A model shares types and error values with the engine, never functions; a Recorder alone lets the metadata encode itself.
//
// Not modelled: space (a model is never full, but for Extents without a free one), damage, and time.
package model
