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
	expelled bool
}

// Consumer returns a consumer for a group.
func (b *Broker) Consumer(groupID string) *Consumer {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &Consumer{
		broker: b, group: b.group(groupID),
		position: map[abi.TopicPartition]int64{}, paused: map[abi.TopicPartition]bool{}, ended: map[abi.TopicPartition]int64{},
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

func (c *Consumer) fill(out *abi.Packed, maxRecords, maxBytes int) {
	for _, p := range c.target() {
		at, mine := c.position[p]
		if !mine || c.paused[p] || maxRecords <= 0 || len(out.Buf) >= maxBytes && len(out.Runs) > 0 {
			continue
		}
		log := c.broker.topics[c.topics[p.Topic]][p.Partition]
		if at >= int64(len(log)) {
			if end, told := c.ended[p]; !told || end != at {
				c.ended[p] = at
				out.Ends = append(out.Ends, abi.TopicOffset{TopicPartition: p, Offset: at})
			}
			continue
		}
		run := abi.Run{Topic: p.Topic, Partition: p.Partition, BaseOffset: at, BaseTimestamp: log[at].Timestamp, Start: len(out.Buf)}
		for ; at < int64(len(log)) && maxRecords > 0 && (run.Count == 0 || len(out.Buf) < maxBytes); at++ {
			r := &log[at]
			out.Buf = abi.AppendRecord(out.Buf, at-run.BaseOffset, r.Timestamp-run.BaseTimestamp, r.Key, r.Value, r.HeadersWire)
			run.LastOffset = at
			run.Count++
			maxRecords--
		}
		run.End = len(out.Buf)
		out.Runs = append(out.Runs, run)
		c.position[p] = at
	}
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
	c.position[p] = offset
	delete(c.ended, p)
	return nil
}

// Commit implements host.Consumer.
func (c *Consumer) Commit(_ context.Context, offsets []abi.TopicOffset) error {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if err := c.broker.fault("commit"); err != nil {
		return err
	}
	for _, o := range offsets {
		if c.group.owners[c.key(o.TopicPartition)] != c {
			return fmt.Errorf("commit %v: not owned", o.TopicPartition)
		}
	}
	for _, o := range offsets {
		c.group.offsets[c.key(o.TopicPartition)] = o
	}
	return nil
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
	bounds := make([]abi.Bounds, len(parts))
	for i, p := range parts {
		n := int64(len(c.broker.topics[c.topics[p.Topic]][p.Partition]))
		bounds[i] = abi.Bounds{LastStable: n, High: n}
	}
	return bounds, nil
}

// OffsetsForTime implements host.Consumer.
func (c *Consumer) OffsetsForTime(_ context.Context, parts []abi.TopicPartition, ms int64) ([]int64, error) {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	offsets := make([]int64, len(parts))
	for i, p := range parts {
		log := c.broker.topics[c.topics[p.Topic]][p.Partition]
		at := slices.IndexFunc(log, func(r Record) bool { return r.Timestamp >= ms })
		if at < 0 {
			at = len(log)
		}
		offsets[i] = int64(at)
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
	close(c.broker.changed)
	c.broker.changed = make(chan struct{})
	return nil
}
