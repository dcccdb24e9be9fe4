package metrics

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func goVersion() string { return runtime.Version() }

// guestText is what handlers reported and what was refused.
func guestText(t *testing.T, r *Registry) string {
	t.Helper()
	var keep []string
	for line := range strings.Lines(ours(t, r)) {
		if strings.HasPrefix(line, guestPrefix) || strings.HasPrefix(line, families[handlerRefused].name+"{") && !strings.HasSuffix(line, " 0\n") {
			keep = append(keep, line)
		}
	}
	return strings.Join(keep, "")
}

func TestGuestMetrics(t *testing.T) {
	type call struct {
		handler string
		kind    GuestKind
		name    string
		value   float64
	}
	const refused = "sliphost_handler_metrics_refused_total"
	for _, tc := range []struct {
		name  string
		calls []call
		want  string
	}{
		{
			"counters add and get their ending once",
			[]call{{"a", GuestCounter, "late", 2}, {"b", GuestCounter, "late", 1}, {"a", GuestCounter, "late", 0.5}, {"a", GuestCounter, "on_time_total", 1}},
			`sliphost_guest_late_total{handler="a"} 2.5
sliphost_guest_late_total{handler="b"} 1
sliphost_guest_on_time_total{handler="a"} 1
`,
		},
		{
			"a gauge keeps the last value",
			[]call{{"a", GuestGauge, "depth", 2}, {"a", GuestGauge, "depth", -7.5}},
			"sliphost_guest_depth{handler=\"a\"} -7.5\n",
		},
		{
			"a counter does not fall",
			[]call{{"a", GuestCounter, "late", 2}, {"a", GuestCounter, "late", -1}, {"a", GuestCounter, "late", math.NaN()}, {"a", GuestGauge, "depth", math.Inf(1)}},
			`sliphost_guest_depth{handler="a"} 0
sliphost_guest_late_total{handler="a"} 2
` + refused + `{handler="a",reason="value"} 3
`,
		},
		{
			"a name has one kind in all handlers",
			[]call{{"a", GuestGauge, "depth", 1}, {"b", GuestHistogram, "depth", 1}, {"a", GuestHistogram, "depth", 1}, {"b", GuestKind(9), "x", 1}},
			`sliphost_guest_depth{handler="a"} 1
` + refused + `{handler="a",reason="kind"} 1
` + refused + `{handler="b",reason="kind"} 2
`,
		},
		{
			"a gauge cannot pose as part of a later histogram",
			[]call{{"a", GuestGauge, "size_sum", 1}, {"a", GuestHistogram, "size", 1}},
			`sliphost_guest_size_sum{handler="a"} 1
` + refused + `{handler="a",reason="kind"} 1
`,
		},
		{
			"a name that Prometheus does not allow is made one",
			[]call{{"a", GuestGauge, "a-b", 1}, {"a", GuestGauge, "a.b", 2}, {"a", GuestGauge, "\xff\n{}", 3}},
			`sliphost_guest_____{handler="a"} 3
sliphost_guest_a_b{handler="a"} 2
`,
		},
		{
			"outside a call there is no handler",
			[]call{{"", GuestGauge, "started", 1}},
			"sliphost_guest_started{handler=\"\"} 1\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newTestRegistry(t, nil)
			for _, c := range tc.calls {
				r.Guest(c.handler, c.kind, []byte(c.name), c.value)
			}
			if got := guestText(t, r); got != tc.want {
				t.Errorf("got\n%swant\n%s", got, tc.want)
			}
		})
	}
}

func TestGuestHistogramCannotHideAGauge(t *testing.T) {
	r := newTestRegistry(t, nil)
	r.Guest("a", GuestHistogram, []byte("size"), 2)
	r.Guest("a", GuestHistogram, []byte("size"), 30)
	r.Guest("b", GuestGauge, []byte("size_count"), 1)
	text := guestText(t, r)
	for _, line := range []string{
		`sliphost_guest_size_bucket{handler="a",le="2.5"} 1`, `sliphost_guest_size_bucket{handler="a",le="+Inf"} 2`,
		`sliphost_guest_size_sum{handler="a"} 32`, `sliphost_guest_size_count{handler="a"} 2`,
		`sliphost_handler_metrics_refused_total{handler="b",reason="kind"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
}

func TestGuestNamesAreBounded(t *testing.T) {
	var log bytes.Buffer
	r := newTestRegistry(t, slog.New(slog.NewTextHandler(&log, nil)))
	for i := range maxGuestNames + 50 {
		r.Guest("a", GuestGauge, fmt.Appendf(nil, "n%d", i), 1)
	}
	r.Guest("a", GuestGauge, []byte("n0"), 2) // an old name still works
	r.Guest("b", GuestGauge, []byte("mine"), 1)
	text := guestText(t, r)
	if n := strings.Count(text, `{handler="a"} `); n != maxGuestNames {
		t.Errorf("handler a has %d series, want %d", n, maxGuestNames)
	}
	for _, line := range []string{
		`sliphost_handler_metrics_refused_total{handler="a",reason="limit"} 50`,
		`sliphost_guest_n0{handler="a"} 2`, `sliphost_guest_mine{handler="b"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "metric=n200 reason=limit") {
		t.Errorf("the log has %d lines:\n%s", n, &log)
	}
}

func TestGuestAllocatesNothingForKnownNames(t *testing.T) {
	r := newTestRegistry(t, nil)
	names := [][]byte{[]byte("late"), []byte("depth"), []byte("size")}
	report := func() {
		for kind, name := range names {
			r.Guest("a", GuestKind(kind), name, 1)
		}
	}
	report()
	if n := testing.AllocsPerRun(1000, report); n != 0 {
		t.Errorf("%v allocations for three known names, want none", n)
	}
}

// Workers report while others scrape; no call is lost.
func TestGuestsReportDuringScrapes(t *testing.T) {
	const workers, calls, names = 4, 2000, 7
	r := newTestRegistry(t, nil)
	var reporting, scraping sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		scraping.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := r.Gatherer().Gather(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range workers {
		reporting.Go(func() {
			for i := range calls {
				r.Guest("a", GuestCounter, fmt.Appendf(nil, "n%d", i%names), 1)
				r.Guest("a", GuestHistogram, []byte("h"), float64(i))
			}
		})
	}
	reporting.Wait()
	close(done)
	scraping.Wait()
	var sum float64
	for name := range names {
		sum += testutil.ToFloat64(r.guests.handlers["a"].series[fmt.Sprintf("n%d", name)].counter)
	}
	if sum != workers*calls {
		t.Errorf("counted %v calls of %d", sum, workers*calls)
	}
}
