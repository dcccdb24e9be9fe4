package boot

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/admin"
	"github.com/sliphost/sliphost/host/metrics"
)

// generation numbers the manifest that runs. It stays 1 as long as a process
// runs the manifest that it was started with.
const generation = 1

// answer starts what tells others about the host: metrics, health and status,
// on the socket in the state directory and on [admin] http.
func (a *App) answer(ctx context.Context) error {
	m := a.build.Manifest
	dir, err := filepath.Abs(a.state.path)
	if err != nil {
		return fmt.Errorf("find state directory %s: %w", a.state.path, err)
	}
	file, err := filepath.Abs(m.File)
	if err != nil {
		return fmt.Errorf("find manifest %s: %w", m.File, err)
	}
	reg, err := metrics.New(metrics.Config{
		Version: a.o.Version, ABI: fmt.Sprintf("%d.%d", abi.Major, abi.Minor),
		Host: a.hostMetrics, Clients: a.clientMetrics, Logger: a.o.logger(),
	})
	if err != nil {
		return err
	}
	a.metric = func(handler string, kind abi.MetricKind, name []byte, value float64) {
		reg.Guest(handler, guestKind(kind), name, value)
	}
	a.admin, err = admin.Start(ctx, admin.Config{
		Host: a, Metrics: reg.Handler(), StateDir: dir, HTTP: m.Admin.HTTP, Token: m.Admin.Token.Reveal(),
		Version: a.o.Version, Manifest: file, Generation: generation, Logger: a.o.logger(),
	})
	return err
}

// guestKind is a kind of the ABI as metrics have it; one that neither knows is
// refused there.
func guestKind(k abi.MetricKind) metrics.GuestKind {
	switch k {
	case abi.MetricCounter:
		return metrics.GuestCounter
	case abi.MetricGauge:
		return metrics.GuestGauge
	case abi.MetricHistogram:
		return metrics.GuestHistogram
	}
	return -1
}

// AdminAddress is the host:port at which metrics, health and status are
// answered over HTTP, or "".
func (a *App) AdminAddress() string { return a.admin.Address() }

// Lags is what the Kafka clients know of the lag of the partitions that this
// process owns, as of their newest statistics.
func (a *App) Lags() []metrics.Lag { return metrics.Lags(a.clientMetrics()) }

func (a *App) hostMetrics() metrics.Host {
	st := a.Status()
	h := metrics.Host{
		App: st.App, State: st.State, Ready: a.Ready(), Generation: generation,
		Records: st.Records, Commits: st.Commits, Rewinds: st.Rewinds, Aborts: reasons(st.Aborts),
		Checkpoints: a.checkpointMetrics(&st),
	}
	for i := range st.Handlers {
		s := &st.Handlers[i]
		h.Handlers = append(h.Handlers, metrics.Handler{
			ID: s.ID, Module: s.Module, SHA256: s.SHA256,
			Records: s.Records, Outputs: s.Outputs, Failed: s.Failed, Traps: s.Traps, CodecErrors: s.CodecErrors, Fuel: s.Fuel, LastFuel: s.LastFuel,
			Dropped: s.Dropped, Skipped: s.Skipped, DeadLetters: s.DeadLetters, Letters: s.Letters,
		})
	}
	times, commits := a.BatchTimes(), a.host.CommitTimes()
	for i := range st.Workers {
		s := &st.Workers[i]
		w := metrics.Worker{ID: s.ID, Cluster: s.Cluster, Store: storeMetrics(&s.WorkerState)}
		for j := range s.Partitions {
			p := &s.Partitions[j]
			w.Partitions = append(w.Partitions, metrics.Partition{
				Source: p.Source, Partition: p.Partition, Next: p.Next, Committed: p.Committed,
				Waiting: p.Waiting, Stopped: p.Stopped != "",
			})
		}
		if i < len(times) {
			w.Batches, w.Commits = durations(times[i]), durations(commits[i])
		}
		h.Workers = append(h.Workers, w)
	}
	return h
}

