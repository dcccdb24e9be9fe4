package golden

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/boot"
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/host/module"
)

// scene is a manifest set up for one test.
type scene struct {
	f     *file
	b     *boot.Build
	o     Options
	log   *slog.Logger
	plan  *host.Plan
	parts map[string]int
	feed  *feed
	// sources are the connectors by the plan's numbers, sinks those of
	// b.Connectors.
	sources []*lines
	sinks   []*captured
	kept    keeping
}

// newScene checks the test against the manifest and prepares its inputs.
func newScene(f *file, b *boot.Build, o Options) (*scene, error) {
	s := &scene{f: f, b: b, o: o, log: o.Logger, parts: map[string]int{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(s.topics(), s.internalTopics()); err != nil {
		return nil, err
	}
	s.onePlan()
	s.feed = &feed{broker: hosttest.NewBroker(s.parts), parts: s.parts, now: f.now, inputs: map[recordID]bool{}, polled: make(chan struct{})}
	// A slow machine must not end a transaction.
	s.feed.broker.TransactionTimeout = time.Hour
	if err := s.keep(); err != nil {
		return nil, err
	}
	for i := range s.plan.Sources {
		s.sources = append(s.sources, nil)
		if p := &s.plan.Sources[i]; p.Kind == host.SourceConnector {
			s.sources[i] = &lines{feed: s.feed, kind: p.Batch, ready: make(chan struct{})}
		}
	}
	for range b.Connectors {
		s.sinks = append(s.sinks, &captured{})
	}
	var errs []error
	for _, in := range f.inputs {
		errs = append(errs, s.input(in))
	}
	for _, out := range f.outputs {
		if _, ok := s.sink(out.endpoint); !ok {
			errs = append(errs, s.at(out, "no handler of %s writes to %q", b.Manifest.File, out.endpoint))
		}
	}
	for _, name := range f.ignore {
		if _, ok := s.sink(name); !ok {
			errs = append(errs, fmt.Errorf("%s: ignore names %q, which no handler of %s writes to", f.path, name, b.Manifest.File))
		}
	}
	errs = append(errs, s.fill())
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *scene) at(b *block, format string, args ...any) error {
	return fmt.Errorf("%s:%s: %s", s.f.path, place(s.f.text, b.at), fmt.Sprintf(format, args...))
}

// topics makes the in-memory topics: all clusters are one broker here.
func (s *scene) topics() error {
	m := s.b.Manifest
	clusters := map[string]int{}
	for i := range m.Topics {
		t := &m.Topics[i]
		if c, twice := clusters[t.Name]; twice && c != t.Cluster {
			return fmt.Errorf("%s: topics of the name %q are on two clusters, which a golden test cannot tell apart", s.f.path, t.Name)
		}
		clusters[t.Name] = t.Cluster
		s.parts[t.Name] = max(1, t.Partitions)
	}
	return nil
}

// onePlan copies the plan with everything on its first cluster.
func (s *scene) onePlan() {
	p := *s.b.Plan
	p.Sources = slices.Clone(p.Sources)
	for i := range p.Sources {
		p.Sources[i].Cluster = 0
		// Everything that is fed is to be read, whatever start says.
		p.Sources[i].Start = host.Start{}
	}
	p.Caches = slices.Clone(p.Caches)
	p.Handlers = slices.Clone(p.Handlers)
	for i := range p.Handlers {
		h := &p.Handlers[i]
		h.OnError.Cluster = 0
		h.Sinks = slices.Clone(h.Sinks)
		for j := range h.Sinks {
			h.Sinks[j].Cluster = 0
			if h.Sinks[j].Kind == host.SinkTopic {
				h.Sinks[j].Partitions = int32(s.parts[h.Sinks[j].Topic])
			}
		}
	}
	s.plan = &p
}

// input turns one [[input]] into records in the feed.
func (s *scene) input(in *block) error {
	i := slices.IndexFunc(s.b.Sources, func(e manifest.Endpoint) bool {
		return e.Text == in.endpoint && e.Kind != manifest.EndpointProxy && e.Kind != manifest.EndpointCache
	})
	if strings.HasPrefix(in.endpoint, "cache:") {
		return s.at(in, "%q delivers what handlers write to the cache: give them input that makes them write, or write [cache.%s.before] for what is in it", in.endpoint, strings.TrimPrefix(in.endpoint, "cache:"))
	}
	topic, globals := s.globalTopic(in.endpoint)
	switch {
	case i < 0 && globals == nil:
		return s.at(in, "no handler of %s reads from %q", s.b.Manifest.File, in.endpoint)
	case i >= 0 && s.sources[i] == nil:
		topic = s.plan.Sources[i].Topic
	}
	records, err := s.records(in)
	if err != nil {
		return err
	}
	for n, r := range records {
		restart := in.restart && n == 0
		if r.timestamp < 0 {
			r.timestamp = s.f.now.UnixMilli()
		}
		if topic == "" {
			line := s.sources[i]
			if line.kind == abi.KindTimer && (r.key != nil || r.value != nil) {
				return s.at(in, "a tick of a timer has neither key nor value")
			}
			if r.key != nil || len(r.headers) > 0 || in.hasPart {
				return s.at(in, "records of %q have only a value and a timestamp", in.endpoint)
			}
			s.feed.queue = append(s.feed.queue, fed{source: line, value: r.value, stamp: r.timestamp, restart: restart})
			continue
		}
		r.json = r.json || in.from != ""
		if err := r.encode(s.codecs(topic)); err != nil {
			return s.at(in, "the record is not what topic %q takes: %s", in.endpoint, err)
		}
		if int(r.partition) >= s.parts[topic] {
			return s.at(in, "topic %q has partitions 0 to %d, not %d", in.endpoint, s.parts[topic]-1, r.partition)
		}
		s.feed.queue = append(s.feed.queue, fed{restart: restart, globals: globals, topic: &hosttest.Record{
			Topic: topic, Partition: r.partition, Timestamp: r.timestamp,
			Key: r.key, Value: r.value, HeadersWire: wireHeaders(r.headers),
		}})
	}
	return nil
}

// records returns the records of a block: its own, or those of its file.
func (s *scene) records(b *block) ([]record, error) {
	if b.from == "" {
		return []record{b.record}, nil
	}
	text, err := os.ReadFile(b.from)
	if err != nil {
		return nil, s.at(b, "file: %s", err)
	}
	if len(text) > maxFile {
		return nil, s.at(b, "file %s is larger than %d bytes", b.from, maxFile)
	}
	var key codec.Pointer
	var stamp codec.TimePointer
	if b.keyAt != "" {
		if key, err = codec.ParsePointer(b.keyAt); err != nil {
			return nil, s.at(b, "key_at: %s", err)
		}
	}
	if b.stampAt != "" {
		if stamp, err = codec.ParseTimePointer(b.stampAt); err != nil {
			return nil, s.at(b, "timestamp_at: %s", err)
		}
	}
	var all []record
	scan := bufio.NewScanner(bytes.NewReader(text))
	scan.Buffer(nil, maxFile+1)
	for n := 1; scan.Scan(); n++ {
		r := b.record
		r.value = append([]byte{}, scan.Bytes()...)
		if b.keyAt != "" || b.stampAt != "" {
			if _, err := (codec.JSON{}).Decode(nil, r.value); err != nil {
				return nil, s.at(b, "%s:%d: %s", b.from, n, err)
			}
		}
		if b.keyAt != "" {
			raw, err := key.Find(r.value)
			if err != nil {
				return nil, s.at(b, "%s:%d: %s", b.from, n, err)
			}
			r.key = codec.AppendText([]byte{}, raw)
		}
		if b.stampAt != "" {
			if r.timestamp, err = stamp.Millis(r.value); err != nil {
				return nil, s.at(b, "%s:%d: %s", b.from, n, err)
			}
		}
		all = append(all, r)
	}
	return all, scan.Err()
}

func wireHeaders(hs []header) []byte {
	if len(hs) == 0 {
		return nil
	}
	b := abi.AppendArrayHeader(nil, len(hs))
	for _, h := range hs {
		b = abi.AppendHeader(b, h.name, h.value)
	}
	return b
}

// run runs the engine until everything is processed, once for each start that
// the test asks for.
func (s *scene) run(ctx context.Context) error {
	for first := true; ; first = false {
		if !first {
			if err := s.restart(); err != nil {
				return err
			}
		}
		s.feed.begin(ctx.Done())
		h := host.New(s.plan, host.Options{CommitInterval: s.b.Manifest.CommitInterval, UntilIdle: true, GoesOn: s.feed.restarts()},
			[]int{0}, len(s.sinks), s.backends(), s.log)
		err := h.Run(ctx)
		if s.feed.err != nil {
			return s.feed.err
		}
		if err != nil || len(s.feed.queue) == 0 {
			return err
		}
	}
}

func (s *scene) backends() host.Backends {
	b := host.Backends{
		Consumer: func(context.Context, int, int) (host.Consumer, error) {
			return &consumer{Consumer: s.feed.broker.Consumer(s.plan.App), feed: s.feed}, nil
		},
		Producer: func(context.Context, int, int) (host.Producer, error) {
			if s.plan.ExactlyOnce {
				return s.feed.broker.TransactionalProducer(s.plan.App), nil
			}
			return s.feed.broker.Producer(), nil
		},
		Invoker: func(ctx context.Context, i, worker int, st module.State) (host.Invoker, error) {
			return s.b.Invoker(ctx, i, worker, st, s.log, nil)
		},
		LogReader: s.logReader,
		LogBounds: s.logBounds,
		Source: func(_ context.Context, i int) (host.ConnectorSource, error) {
			if s.plan.Sources[i].Timer == host.TimerOfTask {
				return &ticks{lines: s.sources[i]}, nil
			}
			return s.sources[i], nil
		},
		Sink:  func(_ context.Context, i int) (host.ConnectorSink, error) { return s.sinks[i], nil },
		Clock: s.feed,
	}
	if s.kept.caches != nil {
		b.Store = s.kept.caches.Store()
	}
	return b
}

// output is one place that handlers write to.
type output struct {
	name  string
	topic string
	sink  *captured
	// internal outputs need no expectations.
	internal bool
}

// outputs lists every place that handlers write to, dead letters included, in
// the order of the manifest.
func (s *scene) outputs() []output {
	var all []output
	add := func(o output) {
		if !slices.ContainsFunc(all, func(p output) bool { return p.topic == o.topic && p.sink == o.sink }) {
			all = append(all, o)
		}
	}
	for _, o := range s.b.Topology.Outputs {
		if o.Kind == manifest.EndpointTopic {
			t := &s.b.Manifest.Topics[o.Index]
			add(output{name: t.ID, topic: t.Name})
			continue
		}
		if o.Kind == manifest.EndpointRepartition {
			r := &s.b.Manifest.Repartitions[o.Index]
			add(output{name: r.ID, topic: r.Name, internal: true})
			continue
		}
		for i, c := range s.b.Connectors {
			if c.Key() == o.Key() {
				add(output{name: o.Text, sink: s.sinks[i]})
			}
		}
	}
	return all
}

// sink finds an output by what a test calls it; "stdout" is also the name of
// "stdout:json".
func (s *scene) sink(name string) (output, bool) {
	for _, o := range s.outputs() {
		short, _, _ := strings.Cut(o.name, ":")
		if o.name == name || short == "stdout" && (name == "stdout" || strings.HasPrefix(name, "stdout:")) {
			return o, true
		}
	}
	return output{}, false
}

// got returns what was written to an output.
func (s *scene) got(o output) []record {
	if o.sink != nil {
		return o.sink.records
	}
	all := s.feed.broker.Records(o.topic)
	key, value := s.codecs(o.topic)
	var out []record
	for _, r := range all {
		if s.feed.inputs[recordID{o.topic, r.Partition, r.Offset}] {
			continue // an input of the test
		}
		rec := record{key: r.Key, value: r.Value, partition: r.Partition, timestamp: r.Timestamp}
		rec.decode(key, value)
		it := abi.ReadHeaders(r.HeadersWire)
		for {
			name, value, ok := it.Next()
			if !ok {
				break
			}
			rec.headers = append(rec.headers, header{string(name), clone(value)})
		}
		out = append(out, rec)
	}
	return out
}

// compare sets each sink's records against the expected ones.
func (s *scene) compare() ([]comparison, error) {
	var all []comparison
	for _, o := range s.outputs() {
		c := comparison{sink: o.name, got: s.got(o)}
		ignored := false
		for _, name := range s.f.ignore {
			if p, _ := s.sink(name); p == o {
				ignored = true
			}
		}
		for _, b := range s.f.outputs {
			if p, _ := s.sink(b.endpoint); p != o {
				continue
			}
			if ignored {
				return nil, s.at(b, "sink %q is ignored, yet has expectations", b.endpoint)
			}
			records, err := s.records(b)
			if err != nil {
				return nil, err
			}
			for _, r := range records {
				c.wants = append(c.wants, want{block: b, record: r})
			}
			c.sink = b.endpoint
		}
		if ignored || o.internal && c.wants == nil {
			continue
		}
		c.steps = align(c.wants, c.got)
		all = append(all, c)
	}
	return all, nil
}
