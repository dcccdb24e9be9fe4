package hosttest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// group is a consumer group: members, who owns what, committed offsets.
type group struct {
	members []*Consumer
	offsets map[topicPartition]abi.TopicOffset
	owners  map[topicPartition]*Consumer
}

func (b *Broker) group(id string) *group {
	g := b.groups[id]
	if g == nil {
		g = &group{offsets: map[topicPartition]abi.TopicOffset{}, owners: map[topicPartition]*Consumer{}}
		b.groups[id] = g
	}
	return g
}

// Consumer implements host.Consumer. A partition moves from one member to
// another as with a cooperative assignor: the old owner gives it up in its
// Poll, the new one gets it in a later Poll of its own.
type Consumer struct {
	broker   *Broker
	group    *group
	topics   []string
	assigned func([]abi.TopicPartition) []int64
	revoked  func([]abi.TopicPartition, bool)
	position map[abi.TopicPartition]int64
	paused   map[abi.TopicPartition]bool
	ended    map[abi.TopicPartition]int64
	// stopped holds the partitions whose reader an error stopped, failed the
	// errors that Poll has not told yet.
	stopped  map[abi.TopicPartition]bool
	failed   []error
	expelled bool
}

// Consumer returns a consumer for a group.
func (b *Broker) Consumer(groupID string) *Consumer {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &Consumer{
		broker: b, group: b.group(groupID),
		position: map[abi.TopicPartition]int64{}, paused: map[abi.TopicPartition]bool{}, ended: map[abi.TopicPartition]int64{},
		stopped: map[abi.TopicPartition]bool{},
	}
}

// Expel takes the membership away, as after a missed session timeout: the
// consumer learns of it in its next Poll, as lost partitions, and joins anew.
func (c *Consumer) Expel() {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	c.expelled = true
	for tp, owner := range c.group.owners {
		if owner == c {
			delete(c.group.owners, tp)
		}
	}
}

// Subscribe implements host.Consumer.
func (c *Consumer) Subscribe(topics []string, assigned func([]abi.TopicPartition) []int64, revoked func([]abi.TopicPartition, bool)) error {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	c.topics, c.assigned, c.revoked = topics, assigned, revoked
	c.group.members = append(c.group.members, c)
	return nil
}

func (c *Consumer) key(p abi.TopicPartition) topicPartition {
	return topicPartition{c.topics[p.Topic], p.Partition}
}

// target lists the partitions this member should own: every n-th one.
func (c *Consumer) target() []abi.TopicPartition {
	me := slices.Index(c.group.members, c)
	var parts []abi.TopicPartition
	i := 0
	for t, name := range c.topics {
		for p := range c.broker.topics[name] {
			if i%len(c.group.members) == me {
				parts = append(parts, abi.TopicPartition{Topic: int32(t), Partition: int32(p)})
			}
			i++
		}
	}
	return parts
}

// rebalance brings the member's partitions towards its target.
func (c *Consumer) rebalance() {
	b := c.broker
	b.mu.Lock()
	lost := c.expelled
	c.expelled = false
	target := c.target()
	var give []abi.TopicPartition
	for p := range c.position {
		if lost || !slices.Contains(target, p) {
			give = append(give, p)
		}
	}
	b.mu.Unlock()
	if len(give) > 0 {
		c.revoked(give, lost)
		b.mu.Lock()
		c.drop(give)
		b.mu.Unlock()
	}
	b.mu.Lock()
	var take []abi.TopicPartition
	for _, p := range target {
		if _, mine := c.position[p]; !mine && c.group.owners[c.key(p)] == nil {
			c.group.owners[c.key(p)] = c
			take = append(take, p)
		}
	}
	b.mu.Unlock()
	if len(take) == 0 {
		return
	}
	starts := c.assigned(take)
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, p := range take {
		at := starts[i]
		if at == abi.OffsetNone {
			at = c.group.offsets[c.key(p)].Offset
		}
		c.position[p] = at
	}
}

func (c *Consumer) drop(parts []abi.TopicPartition) {
	for _, p := range parts {
		delete(c.position, p)
		delete(c.paused, p)
		delete(c.ended, p)
		delete(c.stopped, p)
		if c.group.owners[c.key(p)] == c {
			delete(c.group.owners, c.key(p))
		}
	}
}

