// Package slip is the SDK for sliphost handlers in Go.
//
// A handler is a function that gets one record and emits any number of
// records. It is registered by name with what it binds; a manifest says which
// topics, caches and parameters stand behind these names:
//
//	package main
//
//	import slip "github.com/sliphost/sliphost/sdk/go"
//
//	func init() { slip.Handle("identity", identity) }
//
//	func main() {}
//
//	func identity(c *slip.Call, rec slip.Record) error {
//		c.Emit(rec.Key, rec.Value)
//		return nil
//	}
//
// It is compiled to a module by
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o build/handlers.wasm .
//
// and, being an ordinary Go function, runs natively in tests: package sliptest
// has an in-memory host.
//
// # Values
//
// What a record's key and value are depends on the codec of its topic. With
// raw they are the bytes, with string text, and with json and the other
// decoding codecs one msgpack value, which is read in one of two ways:
//
//   - field by field, in place: [Record.Doc] and [Value]; [Value.Edit],
//     [Call.NewMap] and [Call.EmitValue] for the other direction;
//   - into a Go type: [Record.Decode] and [Call.EmitValue] with a type that
//     implements [Unmarshaler] and [Marshaler]. There is no reflection in a
//     guest: the command slipgen writes the methods (see package gen), run by
//     `go run github.com/sliphost/sliphost/sdk/go/slipgen FOLDER` or go generate.
//
// # State
//
// A [Cache] keeps what a handler has to remember from record to record: a
// record's writes become lasting with its outputs, and are undone with them.
// Each partition has its own entries.
//
//   - [CacheRef.Get], Put, Delete and their sisters work on one key,
//     [CacheRef.GetMany] on several in one call of the host;
//   - [CacheRef.AddInt] counts;
//   - [CacheRef.Items], Keys and Values go over a [Range] of keys in order,
//     forwards or backwards;
//   - [CacheRef.Transaction] takes back a part of a record's writes;
//   - [Tumbling] keeps a value per key and window of time.
//
// A get takes about 0.2 microseconds besides the host's own work and allocates
// nothing; what a scan takes is per page, not per entry.
//
// # Checkpoints
//
// A [Checkpoint] holds a source, the dependent, back while one that it depends
// on is down. [CheckpointRef.Heartbeat] and [CheckpointRef.CheckPulse] tell it
// how far handlers are, unless the manifest takes the markers from the records;
// [CheckpointRef.OnDowntime], [CheckpointRef.OnRecovery] and checks of the
// handler's own are bindings. At a recovery [Call.SeekTo] goes back, and
// [Record.Replayed] tells what comes again. A heartbeat or a pulse takes about
// 0.3 microseconds besides the host's own work.
//
// # Time, memory, goroutines
//
// Timestamps are milliseconds since 1970 as int64; [Call.StreamTime] is the
// clock of a handler, and [OnAdvance] tells when it moved without a record. Package time works too, but costs 280 KB of module size,
// and time.Now is the record's timestamp.
//
// Byte slices of a record, and what [Call.Encode], [CacheRef.Get] and
// documents return, are valid until the handler returns; keys and values of a
// scan until it goes on to the next. What is emitted or put is copied at once.
//
// A module runs one call at a time. A handler may start goroutines, but must
// wait for them: a [Call] that is used after its handler returned panics.
//
// A panic ends the instance and fails the record; the host reports the message
// with file and line, and goes on in another instance. Package variables are
// therefore a memo, not state: state belongs into a [Cache].
//
// # Size
//
// A module has about 2 MB. Packages fmt, encoding/json and reflect add one to
// two more, which cost start-up time: strconv and this package's documents
// cover most of what a handler needs.
package slip
