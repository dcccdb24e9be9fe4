// Package hosttest drives the engine without a broker: topics, groups and
// producers in memory, with the same contracts as the Kafka client's. The
// engine's own tests and `sliphost test` run on it.
//
// What it promises is what Kafka promises, and no more: records of a
// transaction lie in the log before it ends, a marker takes an offset, readers
// of committed records stop at the last stable offset, offsets of an open
// transaction are pending, a transactional id taken over fences who had it,
// and a group's offsets are checked against member and generation but not
// against who owns the partition. Time is package time's: inside
// testing/synctest everything is deterministic and takes none.
package hosttest

import (
	"bytes"
	"slices"
	"sync"
	"time"

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

// Broker holds topics in memory. All methods are safe for concurrent use; the
// exported fields are set before it is used.
type Broker struct {
	mu      sync.Mutex
	topics  map[string]*topic
	groups  map[string]*group
	ids     map[string]*coordinator
	order   []*entry // every record produced, in the order of arrival
	made    int      // topics so far
	begun   int      // transactions so far
	clients int      // producers and readers so far
	changed chan struct{}
	rules   []*rule
	cut     map[string]bool

	// TransactionTimeout ends a transaction that stays open, 0 for a minute.
	TransactionTimeout time.Duration
	// RequestTimeout is how long a call that cannot be answered waits, where
	// its context has no earlier end: 0 for a second.
	RequestTimeout time.Duration
	// SessionTimeout is when a member that is cut off, or a static one that was
	// closed, loses its place: 0 for 45 seconds.
	SessionTimeout time.Duration
	// RebalanceTimeout is how long an eager rebalance waits for members that do
	// not poll: 0 for 5 minutes.
	RebalanceTimeout time.Duration
	// Eager makes groups revoke everything at each rebalance; otherwise
	// partitions move one by one, as with a cooperative assignor.
	Eager bool
	// Assignor is how partitions are shared out.
	Assignor Assignor

	// The following hooks are called with the broker locked, by one goroutine
	// at a time: they may not call it.
	//
	// Fault, if set, is asked before each operation (see the Op constants); an
	// error it returns is that operation's result. After a fault of send half of
	// what was staged is under way, the rest is not; after one of flush what was
	// under way is lost, a LostError aside.
	Fault func(op string) error
	// Refuse, if set, is asked for each record that arrives from a producer; an
	// error it returns is what the producer's Flush says, once, and the record
	// is not there.
	Refuse func(Record) error
	// Unreadable, if set, is asked before records of a partition are delivered;
	// an error it returns stops the reader of that partition until a Seek.
	Unreadable func(topic string, partition int32) error
	// Arrive, if set, says how many of n records that a transactional producer
	// has sent arrive before its Flush; otherwise half of them do.
	Arrive func(client string, n int) int
	// MarkerDelay, if set, says how long after its end a transaction's marker
	// reaches a partition, or the group's offsets (topic OffsetsTopic). Until
	// then readers wait there, though the producer has its answer.
	MarkerDelay func(topic string, partition int32) time.Duration

	// Before and After are called without the lock, from the goroutines of the
	// clients: they may wait, and call the broker. Before runs ahead of a call's
	// effect, and an error of it, a LateError aside, prevents the effect. After
	// runs behind the effect with its result, and what it returns is the
	// caller's result.
	Before func(Call) error
	After  func(Call, error) error
}

// OffsetsTopic is what MarkerDelay calls the offsets of groups.
const OffsetsTopic = "__consumer_offsets"

// NewBroker makes a broker with topics of the given numbers of partitions.
func NewBroker(topics map[string]int) *Broker {
	b := &Broker{
		topics: map[string]*topic{}, groups: map[string]*group{}, ids: map[string]*coordinator{},
		changed: make(chan struct{}), cut: map[string]bool{},
	}
	names := make([]string, 0, len(topics))
	for name := range topics {
		names = append(names, name)
	}
	slices.Sort(names) // identities must not depend on the order of a map
	for _, name := range names {
		b.topics[name] = b.newTopic(name, topics[name])
	}
	return b
}

// Produce appends a record outside transactions; partition -1 chooses by the
// key. It returns the record's offset.
func (b *Broker) Produce(r Record) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.produce(r, nil, false)
}

