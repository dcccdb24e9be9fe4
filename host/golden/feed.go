package golden

import (
	"context"
	"slices"
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

	// caches has the global ones; polled is closed and replaced when one of
	// their readers has applied what it read. They are read while running is set,
	// until ended is closed, which may be nil.
	caches  *hosttest.Caches
	polled  chan struct{}
	running bool
	ended   <-chan struct{}
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
	// globals are the global caches that the topic is read into.
	globals []int
	// restart says that the host is started anew before this record.
	restart bool
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
	if !f.settled() || f.release() == nothing {
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

// begin makes a run possible, and what comes first available: what global
// caches hold then, and what a connector brings, as a timer's source does not
// keep the engine from finding everything done. done is closed when the run is
// given up.
func (f *feed) begin(done <-chan struct{}) {
	f.mu.Lock()
	f.running = false
	if len(f.queue) > 0 {
		f.queue[0].restart = false
	}
	f.mu.Unlock()
	for {
		head := f.head()
		if head != nil && head.globals == nil && head.source != nil {
			f.release()
		}
		if head == nil || head.globals == nil {
			break
		}
		f.release()
	}
	f.mu.Lock()
	f.running, f.ended = true, done
	f.mu.Unlock()
}

// head is the next input before a restart, nil if there is none.
func (f *feed) head() *fed {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.queue) == 0 || f.queue[0].restart {
		return nil
	}
	return &f.queue[0]
}

// restarts says whether the host is started anew behind this run.
func (f *feed) restarts() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.queue, func(q fed) bool { return q.restart })
}

// settled says that no transaction is open: what was put out before has
// reached those who read it.
func (f *feed) settled() bool {
	for topic, n := range f.parts {
		for p := range n {
			if b := f.broker.Bounds(topic, int32(p)); b.LastStable < b.High {
				return false
			}
		}
	}
	return true
}

// release makes the next inputs available: all records up to the first one of
// another source. Those of a global cache are in the cache afterwards.
func (f *feed) release() released {
	f.mu.Lock()
	if len(f.queue) == 0 || f.queue[0].restart {
		f.mu.Unlock()
		return nothing
	}
	first := f.queue[0]
	reached := map[int32]int64{}
	for len(f.queue) > 0 && !f.queue[0].restart && f.queue[0].source == first.source && (first.topic == nil || f.queue[0].topic.Topic == first.topic.Topic) {
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
			reached[r.Partition] = offset
			continue
		}
		n.source.pending = append(n.source.pending, n)
		n.source.all = append(n.source.all, n)
		f.pending++
	}
	running, ended := f.running, f.ended
	f.mu.Unlock()
	if running {
		for _, cache := range first.globals {
			f.await(cache, reached, ended)
		}
	}
	if first.topic != nil {
		return toTopic
	}
	return toConnector
}

// await returns when a global cache has come to the given offsets.
func (f *feed) await(cache int, reached map[int32]int64, ended <-chan struct{}) {
	for p, offset := range reached {
		for {
			f.mu.Lock()
			polled := f.polled
			f.mu.Unlock()
			if f.caches.Reached(cache, p, offset) {
				break
			}
			select {
			case <-polled:
			case <-ended:
				return
			}
		}
	}
}

// waiting says whether inputs are still to come.
func (f *feed) waiting() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.queue) > 0 && !f.queue[0].restart || f.pending > 0
}

// follower reads the topics of global caches and tells the feed when it has
// applied what it read.
type follower struct {
	*hosttest.LogReader
	feed *feed
}

// Poll implements host.LogReader. The reader comes back for more once the store
// has what it got before.
func (r *follower) Poll(b *abi.Packed, maxRecords, maxBytes int, wait time.Duration) error {
	r.feed.mu.Lock()
	close(r.feed.polled)
	r.feed.polled = make(chan struct{})
	r.feed.mu.Unlock()
	return r.LogReader.Poll(b, maxRecords, maxBytes, wait)
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
		if !c.feed.settled() {
			c.feed.pass(wait)
			return nil
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
	// all is everything that came, for ticks.
	all []fed
}

// ticks are those of a timer for one partition: each gets all of them, the
// number of a tick being its offset.
type ticks struct {
	*lines
	next int
}

// Poll implements host.ConnectorSource.
func (t *ticks) Poll(b *abi.Packed, _, _ int) (eof bool, err error) {
	t.feed.mu.Lock()
	defer t.feed.mu.Unlock()
	b.Reset()
	for ; t.next < len(t.all); t.next++ {
		run := abi.Run{BaseOffset: int64(t.next), LastOffset: int64(t.next), BaseTimestamp: t.all[t.next].stamp, Count: 1, Start: len(b.Buf)}
		b.Buf = abi.AppendRecord(b.Buf, 0, 0, nil, nil, nil)
		run.End = len(b.Buf)
		b.Runs = append(b.Runs, run)
	}
	t.feed.pending -= len(t.pending)
	t.pending = nil
	return false, nil
}

// Due implements host.Ticking.
func (t *ticks) Due() time.Time { return t.feed.Now().Add(5 * time.Millisecond) }

// Resume implements host.Ticking.
func (t *ticks) Resume(last int64) { t.next = int(last) + 1 }

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
		if q.restart {
			break
		}
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
func (c *captured) Append(r *host.SinkRecord) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records = append(c.records, record{key: clone(r.Key), value: clone(r.Value), partition: -1, timestamp: -1})
	return nil
}

// Flush implements host.ConnectorSink.
func (c *captured) Flush(context.Context) error { return nil }

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
	_ host.LogReader       = (*follower)(nil)
	_ host.ConnectorSource = (*lines)(nil)
	_ host.ConnectorSink   = (*captured)(nil)
	_ host.Ticking         = (*ticks)(nil)
)
