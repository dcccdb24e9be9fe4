package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/checkpoint"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/state"
)

// cpApp is weather and activity with the checkpoint between them, and notes what
// its handlers see.
type cpApp struct {
	b    *hosttest.Broker
	plan *Plan
	mu   sync.Mutex
	seen []string
	// onRecovery is what the handler's recovery call does.
	onRecovery func(st module.State, m *abi.Recovery)
	calls      bool
	// fails says that a call fails, emits what it emits, and check answers one.
	fails func(abi.Kind) error
	emits string
	check func(*abi.Check) []byte
	// refuses says that the bound handler fails on records that come again.
	refuses atomic.Bool
}

func newCPApp(exactlyOnce bool, spec checkpoint.Spec, calls bool) *cpApp {
	weather, activity := topicSource("weather"), topicSource("activity")
	weather.Handlers = []HandlerSource{{Handler: 0}}
	activity.Handlers = []HandlerSource{{Handler: 1}, {Handler: 2}}
	activity.Sub = 1
	call := func(kind abi.Kind) Source {
		return Source{ID: fmt.Sprint("checkpoint:c/", kind), Kind: SourceCall, Batch: kind, Sub: 1, Handlers: []HandlerSource{{Handler: 1}}}
	}
	spec.Name = "c"
	if spec.Dependencies == nil {
		spec.Dependencies = []checkpoint.Dependency{{Name: "weather", Threshold: time.Hour}}
	}
	a := &cpApp{b: hosttest.NewBroker(map[string]int{"weather": 1, "activity": 1, "out": 1, "app-control": 1}), calls: calls}
	a.plan = &Plan{
		App: "app", Clusters: []string{"default"}, ExactlyOnce: exactlyOnce,
		Sources: []Source{weather, activity, call(abi.KindDowntime), call(abi.KindRecovery)},
		Handlers: []Handler{
			{ID: "weather", Binding: 0, Checkpoints: []int{0}},
			{ID: "bound", Binding: 1, Sinks: []Sink{topicSink("out")}, Checkpoints: []int{0}},
			{ID: "other", Binding: 2, Sinks: []Sink{topicSink("out")}},
		},
		Modules: []string{"m"},
		Subs:    []Sub{{Name: "weather", Inputs: []int{0}}, {Name: "bound", Inputs: []int{1}}},
		Control: []ControlTopic{{Topic: "app-control"}},
		Checkpoints: []Checkpoint{{
			Spec: spec, Dependent: CheckpointSide{Source: 1}, Dependencies: []CheckpointSide{{Source: 0}},
			Bound: []int{1}, Downtime: 2, Recovery: 3, Check: -1,
		}},
	}
	if calls {
		a.plan.Checkpoints[0].Dependent.Marker.Kind = MarkerCall
		a.plan.Checkpoints[0].Dependencies[0].Marker.Kind = MarkerCall
	}
	return a
}

func (a *cpApp) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, fmt.Sprintf(format, args...))
}

// took returns what was seen since the last call.
func (a *cpApp) took() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.seen
	a.seen = nil
	return s
}

func at(hhmm int) int64 {
	return time.Date(2023, 1, 1, hhmm/100, hhmm%100, 0, 0, time.UTC).UnixMilli()
}

func clockOf(m abi.Marker) string { return time.UnixMilli(m.Int).UTC().Format("15:04") }

func (a *cpApp) produce(t *testing.T, topic string, hhmm int) {
	t.Helper()
	a.produceIn(t, topic, 0, hhmm)
}

func (a *cpApp) produceIn(t *testing.T, topic string, partition int32, hhmm int) {
	t.Helper()
	if _, err := a.b.Produce(hosttest.Record{Topic: topic, Partition: partition, Timestamp: at(hhmm), Value: []byte("x")}); err != nil {
		t.Fatal(err)
	}
}

// cpInvoker answers batches and calls as an SDK does.
type cpInvoker struct {
	statefulInvoker
	a *cpApp
}

func (f *cpInvoker) Process(ctx context.Context, handler, count int32, head, records []byte) ([]byte, int32, error) {
	r := abi.NewReader(head)
	r.Array()
	switch abi.Kind(r.Uint()) {
	case abi.KindDowntime:
		m, err := abi.ReadDowntime(head)
		if err != nil {
			return nil, 0, err
		}
		f.a.note("down %s %s>%s %ds", m.Dependency, clockOf(m.DependentMarker), clockOf(m.DependencyMarker), m.DowntimeMs/1000)
		return f.a.result(abi.KindDowntime), 1, nil
	case abi.KindCheck:
		m, err := abi.ReadCheck(head)
		if err != nil {
			return nil, 0, err
		}
		return f.a.check(&m), 1, nil
	case abi.KindRecovery:
		m, err := abi.ReadRecovery(head)
		if err != nil {
			return nil, 0, err
		}
		f.a.note("up %s %s healthy %v detected %v", m.Dependency, clockOf(m.DependencyMarker), m.Healthy, m.Detected)
		if f.a.onRecovery != nil {
			f.a.onRecovery(f.state, &m)
		}
		return f.a.result(abi.KindRecovery), 1, nil
	case abi.KindReplayed:
		f.a.note("replay")
		if f.a.refuses.Load() {
			return abi.AppendResultError(nil, 0, abi.CodeFailed, "no", 0), 1, nil
		}
	}
	return f.statefulInvoker.Process(ctx, handler, count, head, records)
}

