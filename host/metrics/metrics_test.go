package metrics

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func lag(d time.Duration) *time.Duration { return &d }

// sample has a different number in every field that is shown.
func sample() Host {
	return Host{
		App: "flights", State: "running", Ready: true, Generation: 1,
		Records: 101, Commits: 102, Rewinds: 103, Aborts: map[string]uint64{"group": 104, "store": 0},
		Handlers: []Handler{
			{ID: "late", Module: "flights", SHA256: "ab12", Records: 1, Outputs: 2, Failed: 3, Traps: 4, Fuel: 9, LastFuel: 10, Dropped: 5, Skipped: 6, DeadLetters: 7, Letters: map[string]uint64{"trap": 8}},
			{ID: "count", Module: "flights", SHA256: "ab12"},
		},
		Checkpoints: []Checkpoint{{
			ID: "weather-first", Pauses: 201, Downtimes: 202, Recoveries: 203, Seeks: 204, Paused: 205 * time.Second,
			Partitions: []CheckpointPartition{
				{Partition: 3, Held: 206 * time.Second, Dependencies: []CheckpointDependency{{ID: "weather", Down: true, Lag: lag(207 * time.Second)}, {ID: "news"}}},
			},
		}},
		Workers: []Worker{
			{
				ID: 0, Cluster: "main",
				Partitions: []Partition{
					{Source: "flights", Partition: 0, Next: 120, Committed: 100, Waiting: 3},
					{Source: "flights", Partition: 1, Next: 50, Committed: 50, Stopped: true},
					{Source: "timer:1m", Partition: 0, Next: 7, Committed: -1},
				},
				Commits: Durations{Sum: time.Second, Buckets: []Bucket{{time.Microsecond << 20, 9}}},
				Store: Store{
					Tasks: map[string]int{"waiting": 20, "restoring": 21, "running": 22}, Suspended: true, Staged: 23, Unwritten: 24,
					RestoreRemaining: 25, Restored: 26, CacheHits: 27, CacheMisses: 28,
				},
				Batches: Durations{
					Sum: 1500 * time.Millisecond,
					Buckets: []Bucket{
						{time.Microsecond, 1},
						{64 * time.Microsecond, 2},
						{time.Microsecond << 20, 4},
						{time.Microsecond << 26, 8},
						{time.Microsecond << 31, 16},
					},
				},
			},
			{ID: 1, Cluster: "main"},
		},
	}
}

func sampleClients() []Client {
	at := time.Unix(1_700_000_000, 0)
	return []Client{
		{
			Cluster: "main", Kind: KindConsumer, Worker: "0", At: at, Operations: 11,
			SentRecords: 12, ReceivedRecords: 13, SentBytes: 14, ReceivedBytes: 15, Rebalances: 16,
			Brokers: []Broker{{Name: "b:9092/1", Up: true, RTTAvg: time.Millisecond, RTTP99: 2 * time.Millisecond, RTTMax: 3 * time.Millisecond, Waiting: 4, Queued: 5, Errors: 6}},
			Partitions: []ClientPartition{
				{Topic: "flights", Partition: 0, Lag: 40, Fetched: 5, FetchedBytes: 500},
				{Topic: "flights", Partition: 1, Lag: -1, Fetched: 6, FetchedBytes: 600},
			},
		},
		{
			// It got partition 0 in the meantime.
			Cluster: "main", Kind: KindConsumer, Worker: "1", At: at.Add(time.Second),
			Partitions: []ClientPartition{{Topic: "flights", Partition: 0, Lag: 30}},
		},
		{
			Cluster: "main", Kind: KindProducer, Worker: "0", At: at,
			QueuedRecords: 21, QueuedBytes: 22, MaxRecords: 23, MaxBytes: 24,
			Partitions: []ClientPartition{{Topic: "late", Partition: 0, Lag: 99}},
		},
	}
}

