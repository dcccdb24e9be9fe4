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
	// Partitions returns the number of partitions of each subscribed topic.
	Partitions(ctx context.Context) ([]int32, error)
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
	// the last Flush.
	Flush(ctx context.Context) error
	// Close gives up what is not acknowledged.
	Close() error
}

// Clock is the engine's view of time.
type Clock interface {
	Now() time.Time
	// NewTimer is time.NewTimer.
	NewTimer(d time.Duration) (c <-chan time.Time, stop func())
}
