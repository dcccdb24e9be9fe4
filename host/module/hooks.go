package module

import "github.com/sliphost/sliphost/abi"

// Stream is where a guest printed a line.
type Stream int

// Streams.
const (
	Stdout Stream = 1
	Stderr Stream = 2
)

// Hooks is what a slot's owner hears of during its calls. Every hook may be
// nil. Hooks run inside Open, Process and Close, on the caller's goroutine; what
// a spare says while it starts is held back until it takes over. They must not
// keep a slice they are given, and of the slot's methods they may call
// RequestStop and ClearStop only.
//
// Text is bounded (a line of at most 4 KB) and holds no control characters:
// they arrive as escapes such as \x1b, so that a guest can forge no line.
type Hooks struct {
	// Log takes the import log. handler is the position in init.Bindings, -1
	// outside a call.
	Log func(handler int32, level abi.Level, msg []byte)
	// Metric takes the import metric. value is finite.
	Metric func(handler int32, kind abi.MetricKind, name []byte, value float64)
	// Output takes what the guest prints, line by line. The text of a panic is
	// not printed but becomes part of the TrapError.
	Output func(handler int32, stream Stream, line []byte)
	// State answers the imports for caches, checkpoints and seeks. With nil
	// each of them answers abi.ResultUnbound.
	State State
	// WallClock is the real time in milliseconds since 1970 for modules loaded
	// with Nondeterministic; nil is the host's clock. A spare that starts may
	// call it at any time.
	WallClock func() int64
}

// At says on whose behalf a host call is made: the handler's position in
// init.Bindings and the record's in the batch.
type At struct {
	Handler, Record int32
}

// StateFailed as a result of State says that it could not do its own work: the
// guest's call ends and Process returns ErrState.
const StateFailed = -1 << 31

// State answers host calls about caches, checkpoints and positions. Slices
// alias guest memory and are valid during the call only; buf may overlap the
// others, so an answer is written after the request has been read.
//
// A result of type int64 is the length of the answer, which is in buf if it
// fits and must be asked for again if not; both kinds of results may be one of
// abi.ResultAbsent, ResultUnbound, ResultInvalid and ResultLimit, or
// StateFailed.
type State interface {
	CacheGet(at At, cache int32, key, buf []byte) int64
	CachePut(at At, cache int32, key, value []byte) int32
	CacheDelete(at At, cache int32, key []byte) int32
	// CacheDeleteRange: an empty to has no end.
	CacheDeleteRange(at At, cache int32, from, to []byte) int32
	CacheScan(at At, cache int32, request, buf []byte) int64
	CacheGetMany(at At, cache int32, request, buf []byte) int64
	// Savepoint takes one of the operations abi.Savepoint*.
	Savepoint(at At, op int32) int32
	// StreamTime is in milliseconds, -1 before any record with a timestamp.
	StreamTime(at At) int64
	Heartbeat(at At, checkpoint int32, request, buf []byte) int64
	Pulse(at At, checkpoint int32, request, buf []byte) int64
	Seek(at At, source, partition int32, offset int64) int32
}