func newTestRegistry(t *testing.T, log *slog.Logger) *Registry {
	t.Helper()
	r, err := New(Config{Version: "v0.1.0", ABI: "1.0", Host: sample, Clients: sampleClients, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ours is the registry's text without the metrics of Go and the process.
func ours(t *testing.T, r *Registry) string {
	t.Helper()
	mfs, err := r.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, mf := range mfs {
		if strings.HasPrefix(mf.GetName(), "sliphost_") {
			if _, err := expfmt.MetricFamilyToText(&b, mf); err != nil {
				t.Fatal(err)
			}
		}
	}
	return b.String()
}

func TestScrapeShowsEveryValue(t *testing.T) {
	r := newTestRegistry(t, nil)
	r.Guest("late", GuestCounter, []byte("delays"), 1.5)
	r.Guest("late", GuestCounter, []byte("delays"), 2)
	r.Guest("count", GuestGauge, []byte("size"), -3)
	r.Guest("count", GuestCounter, []byte(LateRecords), 2)
	r.Guest("count", GuestCounter, []byte(LateRecords), 3)
	got := strings.ReplaceAll(ours(t, r), goVersion(), "GO")
	path := filepath.Join("testdata", "scrape.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("scrape (-want +got; -update writes it anew):\n%s", diff)
	}
}

func TestEveryFamilyOfTheTableIsShown(t *testing.T) {
	r := newTestRegistry(t, nil)
	r.Guest("late", GuestCounter, []byte("falls"), -1)
	r.Guest("late", GuestCounter, []byte(LateRecords), 1)
	text := ours(t, r)
	names := map[string]bool{}
	for id, f := range families {
		if f.name == "" || f.help == "" {
			t.Fatalf("family %d has no row in the table", id)
		}
		if names[f.name] {
			t.Errorf("%s is in the table twice", f.name)
		}
		names[f.name] = true
		if !strings.Contains(text, "# TYPE "+f.name+" "+kindWord(f.kind)+"\n") {
			t.Errorf("a scrape does not show %s", f.name)
		}
	}
}

func TestNamesFollowTheConventions(t *testing.T) {
	r := newTestRegistry(t, nil)
	problems, err := testutil.GatherAndLint(r.Gatherer())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "sliphost_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// The strict registry compares each metric with what was announced.
func TestCollectorIsConsistent(t *testing.T) {
	strict := prometheus.NewPedanticRegistry()
	r := newTestRegistry(t, nil)
	if err := strict.Register((*collector)(r)); err != nil {
		t.Fatal(err)
	}
	if _, err := strict.Gather(); err != nil {
		t.Error(err)
	}
}

func TestHandlerAnswersInPrometheusText(t *testing.T) {
	r := newTestRegistry(t, nil)
	s := httptest.NewServer(r.Handler())
	defer s.Close()
	resp, err := s.Client().Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("answer %s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	mfs, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("not the text format: %v", err)
	}
	for _, name := range []string{"sliphost_host_records_total", "go_goroutines", "process_cpu_seconds_total"} {
		if mfs[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	h := mfs["sliphost_batch_duration_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 31 || h.GetSampleSum() != 1.5 {
		t.Errorf("batch histogram has %d samples of %v s in all, want 31 and 1.5", h.GetSampleCount(), h.GetSampleSum())
	}
	var cumulative []uint64
	for _, b := range h.GetBucket() {
		cumulative = append(cumulative, b.GetCumulativeCount())
	}
	if want := []uint64{3, 7, 15, 31}; !slices.Equal(cumulative, want) {
		t.Errorf("batch histogram has buckets %v, want %v", cumulative, want)
	}
}

// A value that cannot be shown must not take the others with it.
func TestScrapeSurvivesABrokenSeries(t *testing.T) {
	broken := func() Host {
		h := sample()
		h.Handlers = append(h.Handlers, h.Handlers[0]) // twice the same series
		return h
	}
	r, err := New(Config{Host: broken})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	r.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	if rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "sliphost_host_commits_total 102\n") {
		t.Errorf("answer %d:\n%.400s", rec.Code, rec.Body)
	}
}

func TestReferencePage(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "metrics.md")
	if *update {
		if err := os.WriteFile(path, []byte(Reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), Reference()); diff != "" {
		t.Errorf("docs/metrics.md is not what the table says; go test ./host/metrics -update (-have +want):\n%s", diff)
	}
}

func TestLagsAreTheNewestOfEachPartition(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	clients := []Client{
		{Cluster: "b", Kind: KindConsumer, At: at, Partitions: []ClientPartition{{Topic: "t", Partition: 1, Lag: 1}, {Topic: "t", Partition: 0, Lag: 2}, {Topic: "s", Partition: 5, Lag: 0}}},
		{Cluster: "b", Kind: KindConsumer, At: at.Add(time.Second), Partitions: []ClientPartition{{Topic: "t", Partition: 1, Lag: 3}, {Topic: "t", Partition: 0, Lag: -1}}},
		{Cluster: "a", Kind: KindConsumer, At: at, Partitions: []ClientPartition{{Topic: "t", Partition: 1, Lag: 4}}},
		{Cluster: "a", Kind: KindProducer, At: at, Partitions: []ClientPartition{{Topic: "t", Partition: 1, Lag: 5}}},
	}
	want := []Lag{{"a", "t", 1, 4, at}, {"b", "s", 5, 0, at}, {"b", "t", 0, 2, at}, {"b", "t", 1, 3, at.Add(time.Second)}}
	if diff := cmp.Diff(want, Lags(clients)); diff != "" {
		t.Errorf("lags (-want +got):\n%s", diff)
	}
	if got := Lags(nil); got != nil {
		t.Errorf("no client has lags %v", got)
	}
}
