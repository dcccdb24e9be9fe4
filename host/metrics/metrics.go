// Package metrics shows a running host to Prometheus. It knows neither the
// engine nor the Kafka client: what it shows is handed to it as plain values
// when somebody scrapes, so nothing here costs anything in between. Only what
// handlers report themselves is counted as it happens.
package metrics

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config says where a registry's values come from.
type Config struct {
	// Version is the program's, ABI the version of the contract with modules.
	Version, ABI string
	// Host returns the engine's counters and Clients those of its Kafka clients.
	// Both are called at every scrape, from any goroutine; what they return is
	// not written to. Clients may be nil.
	Host    func() Host
	Clients func() []Client
	// Logger hears once of each reason to refuse a handler's metric, and of
	// scrapes that fail; nil discards it.
	Logger *slog.Logger
}

// Registry holds the metrics of one host. It is safe for concurrent use.
type Registry struct {
	config Config
	all    *prometheus.Registry
	descs  [familyCount]*prometheus.Desc
	guests *guests
	late   lateCounts
}

// New makes a registry with every metric of Reference, and those of the Go
// runtime and the process.
func New(c Config) (*Registry, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Registry{config: c, all: prometheus.NewRegistry(), guests: newGuests(maxGuestNames, c.Logger), late: lateCounts{by: map[string]float64{}}}
	for id, f := range families {
		r.descs[id] = prometheus.NewDesc(f.name, f.help, f.labels, nil)
	}
	for _, part := range []prometheus.Collector{
		(*collector)(r), r.guests,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := r.all.Register(part); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return r, nil
}

// Gatherer is the registry for those who encode it themselves.
func (r *Registry) Gatherer() prometheus.Gatherer { return r.all }

// Handler answers scrapes in the formats of Prometheus, compressed if asked.
// Scrapes that overlap share one reading. It does not look at the method.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.all, promhttp.HandlerOpts{
		ErrorLog:       scrapeLog{r.config.Logger},
		ErrorHandling:  promhttp.ContinueOnError,
		CoalesceGather: true,
	})
}

// scrapeLog takes the errors of scrapes. A scraper that hangs up in the middle
// is one of them and nothing to warn of, so all are for debugging.
type scrapeLog struct{ log *slog.Logger }

// Println implements promhttp.Logger.
func (l scrapeLog) Println(v ...any) { l.log.Debug("scrape", "error", fmt.Sprint(v...)) }
