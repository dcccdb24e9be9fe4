package hosttest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/sliphost/sliphost/abi"
)

// Consumer implements host.Consumer. A partition moves from one member to
// another as with a cooperative assignor, the old owner giving it up in its
// Poll and the new one getting it in a later Poll of its own; or, with
// Broker.Eager, all members give everything up before anyone gets anything.
type Consumer struct {
	cursor
	group    *group
	instance string
	assigned func([]abi.TopicPartition) []int64
	revoked  func([]abi.TopicPartition, bool)
	joins    int
	// adopted is the eager generation whose partitions the consumer has taken.
	adopted int
	// member and fenced are the broker's: another goroutine may take the
	// membership away.
	member *member
	fenced bool // another consumer has the place of this static member
	closed bool
}

// Consumer returns a consumer for a group.
func (b *Broker) Consumer(groupID string) *Consumer { return b.StaticConsumer(groupID, "") }

// StaticConsumer returns a consumer that is a static member: it keeps its
// place when it is closed, for SessionTimeout, and a later consumer with the
// same instance id gets this place without a rebalance.
func (b *Broker) StaticConsumer(groupID, instanceID string) *Consumer {
	b.mu.Lock()
	defer b.mu.Unlock()
	g := b.group(groupID)
	g.consumers++
	name := fmt.Sprintf("%s-%d", groupID, g.consumers)
	return &Consumer{cursor: newCursor(b, name), group: g, instance: instanceID}
}

// Expel takes the membership away, as after a missed session timeout: Lost
// says so at once, the consumer learns of it in its next Poll, as lost
// partitions, and joins anew.
func (c *Consumer) Expel() { c.expel(true) }

// Forget is Expel without the consumer noticing before its next Poll, as with
// a process that stood still: the broker refuses its offsets, but it still
// thinks that it owns partitions that others may have.
func (c *Consumer) Forget() { c.expel(false) }

func (c *Consumer) expel(aware bool) {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if c.member != nil && !c.closed && !c.fenced {
		c.broker.remove(c.group, c.member, aware)
	}
}

// Lost implements host.Consumer.
func (c *Consumer) Lost() bool {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	return c.fenced || c.member != nil && c.member.gone && c.member.aware
}

// GroupMetadata implements host.Consumer. The generation is the present one,
// also if the last Poll ran under an earlier one.
func (c *Consumer) GroupMetadata() ([]byte, error) {
	var data []byte
	err := c.broker.call(context.Background(), c.as(OpGroupMetadata), false, func() error {
		if err := c.broker.fault(OpGroupMetadata); err != nil {
			return err
		}
		m := c.member
		if m == nil || m.gone && m.aware || c.fenced {
			return answer(CodeUnknownMember, Abortable, "the consumer is no member of group %q", c.group.id)
		}
		data = membership{c.group.id, m.id, m.instance, m.generation}.encode()
		return nil
	})
	return data, err
}

// Subscribe implements host.Consumer.
func (c *Consumer) Subscribe(topics []string, assigned func([]abi.TopicPartition) []int64, revoked func([]abi.TopicPartition, bool)) error {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if c.topics != nil {
		return fmt.Errorf("subscribe: %s has already subscribed", c.name)
	}
	c.topics, c.assigned, c.revoked = slices.Clone(topics), assigned, revoked
	c.broker.admit(c)
	return nil
}

// rebalance brings the member's partitions towards what it should own.
func (c *Consumer) rebalance() error {
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.member == nil {
		return nil // a consumer that has not subscribed gets nothing
	}
	if c.fenced {
		c.giveUp(c.parts(), true)
		return answer(CodeFencedInstance, Fatal, "group %q: another consumer has the place of %s", c.group.id, c.instance)
	}
	if c.member.gone {
		c.giveUp(c.parts(), true)
		if b.cut[c.name] {
			return nil
		}
		b.admit(c)
	}
	if b.cut[c.name] {
		return nil
	}
	if b.Eager {
		c.eager()
	} else {
		c.cooperate()
	}
	return nil
}

