// Package hosttest drives the engine without a broker: topics, groups and
// producers in memory, with the same contracts as the Kafka client's. The
// engine's own tests and `sliphost test` run on it.
package hosttest

import (
	"bytes"
	"context"
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
}

// Broker holds topics in memory. All methods are safe for concurrent use.
type Broker struct {
	mu      sync.Mutex
	topics  map[string][][]Record
	groups  map[string]*group
	order   []Record // everything produced, in the order of arrival
	changed chan struct{}
	// Fault, if set, is asked before each operation (send, flush, commit,
	// committed, poll); an error it returns is that operation's result.
	Fault func(op string) error
	// Refuse, if set, is asked for each record of a producer; an error it
	// returns is what the producer's next Flush says, and the record is not
	// there.
	Refuse func(Record) error
}

// RefusedError is a record that the broker did not take.
type RefusedError struct {
	Index int
	Err   error
}

func (e *RefusedError) Error() string { return e.Err.Error() }

// RecordIndex is the record's position among those appended since the last
// Flush that returned.
func (e *RefusedError) RecordIndex() int { return e.Index }

// Fatal says that the producer can go on.
func (e *RefusedError) Fatal() bool { return false }

// NewBroker makes a broker with topics of the given numbers of partitions.
func NewBroker(topics map[string]int) *Broker {
	b := &Broker{topics: map[string][][]Record{}, groups: map[string]*group{}, changed: make(chan struct{})}
	for name, n := range topics {
		b.topics[name] = make([][]Record, n)
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
	r.Offset = int64(len(parts[r.Partition]))
	parts[r.Partition] = append(parts[r.Partition], r)
	b.order = append(b.order, r)
	close(b.changed)
	b.changed = make(chan struct{})
	return r.Offset, nil
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

// Producer returns a producer. Its records arrive at Send.
func (b *Broker) Producer() *Producer { return &Producer{broker: b} }

// Producer implements host.Producer.
type Producer struct {
	broker *Broker
	names  []string
	staged []Record
	// sent counts the records since the last Flush that returned, err is the
	// first of them that was refused.
	sent int
	err  error
}

// Topic implements host.Producer.
func (p *Producer) Topic(name string) int32 {
	if i := slices.Index(p.names, name); i >= 0 {
		return int32(i)
	}
	p.names = append(p.names, name)
	return int32(len(p.names) - 1)
}

// Append implements host.Producer.
func (p *Producer) Append(topic, partition int32, key, value, headers []byte, timestamp int64) {
	p.staged = append(p.staged, Record{
		Topic: p.names[topic], Partition: partition, Timestamp: timestamp,
		Key: bytes.Clone(key), Value: bytes.Clone(value), HeadersWire: bytes.Clone(headers),
	})
}

// Send implements host.Producer.
func (p *Producer) Send(context.Context) error {
	p.broker.mu.Lock()
	defer p.broker.mu.Unlock()
	if err := p.broker.fault("send"); err != nil {
		p.staged = nil
		return err
	}
	for _, r := range p.staged {
		var err error
		if p.broker.Refuse != nil {
			err = p.broker.Refuse(r)
		}
		if err == nil {
			_, err = p.broker.produce(r)
		}
		if err != nil && p.err == nil {
			p.err = &RefusedError{p.sent, err}
		}
		p.sent++
	}
	p.staged = p.staged[:0]
	return nil
}

// Discard implements host.Producer.
func (p *Producer) Discard() { p.staged = p.staged[:0] }

// Flush implements host.Producer.
func (p *Producer) Flush(ctx context.Context) error {
	if err := p.Send(ctx); err != nil {
		return err
	}
	p.broker.mu.Lock()
	defer p.broker.mu.Unlock()
	if err := p.broker.fault("flush"); err != nil {
		return err
	}
	err := p.err
	p.sent, p.err = 0, nil
	return err
}

// Close implements host.Producer.
func (p *Producer) Close() error { return nil }
