package golden

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
)

// Trial is what became of dead letters that were tried in memory.
type Trial struct {
	// Again has, by their place among the letters, those that failed again, with
	// code and text.
	Again map[int]string
	// Outputs is what came out of all of them, topic by topic.
	Outputs []TrialOutput
}

// TrialOutput is one record; Topic is the name at the broker or, for a sink
// outside Kafka, what the manifest calls it.
type TrialOutput struct {
	Topic string
	boot.Tapped
}

// Try hands dead letters to their handlers: the real engine and modules, with
// topics in memory, empty caches and no tries but the first. Letters that
// cannot be delivered are left out.
func Try(ctx context.Context, b *boot.Build, letters []boot.Letter, log *slog.Logger) (*Trial, error) {
	plan, topics := trialPlan(b, letters)
	t := &trial{b: b, plan: plan, log: log, broker: hosttest.NewBroker(topics)}
	for range b.Connectors {
		t.sinks = append(t.sinks, &captured{})
	}
	for i := range letters {
		r, ok := letters[i].Return()
		if !ok {
			continue
		}
		if _, err := t.broker.Produce(hosttest.Record{Topic: r.Topic, Partition: r.Partition, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, HeadersWire: r.Headers}); err != nil {
			return nil, err
		}
	}
	if err := t.run(ctx); err != nil {
		return nil, fmt.Errorf("try the letters: %w", err)
	}
	return t.outcome(letters), nil
}

type trial struct {
	b      *boot.Build
	plan   *host.Plan
	log    *slog.Logger
	broker *hosttest.Broker
	sinks  []*captured
}

// trialPlan copies the plan for one broker without transactions, and lists the
// topics it needs. All have room for every letter's partition.
func trialPlan(b *boot.Build, letters []boot.Letter) (*host.Plan, map[string]int) {
	p := *b.Plan
	p.ExactlyOnce = false
	n := 1
	for i := range letters {
		if r, ok := letters[i].Return(); ok {
			n = max(n, int(r.Partition)+1)
		}
	}
	topics := map[string]int{}
	p.Sources = slices.Clone(p.Sources)
	for i := range p.Sources {
		s := &p.Sources[i]
		s.Cluster, s.Start, s.Identity = 0, host.Start{}, 0
		if s.Kind == host.SourceTopic {
			topics[s.Topic] = n
		}
	}
	p.Caches = slices.Clone(p.Caches)
	for i := range p.Caches {
		c := &p.Caches[i]
		c.Cluster, c.Log, c.Partitions = 0, 0, int32(n)
		if c.Topic != "" {
			topics[c.Topic] = n
		}
	}
	p.Handlers = slices.Clone(p.Handlers)
	for i := range p.Handlers {
		h := &p.Handlers[i]
		h.OnError.Cluster, h.OnError.Attempts = 0, 0
		if h.OnError.Topic != "" {
			topics[h.OnError.Topic] = 1
		}
		h.Sinks = slices.Clone(h.Sinks)
		for j := range h.Sinks {
			s := &h.Sinks[j]
			if s.Cluster = 0; s.Kind == host.SinkTopic {
				topics[s.Topic] = max(topics[s.Topic], int(s.Partitions), 1)
			}
		}
	}
	return &p, topics
}

func (t *trial) run(ctx context.Context) error {
	bk := host.Backends{
		Consumer: func(context.Context, int, int) (host.Consumer, error) { return t.broker.Consumer(t.plan.App), nil },
		Producer: func(context.Context, int, int) (host.Producer, error) { return t.broker.Producer(), nil },
		Invoker: func(ctx context.Context, i, worker int, st module.State) (host.Invoker, error) {
			return t.b.Invoker(ctx, i, worker, st, t.log, nil)
		},
		Source:    func(context.Context, int) (host.ConnectorSource, error) { return silent{}, nil },
		Sink:      func(_ context.Context, i int) (host.ConnectorSink, error) { return t.sinks[i], nil },
		LogReader: func(context.Context, int) (host.LogReader, error) { return t.broker.LogReader(), nil },
		LogBounds: func(_ context.Context, _ int, parts []host.LogPartition) ([]host.Bounds, error) {
			all := make([]host.Bounds, len(parts))
			for i, p := range parts {
				all[i] = t.broker.Bounds(p.Topic, p.Partition)
			}
			return all, nil
		},
		Clock: boot.SystemClock(),
	}
	if caches := t.b.Caches(); len(caches) > 0 {
		store, err := hosttest.Store(caches...)
		if err != nil {
			return err
		}
		defer store.Close()
		bk.Store = store
	}
	return host.New(t.plan, host.Options{UntilIdle: true}, []int{0}, len(t.sinks), bk, t.log).Run(ctx)
}

// outcome sorts what came out.
func (t *trial) outcome(letters []boot.Letter) *Trial {
	out := &Trial{Again: map[int]string{}}
	seen := map[string]bool{}
	for i := range t.plan.Handlers {
		if topic := t.plan.Handlers[i].OnError.Topic; topic != "" && !seen[topic] {
			seen[topic] = true
			for _, r := range t.broker.Records(topic) {
				t.failed(out, letters, &r)
			}
		}
	}
	// What a handler emits into the topic of the letters is told as one of these.
	for i := range t.plan.Handlers {
		for j := range t.plan.Handlers[i].Sinks {
			s := &t.plan.Handlers[i].Sinks[j]
			if s.Kind != host.SinkTopic || seen[s.Topic] {
				continue
			}
			seen[s.Topic] = true
			for _, r := range t.broker.Records(s.Topic) {
				out.Outputs = append(out.Outputs, TrialOutput{s.Topic, boot.Tapped{
					Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp, Key: r.Key, Value: r.Value, Headers: r.HeadersWire,
					KeyCodec: s.Key, ValueCodec: s.Value,
				}})
			}
		}
	}
	for i, sink := range t.sinks {
		for n, r := range sink.records {
			out.Outputs = append(out.Outputs, TrialOutput{t.b.Connectors[i].Text, boot.Tapped{Offset: int64(n), Timestamp: -1, Key: r.key, Value: r.value}})
		}
	}
	return out
}

// failed finds the letter that a new one is about.
func (t *trial) failed(out *Trial, letters []boot.Letter, r *hosttest.Record) {
	own := map[string]string{}
	for it := abi.ReadHeaders(r.HeadersWire); ; {
		name, value, ok := it.Next()
		if !ok {
			break
		}
		own[string(name)] = string(value)
	}
	for i := range letters {
		l := &letters[i]
		if l.Topic == own[host.HeaderTopic] && strconv.FormatInt(l.RootOffset, 10) == own[host.HeaderOffset] && strconv.Itoa(int(l.RootPartition)) == own[host.HeaderPartition] && l.Handler == own[host.HeaderHandler] && l.N == own[host.HeaderN] {
			out.Again[i] = own[host.HeaderCode] + ": " + own[host.HeaderError]
		}
	}
}

// silent is a source outside Kafka that has nothing.
type silent struct{}

// Poll implements host.ConnectorSource.
func (silent) Poll(b *abi.Packed, _, _ int) (bool, error) { b.Reset(); return true, nil }

// Ready implements host.ConnectorSource.
func (silent) Ready() <-chan struct{} { return nil }

// Commit implements host.ConnectorSource.
func (silent) Commit(int64) error { return nil }

// Close implements host.ConnectorSource.
func (silent) Close() error { return nil }
