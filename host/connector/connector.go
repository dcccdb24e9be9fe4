// Package connector holds the sources and sinks beyond Kafka: lines and rows of
// files and of standard input, ticks of timers, records that are posted over
// HTTP; lines appended to a file or to standard output, records posted
// elsewhere. With Reader, Writer and Kinds a program brings its own; package
// sliphost makes a host of them.
//
// A source is polled by one goroutine and never makes it wait. It delivers
// records in the form in which Kafka's come, packed, as topic 0 partition 0
// unless told otherwise, so the engine treats all inputs alike. It delivers
// nothing twice: the engine keeps what is not committed. A sink has its records
// where they belong when Flush returns.
package connector

import (
	"math"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// Clock is where time comes from. NewTimer is time.NewTimer.
type Clock interface {
	Now() time.Time
	NewTimer(d time.Duration) (c <-chan time.Time, stop func())
}

// Output is an output of a handler on its way to a sink. The bytes are the
// engine's: a sink copies what it keeps.
type Output struct {
	// Key and Value are encoded; nil is null.
	Key, Value []byte
	// Headers is a msgpack array of [str, bin|nil], or nil.
	Headers []byte
	// Timestamp is in milliseconds since 1970.
	Timestamp int64
	// Source, Partition and Offset name the record that was read, N numbers what
	// came of it: together they are the same whenever the output is sent again.
	Source    string
	Partition int32
	Offset    int64
	N         int
}

// batch fills one run of a packed batch with records that have no headers.
type batch struct {
	b    *abi.Packed
	run  abi.Run
	last int64 // offset of the last record
}

func newBatch(b *abi.Packed, topic int32, offset, timestamp int64) batch {
	b.Reset()
	return batch{b: b, run: abi.Run{Topic: topic, BaseOffset: offset, BaseTimestamp: timestamp}}
}

// full reports whether nothing more fits. The first record always does.
func (p *batch) full(maxRecords, maxBytes int) bool {
	n := int(p.run.Count)
	return n > 0 && (n >= maxRecords || len(p.b.Buf) >= maxBytes) || n == math.MaxInt32
}

func (p *batch) add(value []byte) {
	p.addAt(p.run.BaseOffset+int64(p.run.Count), value)
}

// addAt adds a record with an offset of its own.
func (p *batch) addAt(offset int64, value []byte) {
	if p.run.Count == 0 {
		p.run.BaseOffset = offset
	}
	p.last = offset
	p.b.Buf = abi.AppendRecord(p.b.Buf, offset-p.run.BaseOffset, 0, nil, value, nil)
	p.run.Count++
}

// finish completes the run and returns the number of its records.
func (p *batch) finish() int {
	if p.run.Count > 0 {
		p.run.LastOffset = p.last
		p.run.End = len(p.b.Buf)
		p.b.Runs = append(p.b.Runs, p.run)
	}
	return int(p.run.Count)
}

// signal tells a waiter on c, a channel of capacity 1, that something is new.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has not seen the last one yet
	}
}