func (b *Broker) produce(r Record, txn *transaction, aborted bool) (int64, error) {
	t, ok := b.topics[r.Topic]
	if !ok {
		return 0, answer(CodeUnknownTopic, Unclassified, "topic %q does not exist", r.Topic)
	}
	if r.Partition < 0 {
		r.Partition = Partition(r.Key, len(t.parts))
	}
	p := b.partition(r.Topic, r.Partition)
	if p == nil {
		return 0, answer(CodeUnknownTopic, Unclassified, "topic %q has no partition %d", r.Topic, r.Partition)
	}
	r.Key, r.Value, r.HeadersWire = bytes.Clone(r.Key), bytes.Clone(r.Value), bytes.Clone(r.HeadersWire)
	e := &entry{Record: r, txn: txn, aborted: aborted}
	offset := p.append(e)
	if txn != nil {
		txn.touch(p, topicPartition{r.Topic, r.Partition})
	}
	if !aborted {
		b.order = append(b.order, e)
	}
	b.wake()
	return offset, nil
}

// wake makes whoever waits look again.
func (b *Broker) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// Records returns what was produced to a topic, in the order of arrival.
// Records of open and aborted transactions are left out.
func (b *Broker) Records(topic string) []Record {
	return b.collect(func(e *entry) bool { return e.Topic == topic && e.visible() })
}

// All is Records of all topics.
func (b *Broker) All() []Record { return b.collect((*entry).visible) }

func (b *Broker) collect(want func(*entry) bool) []Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Record
	for _, e := range b.order {
		if want(e) {
			all = append(all, e.Record)
		}
	}
	return all
}

// Entry is one offset of a log as readers of uncommitted records know it.
type Entry struct {
	Record
	// Txn numbers the transactions of the broker in the order of their first
	// records or offsets; it is 0 outside transactions.
	Txn int
	// State is that of the transaction, Committed outside.
	State State
	// Control says that the entry is the marker of the transaction's end.
	Control bool
}

// Log returns what is in the log of a partition, markers and what was aborted
// included.
func (b *Broker) Log(topic string, partition int32) []Entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []Entry
	for _, e := range b.must(topic, partition).entries {
		v := Entry{Record: e.Record, State: Committed, Control: e.control}
		if e.txn != nil {
			v.Txn, v.State = e.txn.number, e.txn.state
		}
		if e.aborted {
			v.State = Aborted
		}
		all = append(all, v)
	}
	return all
}

// View returns what readers of committed records get of a partition now.
func (b *Broker) View(topic string, partition int32) []Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.must(topic, partition)
	stable := p.lastStable()
	var all []Record
	for _, e := range p.entries {
		if e.Offset < stable && e.visible() {
			all = append(all, e.Record)
		}
	}
	return all
}

// Bounds returns the ends of a partition's log.
func (b *Broker) Bounds(topic string, partition int32) abi.Bounds {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.must(topic, partition).bounds()
}

func (p *partition) bounds() abi.Bounds {
	return abi.Bounds{Low: p.low, LastStable: p.lastStable(), High: p.next}
}

// Committed returns the group's offset of a partition, or OffsetNone. It does
// not wait for pending ones.
func (b *Broker) Committed(groupID, topic string, partition int32) int64 {
	at, _ := b.CommittedOffset(groupID, topic, partition)
	return at
}

// CommittedOffset is Committed with the offset's metadata.
func (b *Broker) CommittedOffset(groupID, topic string, partition int32) (offset int64, metadata string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	o, ok := b.group(groupID).offsets[topicPartition{topic, partition}]
	if !ok {
		return abi.OffsetNone, ""
	}
	return o.offset, o.metadata
}

// SetCommitted sets a group's offset from outside, as Kafka's tools do, or
// removes it with OffsetNone.
func (b *Broker) SetCommitted(groupID, topic string, partition int32, offset int64, metadata string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, tp := b.group(groupID), topicPartition{topic, partition}
	if offset == abi.OffsetNone {
		delete(g.offsets, tp)
		return
	}
	g.offsets[tp] = committed{offset, metadata}
}

func (b *Broker) fault(op string) error {
	if b.Fault == nil {
		return nil
	}
	return b.Fault(op)
}

func or(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

type topicPartition struct {
	topic     string
	partition int32
}
