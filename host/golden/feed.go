package golden

import (
	"context"
	"sync"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/hosttest"
)

// feed hands a test's inputs to the engine in the order of the file and moves
// the virtual clock. The engine's one worker asks for records or waits: as
// long as there is a next input, that is released; only then does time pass,
// at once, by what the worker wants to wait. So nothing depends on real time.
type feed struct {
	broker *hosttest.Broker
	// parts is the number of partitions of each topic.
	parts map[string]int

	mu    sync.Mutex
	now   time.Time
	queue []fed
	// pending counts what is released to connectors and not polled.
	pending int
	err     error
	// inputs are the records the feed put into topics, which may be outputs too.
	inputs map[recordID]bool
}

// recordID names a record of a topic.
type recordID struct {
	topic     string
	partition int32
	offset    int64
}

// fed is one input record on its way.
type fed struct {
	// topic is set for records of a topic, source for those of a connector.
	topic  *hosttest.Record
	source *lines
	value  []byte
	stamp  int64
}

// Now implements host.Clock.
func (f *feed) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// NewTimer implements host.Clock. The timer has fired when it is made: waiting
// is releasing the next input, or else moving the clock.
func (f *feed) NewTimer(d time.Duration) (<-chan time.Time, func()) {
	if f.release() == nothing {
		f.pass(d)
	}
	c := make(chan time.Time, 1)
	c <- f.Now()
	return c, func() {}
}

func (f *feed) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(max(d, time.Millisecond))
}

// released says where the next inputs went.
type released int

const (
	nothing released = iota // there are no more
	toTopic
	toConnector
)

// release makes the next inputs available: all records up to the first one of
// another source.
func (f *feed) release() released {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 {
		return nothing
	}
	first := f.queue[0]
	for len(f.queue) > 0 && f.queue[0].source == first.source && (first.topic == nil || f.queue[0].topic.Topic == first.topic.Topic) {
		n := f.queue[0]
		f.queue = f.queue[1:]
		if n.topic != nil {
			r := *n.topic
			if r.Partition < 0 {
				r.Partition = hosttest.Partition(r.Key, f.parts[r.Topic])
			}
			offset, err := f.broker.Produce(r)
			if err != nil && f.err == nil {
				f.err = err
			}
			f.inputs[recordID{r.Topic, r.Partition, offset}] = true
			continue
		}
		n.source.pending = append(n.source.pending, n)
		f.pending++
	}
	if first.topic != nil {
		return toTopic
	}
	return toConnector
}

// waiting says whether inputs are still to come.
func (f *feed) waiting() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.queue) > 0 || f.pending > 0
}

// consumer is the in-memory broker's consumer, which never really waits.
type consumer struct {
	*hosttest.Consumer
	feed *feed
}

// Poll implements host.Consumer.
func (c *consumer) Poll(b *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error {
	for {
		err := c.Consumer.Poll(b, maxRecords, maxBytes, 0)
		if err != nil || len(b.Runs) > 0 || len(b.Ends) > 0 || wait <= 0 {
			return err
		}
		switch c.feed.release() {
		case nothing:
			c.feed.pass(wait)
			return nil
		case toConnector:
			return nil // it is polled in the worker's next round
		}
	}
}

// Bounds implements host.Consumer. While inputs are still to come no partition
// is at its end.
func (c *consumer) Bounds(ctx context.Context, parts []abi.TopicPartition) ([]abi.Bounds, error) {
	b, err := c.Consumer.Bounds(ctx, parts)
	if c.feed.waiting() {
		for i := range b {
			b[i].High++
		}
	}
	return b, err
}

// lines stands in for a file, standard input or a timer.
type lines struct {
	feed    *feed
	kind    abi.Kind
	offset  int64
	pending []fed
	ready   chan struct{}
}

// Poll implements host.ConnectorSource. It hands over everything at once:
// what a timer has left does not keep the engine from ending.
func (l *lines) Poll(b *abi.Packed, _, _ int) (eof bool, err error) {
	l.feed.mu.Lock()
	defer l.feed.mu.Unlock()
	b.Reset()
	for _, p := range l.pending {
		run := abi.Run{BaseOffset: l.offset, LastOffset: l.offset, BaseTimestamp: p.stamp, Count: 1, Start: len(b.Buf)}
		b.Buf = abi.AppendRecord(b.Buf, 0, 0, nil, p.value, nil)
		run.End = len(b.Buf)
		b.Runs = append(b.Runs, run)
		l.offset++
	}
	l.feed.pending -= len(l.pending)
	l.pending = nil
	for _, q := range l.feed.queue {
		if q.source == l {
			return false, nil
		}
	}
	return true, nil
}

// Ready implements host.ConnectorSource; the clock wakes the worker.
func (l *lines) Ready() <-chan struct{} { return l.ready }

// Commit implements host.ConnectorSource.
func (l *lines) Commit(int64) error { return nil }

// Close implements host.ConnectorSource.
func (l *lines) Close() error { return nil }

// captured is a sink that keeps its records.
type captured struct {
	mu      sync.Mutex
	records []record
}

// Append implements host.ConnectorSink.
func (c *captured) Append(key, value []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = append(c.records, record{key: clone(key), value: clone(value), partition: -1, timestamp: -1})
	return nil
}

// Flush implements host.ConnectorSink.
func (c *captured) Flush() error { return nil }

// Close implements host.ConnectorSink.
func (c *captured) Close() error { return nil }

// clone copies bytes and keeps null apart from empty.
func clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return append([]byte{}, b...)
}

var (
	_ host.Clock           = (*feed)(nil)
	_ host.Consumer        = (*consumer)(nil)
	_ host.ConnectorSource = (*lines)(nil)
	_ host.ConnectorSink   = (*captured)(nil)
)
