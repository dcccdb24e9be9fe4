package metrics

import (
	"log/slog"
	"maps"
	"math"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// GuestKind is the kind of a metric that a handler reports. The numbers are
// those of the ABI.
type GuestKind int32

// Kinds of handlers' metrics.
const (
	// GuestCounter: the value, not negative, is added.
	GuestCounter GuestKind = iota
	// GuestGauge: the value replaces the one before.
	GuestGauge
	// GuestHistogram: the value is one observation.
	GuestHistogram
)

// maxGuestNames bounds the names of one handler, and with them the memory and
// the series that a handler can cost: it may derive names from records.
const maxGuestNames = 200

const (
	guestPrefix = "sliphost_guest_"
	guestHelp   = "Reported by handlers."
)

// Guest takes one metric call of a handler. The metric becomes
// sliphost_guest_NAME with the label handler, a counter with _total at its
// end; bytes of the name that Prometheus does not allow become underscores.
// LateRecords is shown as sliphost_handler_late_records_total instead.
// What cannot be shown has no effect but to be counted in
// sliphost_handler_metrics_refused_total, and is logged the first time.
//
// name is not kept. For a name that was used before, nothing is allocated.
func (r *Registry) Guest(handler string, kind GuestKind, name []byte, value float64) {
	if kind == GuestCounter && string(name) == LateRecords && r.late.add(handler, value) {
		return
	}
	r.guests.report(handler, kind, name, value)
}

// refusal is a reason to give a metric call no effect.
type refusal int

const (
	refusedLimit refusal = iota
	refusedKind
	refusedValue
	refusals
)

var refusalNames = [refusals]string{"limit", "kind", "value"}

// guests are the metrics of all handlers.
type guests struct {
	limit int
	log   *slog.Logger

	// mu guards the maps; what they lead to is safe by itself.
	mu       sync.RWMutex
	handlers map[string]*guest
	// kinds holds every exported name: a name is of one kind, whichever handler
	// reports it.
	kinds map[string]GuestKind
}

// guest is one handler.
type guest struct {
	// series has the metrics by the name that the handler gives them.
	series  map[string]series
	refused [refusals]atomic.Uint64
}

// series is one metric of one handler; the others of the three are nil.
type series struct {
	full      string
	counter   prometheus.Counter
	gauge     prometheus.Gauge
	histogram prometheus.Histogram
}

func newGuests(limit int, log *slog.Logger) *guests {
	return &guests{limit: limit, log: log, handlers: map[string]*guest{}, kinds: map[string]GuestKind{}}
}

func (g *guests) report(handler string, kind GuestKind, name []byte, value float64) {
	g.mu.RLock()
	h := g.handlers[handler]
	var s series
	known, full := false, false
	if h != nil {
		s, known = h.series[string(name)]
		full = len(h.series) >= g.limit
	}
	g.mu.RUnlock()
	switch {
	case known:
	case full: // without the lock that makes others wait
		g.refuse(h, handler, name, refusedLimit)
		return
	default:
		var why refusal
		var ok bool
		if h, s, why, ok = g.add(handler, kind, string(name)); !ok {
			g.refuse(h, handler, name, why)
			return
		}
	}
	if math.IsNaN(value) || math.IsInf(value, 0) || kind == GuestCounter && value < 0 {
		g.refuse(h, handler, name, refusedValue)
		return
	}
	switch {
	case kind == GuestCounter && s.counter != nil:
		s.counter.Add(value)
	case kind == GuestGauge && s.gauge != nil:
		s.gauge.Set(value)
	case kind == GuestHistogram && s.histogram != nil:
		s.histogram.Observe(value)
	default:
		g.refuse(h, handler, name, refusedKind)
	}
}

// add makes room for a metric. The handler it returns is never nil.
func (g *guests) add(handler string, kind GuestKind, name string) (h *guest, s series, why refusal, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h = g.handlers[handler]
	if h == nil {
		h = &guest{series: map[string]series{}}
		g.handlers[handler] = h
	}
	if s, ok = h.series[name]; ok { // another worker was faster
		return h, s, 0, true
	}
	full := exported(kind, name)
	switch {
	case len(h.series) >= g.limit:
		return h, s, refusedLimit, false
	case kind < GuestCounter || kind > GuestHistogram || g.clashes(full, kind):
		return h, s, refusedKind, false
	}
	// Two names of the handler may be the same once exported.
	for _, other := range h.series {
		if other.full == full {
			h.series[name] = other
			return h, other, 0, true
		}
	}
	s = newSeries(full, handler, kind)
	h.series[name] = s
	g.kinds[full] = kind
	return h, s, 0, true
}

// exported is the name under which a metric is shown.
func exported(kind GuestKind, name string) string {
	b := []byte(guestPrefix + name)
	for i, c := range b {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			b[i] = '_'
		}
	}
	full := string(b)
	if kind == GuestCounter && !strings.HasSuffix(full, "_total") {
		full += "_total"
	}
	return full
}

