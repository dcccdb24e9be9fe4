package hosttest

import (
	"context"
	"fmt"
	"hash/fnv"
)

// topic is a topic of one identity.
type topic struct {
	parts []*partition
	id    uint32
}

func (b *Broker) newTopic(name string, partitions int) *topic {
	b.made++
	h := fnv.New32a()
	fmt.Fprintf(h, "%s/%d", name, b.made)
	t := &topic{parts: make([]*partition, partitions), id: max(h.Sum32(), 1)}
	for i := range t.parts {
		t.parts[i] = newPartition()
	}
	return t
}

// partition returns a log, or nil if there is none.
func (b *Broker) partition(name string, n int32) *partition {
	t := b.topics[name]
	if t == nil || n < 0 || int(n) >= len(t.parts) {
		return nil
	}
	return t.parts[n]
}

// must returns a log, for the calls of tests: a wrong name is a wrong test.
func (b *Broker) must(name string, n int32) *partition {
	p := b.partition(name, n)
	if p == nil {
		panic(fmt.Sprintf("hosttest: there is no %s[%d]", name, n))
	}
	return p
}

// CreateTopic makes a topic, and leaves one that exists alone.
func (b *Broker) CreateTopic(name string, partitions int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[name] == nil {
		b.topics[name] = b.newTopic(name, partitions)
		b.wake()
	}
}

// DeleteTopic empties a topic, as when it is deleted and made anew: offsets
// begin at 0 again, and it has another identity.
func (b *Broker) DeleteTopic(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics[name] = b.newTopic(name, len(b.topics[name].parts))
	b.wake()
}

// RecreateTopic is DeleteTopic with another number of partitions. Offsets of
// groups stay, as they do when a running member commits after the deletion;
// SetCommitted with OffsetNone removes them.
func (b *Broker) RecreateTopic(name string, partitions int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.topics[name] = b.newTopic(name, partitions)
	b.wake()
}

// Identity is a hash of a topic's identity: another one after the topic was
// deleted and made anew, never 0.
func (b *Broker) Identity(name string) (uint32, error) {
	ids, err := b.Identities(context.Background(), []string{name})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// Identities returns Identity of each topic; hooks know it as OpIdentity.
func (b *Broker) Identities(ctx context.Context, names []string) ([]uint32, error) {
	ids := make([]uint32, len(names))
	err := b.call(ctx, Call{Op: OpIdentity}, false, func() error {
		if err := b.fault(OpIdentity); err != nil {
			return err
		}
		for i, name := range names {
			t := b.topics[name]
			if t == nil {
				return answer(CodeUnknownTopic, Unclassified, "topic %q does not exist", name)
			}
			ids[i] = t.id
		}
		return nil
	})
	return ids, err
}

// Partitions returns the number of a topic's partitions, 0 if there is none.
func (b *Broker) Partitions(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.topics[name]; t != nil {
		return len(t.parts)
	}
	return 0
}

// DeleteRecords removes the records of a partition below an offset, as the
// topic's retention does.
func (b *Broker) DeleteRecords(topic string, partition int32, before int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.must(topic, partition).deleteBefore(before)
	b.wake()
}

// Purge is host.Backends.Purge for this cluster; hooks know it as OpPurge.
func (b *Broker) Purge(ctx context.Context, topic string, before map[int32]int64) error {
	return b.call(ctx, Call{Op: OpPurge}, false, func() error {
		if err := b.fault(OpPurge); err != nil {
			return err
		}
		for n, offset := range before {
			p := b.partition(topic, n)
			if p == nil {
				return answer(CodeUnknownTopic, Unclassified, "there is no %s[%d]", topic, n)
			}
			p.deleteBefore(offset)
		}
		b.wake()
		return nil
	})
}

// TruncateTo removes the records of a partition at and behind an offset, as an
// unclean election of a leader does.
func (b *Broker) TruncateTo(topic string, partition int32, end int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.must(topic, partition).truncate(end)
	b.wake()
}

// Compact compacts a topic below the last stable offsets: the last committed
// record of each key stays, at its offset, and aborted records go. With clean
// tombstones and the markers of transactions go as well, as they do when
// delete.retention.ms is over.
func (b *Broker) Compact(topic string, clean bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.topics[topic]
	if t == nil {
		panic(fmt.Sprintf("hosttest: there is no topic %q", topic))
	}
	for _, p := range t.parts {
		p.compact(clean)
	}
	b.wake()
}

// Abort appends n records of an aborted transaction: they have offsets, and
// nobody gets to see them.
func (b *Broker) Abort(topic string, partition int32, n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range n {
		if _, err := b.produce(Record{Topic: topic, Partition: partition}, nil, true); err != nil {
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
	p := b.must(topic, partition)
	p.held = p.next
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		p.held = -1
		b.wake()
	}
}
