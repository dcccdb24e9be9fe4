package hosttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// committed is a group's offset of a partition.
type committed struct {
	offset   int64
	metadata string
}

// group is a consumer group: members, who owns what, committed offsets, and
// how many open transactions hold an offset of a partition.
type group struct {
	id         string
	generation int
	members    []*member // in the order of joining
	owners     map[topicPartition]*member
	offsets    map[topicPartition]committed
	pending    map[topicPartition]int
	consumers  int // so far
	// joining says that an eager rebalance waits for members to join again.
	joining  bool
	deadline alarm
}

// member is one place in a group. A static member's place may pass to another
// consumer.
type member struct {
	id, instance string
	generation   int
	topics       []string
	consumer     *Consumer
	joined       bool             // the eager rebalance that runs
	assignment   []topicPartition // of an eager generation
	session      alarm
	// gone says that the group has forgotten the member, aware that its
	// consumer knows.
	gone, aware bool
}

func (b *Broker) group(id string) *group {
	g := b.groups[id]
	if g == nil {
		g = &group{
			id: id, owners: map[topicPartition]*member{},
			offsets: map[topicPartition]committed{}, pending: map[topicPartition]int{},
		}
		b.groups[id] = g
	}
	return g
}

// membership is what Consumer.GroupMetadata encodes.
type membership struct {
	group, member, instance string
	generation              int
}

func (m membership) encode() []byte {
	data, _ := json.Marshal([]any{m.group, m.member, m.instance, m.generation}) // of strings and a number: it cannot fail
	return data
}

func parseMembership(data []byte) (m membership, err error) {
	fields := []any{&m.group, &m.member, &m.instance, &m.generation}
	if err := json.Unmarshal(data, &fields); err != nil || len(fields) != 4 {
		return m, answer(CodeUnknownMember, Abortable, "send offsets: the group metadata is not from a consumer: %q", data)
	}
	return m, nil
}

// validate checks a membership as the broker does for offsets.
func (g *group) validate(of membership) error {
	i := slices.IndexFunc(g.members, func(m *member) bool { return m.id == of.member })
	switch {
	case i >= 0 && g.members[i].generation == of.generation:
		return nil
	case i >= 0:
		return answer(CodeIllegalGeneration, Abortable, "group %q: generation %d of %s is over, it is %d", g.id, of.generation, of.member, g.members[i].generation)
	case of.instance != "" && g.static(of.instance) != nil:
		return answer(CodeFencedInstance, Abortable, "group %q: another consumer has the place of %s", g.id, of.instance)
	}
	return answer(CodeUnknownMember, Abortable, "group %q: there is no member %s", g.id, of.member)
}

// static returns the member with an instance id, or nil.
func (g *group) static(instance string) *member {
	for _, m := range g.members {
		if m.instance == instance {
			return m
		}
	}
	return nil
}

// admit makes the consumer a member.
func (b *Broker) admit(c *Consumer) {
	g := c.group
	c.joins++
	c.adopted = 0
	id := fmt.Sprintf("%s/%d", c.name, c.joins)
	if c.instance != "" {
		if m := g.static(c.instance); m != nil {
			// The place passes on, and nobody else notices.
			if m.consumer != c {
				m.consumer.fenced = true
				if !b.Eager { // it takes what it should own, and has nothing to give up
					maps.DeleteFunc(g.owners, func(_ topicPartition, owner *member) bool { return owner == m })
				}
			}
			m.id, m.consumer, m.topics = id, c, c.topics
			m.session.stop()
			m.joined = true
			c.member = m
			b.advance(g)
			b.wake()
			return
		}
	}
	c.member = &member{id: id, instance: c.instance, topics: c.topics, consumer: c}
	g.members = append(g.members, c.member)
	b.change(g, c.member)
}

// remove takes a member out of its group.
func (b *Broker) remove(g *group, m *member, aware bool) {
	if m.gone {
		m.aware = m.aware || aware
		return
	}
	m.gone, m.aware = true, aware
	m.session.stop()
	g.members = slices.DeleteFunc(g.members, func(x *member) bool { return x == m })
	for tp, owner := range g.owners {
		if owner == m {
			delete(g.owners, tp)
		}
	}
	b.change(g, nil)
}

// expire removes a member when its session is over.
func (b *Broker) expire(g *group, m *member) {
	m.session.set(b, or(b.SessionTimeout, 45*time.Second), func() { b.remove(g, m, true) })
}

// change begins a generation after members came or went. A cooperative one is
// there at once, and partitions follow as members poll; an eager one waits
// until all members have given everything up and joined again.
func (b *Broker) change(g *group, joined *member) {
	defer b.wake()
	if !b.Eager {
		g.generation++
		for _, m := range g.members {
			m.generation = g.generation
		}
		return
	}
	if !g.joining {
		g.joining = true
		for _, m := range g.members {
			m.joined = false
		}
		g.deadline.set(b, or(b.RebalanceTimeout, 5*time.Minute), func() {
			for _, m := range slices.Clone(g.members) {
				if !m.joined {
					b.remove(g, m, true)
				}
			}
		})
	}
	if joined != nil {
		joined.joined = true
	}
	b.advance(g)
}

// advance ends an eager rebalance when all members have joined.
func (b *Broker) advance(g *group) {
	if !g.joining || slices.ContainsFunc(g.members, func(m *member) bool { return !m.joined }) {
		return
	}
	g.joining = false
	g.deadline.stop()
	g.generation++
	shares := b.shares(g)
	clear(g.owners)
	for i, m := range g.members {
		m.generation, m.assignment = g.generation, shares[i]
		for _, tp := range shares[i] {
			g.owners[tp] = m
		}
	}
	b.wake()
}