// cooperate gives up what is another's to be and takes what is free.
func (c *Consumer) cooperate() {
	target := c.target()
	give := slices.DeleteFunc(c.parts(), func(p abi.TopicPartition) bool { return slices.Contains(target, p) })
	c.giveUp(give, false)
	m := c.member
	if m.gone || c.fenced {
		return
	}
	var take []abi.TopicPartition
	for _, p := range target {
		owner := c.group.owners[c.key(p)]
		if _, mine := c.position[p]; !mine && (owner == nil || owner == m) {
			c.group.owners[c.key(p)] = m
			take = append(take, p)
		}
	}
	c.takeUp(take)
}

// eager gives everything up when a rebalance has begun, and takes its share
// when that is over.
func (c *Consumer) eager() {
	g, m := c.group, c.member
	if g.joining && !m.joined {
		c.giveUp(c.parts(), false)
		if m.gone || c.fenced {
			return
		}
		m.joined = true
		c.broker.advance(g)
	}
	if !g.joining && c.adopted != m.generation {
		c.adopted = m.generation
		var take []abi.TopicPartition
		for _, tp := range m.assignment {
			take = append(take, c.id(tp))
		}
		c.takeUp(take)
	}
}

func (c *Consumer) id(tp topicPartition) abi.TopicPartition {
	return abi.TopicPartition{Topic: int32(slices.Index(c.topics, tp.topic)), Partition: tp.partition}
}

// target lists the partitions that a cooperative member should own.
func (c *Consumer) target() []abi.TopicPartition {
	i := slices.Index(c.group.members, c.member)
	if i < 0 {
		return nil
	}
	var parts []abi.TopicPartition
	for _, tp := range c.broker.shares(c.group)[i] {
		parts = append(parts, c.id(tp))
	}
	return parts
}

// giveUp calls the callback, with the broker unlocked, and forgets parts.
func (c *Consumer) giveUp(parts []abi.TopicPartition, lost bool) {
	if len(parts) == 0 {
		return
	}
	if c.revoked != nil {
		c.broker.mu.Unlock()
		c.revoked(parts, lost)
		c.broker.mu.Lock()
	}
	for _, p := range parts {
		c.forget(p)
		if !c.fenced && c.group.owners[c.key(p)] == c.member {
			delete(c.group.owners, c.key(p))
		}
	}
	c.broker.wake()
}

// takeUp calls the callback, with the broker unlocked, and begins to read.
func (c *Consumer) takeUp(parts []abi.TopicPartition) {
	if len(parts) == 0 {
		return
	}
	var starts []int64
	if c.assigned != nil {
		c.broker.mu.Unlock()
		starts = c.assigned(parts)
		c.broker.mu.Lock()
	}
	for i, p := range parts {
		at := abi.OffsetNone
		if i < len(starts) {
			at = starts[i]
		}
		if at == abi.OffsetNone {
			at = c.group.offsets[c.key(p)].offset
		}
		c.position[p] = c.place(p, at)
	}
}

