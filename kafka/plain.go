package kafka

import (
	"fmt"
	"slices"
	"time"

	"github.com/sliphost/sliphost/abi"

	ck "github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// pollPlain is Poll by confluent-kafka-go's own interface, one record a call,
// packed in Go. It is slow and simple: the oracle for the drain in C, and the
// way out (build tag kafka_plain) should that one misbehave. The library does
// not say there which partition an error stopped.
func (c *Consumer) pollPlain(b *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error {
	c.rebalanced = false
	left := ceilMillis(wait)
	end := time.Now().Add(wait)
	for have := 0; have < maxRecords && len(b.Buf) < maxBytes; {
		if have > 0 {
			left = 0
		}
		ev := c.ck.Poll(left)
		if c.rebalanced {
			c.keepOwned(b)
		}
		if err := c.failure; err != nil {
			c.failure = nil
			return c.hold(b, err)
		}
		switch ev := ev.(type) {
		case nil:
			if have > 0 || c.rebalanced || !time.Now().Before(end) {
				return nil
			}
		case *ck.Message:
			before := len(b.Buf)
			if err := c.message(b, ev); err != nil {
				return c.hold(b, err)
			}
			if len(b.Buf) > before {
				have++
				c.link.up()
				c.delivered(b)
			}
		case ck.PartitionEOF:
			p := abi.TopicPartition{Topic: c.ids[*ev.Topic], Partition: ev.Partition}
			if c.Owned(p) {
				b.Ends = append(b.Ends, abi.TopicOffset{TopicPartition: p, Offset: int64(ev.Offset)})
			}
		default:
			if err := c.event(ev); err != nil {
				return c.hold(b, err)
			}
		}
		if c.rebalanced {
			return nil
		}
		left = ceilMillis(time.Until(end))
	}
	return nil
}

// keepOwned drops what was taken, in this Poll, of partitions that have been
// revoked since: the library has one queue for records and rebalances, and what
// comes next shows only when it is there. The next owner gets the records.
func (c *Consumer) keepOwned(b *abi.Packed) {
	runs, buf := b.Runs[:0], b.Buf[:0]
	for _, r := range b.Runs {
		if !c.Owned(abi.TopicPartition{Topic: r.Topic, Partition: r.Partition}) {
			continue
		}
		start := len(buf)
		buf = append(buf, b.Buf[r.Start:r.End]...)
		r.Start, r.End = start, len(buf)
		runs = append(runs, r)
	}
	b.Runs, b.Buf = runs, buf
	b.Ends = slices.DeleteFunc(b.Ends, func(e abi.TopicOffset) bool { return !c.Owned(e.TopicPartition) })
}

// hold returns err, or keeps it for the next Poll when records came before it.
func (c *Consumer) hold(b *abi.Packed, err error) error {
	if len(b.Runs) == 0 {
		return err
	}
	c.held = err
	return nil
}

// message appends one record to b, unless its partition is not ours.
func (c *Consumer) message(b *abi.Packed, m *ck.Message) error {
	id, ok := c.ids[*m.TopicPartition.Topic]
	p := abi.TopicPartition{Topic: id, Partition: m.TopicPartition.Partition}
	if !ok || !c.Owned(p) {
		return nil
	}
	if err := m.TopicPartition.Error; err != nil {
		ke, _ := err.(ck.Error)
		return readError(Code(ke.Code()), ke.String(), c.topics[id], p.Partition, int64(m.TopicPartition.Offset))
	}
	r := Record{
		Key: m.Key, Value: m.Value,
		Offset: int64(m.TopicPartition.Offset), Timestamp: -1,
	}
	if m.TimestampType != ck.TimestampNotAvailable {
		r.Timestamp = m.Timestamp.UnixMilli()
	}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, Header{Name: h.Key, Value: h.Value})
	}
	if err := AppendRecord(b, p, &r); err != nil {
		return fmt.Errorf("pack a record of %s[%d]: %w", c.topics[id], p.Partition, err)
	}
	return nil
}