// Poll implements host.Consumer.
func (c *Consumer) Poll(out *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error {
	out.Reset()
	c.rebalance()
	b := c.broker
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		b.mu.Lock()
		if err := b.fault("poll"); err != nil {
			b.mu.Unlock()
			return err
		}
		c.fill(out, maxRecords, maxBytes)
		if len(c.failed) > 0 && len(out.Runs) == 0 && len(out.Ends) == 0 {
			err := c.failed[0]
			c.failed = c.failed[1:]
			b.mu.Unlock()
			return err
		}
		changed := b.changed
		b.mu.Unlock()
		if len(out.Runs) > 0 || len(out.Ends) > 0 || wait <= 0 {
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
func (c *Consumer) fill(out *abi.Packed, maxRecords, maxBytes int) {
	for _, p := range c.target() {
		at, mine := c.position[p]
		if !mine || c.paused[p] || c.stopped[p] || maxRecords <= 0 || len(out.Buf) >= maxBytes && len(out.Runs) > 0 {
			continue
		}
		name := c.topics[p.Topic]
		log := &c.broker.topics[name][p.Partition]
		if err := c.readable(name, p.Partition, log, at); err != nil {
			c.stopped[p] = true
			c.failed = append(c.failed, &PartitionError{name, p.Partition, err})
			continue
		}
		end := log.lastStable()
		run := abi.Run{Topic: p.Topic, Partition: p.Partition, BaseOffset: at, Start: len(out.Buf)}
		for ; at < end && maxRecords > 0 && (run.Count == 0 || len(out.Buf) < maxBytes); at++ {
			r := &log.records[at-log.low]
			if r.aborted {
				continue
			}
			if run.Count == 0 {
				run.BaseOffset, run.BaseTimestamp = at, r.Timestamp
			}
			out.Buf = abi.AppendRecord(out.Buf, at-run.BaseOffset, r.Timestamp-run.BaseTimestamp, r.Key, r.Value, r.HeadersWire)
			run.LastOffset = at
			run.Count++
			maxRecords--
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
func (c *Consumer) readable(topic string, n int32, log *partition, at int64) error {
	if at < log.low {
		return fmt.Errorf("offset %d is out of range: the log begins at %d", at, log.low)
	}
	if c.broker.Unreadable == nil || at >= log.lastStable() {
		return nil
	}
	return c.broker.Unreadable(topic, n)
}

// Pause implements host.Consumer.
func (c *Consumer) Pause(parts []abi.TopicPartition) error {
	for _, p := range parts {
		c.paused[p] = true
	}
	return nil
}

// Resume implements host.Consumer.
func (c *Consumer) Resume(parts []abi.TopicPartition) error {
	for _, p := range parts {
		delete(c.paused, p)
	}
	return nil
}

// Seek implements host.Consumer.
func (c *Consumer) Seek(p abi.TopicPartition, offset int64) error {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if _, mine := c.position[p]; !mine || c.expelled {
		return fmt.Errorf("seek %v: not owned", p)
	}
	if err := c.broker.fault("seek"); err != nil {
		return err
	}
	c.position[p] = offset
	delete(c.ended, p)
	delete(c.stopped, p)
	c.broker.wake()
	return nil
}

// Commit implements host.Consumer.
func (c *Consumer) Commit(_ context.Context, offsets []abi.TopicOffset) error {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if err := c.broker.fault("commit"); err != nil {
		return err
	}
	var foreign error
	for _, o := range offsets {
		if c.group.owners[c.key(o.TopicPartition)] != c {
			foreign = fmt.Errorf("commit %v: not owned", o.TopicPartition)
			continue
		}
		c.group.offsets[c.key(o.TopicPartition)] = o
	}
	return foreign
}

// Committed implements host.Consumer.
func (c *Consumer) Committed(_ context.Context, offsets []abi.TopicOffset) error {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if err := c.broker.fault("committed"); err != nil {
		return err
	}
	for i := range offsets {
		o, ok := c.group.offsets[c.key(offsets[i].TopicPartition)]
		if !ok {
			o.Offset = abi.OffsetNone
		}
		offsets[i].Offset, offsets[i].Metadata = o.Offset, o.Metadata
	}
	return nil
}

// Bounds implements host.Consumer.
func (c *Consumer) Bounds(_ context.Context, parts []abi.TopicPartition) ([]abi.Bounds, error) {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if err := c.broker.fault("bounds"); err != nil {
		return nil, err
	}
	bounds := make([]abi.Bounds, len(parts))
	for i, p := range parts {
		log := &c.broker.topics[c.topics[p.Topic]][p.Partition]
		bounds[i] = abi.Bounds{Low: log.low, LastStable: log.lastStable(), High: log.high()}
	}
	return bounds, nil
}

// OffsetsForTime implements host.Consumer.
func (c *Consumer) OffsetsForTime(_ context.Context, parts []abi.TopicPartition, ms int64) ([]int64, error) {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	offsets := make([]int64, len(parts))
	for i, p := range parts {
		log := &c.broker.topics[c.topics[p.Topic]][p.Partition]
		at := slices.IndexFunc(log.records, func(r Record) bool { return r.Timestamp >= ms })
		if at < 0 {
			at = len(log.records)
		}
		offsets[i] = log.low + int64(at)
	}
	return offsets, nil
}

// Partitions implements host.Consumer.
func (c *Consumer) Partitions(context.Context) ([]int32, error) {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	counts := make([]int32, len(c.topics))
	for i, t := range c.topics {
		counts[i] = int32(len(c.broker.topics[t]))
	}
	return counts, nil
}

// Close implements host.Consumer.
func (c *Consumer) Close() error {
	var mine []abi.TopicPartition
	for p := range c.position {
		mine = append(mine, p)
	}
	if len(mine) > 0 && c.revoked != nil {
		c.revoked(mine, c.expelled)
	}
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	c.drop(mine)
	c.group.members = slices.DeleteFunc(c.group.members, func(m *Consumer) bool { return m == c })
	c.broker.wake()
	return nil
}