// result is what a call comes back with.
func (a *cpApp) result(kind abi.Kind) []byte {
	if a.fails != nil {
		if err := a.fails(kind); err != nil {
			return abi.AppendResultError(nil, 0, abi.CodeFailed, err.Error(), 0)
		}
	}
	if a.emits == "" {
		return abi.AppendResult(nil, 0, abi.StatusOK, 0)
	}
	return abi.AppendOutput(abi.AppendResult(nil, 0, abi.StatusOK, 1), &abi.Output{Sink: abi.EverySink, Value: []byte(a.emits)})
}

func (a *cpApp) host(t *testing.T, id string, workers int) *Host {
	t.Helper()
	l := &life{a.b, id, state.NewMemory()}
	bk := l.backends(t, a.plan, nil)
	if !a.plan.ExactlyOnce {
		bk.Producer = func(context.Context, int, int) (Producer, error) { return a.b.Producer(), nil }
	}
	bk.Store = nil
	bk.Invoker = func(_ context.Context, _, _ int, st module.State) (Invoker, error) {
		record := func(name string) statefulFunc {
			return func(c *fakeCall, rec *abi.Record) error {
				ts := c.state.StreamTime(c.at)
				base := a.stamp(c)
				_ = ts
				a.note("%s %s", name, base.Format("15:04"))
				if name != "weather" {
					c.emit(abi.Output{Sink: abi.EverySink, Value: []byte(name + base.Format(" 15:04"))})
				}
				if !a.calls || name == "other" {
					return nil
				}
				buf := make([]byte, 256)
				marker := abi.Marker{Kind: abi.MarkerTime, Int: base.UnixMilli()}
				if name == "weather" {
					n := c.state.Heartbeat(c.at, 0, abi.AppendHeartbeat(nil, &abi.Heartbeat{Only: true, Marker: marker}), buf)
					if l, err := abi.ReadLatency(buf[:max(n, 0)]); err == nil && l.IsLate {
						a.note("late")
					}
					return nil
				}
				n := c.state.Pulse(c.at, 0, abi.AppendPulse(nil, &abi.Pulse{Marker: marker}), buf)
				if down, err := abi.ReadDowntimeList(buf[:max(n, 0)]); err == nil {
					for _, d := range down {
						a.note("pulse %ds", d.DowntimeMs/1000)
					}
				}
				return nil
			}
		}
		front := func(c *fakeCall, rec *abi.Record) error {
			c.emit(abi.Output{Sink: abi.EverySink, Value: rec.Value})
			return nil
		}
		return &cpInvoker{statefulInvoker{funcs: []statefulFunc{record("weather"), record("bound"), record("other"), front}, state: st}, a}, nil
	}
	return New(a.plan, Options{CommitInterval: 20 * time.Millisecond}, make([]int, workers), 0, bk, discard)
}

// stamp is the timestamp of the record that a call is about.
func (a *cpApp) stamp(c *fakeCall) time.Time {
	g := c.state.(*guestCalls)
	pos := g.from + int(c.at.Record)
	return time.UnixMilli(g.b.head.BaseTimestamp + g.b.record(pos).TimestampDelta).UTC()
}

// The seed's integration scenario: weather 10, 11, 12, 13 and activity 10:30,
// 11:30, 12:30, 13:10. The host finds the markers, or the handlers say them.
func TestCheckpointGoldenScenario(t *testing.T) {
	for _, calls := range []bool{false, true} {
		for _, mode := range []checkpoint.Mode{checkpoint.Default, checkpoint.Compat} {
			for _, exactlyOnce := range []bool{true, false} {
				t.Run(fmt.Sprintf("calls=%v/mode=%v/eos=%v", calls, mode, exactlyOnce), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { goldenScenario(t, calls, mode, exactlyOnce) })
				})
			}
		}
	}
}

