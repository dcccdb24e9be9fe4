package hosttest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// LogReader implements host.LogReader.
type LogReader struct {
	cursor
}

// LogReader returns a reader without a group.
func (b *Broker) LogReader() *LogReader {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clients++
	return &LogReader{newCursor(b, fmt.Sprintf("reader-%d", b.clients))}
}

// Open implements host.LogReader.
func (r *LogReader) Open(ctx context.Context, topics []string) error {
	b := r.broker
	err := b.call(ctx, r.as(OpOpenLog), false, func() error {
		if err := b.fault(OpOpenLog); err != nil {
			return err
		}
		for _, name := range topics {
			if b.topics[name] == nil {
				return answer(CodeUnknownTopic, Unclassified, "topic %q does not exist", name)
			}
		}
		return nil
	})
	if err == nil {
		r.topics = slices.Clone(topics)
	}
	return err
}

// Add implements host.LogReader; offset may be abi.OffsetBeginning or OffsetEnd. Added again
// a partition is read from the new offset.
func (r *LogReader) Add(p abi.TopicPartition, offset int64) error {
	if p.Topic < 0 || int(p.Topic) >= len(r.topics) {
		return fmt.Errorf("add: topic %d is none of %d", p.Topic, len(r.topics))
	}
	b := r.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	offset = r.place(p, offset)
	switch {
	case b.partition(r.topics[p.Topic], p.Partition) == nil:
		return answer(CodeUnknownTopic, Unclassified, "there is no %s[%d]", r.topics[p.Topic], p.Partition)
	case offset < 0:
		return fmt.Errorf("add %s[%d]: %d is no offset", r.topics[p.Topic], p.Partition, offset)
	}
	r.unstop(p)
	r.position[p] = offset
	b.wake()
	return nil
}

// Drop implements host.LogReader.
func (r *LogReader) Drop(p abi.TopicPartition) error {
	if _, ok := r.position[p]; !ok {
		return fmt.Errorf("drop: partition %d of topic %d is not read", p.Partition, p.Topic)
	}
	r.forget(p)
	return nil
}

// Poll implements host.LogReader.
func (r *LogReader) Poll(out *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error {
	out.Reset()
	if err := r.broker.before(context.Background(), r.as(OpReadLog)); err != nil {
		return err
	}
	return r.poll(OpReadLog, out, maxRecords, maxBytes, wait)
}

// Bounds implements host.LogReader.
func (r *LogReader) Bounds(ctx context.Context, parts []abi.TopicPartition) ([]abi.Bounds, error) {
	return r.bounds(ctx, OpLogBounds, parts)
}

// Close implements host.LogReader.
func (r *LogReader) Close() error {
	clear(r.position)
	return nil
}
