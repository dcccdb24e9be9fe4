package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/sliphost/sliphost/host/crashpoint"
	"github.com/sliphost/sliphost/state"
)

// outlet is where a sink's records go in one worker.
type outlet struct {
	producer *output
	topic    int32
	conn     *connSink
}

// output is a worker's producer for one cluster.
type output struct {
	Producer
	cluster string
	// dirty says that something was appended since the last flush, staged that
	// something was since the last send.
	dirty, staged bool
	// sent lists the calls behind the records since the last flush, where a
	// run is careful.
	sent []callKey
}

// refusedError says that a client or a connector sink refused an output.
type refusedError struct {
	// out or conn is where it was to go.
	out  *output
	conn *connSink
	err  error
}

func (e *refusedError) Error() string {
	if e.conn != nil {
		return fmt.Sprintf("sink %q: %v", e.conn.id, e.err)
	}
	return fmt.Sprintf("outputs to cluster %q were refused: %v", e.out.cluster, e.err)
}

// sent are the calls behind the records since the last flush.
func (e *refusedError) sent() []callKey {
	if e.conn != nil {
		return e.conn.sent
	}
	return e.out.sent
}

// record is the position of the record that the refusal is about, -1 where it
// is not about one of this worker's.
func (e *refusedError) record() int {
	var one interface{ RecordIndex() int }
	if !errors.As(e.err, &one) || e.conn != nil && !e.conn.own {
		return -1
	}
	return one.RecordIndex()
}
func (e *refusedError) Unwrap() error { return e.err }

// openOutlets opens producers and connector sinks for everything the handlers
// emit to.
func (w *worker) openOutlets(ctx context.Context) error {
	w.outputs = make([]*output, len(w.plan.Clusters))
	w.connSinks = make([]*connSink, len(w.host.sinks))
	w.outlets = make([][]*outlet, len(w.plan.Handlers))
	w.letters = make([]*outlet, len(w.plan.Handlers))
	for i := range w.plan.Handlers {
		h := &w.plan.Handlers[i]
		for j := range h.Sinks {
			s := &h.Sinks[j]
			out := &outlet{}
			switch s.Kind {
			case SinkTopic:
				var err error
				if out, err = w.topicOutlet(ctx, s.Cluster, s.Topic); err != nil {
					return err
				}
			case SinkConnector:
				if w.connSinks[s.Connector] == nil {
					w.connSinks[s.Connector] = w.connSink(s)
				}
				out.conn = w.connSinks[s.Connector]
			}
			w.outlets[i] = append(w.outlets[i], out)
		}
		if h.OnError.Policy == PolicyDLQ {
			out, err := w.topicOutlet(ctx, h.OnError.Cluster, h.OnError.Topic)
			if err != nil {
				return err
			}
			w.letters[i] = out
		}
	}
	if err := w.openChangelogs(ctx); err != nil {
		return err
	}
	return w.openControl(ctx)
}

// connSink is a connector sink for this worker: the host's, or one of its own.
// That one outlives its clients.
func (w *worker) connSink(s *Sink) *connSink {
	if !s.PerWorker {
		return &connSink{shared: w.host.sinks[s.Connector], id: s.ID}
	}
	if w.ownSinks[s.Connector] == nil {
		w.ownSinks[s.Connector] = &sharedSink{failed: errNotOpen, open: func(ctx context.Context) (ConnectorSink, error) {
			return w.backends.Sink(ctx, s.Connector)
		}}
	}
	return &connSink{shared: w.ownSinks[s.Connector], id: s.ID, own: true}
}

// errNotOpen is the state of a sink that is opened with its first record.
var errNotOpen = errors.New("the sink is not open yet")

// openChangelogs opens the outlets of changelogs, and with exactly-once the
// producer of the worker's cluster even if it has nothing but offsets to carry.
func (w *worker) openChangelogs(ctx context.Context) error {
	w.changelogs = make([]*outlet, len(w.plan.Caches))
	for i := range w.plan.Caches {
		c := &w.plan.Caches[i]
		if c.Kind != state.KV || c.Cluster != w.cluster {
			continue
		}
		out, err := w.topicOutlet(ctx, c.Cluster, c.Topic)
		if err != nil {
			return err
		}
		w.changelogs[i] = out
	}
	if w.plan.ExactlyOnce && len(w.topics) > 0 {
		return w.openOutput(ctx, w.cluster)
	}
	return nil
}

func (w *worker) topicOutlet(ctx context.Context, cluster int, topic string) (*outlet, error) {
	if err := w.openOutput(ctx, cluster); err != nil {
		return nil, err
	}
	out := w.outputs[cluster]
	return &outlet{producer: out, topic: out.Topic(topic)}, nil
}

// openOutput opens the producer for a cluster if there is none. A transactional
// one first ends what an earlier life of this worker left open.
func (w *worker) openOutput(ctx context.Context, cluster int) error {
	if w.outputs[cluster] != nil {
		return nil
	}
	p, err := w.backends.Producer(ctx, cluster, w.id)
	if err != nil {
		return fmt.Errorf("open the producer for cluster %q: %w", w.plan.Clusters[cluster], err)
	}
	w.outputs[cluster] = &output{Producer: p, cluster: w.plan.Clusters[cluster]}
	if !w.plan.ExactlyOnce {
		return nil
	}
	if err := w.resume(ctx, func() error { return p.Init(ctx) }); err != nil {
		return fmt.Errorf("take over the transactions on cluster %q: %w", w.plan.Clusters[cluster], err)
	}
	crashpoint.At("init-after")
	return nil
}

// delivered is the offset behind the last record acknowledged in a partition.
func (o *outlet) delivered(partition int32) int64 {
	return o.producer.Delivered(o.topic, partition)
}

func (o *outlet) append(partition int32, key, value, headers []byte, timestamp int64) {
	o.producer.Append(o.topic, partition, key, value, headers, timestamp)
	o.producer.dirty, o.producer.staged = true, true
}

// send hands what was staged to the clients.
func (w *worker) send(ctx context.Context) error {
	for _, o := range w.outputs {
		if o == nil || !o.staged {
			continue
		}
		if err := w.begin(); err != nil {
			return err
		}
		o.staged = false
		if err := o.Send(ctx); err != nil {
			return w.refuse(&refusedError{out: o, err: err})
		}
		crashpoint.At("after-send")
	}
	return nil
}

// flush returns when every output of this worker is where it belongs.
func (w *worker) flush(ctx context.Context) error {
	for _, o := range w.outputs {
		if o == nil || !o.dirty {
			continue
		}
		if err := w.begin(); err != nil {
			return err
		}
		if err := o.Flush(ctx); err != nil {
			return w.refuse(&refusedError{out: o, err: err})
		}
		o.dirty, o.staged, o.sent = false, false, o.sent[:0]
	}
	for _, s := range w.connSinks {
		if s == nil {
			continue
		}
		if err := s.flush(ctx); err != nil {
			return w.refuse(&refusedError{conn: s, err: err})
		}
		s.sent = s.sent[:0]
	}
	return nil
}

// refuse remembers the first refusal and returns err.
func (w *worker) refuse(err error) error {
	if w.refused == nil {
		w.refused = err
	}
	return err
}

// discard drops what is on its way out and not sent.
func (w *worker) discard() {
	for _, o := range w.outputs {
		if o != nil {
			o.Discard()
			o.dirty, o.staged, o.sent = false, false, o.sent[:0]
		}
	}
	for _, s := range w.connSinks {
		if s != nil {
			s.opening, s.sent = 0, s.sent[:0]
		}
	}
}
