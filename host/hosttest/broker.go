// Package hosttest drives the engine without a broker: topics, groups and
// producers in memory, with the same contracts as the Kafka client's. The
// engine's own tests and `sliphost test` run on it.
package hosttest

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/sliphost/sliphost/abi"
)

// Record is one record of a topic.
type Record struct {
	Topic       string
	Partition   int32
	Offset      int64
	Timestamp   int64
	Key, Value  []byte
	HeadersWire []byte // msgpack array of [name, value|nil], nil for none
	// aborted: the record belongs to an aborted transaction and is never
	// delivered, though it has an offset.
	aborted bool
}

// Broker holds topics in memory. All methods are safe for concurrent use.
type Broker struct {
	mu      sync.Mutex
	topics  map[string][]partition
	groups  map[string]*group
	order   []Record // everything produced, in the order of arrival
	changed chan struct{}
	// The hooks are called with the broker locked, by one goroutine at a time:
	// they may not call it.
	//
	// Fault, if set, is asked before each operation (send, flush, commit,
	// committed, bounds, seek, poll); an error it returns is that operation's
	// result. After a fault of send half of what was staged is under way, the
	// rest is not; after one of flush what was under way is lost, a LostError
	// aside.
	Fault func(op string) error
	// Refuse, if set, is asked for each record that arrives from a producer; an
	// error it returns is what the producer's Flush says, once, and the record
	// is not there.
	Refuse func(Record) error
	// Unreadable, if set, is asked before records of a partition are delivered;
	// an error it returns stops the reader of that partition until a Seek.
	Unreadable func(topic string, partition int32) error
}

// partition is the log of one partition: records from offset low on. What
// lies at stable or behind it belongs to an open transaction.
type partition struct {
	low     int64
	records []Record
	stable  int64
}

func (p *partition) high() int64 { return p.low + int64(len(p.records)) }

// lastStable is the end of what can be read.
func (p *partition) lastStable() int64 {
	if p.stable >= 0 {
		return p.stable
	}
	return p.high()
}

// LostError is a fault of flush after which the first Kept records that were
// under way have arrived all the same.
type LostError struct {
	Kept int
	Err  error
}

func (e *LostError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *LostError) Unwrap() error { return e.Err }

// PartitionError says that the reading of a partition stopped.
type PartitionError struct {
	Topic     string
	Partition int32
	Err       error
}

func (e *PartitionError) Error() string {
	return fmt.Sprintf("read %s[%d]: %v", e.Topic, e.Partition, e.Err)
}

// Unwrap returns Err.
func (e *PartitionError) Unwrap() error { return e.Err }

// Where names the partition.
func (e *PartitionError) Where() (topic string, partition int32) { return e.Topic, e.Partition }

// Fatal says that the consumer can go on.
func (e *PartitionError) Fatal() bool { return false }

// NewBroker makes a broker with topics of the given numbers of partitions.
func NewBroker(topics map[string]int) *Broker {
	b := &Broker{topics: map[string][]partition{}, groups: map[string]*group{}, changed: make(chan struct{})}
	for name, n := range topics {
		b.topics[name] = make([]partition, n)
		for i := range n {
			b.topics[name][i].stable = -1
		}
	}
	return b
}

// Produce appends a record; partition -1 chooses by the key. It returns the
// record's offset.
func (b *Broker) Produce(r Record) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.produce(r)
}

func (b *Broker) produce(r Record) (int64, error) {
	parts, ok := b.topics[r.Topic]
	if !ok {
		return 0, fmt.Errorf("topic %q does not exist", r.Topic)
	}
	if r.Partition < 0 {
		r.Partition = Partition(r.Key, len(parts))
	}
	if int(r.Partition) >= len(parts) {
		return 0, fmt.Errorf("topic %q has no partition %d", r.Topic, r.Partition)
	}
	r.Key, r.Value, r.HeadersWire = bytes.Clone(r.Key), bytes.Clone(r.Value), bytes.Clone(r.HeadersWire)
	p := &parts[r.Partition]
	r.Offset = p.high()
	p.records = append(p.records, r)
	if !r.aborted {
		b.order = append(b.order, r)
	}
	b.wake()
	return r.Offset, nil
}

// wake makes waiting polls look again.
func (b *Broker) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Abort appends n records of an aborted transaction: they have offsets, and
// nobody gets to see them.
func (b *Broker) Abort(topic string, partition int32, n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range n {
		if _, err := b.produce(Record{Topic: topic, Partition: partition, aborted: true}); err != nil {
			return err
		}
	}
	return nil
}

// Begin opens a transaction on a partition: what is produced from here on is
// not delivered until end is called.
func (b *Broker) Begin(topic string, partition int32) (end func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &b.topics[topic][partition]
	p.stable = p.high()
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		p.stable = -1
		b.wake()
	}
}

// DeleteRecords removes the records of a partition below an offset, as the
// topic's retention does.
func (b *Broker) DeleteRecords(topic string, partition int32, before int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &b.topics[topic][partition]
	before = min(before, p.high())
	if before > p.low {
		p.records = slices.Clone(p.records[before-p.low:])
		p.low = before
	}
}

// Records returns what a topic holds, in the order of arrival.
func (b *Broker) Records(topic string) []Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Record
	for _, r := range b.order {
		if r.Topic == topic {
			all = append(all, r)
		}
	}
	return all
}

// All returns everything produced, in the order of arrival.
func (b *Broker) All() []Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.order)
}

// Committed returns the group's offset of a partition, or OffsetNone.
func (b *Broker) Committed(groupID, topic string, partition int32) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.group(groupID).offsets[topicPartition{topic, partition}]
	if !ok {
		return abi.OffsetNone
	}
	return o.Offset
}

// DeleteTopic empties a topic, as when it is deleted and made anew: offsets
// begin at 0 again.
func (b *Broker) DeleteTopic(topic string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.topics[topic] {
		b.topics[topic][i] = partition{stable: -1}
	}
}

func (b *Broker) fault(op string) error {
	if b.Fault == nil {
		return nil
	}
	return b.Fault(op)
}

type topicPartition struct {
	topic     string
	partition int32
}

// Partition is the choice of Kafka's murmur2 partitioner for a key. A null
// key, which Kafka sends anywhere, goes to partition 0 here: tests must repeat.
func Partition(key []byte, partitions int) int32 {
	if key == nil {
		return 0
	}
	return int32(murmur2(key)&0x7fffffff) % int32(partitions)
}

// murmur2 is the hash of Kafka's Java client (Utils.murmur2).
func murmur2(data []byte) uint32 {
	const m, r = 0x5bd1e995, 24
	h := uint32(0x9747b28c) ^ uint32(len(data))
	for ; len(data) >= 4; data = data[4:] {
		k := uint32(data[0]) | uint32(data[1])<<8 | uint32(data[2])<<16 | uint32(data[3])<<24
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
	}
	switch len(data) {
	case 3:
		h ^= uint32(data[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(data[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(data[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return h
}
