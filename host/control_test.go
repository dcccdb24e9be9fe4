package host

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/state"
)

// controlPlan passes records on; its handler keeps, under a key for each
// partition, the offset of the last record in the control topic.
func controlPlan(exactlyOnce bool) *Plan {
	in, out := topicSource("in"), topicSink("out")
	in.Handlers = []HandlerSource{{Handler: 0}}
	return &Plan{
		App: "app", Clusters: []string{"default"}, ExactlyOnce: exactlyOnce,
		Sources:  []Source{in},
		Handlers: []Handler{{ID: "h", Sinks: []Sink{out}}},
		Modules:  []string{"m"},
		Subs:     []Sub{{Name: "h", Inputs: []int{0}}},
		Control:  []ControlTopic{{Topic: "app-control"}},
	}
}

// controlHost counts, in the control topic alone, the records of each partition:
// each is emitted with its number. gaps collects what cannot be.
func controlHost(t *testing.T, b *hosttest.Broker, id string, plan *Plan, opts Options, workers int) *Host {
	t.Helper()
	l := &life{b, id, state.NewMemory()}
	bk := l.backends(t, plan, nil)
	var h *Host
	bk.Invoker = func(_ context.Context, _, w int, st module.State) (Invoker, error) {
		count := func(c *fakeCall, rec *abi.Record) error {
			w := h.workers[w]
			key := fmt.Sprint("test/", w.run.in.partition)
			n := 0
			if v, ok := w.controlValue(key); ok {
				n, _ = strconv.Atoi(string(v))
			}
			w.stageControl(key, strconv.AppendInt(nil, int64(n+1), 10))
			c.emit(abi.Output{Sink: abi.EverySink, Key: rec.Key, Value: fmt.Appendf(nil, "%s:%d", key, n+1)})
			return nil
		}
		return &statefulInvoker{funcs: []statefulFunc{count}, state: st}, nil
	}
	h = New(plan, opts, make([]int, workers), 0, bk, discard)
	return h
}

// A counter that lives in the control topic is exact, whenever a process dies
// and whatever was aborted: values are read whole before a worker begins, seen
// at once by who staged them, and taken back with their transaction.
func TestControlValuesFollowTheirTransactions(t *testing.T) {
	for cut := range 50 {
		synctest.Test(t, func(t *testing.T) {
			b := hosttest.NewBroker(map[string]int{"in": 2, "out": 2, "app-control": 1})
			const each = 60
			for i := range 2 * each {
				if _, err := b.Produce(hosttest.Record{Topic: "in", Partition: int32(i % 2), Value: []byte("x")}); err != nil {
					t.Fatal(err)
				}
			}
			refused := 0
			b.Refuse = func(r hosttest.Record) error {
				if r.Topic == "out" && cut%3 == 0 && refused < 2 {
					refused++
					return errNo
				}
				return nil
			}
			plan := controlPlan(true)
			opts := Options{CommitInterval: 20 * time.Millisecond, MaxRecords: 7, UntilIdle: true}
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(cut*2)*time.Millisecond)
			controlHost(t, b, "h", plan, opts, 2).Run(ctx)
			cancel()
			ctx, cancel = context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			if err := controlHost(t, b, "h", plan, opts, 2).Run(ctx); err != nil {
				t.Fatalf("cut at %d ms: %v", cut*2, err)
			}
			seen := map[string]int{}
			for _, r := range b.Records("out") {
				seen[string(r.Value)]++
			}
			for p := range 2 {
				for n := 1; n <= each; n++ {
					if v := fmt.Sprintf("test/%d:%d", p, n); seen[v] != 1 {
						t.Errorf("cut at %d ms: %s came out %d times", cut*2, v, seen[v])
					}
				}
			}
		})
	}
}

// What one process commits reaches the others, and the last value of a key wins
// whatever order a worker hears of its own.
func TestControlValuesReachOtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hosttest.NewBroker(map[string]int{"in": 1, "out": 1, "app-control": 1})
		plan := controlPlan(true)
		opts := Options{CommitInterval: 10 * time.Millisecond}
		first, second := controlHost(t, b, "a", plan, opts, 1), controlHost(t, b, "b", plan, opts, 1)
		done := []<-chan error{start(first), start(second)}
		for i := range 100 {
			if _, err := b.Produce(hosttest.Record{Topic: "in", Value: []byte("x")}); err != nil {
				t.Fatal(err)
			}
			after(time.Duration(i%13) * time.Millisecond)
		}
		after(time.Second)
		for _, h := range []*Host{first, second} {
			if v, ok := h.control.get("test/0"); !ok || string(v) != "100" {
				t.Errorf("the value is %q, want 100", v)
			}
			if got := h.control.list("test/"); !slices.Equal(got, []string{"test/0"}) {
				t.Errorf("keys are %q", got)
			}
		}
		drained(t, first, done[0])
		drained(t, second, done[1])
	})
}

// An entry that a worker knows from its own commit is not set back by what the
// reader brings later.
func TestControlEntriesDoNotGoBack(t *testing.T) {
	c := newControl()
	c.apply("k", []byte("new"), 7)
	c.apply("k", []byte("old"), 3)
	if v, _ := c.get("k"); string(v) != "new" {
		t.Errorf("got %q", v)
	}
	c.apply("k", nil, 9)
	if v, ok := c.get("k"); ok {
		t.Errorf("a removed key has %q", v)
	}
	c.apply("k", []byte("new"), 7)
	if v, ok := c.get("k"); ok {
		t.Errorf("a removed key has %q again", v)
	}
	c.forgetOffsets()
	c.apply("k", []byte("anew"), 0)
	if v, _ := c.get("k"); string(v) != "anew" {
		t.Errorf("got %q", v)
	}
}
