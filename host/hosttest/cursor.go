package hosttest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// cursor reads committed records of partitions. It belongs to one goroutine;
// what looks into logs runs with the broker locked.
type cursor struct {
	broker   *Broker
	name     string
	topics   []string
	position map[abi.TopicPartition]int64
	paused   map[abi.TopicPartition]bool
	// ended is the end that was told last.
	ended map[abi.TopicPartition]int64
	// stopped holds the partitions whose reader an error stopped, failed the
	// errors that Poll has not told yet.
	stopped map[abi.TopicPartition]bool
	failed  []error
}

func newCursor(b *Broker, name string) cursor {
	return cursor{
		broker: b, name: name,
		position: map[abi.TopicPartition]int64{}, paused: map[abi.TopicPartition]bool{},
		ended: map[abi.TopicPartition]int64{}, stopped: map[abi.TopicPartition]bool{},
	}
}

// ID names the client in hooks.
func (c *cursor) ID() string { return c.name }

func (c *cursor) as(op string) Call { return Call{c.name, op} }

func (c *cursor) key(p abi.TopicPartition) topicPartition {
	return topicPartition{c.topics[p.Topic], p.Partition}
}

// parts lists what is read, in order.
func (c *cursor) parts() []abi.TopicPartition {
	parts := make([]abi.TopicPartition, 0, len(c.position))
	for p := range c.position {
		parts = append(parts, p)
	}
	slices.SortFunc(parts, func(a, b abi.TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return parts
}

func (c *cursor) forget(p abi.TopicPartition) {
	delete(c.position, p)
	delete(c.paused, p)
	c.unstop(p)
}

// unstop forgets what was met at the old position of a partition.
func (c *cursor) unstop(p abi.TopicPartition) {
	delete(c.ended, p)
	delete(c.stopped, p)
	c.failed = slices.DeleteFunc(c.failed, func(err error) bool {
		e, ok := err.(*PartitionError)
		return ok && e.Topic == c.topics[p.Topic] && e.Partition == p.Partition
	})
}

// place turns the special offsets into real ones.
func (c *cursor) place(p abi.TopicPartition, offset int64) int64 {
	log := c.broker.partition(c.topics[p.Topic], p.Partition)
	switch {
	case log == nil:
	case offset == abi.OffsetBeginning:
		return log.low
	case offset == abi.OffsetEnd:
		return log.lastStable()
	}
	return offset
}

// poll fills out, waiting at most wait for the first record or end.
func (c *cursor) poll(op string, out *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error {
	b := c.broker
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		b.mu.Lock()
		err := b.fault(op)
		if err == nil && !b.cut[c.name] {
			c.fill(out, maxRecords, maxBytes)
		}
		changed := b.changed
		b.mu.Unlock()
		if err != nil {
			return err
		}
		found := len(out.Runs) > 0 || len(out.Ends) > 0
		if len(c.failed) > 0 && !found {
			err := c.failed[0]
			c.failed = c.failed[1:]
			return err
		}
		if found || wait <= 0 {
			return nil
		}
		select {
		case <-deadline.C:
			return nil
		case <-changed:
		}
	}
}

// fill packs what is ready, and after a partition's last record its end, once.
func (c *cursor) fill(out *abi.Packed, maxRecords, maxBytes int) {
	for _, p := range c.parts() {
		if c.paused[p] || c.stopped[p] || maxRecords <= 0 || len(out.Buf) >= maxBytes && len(out.Runs) > 0 {
			continue
		}
		name := c.topics[p.Topic]
		log, at := c.broker.partition(name, p.Partition), c.position[p]
		if err := c.readable(name, p.Partition, log, at); err != nil {
			c.stopped[p] = true
			c.failed = append(c.failed, &PartitionError{name, p.Partition, err})
			continue
		}
		end := log.lastStable()
		run := abi.Run{Topic: p.Topic, Partition: p.Partition, BaseOffset: at, Start: len(out.Buf)}
		full := false
		for _, e := range log.from(at) {
			if e.Offset >= end {
				break
			}
			if !e.visible() {
				continue
			}
			if full = maxRecords <= 0 || run.Count > 0 && len(out.Buf) >= maxBytes; full {
				break
			}
			if run.Count == 0 {
				run.BaseOffset, run.BaseTimestamp = e.Offset, e.Timestamp
			}
			out.Buf = abi.AppendRecord(out.Buf, e.Offset-run.BaseOffset, e.Timestamp-run.BaseTimestamp, e.Key, e.Value, e.HeadersWire)
			run.LastOffset = e.Offset
			at = e.Offset + 1
			run.Count++
			maxRecords--
		}
		if !full {
			at = max(at, end) // over markers, aborted records and gaps
		}
		if run.End = len(out.Buf); run.Count > 0 {
			out.Runs = append(out.Runs, run)
		}
		c.position[p] = at
		if told, ok := c.ended[p]; at == end && (!ok || told != end) {
			c.ended[p] = end
			out.Ends = append(out.Ends, abi.TopicOffset{TopicPartition: p, Offset: end})
		}
	}
}

// readable says why a partition cannot be read at an offset, if it cannot.
func (c *cursor) readable(topic string, n int32, log *partition, at int64) error {
	switch {
	case log == nil:
		return answer(CodeUnknownTopic, Unclassified, "there is no such partition")
	case at < log.low:
		return answer(CodeOutOfRange, Unclassified, "offset %d is out of range: the log begins at %d", at, log.low)
	case at > log.next:
		return answer(CodeOutOfRange, Unclassified, "offset %d is out of range: the log ends at %d", at, log.next)
	case c.broker.Unreadable == nil || at >= log.lastStable():
		return nil
	}
	return c.broker.Unreadable(topic, n)
}

func (c *cursor) bounds(ctx context.Context, op string, parts []abi.TopicPartition) ([]abi.Bounds, error) {
	bounds := make([]abi.Bounds, len(parts))
	err := c.broker.call(ctx, c.as(op), false, func() error {
		if err := c.broker.fault(op); err != nil {
			return err
		}
		for i, p := range parts {
			log := c.broker.partition(c.topics[p.Topic], p.Partition)
			if log == nil {
				return answer(CodeUnknownTopic, Unclassified, "there is no %s[%d]", c.topics[p.Topic], p.Partition)
			}
			bounds[i] = log.bounds()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return bounds, nil
}