// clashes says whether a name is taken by another kind, or would be mistaken
// for a part of a histogram.
func (g *guests) clashes(full string, kind GuestKind) bool {
	if k, taken := g.kinds[full]; taken {
		return k != kind
	}
	for _, part := range [...]string{"_bucket", "_sum", "_count"} {
		if kind == GuestHistogram {
			if _, taken := g.kinds[full+part]; taken {
				return true
			}
		}
		if whole, ok := strings.CutSuffix(full, part); ok {
			if k, taken := g.kinds[whole]; taken && k == GuestHistogram {
				return true
			}
		}
	}
	return false
}

// guestBuckets are three bounds a decade, since nobody knows the unit. A
// server that scrapes native histograms gets finer ones.
var guestBuckets = []float64{
	0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
	10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000,
}

func newSeries(full, handler string, kind GuestKind) series {
	labels := prometheus.Labels{"handler": handler}
	s := series{full: full}
	switch kind {
	case GuestCounter:
		s.counter = prometheus.NewCounter(prometheus.CounterOpts{Name: full, Help: guestHelp, ConstLabels: labels})
	case GuestGauge:
		s.gauge = prometheus.NewGauge(prometheus.GaugeOpts{Name: full, Help: guestHelp, ConstLabels: labels})
	case GuestHistogram:
		s.histogram = prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: full, Help: guestHelp, ConstLabels: labels, Buckets: guestBuckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160,
		})
	}
	return s
}

func (s *series) metric() prometheus.Metric {
	switch {
	case s.counter != nil:
		return s.counter
	case s.gauge != nil:
		return s.gauge
	}
	return s.histogram
}

// refuse counts a call without effect.
func (g *guests) refuse(h *guest, handler string, name []byte, why refusal) {
	if h.refused[why].Add(1) > 1 {
		return
	}
	g.log.Warn("a metric of a handler is refused; later ones for the same reason are only counted",
		"handler", handler, "metric", string(name), "reason", refusalNames[why], "max_names", g.limit)
}

// refusals calls f with each handler's counts of refused calls.
func (g *guests) refusals(f func(handler, reason string, n uint64)) {
	g.mu.RLock()
	handlers := maps.Clone(g.handlers)
	g.mu.RUnlock()
	for handler, h := range handlers {
		for why := range h.refused {
			f(handler, refusalNames[why], h.refused[why].Load())
		}
	}
}

// Describe implements prometheus.Collector. It announces nothing, since
// nobody knows what handlers will report.
func (g *guests) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. It holds no lock while it waits
// for its reader.
func (g *guests) Collect(ch chan<- prometheus.Metric) {
	for _, m := range g.metrics() {
		ch <- m
	}
}

func (g *guests) metrics() (all []prometheus.Metric) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for _, h := range g.handlers {
		sent := make(map[string]bool, len(h.series))
		for _, s := range h.series {
			if !sent[s.full] {
				sent[s.full] = true
				all = append(all, s.metric())
			}
		}
	}
	return all
}