func goldenScenario(t *testing.T, calls bool, mode checkpoint.Mode, exactlyOnce bool) {
	a := newCPApp(exactlyOnce, checkpoint.Spec{Pause: true, OnRecovery: checkpoint.Call, Mode: mode}, calls)
	a.onRecovery = func(st module.State, m *abi.Recovery) {
		if got := st.Seek(module.At{Handler: 1}, m.Detected[0].Source, 0, 2); got != 0 {
			t.Errorf("seek answers %d", got)
		}
	}
	h := a.host(t, "h", 1)
	done := start(h)
	defer drained(t, h, done)
	steps := []struct {
		topic string
		hhmm  int
		want  []string
	}{
		{"weather", 1000, []string{"weather 10:00"}},
		{"activity", 1030, []string{"bound 10:30", "other 10:30"}},
		{"weather", 1100, []string{"weather 11:00"}},
		{"activity", 1130, []string{"bound 11:30", "other 11:30"}},
		{"activity", 1230, []string{"bound 12:30", "pulse 5400s", "other 12:30", "down weather 12:30>11:00 5400s"}},
		{"activity", 1310, nil},
		{"weather", 1200, []string{"weather 12:00", "late"}},
		{"weather", 1300, []string{"weather 13:00", "up weather 13:00 healthy [{0 0 0}] detected [{0 0 2}]", "replay", "bound 12:30", "bound 13:10", "other 13:10"}},
	}
	for _, s := range steps {
		a.produce(t, s.topic, s.hhmm)
		after(400 * time.Millisecond)
		got := a.took()
		want := slices.DeleteFunc(slices.Clone(s.want), func(w string) bool {
			return !calls && (w == "late" || w == "pulse 5400s")
		})
		if mode == checkpoint.Compat {
			// It keeps no positions of its own.
			for i := range got {
				if len(got[i]) > 16 && got[i][:10] == "up weather" {
					got[i] = want[slices.IndexFunc(want, func(w string) bool { return len(w) > 10 && w[:10] == "up weather" })]
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
			t.Fatalf("%s %d (-want +got):\n%s", s.topic, s.hhmm, diff)
		}
	}
	var out []string
	for _, r := range a.b.Records("out") {
		out = append(out, string(r.Value))
	}
	want := []string{
		"bound 10:30", "other 10:30", "bound 11:30", "other 11:30", "bound 12:30", "other 12:30", "bound 12:30", "bound 13:10", "other 13:10",
	}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

// A run until idle whose dependent is held at the end fails, and says by whom.
func TestUntilIdleTellsWhichCheckpointHolds(t *testing.T) {
	for workers := 1; workers <= 2; workers++ {
		synctest.Test(t, func(t *testing.T) {
			a := newCPApp(true, checkpoint.Spec{Pause: true}, false)
			a.produce(t, "weather", 1000)
			h := a.host(t, "h", workers)
			h.opts.UntilIdle = true
			for _, w := range h.workers {
				w.opts.UntilIdle = true
			}
			a.produce(t, "activity", 1030)
			a.produce(t, "activity", 1230)
			a.produce(t, "activity", 1240)
			err := h.Run(context.Background())
			want := `checkpoint "c" holds partition 0 back: dependency "weather" is down`
			if !errors.Is(err, ErrStopped) || !strings.Contains(err.Error(), want) {
				t.Errorf("%d workers: got %v, want %s", workers, err, want)
			}
		})
	}
}

// What a checkpoint has to do from before is done in a run until idle before it
// counts as idle: here a recovery whose call failed in the run before.
func TestUntilIdleCarriesOutWhatIsPending(t *testing.T) {
	for _, tc := range []struct{ pause, fails bool }{{true, false}, {false, false}, {true, true}, {false, true}} {
		for workers := 1; workers <= 2; workers++ {
			synctest.Test(t, func(t *testing.T) {
				a := newCPApp(true, checkpoint.Spec{Pause: tc.pause, OnRecovery: checkpoint.Call}, false)
				a.plan.Handlers[1].OnError = OnError{Policy: PolicyFail}
				fails := true
				a.fails = func(kind abi.Kind) error {
					if kind == abi.KindRecovery && fails {
						return errors.New("no")
					}
					return nil
				}
				a.onRecovery = func(st module.State, m *abi.Recovery) {
					for _, p := range m.Detected {
						st.Seek(module.At{Handler: 1}, p.Source, p.Partition, p.Offset)
					}
				}
				h := a.host(t, "h", 1)
				done := start(h)
				a.plays(t, h, []cpStep{
					{topic: "weather", hhmm: 1000, want: []string{"weather 10:00"}},
					{topic: "activity", hhmm: 1230, want: []string{"bound 12:30", "other 12:30", "down weather 12:30>10:00 9000s"}},
				})
				a.produce(t, "weather", 1300)
				after(500 * time.Millisecond)
				drained(t, h, done)
				a.took()
				fails = tc.fails
				a.b.Before = func(c hosttest.Call) error {
					if c.Op == hosttest.OpCommitTxn {
						time.Sleep(2 * idleEvery) // so that idleness is judged right after a commit
					}
					return nil
				}
				h = a.host(t, "h", workers)
				h.opts.UntilIdle = true
				for _, w := range h.workers {
					w.opts.UntilIdle = true
					w.opts.CommitInterval = time.Second // so that the machines are read before the first commit
				}
				err := endsWithin(t, h, start(h), time.Minute)
				got, want := a.took(), []string{"up weather 13:00 healthy [{0 0 0}] detected [{0 0 0}]", "replay", "bound 12:30"}
				if tc.fails {
					if want = want[:1]; !errors.Is(err, ErrStopped) || !strings.Contains(err.Error(), "no") {
						t.Errorf("%+v, %d workers: ends with %v", tc, workers, err)
					}
					got = got[:min(len(got), 1)] // it may be tried again meanwhile
				} else if err != nil {
					t.Errorf("%+v, %d workers: %v", tc, workers, err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%+v, %d workers (-want +got):\n%s", tc, workers, diff)
				}
			})
		}
	}
}
