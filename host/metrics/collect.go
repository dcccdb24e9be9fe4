package metrics

import (
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// states are those of a host, so that a state that is over shows as 0.
var states = [...]string{"starting", "running", "draining", "stopped"}

// collector is the registry as the library sees its own metrics.
type collector Registry

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := scrape{descs: &c.descs, ch: ch}
	s.put(buildInfo, 1, c.config.Version, c.config.ABI, runtime.Version())
	h := c.config.Host()
	s.host(&h)
	for i := range h.Handlers {
		s.handler(&h.Handlers[i])
	}
	for i := range h.Workers {
		s.worker(&h.Workers[i])
	}
	for i := range h.Checkpoints {
		s.checkpoint(&h.Checkpoints[i])
	}
	s.late(&c.late)
	c.guests.refusals(func(handler, reason string, n uint64) { s.put(handlerRefused, float64(n), handler, reason) })
	if c.config.Clients != nil {
		s.clients(c.config.Clients())
	}
}

// scrape is one reading under way.
type scrape struct {
	descs *[familyCount]*prometheus.Desc
	ch    chan<- prometheus.Metric
}

func (s *scrape) put(id familyID, value float64, labels ...string) {
	m, err := prometheus.NewConstMetric(s.descs[id], families[id].kind, value, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(s.descs[id], err)
	}
	s.ch <- m
}

func (s *scrape) host(h *Host) {
	s.put(hostInfo, 1, h.App)
	for _, state := range states {
		s.put(hostState, truth(state == h.State), state)
	}
	s.put(hostReady, truth(h.Ready))
	s.put(configGeneration, float64(h.Generation))
	s.put(hostRecords, float64(h.Records))
	s.put(hostCommits, float64(h.Commits))
	s.put(hostRewinds, float64(h.Rewinds))
	for reason, n := range h.Aborts {
		s.put(hostAborts, float64(n), reason)
	}
}

func (s *scrape) handler(h *Handler) {
	s.put(handlerInfo, 1, h.ID, h.Module, h.SHA256)
	for _, v := range [...]struct {
		id    familyID
		count uint64
	}{
		{handlerRecords, h.Records},
		{handlerOutputs, h.Outputs},
		{handlerFailures, h.Failed},
		{handlerTraps, h.Traps},
		{handlerFuel, h.Fuel},
		{handlerLastFuel, h.LastFuel},
		{handlerCodecErrors, h.CodecErrors},
		{handlerDropped, h.Dropped},
		{handlerSkipped, h.Skipped},
		{handlerDeadLetters, h.DeadLetters},
	} {
		s.put(v.id, float64(v.count), h.ID, h.Module)
	}
	for code, n := range h.Letters {
		s.put(handlerLetterCodes, float64(n), h.ID, code)
	}
}

func (s *scrape) worker(w *Worker) {
	id := strconv.Itoa(w.ID)
	var stopped, waiting, uncommitted int64
	for i := range w.Partitions {
		p := &w.Partitions[i]
		number := strconv.Itoa(int(p.Partition))
		if p.Stopped {
			stopped++
		}
		waiting += p.Waiting
		if p.Committed >= 0 {
			uncommitted += max(p.Next-p.Committed, 0)
			s.put(partitionCommitted, float64(p.Committed), id, p.Source, number)
		}
		s.put(partitionStopped, truth(p.Stopped), id, p.Source, number)
	}
	s.put(workerPartitions, float64(len(w.Partitions)), id, w.Cluster)
	s.put(workerStopped, float64(stopped), id, w.Cluster)
	s.put(workerWaiting, float64(waiting), id, w.Cluster)
	s.put(workerUncommitted, float64(uncommitted), id, w.Cluster)
	s.durations(batchDuration, &w.Batches, id, w.Cluster)
	s.durations(commitDuration, &w.Commits, id, w.Cluster)
	s.store(w, id)
}

// Bounds of the buckets shown. Shorter times are told apart by nobody and
// longer ones are what +Inf is for.
const (
	shortest = 60 * time.Microsecond
	longest  = 70 * time.Second
)

// durations shows a histogram. Its bounds exclude and Prometheus' include: a
// time that is equal to a bound, to the nanosecond, counts as longer.
func (s *scrape) durations(id familyID, d *Durations, labels ...string) {
	below := map[float64]uint64{}
	var total uint64
	for _, b := range d.Buckets {
		total += b.Count
		if b.Below >= shortest && b.Below <= longest {
			below[b.Below.Seconds()] = total
		}
	}
	m, err := prometheus.NewConstHistogram(s.descs[id], total, d.Sum.Seconds(), below, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(s.descs[id], err)
	}
	s.ch <- m
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