// Poll implements host.Consumer.
func (c *Consumer) Poll(out *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error {
	out.Reset()
	if err := c.broker.before(context.Background(), c.as(OpPoll)); err != nil {
		return err
	}
	if err := c.rebalance(); err != nil {
		return err
	}
	return c.poll(OpPoll, out, maxRecords, maxBytes, wait)
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
	return c.broker.call(context.Background(), c.as(OpSeek), false, func() error {
		if _, mine := c.position[p]; !mine || c.fenced || c.member.gone && c.member.aware {
			return fmt.Errorf("seek %v: not owned", p)
		}
		if err := c.broker.fault(OpSeek); err != nil {
			return err
		}
		c.unstop(p)
		c.position[p] = c.place(p, offset)
		c.broker.wake()
		return nil
	})
}

// Commit implements host.Consumer. It takes no offsets of partitions that the
// member does not own.
func (c *Consumer) Commit(ctx context.Context, offsets []abi.TopicOffset) error {
	b := c.broker
	offsets = slices.Clone(offsets)
	m := c.memberNow()
	return b.call(ctx, c.as(OpCommit), true, func() error {
		if err := b.fault(OpCommit); err != nil {
			return err
		}
		var foreign error
		for _, o := range offsets {
			if m == nil || m.gone || m.consumer != c || c.group.owners[c.key(o.TopicPartition)] != m {
				foreign = fmt.Errorf("commit %v: not owned", o.TopicPartition)
				continue
			}
			c.group.offsets[c.key(o.TopicPartition)] = committed{o.Offset, o.Metadata}
		}
		return foreign
	})
}

func (c *Consumer) memberNow() *member {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	return c.member
}

// Committed implements host.Consumer. While an open transaction holds one of
// the offsets it waits, for RequestTimeout or until ctx ends, and then returns
// a retriable error.
func (c *Consumer) Committed(ctx context.Context, offsets []abi.TopicOffset) error {
	b, g := c.broker, c.group
	stable, cancel := context.WithTimeout(ctx, or(b.RequestTimeout, time.Second))
	defer cancel()
	return b.call(ctx, c.as(OpCommitted), false, func() error {
		if err := b.fault(OpCommitted); err != nil {
			return err
		}
		held := func() bool {
			return slices.ContainsFunc(offsets, func(o abi.TopicOffset) bool { return g.pending[c.key(o.TopicPartition)] > 0 })
		}
		for held() {
			changed := b.changed
			b.mu.Unlock()
			select {
			case <-stable.Done():
			case <-changed:
			}
			b.mu.Lock()
			if stable.Err() != nil && held() {
				return answer(CodeUnstableOffset, Retriable, "committed: an open transaction holds offsets of group %q", g.id)
			}
		}
		for i := range offsets {
			o, ok := g.offsets[c.key(offsets[i].TopicPartition)]
			if !ok {
				o.offset = abi.OffsetNone
			}
			offsets[i].Offset, offsets[i].Metadata = o.offset, o.metadata
		}
		return nil
	})
}

// Bounds implements host.Consumer.
func (c *Consumer) Bounds(ctx context.Context, parts []abi.TopicPartition) ([]abi.Bounds, error) {
	return c.bounds(ctx, OpBounds, parts)
}

// OffsetsForTime implements host.Consumer.
func (c *Consumer) OffsetsForTime(_ context.Context, parts []abi.TopicPartition, ms int64) ([]int64, error) {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	offsets := make([]int64, len(parts))
	for i, p := range parts {
		log := c.broker.partition(c.topics[p.Topic], p.Partition)
		if log == nil {
			return nil, answer(CodeUnknownTopic, Unclassified, "there is no %s[%d]", c.topics[p.Topic], p.Partition)
		}
		offsets[i] = log.next
		for _, e := range log.entries {
			if !e.control && e.Timestamp >= ms {
				offsets[i] = e.Offset
				break
			}
		}
	}
	return offsets, nil
}

// Partitions implements host.Consumer.
func (c *Consumer) Partitions(context.Context) ([]int32, error) {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	counts := make([]int32, len(c.topics))
	for i, name := range c.topics {
		if t := c.broker.topics[name]; t != nil {
			counts[i] = int32(len(t.parts))
		}
	}
	return counts, nil
}

// Close implements host.Consumer.
func (c *Consumer) Close() error {
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	m := c.member
	if c.closed || m == nil {
		return nil
	}
	gone := m.gone || c.fenced
	if parts := c.parts(); len(parts) > 0 && c.revoked != nil {
		b.mu.Unlock()
		c.revoked(parts, gone)
		b.mu.Lock()
	}
	clear(c.position)
	c.closed = true
	switch {
	case m.gone || c.fenced:
	case c.instance == "":
		b.remove(c.group, m, true)
	default:
		b.expire(c.group, m)
	}
	return nil
}
