package host

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/checkpoint"
	"github.com/sliphost/sliphost/host/hosttest"
)

// Handlers behind proxies say markers as well: the record behind the one that
// found a downtime waits, although its batch was handed to the proxy whole, and
// what comes again runs the whole way for those that are bound.
func TestMarkersFromBehindProxies(t *testing.T) {
	for _, exactlyOnce := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			a := newProxyApp(exactlyOnce)
			for _, hhmm := range []int{1000, 1010} {
				a.produce(t, "weather", hhmm)
			}
			h := a.host(t, "h", 1)
			done := start(h)
			defer drained(t, h, done)
			after(time.Second)
			a.took()
			for _, hhmm := range []int{1030, 1230, 1240, 1250} {
				a.produce(t, "activity", hhmm)
			}
			after(time.Second)
			want := map[string]int{"bound 10:30": 1, "bound 12:30": 1}
			if diff := cmp.Diff(want, a.outs()); diff != "" {
				t.Errorf("while it is down (-want +got):\n%s\n%q", diff, a.took())
			}
			a.produce(t, "weather", 1300)
			after(time.Second)
			want = map[string]int{"bound 10:30": 1, "bound 12:30": 2, "bound 12:40": 1, "bound 12:50": 1}
			if diff := cmp.Diff(want, a.outs()); diff != "" {
				t.Errorf("after it (-want +got):\n%s\n%q", diff, a.took())
			}
		})
	}
}

// newProxyApp puts a proxy before each handler that says markers. Those before
// the proxies have the checkpoint too: so their records come again.
func newProxyApp(exactlyOnce bool) *cpApp {
	a := newCPApp(exactlyOnce, checkpoint.Spec{Pause: true, OnRecovery: checkpoint.SeekDetected}, true)
	p := a.plan
	proxy := func(id string, handler int) int {
		p.Sources = append(p.Sources, Source{ID: id, Kind: SourceProxy, Handlers: []HandlerSource{{Handler: handler}}})
		p.Proxies = append(p.Proxies, len(p.Sources)-1)
		return len(p.Sources) - 1
	}
	weather, activity := proxy("near-weather", 0), proxy("near-activity", 1)
	front := func(id string, binding, to int) {
		p.Handlers = append(p.Handlers, Handler{ID: id, Binding: binding, Sinks: []Sink{{ID: p.Sources[to].ID, Kind: SinkProxy, Proxy: to}}, Checkpoints: []int{0}})
	}
	front("front-weather", 3, weather)
	front("front-activity", 3, activity)
	p.Sources[0].Handlers = []HandlerSource{{Handler: 3}}
	p.Sources[1].Handlers = []HandlerSource{{Handler: 4}}
	p.Checkpoints[0].Bound = []int{4}
	return a
}

// lines is a source outside Kafka whose records are given one by one.
type lines struct {
	records chan hosttest.Record
	ready   chan struct{}
	next    int64
}

func newLines() *lines {
	return &lines{records: make(chan hosttest.Record, 64), ready: make(chan struct{}, 1)}
}

func (l *lines) Poll(dst *abi.Packed, _, _ int) (bool, error) {
	dst.Buf, dst.Runs, dst.Ends = dst.Buf[:0], dst.Runs[:0], dst.Ends[:0]
	select {
	case r := <-l.records:
		wire := abi.AppendRecord(nil, 0, 0, nil, r.Value, nil)
		dst.Buf = append(dst.Buf, wire...)
		dst.Runs = append(dst.Runs, abi.Run{BaseOffset: l.next, BaseTimestamp: r.Timestamp, LastOffset: l.next, Count: 1, End: len(wire)})
		l.next++
	default:
	}
	return false, nil
}

func (l *lines) Ready() <-chan struct{} { return l.ready }
func (l *lines) Commit(int64) error     { return nil }
func (l *lines) Close() error           { return nil }

// Files and standard input can wait, and can be waited for.
func TestConnectorsInCheckpoints(t *testing.T) {
	for _, dependent := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			a := newCPApp(true, checkpoint.Spec{Pause: true}, false)
			in := newLines()
			source, other := 0, "activity"
			if dependent {
				source, other = 1, "weather"
			}
			src := &a.plan.Sources[source]
			src.Kind, src.Topic = SourceConnector, ""
			a.plan.Subs[source].Inputs = nil
			h := a.connectorHost(t, in)
			done := start(h)
			defer drained(t, h, done)
			write := func(topic string, hhmm int) {
				if topic == other {
					a.produce(t, topic, hhmm)
				} else {
					in.records <- hosttest.Record{Timestamp: at(hhmm), Value: []byte("x")}
				}
			}
			for _, s := range []cpStep{
				{topic: "weather", hhmm: 1000, want: []string{"weather 10:00"}},
				{topic: "activity", hhmm: 1030, want: []string{"bound 10:30", "other 10:30"}},
				{topic: "activity", hhmm: 1230, want: []string{"bound 12:30", "other 12:30", "down weather 12:30>10:00 9000s"}},
				{topic: "activity", hhmm: 1240},
				{topic: "activity", hhmm: 1250},
				{topic: "weather", hhmm: 1300, want: []string{"weather 13:00", "bound 12:40", "other 12:40", "bound 12:50", "other 12:50"}},
			} {
				write(s.topic, s.hhmm)
				after(500 * time.Millisecond)
				got := a.took()
				slices.Sort(got)
				slices.Sort(s.want)
				if len(s.want)+len(got) > 0 {
					if diff := cmp.Diff(s.want, got); diff != "" {
						t.Errorf("dependent %v, %s %d (-want +got):\n%s", dependent, s.topic, s.hhmm, diff)
					}
				}
			}
		})
	}
}

func (a *cpApp) connectorHost(t *testing.T, c ConnectorSource) *Host {
	t.Helper()
	h := a.host(t, "h", 1)
	bk := h.backends
	bk.Source = func(context.Context, int) (ConnectorSource, error) { return c, nil }
	return New(a.plan, Options{CommitInterval: 20 * time.Millisecond}, make([]int, 1), 0, bk, discard)
}
