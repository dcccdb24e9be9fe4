package boot

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/connector"
	"github.com/sliphost/sliphost/host/manifest"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/kafka"
)

// The concrete types behind the engine's ports.
var (
	_ host.Consumer        = (*kafka.Consumer)(nil)
	_ host.Producer        = (*kafka.Producer)(nil)
	_ host.Invoker         = (*module.Slot)(nil)
	_ host.ConnectorSource = (*connector.File)(nil)
	_ host.ConnectorSource = (*connector.Stream)(nil)
	_ host.ConnectorSource = (*connector.Timer)(nil)
	_ host.ConnectorSource = (*connector.HTTPSource)(nil)
	_ host.ConnectorSource = (*connector.Custom)(nil)
	_ host.Ticking         = (*connector.Timer)(nil)
	_ host.Resumable       = (*connector.File)(nil)
	_ host.Resumable       = (*connector.Custom)(nil)
	_ host.Placed          = (*connector.File)(nil)
	_ host.Placed          = (*connector.Stream)(nil)
	_ host.Failing         = (*connector.HTTPSource)(nil)
	_ host.Draining        = (*connector.HTTPSource)(nil)
	_ host.ConnectorSink   = (*connector.Rotating)(nil)
	_ host.ConnectorSink   = (*connector.Webhook)(nil)
	_ host.ConnectorSink   = (*connector.Sink)(nil)
)

// clock is the machine's time.
type clock struct{}

// SystemClock is the time of the machine.
func SystemClock() host.Clock { return clock{} }

func (clock) Now() time.Time { return time.Now() }

func (clock) NewTimer(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// backends makes the engine's ports for a real run.
func (a *App) backends() host.Backends {
	return host.Backends{
		Consumer: a.consumer,
		Producer: a.producer,
		Invoker: func(ctx context.Context, i, worker int, state module.State) (host.Invoker, error) {
			return a.build.Invoker(ctx, i, worker, state, a.o.logger(), a.metric)
		},
		Source:    a.source,
		Sink:      a.sink,
		LogReader: a.logReader,
		Follower:  a.follower,
		LogBounds: a.logBounds,
		Topics:    a.topics,
		Store:     a.store,
		Purge:     a.purge,
		Clock:     SystemClock(),
	}
}

func (a *App) consumer(_ context.Context, cluster, worker int) (host.Consumer, error) {
	c := &a.build.Manifest.Clusters[cluster]
	cfg := kafka.ConsumerConfig{ClientConfig: a.clusters.client(cluster), Group: c.Group, Assignor: a.build.assignor(cluster), QueueBytes: int(a.budget.Fetch) / a.workers}
	cfg.OnStats = a.stats.observe(fmt.Sprintf("%s/consumer/%d", c.Name, worker))
	cfg.ClientID = fmt.Sprintf("%s-%s-%d", cfg.ClientID, a.state.hostID, worker)
	if a.build.Manifest.Membership == manifest.Static {
		cfg.InstanceID = fmt.Sprintf("%s-%s-%d", a.build.Manifest.Name, a.state.hostID, worker)
	}
	if a.build.Manifest.Profile == manifest.Latency {
		cfg.Properties = withDefault(cfg.Properties, "fetch.wait.max.ms", "10")
	}
	return kafka.NewConsumer(cfg)
}

func (a *App) producer(_ context.Context, cluster, worker int) (host.Producer, error) {
	return a.newProducer(cluster, worker)
}

// transactionTimeout is how long a transaction may stay open: an interval, the
// slowest batch, and some patience.
const transactionTimeout = 30 * time.Second

func (a *App) newProducer(cluster, worker int) (*kafka.Producer, error) {
	cfg := kafka.ProducerConfig{ClientConfig: a.clusters.client(cluster), QueueBytes: int(a.budget.Produce) / a.workers}
	a.clusters.sizes[cluster].fit(&cfg.ClientConfig)
	cfg.OnStats = a.stats.observe(fmt.Sprintf("%s/producer/%d", a.build.Manifest.Clusters[cluster].Name, worker))
	if a.build.Manifest.Profile == manifest.Latency {
		cfg.Linger = time.Millisecond
	}
	if a.build.Plan.ExactlyOnce {
		cfg.TransactionalID = a.transactionalID(worker)
		cfg.TransactionTimeout = a.build.Manifest.CommitInterval + transactionTimeout
	}
	return kafka.NewProducer(cfg)
}

func withDefault(props map[string]string, name, value string) map[string]string {
	if _, set := props[name]; !set {
		props[name] = value
	}
	return props
}

// MetricFunc takes a metric that a guest reports.
type MetricFunc func(handler string, kind abi.MetricKind, name []byte, value float64)

// Invoker opens an instance of the manifest's i-th module, whose logs go to
// log and metrics to metric, which may be nil.
func (b *Build) Invoker(ctx context.Context, i, worker int, state module.State, log *slog.Logger, metric MetricFunc) (host.Invoker, error) {
	init := b.Inits[i]
	if init == nil {
		return idle{}, nil
	}
	name := func(handler int32) string {
		if handler < 0 || int(handler) >= len(init.Bindings) {
			return ""
		}
		return init.Bindings[handler].Name
	}
	mod := b.modules.list[i]
	log = log.With("module", mod.Name(), "worker", worker)
	hooks := module.Hooks{
		State: state,
		Log: func(handler int32, level abi.Level, msg []byte) {
			log.Log(context.Background(), logLevel(level), string(msg), "handler", name(handler))
		},
		Output: func(handler int32, stream module.Stream, line []byte) {
			log.Info(string(line), "handler", name(handler), "stream", streamName(stream))
		},
	}
	if metric != nil {
		hooks.Metric = func(handler int32, kind abi.MetricKind, n []byte, value float64) {
			metric(name(handler), kind, n, value)
		}
	}
	slot, err := mod.Open(ctx, init, hooks)
	if err != nil {
		return nil, err
	}
	return slot, nil
}

func streamName(s module.Stream) string {
	if s == module.Stderr {
		return "stderr"
	}
	return "stdout"
}

func logLevel(l abi.Level) slog.Level {
	switch l {
	case abi.LevelDebug:
		return slog.LevelDebug
	case abi.LevelWarn:
		return slog.LevelWarn
	case abi.LevelError:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// idle stands for a module that no handler uses.
type idle struct{}

func (idle) Process(context.Context, int32, int32, []byte, []byte) ([]byte, int32, error) {
	return nil, 0, fmt.Errorf("no handler uses this module")
}
func (idle) RequestStop()                {}
func (idle) Renew()                      {}
func (idle) Close(context.Context) error { return nil }
