package boot

import (
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/sliphost/sliphost/kafka"
)

// clientStats keeps the newest statistics of each Kafka client. It is safe
// for concurrent use.
type clientStats struct {
	log    *slog.Logger
	mu     sync.Mutex
	latest map[string]*kafka.Stats
}

func newClientStats(log *slog.Logger) *clientStats {
	return &clientStats{log: log, latest: map[string]*kafka.Stats{}}
}

// observe returns what a client reports to; client tells it from the others.
func (s *clientStats) observe(client string) func([]byte) {
	return func(doc []byte) {
		st, err := kafka.ParseStats(doc)
		if err != nil {
			s.log.Warn("statistics of the Kafka client cannot be read", "error", err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.latest[client] = st
	}
}

// ClientStats are the newest statistics of the Kafka clients, by a name that
// tells cluster, kind and worker, in the order of the names.
func (a *App) ClientStats() []NamedStats {
	a.stats.mu.Lock()
	defer a.stats.mu.Unlock()
	var all []NamedStats
	for _, name := range slices.Sorted(maps.Keys(a.stats.latest)) {
		all = append(all, NamedStats{Client: name, Stats: *a.stats.latest[name]})
	}
	return all
}

// NamedStats are one client's statistics.
type NamedStats struct {
	Client string
	kafka.Stats
}
