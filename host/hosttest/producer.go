package hosttest

import (
	"bytes"
	"context"
	"errors"
	"slices"
)

// RefusedError is a record that the broker did not take.
type RefusedError struct {
	Index int
	Err   error
}

func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *RefusedError) Unwrap() error { return e.Err }

// RecordIndex is the record's position among those appended since the last
// Flush that returned.
func (e *RefusedError) RecordIndex() int { return e.Index }

// Fatal says that the producer can go on.
func (e *RefusedError) Fatal() bool { return false }

// Producer returns a producer. Its records arrive at Flush and not before, so
// that what relies on less is found out.
func (b *Broker) Producer() *Producer { return &Producer{broker: b} }

// Producer implements host.Producer.
type Producer struct {
	broker *Broker
	names  []string
	// staged is what was appended, underWay what was sent since the last Flush.
	staged, underWay []Record
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
		half := len(p.staged) / 2
		p.underWay = append(p.underWay, p.staged[:half]...)
		p.staged = slices.Delete(p.staged, 0, half)
		return err
	}
	p.underWay = append(p.underWay, p.staged...)
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
	b := p.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	arrived := p.underWay
	p.underWay = nil
	if err := b.fault("flush"); err != nil {
		var lost *LostError
		if !errors.As(err, &lost) {
			return err
		}
		_ = p.arrive(arrived[:min(lost.Kept, len(arrived))]) // err is told
		return err
	}
	return p.arrive(arrived)
}

// arrive appends records to their topics and returns the first refusal.
func (p *Producer) arrive(recs []Record) error {
	var first error
	for i, r := range recs {
		var err error
		if p.broker.Refuse != nil {
			err = p.broker.Refuse(r)
		}
		if err == nil {
			_, err = p.broker.produce(r)
		}
		if err != nil && first == nil {
			first = &RefusedError{i, err}
		}
	}
	return first
}

// Close implements host.Producer.
func (p *Producer) Close() error {
	p.staged, p.underWay = nil, nil
	return nil
}
