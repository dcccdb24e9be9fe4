package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/host"
	"github.com/sliphost/sliphost/host/metrics"
)

// fakeHost counts 100 records more at each look.
type fakeHost struct{ records uint64 }

func (f *fakeHost) Status() host.Status {
	f.records += 100
	return host.Status{State: "running", Records: f.records, Workers: []host.WorkerStatus{{Partitions: make([]host.PartitionStatus, 2)}}}
}
func (f *fakeHost) BatchTimes() []*host.Histogram { return nil }
func (f *fakeHost) Lags() []metrics.Lag           { return []metrics.Lag{{Records: 3}, {Records: 4}} }

func TestStatusLineStaysBelowTheLogAndGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w bytes.Buffer
		l := newStatusLine(&w)
		l.start(&fakeHost{})
		time.Sleep(statusEvery + statusEvery/2)
		synctest.Wait()
		if _, err := io.WriteString(l, "a log line\n"); err != nil {
			t.Fatal(err)
		}
		l.stop()
		const line = "running: 200 records/s, lag 7, p99 -, errors 0, 100 records"
		want := line + "\r\x1b[Ka log line\n" + line + "\r\x1b[K"
		if got := w.String(); got != want {
			t.Errorf("terminal got\n%q\nwant\n%q", got, want)
		}
	})
}

func TestMeterTellsWhatIsNew(t *testing.T) {
	start := time.Unix(0, 0)
	m := meter{at: start}
	h := &host.Histogram{}
	for range 98 {
		h.Observe(3 * time.Microsecond)
	}
	s := host.Status{State: "running", Records: 1000, Handlers: []host.HandlerStatus{{Failed: 3, DeadLetters: 2}}}
	got := m.line(s, []*host.Histogram{h}, nil, start.Add(2*time.Second))
	for _, want := range []string{"500 records/s", ", 1000 records", "lag ?", "p99 <4", "errors 3", "dead letters 2"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q lacks %q", got, want)
		}
	}
	// Two slow batches are one in a hundred too many, but only once.
	h.Observe(time.Second)
	h.Observe(time.Second)
	got = m.line(s, []*host.Histogram{h}, nil, start.Add(3*time.Second))
	if !strings.Contains(got, "p99 <1.05s") || !strings.Contains(got, " 0 records/s") {
		t.Errorf("%q is not about the last second", got)
	}
	s.Workers = []host.WorkerStatus{{Partitions: []host.PartitionStatus{{Stopped: "why"}}}}
	if got = m.line(s, []*host.Histogram{h}, nil, start.Add(4*time.Second)); !strings.Contains(got, "p99 -") || !strings.Contains(got, "STOPPED 1") {
		t.Errorf("%q lacks the stopped partition", got)
	}
	s.Workers = []host.WorkerStatus{{Partitions: []host.PartitionStatus{{Held: "checkpoint c"}, {Stopped: "why", Held: "checkpoint c"}, {}}}}
	if got = m.line(s, nil, nil, start.Add(4*time.Second)); !strings.Contains(got, ", held 1, STOPPED 1") {
		t.Errorf("%q lacks the held partition", got)
	}
}
