// Package host is the engine: it takes batches from sources, hands them to
// module instances, collects outputs and commits them with their input
// positions. It knows neither the Kafka client nor the state store nor
// wazero; the interfaces in this file are the only seams, and package boot
// fills them.
package host

import (
	"context"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/connector"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/state"
)

// Consumer is one member of the consumer group. It belongs to one worker: no
// method may be called concurrently with another.
type Consumer interface {
	// Subscribe joins the group for topics; the position in topics is the id
	// that batches and partitions carry from here on. Both callbacks run inside
	// Poll or Close, on the caller's goroutine: assigned before the first record
	// of these partitions is delivered (the positions it returns, if not
	// OffsetNone, are where delivery starts; otherwise the committed offset, or
	// the topic's start policy), revoked before another member gets them, with
	// lost set when the membership is already gone and nothing may be committed.
	Subscribe(topics []string, assigned func([]abi.TopicPartition) []int64, revoked func(parts []abi.TopicPartition, lost bool)) error
	// Poll empties b and fills it with up to maxRecords records or about
	// maxBytes bytes (a single larger record still comes), waiting at most wait
	// for the first. It returns nil with an empty batch when there was nothing.
	// An error with a method Where() (topic string, partition int32), partition
	// not below 0, says that the reading of that partition stopped; Seek
	// continues it, and the others go on.
	Poll(b *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error
	// Pause stops the delivery of partitions, Resume continues it at the
	// position after the last record delivered or at the position sought.
	Pause(parts []abi.TopicPartition) error
	Resume(parts []abi.TopicPartition) error
	// Seek sets the next offset to be delivered of an assigned partition;
	// records of it already fetched are dropped.
	Seek(p abi.TopicPartition, offset int64) error
	// Commit stores offsets for the group and returns when the broker has them.
	Commit(ctx context.Context, offsets []abi.TopicOffset) error
	// Committed fills in the group's offset (OffsetNone if it has none) and
	// metadata of each entry.
	Committed(ctx context.Context, offsets []abi.TopicOffset) error
	// Bounds returns, for each partition, the first offset and the end: the last
	// stable offset and the high watermark.
	Bounds(ctx context.Context, parts []abi.TopicPartition) ([]Bounds, error)
	// OffsetsForTime returns, for each partition, the first offset whose record
	// is not older than ms milliseconds since 1970, or the end.
	OffsetsForTime(ctx context.Context, parts []abi.TopicPartition, ms int64) ([]int64, error)
	// Partitions returns the number of partitions of each subscribed topic.
	Partitions(ctx context.Context) ([]int32, error)
	// GroupMetadata is the membership under which records were polled, as a
	// producer's SendOffsets wants it: opaque, to be asked for anew each time.
	GroupMetadata() ([]byte, error)
	// Lost says that the membership is gone although no callback has run yet:
	// nothing may be committed any more.
	Lost() bool
	// Close leaves the group after a last revoked callback. It never commits.
	Close() error
}

// Bounds are the ends of a partition's log: the first offset that can be
// read, the last stable offset (end of what read_committed sees) and the high
// watermark.
type Bounds = abi.Bounds

// Producer sends records to one cluster. It belongs to one worker.
type Producer interface {
	// Topic returns the id of a topic for Append.
	Topic(name string) int32
	// Append stages one record and copies all it is given. A nil key or value
	// is null, an empty one is empty. headers is a msgpack array of
	// [str, bin|nil] or nil. partition -1 leaves the choice to the partitioner;
	// timestamp -1 means now.
	Append(topic, partition int32, key, value, headers []byte, timestamp int64)
	// Send hands what is staged to the client, waiting while its queue is full.
	Send(ctx context.Context) error
	// Flush sends what is staged and waits until the broker has acknowledged
	// every record sent so far. An error names the first record refused since
	// the last Flush, and is told once. Errors of Send and Flush about one
	// record have a method RecordIndex() int: its position among the records
	// appended since the last Flush that returned.
	Flush(ctx context.Context) error
	// Discard drops what is staged and not sent.
	Discard()
	// Delivered is the offset behind the last record of a topic's partition that
	// this producer sent and the broker acknowledged, OffsetNone if there is none.
	// topic is an id from Topic.
	Delivered(topic, partition int32) int64
	Transactions
	// Close gives up what is not acknowledged.
	Close() error
}

// Transactions are the calls of a producer with a transactional id; every
// record it sends belongs to a transaction. Their errors may have the methods
// Retriable, Abortable (the transaction must be aborted, then work goes on)
// and Fatal (the producer is of no use any more). Any other error, an ended
// context included, leaves the outcome unknown: the producer must be replaced.
type Transactions interface {
	// Init takes the transactional id over: it ends what an earlier producer
	// with this id left open and fences it.
	Init(ctx context.Context) error
	// Begin opens a transaction, before the first Send.
	Begin() error
	// SendOffsets makes offsets of the consumer's group part of the transaction.
	// group is from Consumer.GroupMetadata; an offset's topic is a position in
	// topics.
	SendOffsets(ctx context.Context, group []byte, topics []string, offsets []abi.TopicOffset) error
	// Commit ends the transaction; after nil readers of committed records see it.
	Commit(ctx context.Context) error
	// Abort ends the transaction; nothing of it is ever seen.
	Abort(ctx context.Context) error
}

// LogReader reads partitions without a group, committed records only. It
// belongs to one goroutine.
type LogReader interface {
	// Open names the topics; their positions are ids.
	Open(ctx context.Context, topics []string) error
	// Add begins to read a partition at offset; Drop ends it.
	Add(p abi.TopicPartition, offset int64) error
	Drop(p abi.TopicPartition) error
	// Poll is Consumer.Poll; b.Ends tells the ends that were reached.
	Poll(b *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error
	// Bounds are Consumer.Bounds.
	Bounds(ctx context.Context, parts []abi.TopicPartition) ([]Bounds, error)
	Close() error
}

// Invoker is one module's instance as a worker sees it, with a spare that
// takes over after a trap. It belongs to one worker.
type Invoker interface {
	// Process hands a batch, head and then records, to a handler (its position
	// in the module's Init message). reply holds the complete results in input
	// order and is valid until the next call; done is the number of records
	// finished, less than count after RequestStop. After a *module.TrapError
	// record number done is the guilty one, the results before it are in reply,
	// and the next call works. Any other error makes the invoker useless.
	Process(ctx context.Context, handler, count int32, head, records []byte) (reply []byte, done int32, err error)
	// RequestStop makes the guest return after the current record. It may be
	// called from any goroutine.
	RequestStop()
	// Renew lets a fresh instance take over before the next call, because what
	// this one saw was rolled back.
	Renew()
	Close(ctx context.Context) error
}

// ConnectorSource is a source outside Kafka. It belongs to one worker, which is
// 0 unless the source is a timer's (Source.Timer). A source never has to deliver
// a record twice: the worker keeps what is not committed, so that it can go back
// to its last commit.
//
// It may also be a Failing, a Placed, a Draining, a Resumable or a Ticking.
type ConnectorSource interface {
	// Poll empties b and fills it with what is ready, without waiting. Offsets
	// ascend. eof says that nothing will follow.
	Poll(b *abi.Packed, maxRecords, maxBytes int) (eof bool, err error)
	// Ready delivers when Poll may have something.
	Ready() <-chan struct{}
	// Commit says that every record before offset has all its effects, and that
	// these are final. A source that remembers on its own where to start from
	// next time stores that now.
	Commit(offset int64) error
	Close() error
}

// Failing is a ConnectorSource that wants to know of records which a handler
// could not process, where its policy was to go on.
type Failing interface {
	// Failed says that a handler's call for the record at offset failed, with the
	// word for the reason that dead letters have, and whether it is in a
	// dead-letter topic. It comes before the Commit that makes this final, and may
	// be repeated.
	Failed(offset int64, code, reason string, letter bool)
}

// Placed is a ConnectorSource whose records have a place that people look at.
type Placed interface {
	// Place is the place of a record that is not committed yet: file and line.
	Place(offset int64) string
}

// Draining is a ConnectorSource that wants to know that the host stops: Poll is
// not called any more, a last Commit and Close will follow.
type Draining interface{ Drain() }

// Resumable is a ConnectorSource that can begin anywhere. Where the plan has a
// control topic its position is committed there, with what the records caused.
type Resumable interface {
	// Position describes the place behind the records before offset, which are
	// those delivered last or a part of them; nil if it has none.
	Position(offset int64) ([]byte, error)
	// Resume begins at a position. It comes before the first Poll, and only where
	// there is one.
	Resume(position []byte) error
}

// Ticking is a ConnectorSource that has its next record at a time of its own.
type Ticking interface {
	// Due is when Poll will have a record.
	Due() time.Time
	// Resume, called before the first Poll, says which tick was the last that has
	// its effects, in milliseconds since 1970.
	Resume(last int64)
}

// Timer says that a source is a timer, and who runs it.
type Timer uint8

// Who runs a timer.
const (
	// NoTimer is for everything else.
	NoTimer Timer = iota
	// TimerOfProcess is run by worker 0 of every process.
	TimerOfProcess
	// TimerOfGroup is run by one worker of the group: the one that has partition
	// 0 of Source.Home.
	TimerOfGroup
	// TimerOfTask is run for each partition of Source.Home by who has it, in its
	// task.
	TimerOfTask
)

// ConnectorSink is a sink outside Kafka, shared by the workers, one call at a
// time. After an error it is closed and opened anew.
type ConnectorSink interface {
	// Append stages one record; it copies what it keeps.
	Append(r *SinkRecord) error
	// Flush returns when what was appended is where it belongs. An error that is
	// about one record, which will never be taken, has a method RecordIndex() int:
	// its position among the records appended since the last Flush that returned
	// nil. The handler's call that emitted it has then failed.
	Flush(ctx context.Context) error
	Close() error
}

// SinkRecord is an output on its way to a ConnectorSink.
type SinkRecord = connector.Output

// LogPartition is a partition of a changelog.
type LogPartition struct {
	Topic     string
	Partition int32
}

// Topic is what a broker says of a topic: Identity is a hash of its id, 0 if
// the broker has none; without Partitions it does not exist.
type Topic struct {
	Identity   uint32
	Partitions int32
}

// Backends makes what the workers of one host need. Each call's result
// belongs to the worker that asked.
type Backends struct {
	Consumer func(ctx context.Context, cluster, worker int) (Consumer, error)
	Producer func(ctx context.Context, cluster, worker int) (Producer, error)
	// Invoker opens an instance; state answers its calls about caches.
	Invoker func(ctx context.Context, module, worker int, state module.State) (Invoker, error)
	// LogReader reads changelogs of a cluster.
	LogReader func(ctx context.Context, cluster int) (LogReader, error)
	// Follower is LogReader for one who follows a changelog with little memory;
	// nil for LogReader.
	Follower func(ctx context.Context, cluster int) (LogReader, error)
	// LogBounds asks for the ends of changelogs' partitions.
	LogBounds func(ctx context.Context, cluster int, parts []LogPartition) ([]Bounds, error)
	// Topics asks what topics of a cluster are now, in the order of names. nil
	// where topics never change: what the plan says of them stays true.
	Topics func(ctx context.Context, cluster int, names []string) ([]Topic, error)
	// Store keeps the caches of the plan, by its ids; nil without caches.
	Store *state.Store
	// Purge deletes the records of a topic's partitions before the given
	// offsets, which nobody needs any more.
	Purge func(ctx context.Context, cluster int, topic string, before map[int32]int64) error
	// Source opens the connector of a source; Sink opens the n-th connector
	// sink, again after it failed.
	Source func(ctx context.Context, source int) (ConnectorSource, error)
	Sink   func(ctx context.Context, connector int) (ConnectorSink, error)
	Clock  Clock
}

// Clock is the engine's view of time.
type Clock interface {
	Now() time.Time
	// NewTimer is time.NewTimer.
	NewTimer(d time.Duration) (c <-chan time.Time, stop func())
}