func (a *App) clientMetrics() []metrics.Client {
	var all []metrics.Client
	committed := a.committedPositions()
	for _, s := range a.ClientStats() {
		cluster, kind, worker := clientName(s.Client)
		c := metrics.Client{
			Cluster: cluster, Kind: kind, Worker: worker, At: s.At,
			QueuedRecords: s.QueuedRecords, QueuedBytes: s.QueuedBytes, MaxRecords: s.MaxRecords, MaxBytes: s.MaxBytes,
			Operations: s.Operations, SentBytes: s.SentBytes, ReceivedBytes: s.ReceivedBytes,
			SentRecords: s.SentRecords, ReceivedRecords: s.ReceivedRecords, Rebalances: s.Rebalances,
		}
		for _, b := range s.Brokers {
			c.Brokers = append(c.Brokers, metrics.Broker{
				Name: b.Name, Up: b.Up, RTTAvg: b.RTTAvg, RTTP99: b.RTTP99, RTTMax: b.RTTMax,
				Waiting: b.Waiting, Queued: b.Queued, Errors: b.Errors,
			})
		}
		for _, p := range s.Partitions {
			// Positions that a transaction commits are unknown to the consumer.
			if next, ok := committed[topicPlace{cluster, p.Topic, p.Partition}]; ok && p.End >= 0 {
				p.Lag = max(p.End-next, 0)
			}
			c.Partitions = append(c.Partitions, metrics.ClientPartition{
				Topic: p.Topic, Partition: p.Partition, Lag: p.Lag, Fetched: p.Fetched, FetchedBytes: p.FetchedBytes,
			})
		}
		all = append(all, c)
	}
	return all
}

// topicPlace is a partition of a topic on a cluster.
type topicPlace struct {
	cluster, topic string
	partition      int32
}

// committedPositions are those of the partitions that this process owns.
func (a *App) committedPositions() map[topicPlace]int64 {
	all := map[topicPlace]int64{}
	if a.host == nil {
		return all // still opening
	}
	st := a.Status()
	for i := range st.Workers {
		w := &st.Workers[i]
		for _, p := range w.Partitions {
			if p.Topic != "" && p.Committed >= 0 {
				all[topicPlace{w.Cluster, p.Topic, p.Partition}] = p.Committed
			}
		}
	}
	return all
}

// durations hands a histogram on. A bucket and the sum may be a batch apart,
// since the worker goes on.
func durations(h *host.Histogram) metrics.Durations {
	d := metrics.Durations{Sum: h.Sum()}
	h.Buckets(func(below time.Duration, count uint64) {
		d.Buckets = append(d.Buckets, metrics.Bucket{Below: below, Count: count})
	})
	return d
}

// clientName takes the name of a client's statistics apart, as ports.go makes
// it: cluster, kind and worker.
func clientName(name string) (cluster, kind, worker string) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return name, "", ""
	}
	return parts[0], parts[1], parts[2]
}

// reasons completes the counts of aborts, so that a rate is known from the
// first one on.
func reasons(counts map[string]uint64) map[string]uint64 {
	all := map[string]uint64{}
	for _, reason := range host.AbortReasons {
		all[reason] = counts[reason]
	}
	return all
}

// storeMetrics is what a worker tells of tasks and caches.
func storeMetrics(s *host.WorkerState) metrics.Store {
	out := metrics.Store{
		Tasks: map[string]int{}, Suspended: s.Suspended != "", Staged: s.Staged, Unwritten: s.Unwritten,
		RestoreRemaining: s.RestoreRemaining, Restored: s.Restored, CacheHits: s.CacheHits, CacheMisses: s.CacheMisses,
	}
	for _, phase := range host.TaskPhases() {
		out.Tasks[phase] = 0
	}
	for _, t := range s.Tasks {
		out.Tasks[t.Phase]++
	}
	return out
}
