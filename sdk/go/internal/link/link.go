// Package link joins package slip and package sliptest where both run
// natively: it lets the test host reach a module's entry points without
// making them part of the public API. A guest does not contain it.
package link

import "github.com/sliphost/sliphost/abi"

// Host is what a module calls; the methods are the imports of SPEC.md. Slices
// belong to the caller.
type Host interface {
	Flush(piece []byte) int32
	Log(level abi.Level, text string)
	Metric(kind abi.MetricKind, name string, v float64)
	CacheGet(cache int32, key, buf []byte) int64
	CachePut(cache int32, key, value []byte) int32
	CacheDelete(cache int32, key []byte) int32
	CacheDeleteRange(cache int32, from, to []byte) int32
	CacheScan(cache int32, request, buf []byte) int64
	CacheGetMany(cache int32, request, buf []byte) int64
	Savepoint(op int32) int32
	StreamTime() int64
	CheckpointHeartbeat(checkpoint int32, request, buf []byte) int64
	CheckpointPulse(checkpoint int32, request, buf []byte) int64
	Seek(source, partition int32, offset int64) int32
	FuelMark()
}

// Guest is what a module exports. Results are valid until the next call.
type Guest interface {
	Describe() []byte
	Init(msg []byte) []byte
	Process(handler int32, msg []byte) []byte
	// Progress is the progress block.
	Progress() *[abi.ProgressSize / 4]uint32
}

// New returns a new instance of the handlers that this program registers. Set
// by package slip.
var New func(Host) Guest

// MarkerOf returns what a slip.Marker holds, Marker a slip.Marker that holds m.
// Set by package slip.
var (
	MarkerOf func(marker any) abi.Marker
	Marker   func(m abi.Marker) any
)
