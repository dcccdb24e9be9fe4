package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/state"
)

// advInvoker passes records on and emits what it is told of stream time. fail
// says what becomes of a call; told counts them.
type advInvoker struct {
	statefulInvoker
	a *advApp
}

// advApp is a handler 0 that takes advances and reads "in", and a handler 1 of
// the same task that reads "other"; both write to "out".
type advApp struct {
	b    *hosttest.Broker
	plan *Plan
	mu   sync.Mutex
	told []string
	fail func(n int, m *abi.Advance) error
}

func newAdvApp(exactlyOnce bool, onError OnError) *advApp {
	in, other := topicSource("in"), topicSource("other")
	in.Handlers, other.Handlers = []HandlerSource{{Handler: 0}}, []HandlerSource{{Handler: 1}}
	call := Source{ID: "advance:closing", Kind: SourceCall, Batch: abi.KindAdvance, Handlers: []HandlerSource{{Handler: 0}}}
	return &advApp{
		b: hosttest.NewBroker(map[string]int{"in": 1, "other": 1, "out": 1, "mid": 1, "dead": 1}),
		plan: &Plan{
			App: "app", Clusters: []string{"default"}, Modules: []string{"m"}, ExactlyOnce: exactlyOnce,
			Sources: []Source{in, other, call},
			Handlers: []Handler{
				{ID: "closing", Binding: 0, Sinks: []Sink{topicSink("out")}, OnError: onError},
				{ID: "moving", Binding: 1, Sinks: []Sink{topicSink("out")}},
			},
			Subs:     []Sub{{Name: "closing", Inputs: []int{0, 1}}},
			Advances: []int{2},
		},
	}
}

func (f *advInvoker) Process(ctx context.Context, handler, count int32, head, records []byte) ([]byte, int32, error) {
	m, err := abi.ReadAdvance(head)
	if err != nil {
		return f.statefulInvoker.Process(ctx, handler, count, head, records)
	}
	f.a.mu.Lock()
	defer f.a.mu.Unlock()
	now := f.state.StreamTime(module.At{Handler: handler})
	text := fmt.Sprintf("advance %d %d %v", m.StreamTime, now, m.Final)
	f.a.told = append(f.a.told, text)
	if f.a.fail != nil {
		switch err := f.a.fail(len(f.a.told), &m); {
		case errors.Is(err, errTrap):
			return nil, 0, guilty(0)
		case err != nil:
			return abi.AppendResultError(nil, 0, abi.CodeFailed, err.Error(), 0), 1, nil
		}
	}
	return okReply(nil, 0, text), 1, nil
}

func (a *advApp) host(t *testing.T, opts Options) *Host {
	t.Helper()
	l := &life{a.b, "p", state.NewMemory()}
	bk := l.backends(t, a.plan, nil)
	if !a.plan.ExactlyOnce {
		bk.Producer = func(context.Context, int, int) (Producer, error) { return a.b.Producer(), nil }
	}
	bk.Store = nil
	pass := func(c *fakeCall, rec *abi.Record) error {
		if string(rec.Value) == "bad" {
			return errNo
		}
		c.emit(abi.Output{Value: rec.Value})
		return nil
	}
	bk.Invoker = func(_ context.Context, _, _ int, st module.State) (Invoker, error) {
		return &advInvoker{statefulInvoker{funcs: []statefulFunc{pass, pass}, state: st}, a}, nil
	}
	return New(a.plan, opts, []int{0}, 0, bk, discard)
}

func (a *advApp) produce(t *testing.T, topic string, ts int64, value string) {
	t.Helper()
	produce(t, a.b, hosttest.Record{Topic: topic, Timestamp: ts, Value: []byte(value)})
}

// out returns what was committed to out, with timestamps, sorted where the
// order is not told.
func (a *advApp) out() (lines []string) {
	for _, r := range a.b.Records("out") {
		lines = append(lines, fmt.Sprintf("%s @%d", r.Value, r.Timestamp))
	}
	return lines
}

func (a *advApp) calls() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	told := a.told
	a.told = nil
	return told
}

func wantLines(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// both runs f for both guarantees.
func both(t *testing.T, f func(t *testing.T, exactlyOnce bool)) {
	for _, exactlyOnce := range []bool{true, false} {
		t.Run(fmt.Sprint("exactly once ", exactlyOnce), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, exactlyOnce) })
		})
	}
}

func TestAHandlerIsToldTheStreamTimeThatItsRecordsDoNotSay(t *testing.T) {
	both(t, func(t *testing.T, exactlyOnce bool) {
		a := newAdvApp(exactlyOnce, OnError{})
		a.produce(t, "in", 10, "a")
		h := a.host(t, Options{})
		done := start(h)
		after(time.Second)
		// It knows 10 by its record.
		wantLines(t, "calls", a.calls())
		a.produce(t, "other", 50, "b")
		after(time.Second)
		wantLines(t, "calls", a.calls(), "advance 50 50 false")
		a.produce(t, "other", 40, "c") // stream time does not move
		a.produce(t, "in", 60, "d")
		after(time.Second)
		wantLines(t, "calls", a.calls())
		drained(t, h, done)
		wantLines(t, "calls", a.calls()) // nobody said that nothing follows
		got := a.out()
		if i := slices.Index(got, "advance 50 50 false @50"); i < 0 || !slices.Contains(got[:i], "b @50") {
			t.Errorf("out: %q", got)
		}
	})
}

func TestTheLastAdvanceComesOnce(t *testing.T) {
	both(t, func(t *testing.T, exactlyOnce bool) {
		a := newAdvApp(exactlyOnce, OnError{})
		a.produce(t, "in", 10, "a")
		a.produce(t, "in", 20, "b")
		h := a.host(t, Options{UntilIdle: true})
		if err := endsWithin(t, h, start(h), time.Hour); err != nil {
			t.Fatal(err)
		}
		wantLines(t, "calls", a.calls(), "advance 20 20 true")
		wantLines(t, "out", a.out(), "a @10", "b @20", "advance 20 20 true @20")
		// A run that another one follows has no last advance.
		h = a.host(t, Options{UntilIdle: true, GoesOn: true})
		if err := endsWithin(t, h, start(h), time.Hour); err != nil {
			t.Fatal(err)
		}
		wantLines(t, "calls", a.calls(), "advance 20 20 false")
		// A run without a record: the stream time is the committed one, which its
		// new owner tells first.
		h = a.host(t, Options{UntilIdle: true})
		if err := endsWithin(t, h, start(h), time.Hour); err != nil {
			t.Fatal(err)
		}
		wantLines(t, "calls", a.calls(), "advance 20 20 false", "advance 20 20 true")
	})
}

func TestARecordThatFailedSaysNothing(t *testing.T) {
	both(t, func(t *testing.T, exactlyOnce bool) {
		a := newAdvApp(exactlyOnce, OnError{Policy: PolicySkip})
		a.produce(t, "in", 10, "a")
		a.produce(t, "in", 20, "bad")
		h := a.host(t, Options{})
		done := start(h)
		after(time.Second)
		drained(t, h, done)
		wantLines(t, "calls", a.calls(), "advance 20 20 false")
	})
}

func TestAnAdvanceThatFails(t *testing.T) {
	for name, c := range map[string]struct {
		policy OnError
		fail   func(n int, m *abi.Advance) error
		calls  []string
		out    []string
		stops  bool
	}{
		"skip": {
			policy: OnError{Policy: PolicySkip},
			fail:   func(int, *abi.Advance) error { return errNo },
			calls:  []string{"advance 50 50 false", "advance 50 50 true"},
			out:    []string{"b @50"},
		},
		"dead letters take no calls": {
			policy: OnError{Policy: PolicyDLQ, Topic: "dead"},
			fail:   func(int, *abi.Advance) error { return errNo },
			calls:  []string{"advance 50 50 false", "advance 50 50 true"},
			out:    []string{"b @50"},
		},
		"retry": {
			policy: OnError{Policy: PolicyFail, Attempts: 2, Backoff: time.Second},
			fail: func(n int, _ *abi.Advance) error {
				if n < 3 || n == 4 {
					return errNo
				}
				return nil
			},
			calls: []string{"advance 50 50 false", "advance 50 50 false", "advance 50 50 false", "advance 50 50 true", "advance 50 50 true"},
			out:   []string{"b @50", "advance 50 50 false @50", "advance 50 50 true @50"},
		},
		"a trap is tried once more, then the policy acts": {
			policy: OnError{Policy: PolicySkip},
			fail: func(n int, _ *abi.Advance) error {
				if n <= 2 {
					return errTrap
				}
				return nil
			},
			calls: []string{"advance 50 50 false", "advance 50 50 false", "advance 50 50 true"},
			out:   []string{"b @50", "advance 50 50 true @50"},
		},
		"fail stops the task": {
			policy: OnError{Policy: PolicyFail},
			fail:   func(int, *abi.Advance) error { return errNo },
			calls:  []string{"advance 50 50 false"},
			out:    []string{"b @50"},
			stops:  true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, exactlyOnce bool) {
				a := newAdvApp(exactlyOnce, c.policy)
				a.fail = c.fail
				a.produce(t, "other", 50, "b")
				h := a.host(t, Options{UntilIdle: true})
				err := endsWithin(t, h, start(h), time.Hour)
				switch {
				case !c.stops && err != nil:
					t.Fatal(err)
				case c.stops && (!errors.Is(err, ErrStopped) || !strings.Contains(err.Error(), `handler "closing": advance:closing[0]`)):
					t.Errorf("it ends with %v", err)
				}
				wantLines(t, "calls", slices.Compact(a.calls()), slices.Compact(slices.Clone(c.calls))...)
				wantLines(t, "out", a.out(), c.out...)
				if n := len(a.b.Records("dead")); n != 0 {
					t.Errorf("%d dead letters", n)
				}
			})
		})
	}
}

// While a handler has failed on an advance, its task goes on with no record.
func TestATaskWaitsForItsAdvance(t *testing.T) {
	both(t, func(t *testing.T, exactlyOnce bool) {
		a := newAdvApp(exactlyOnce, OnError{Policy: PolicyFail})
		broken := true
		a.fail = func(int, *abi.Advance) error {
			if broken {
				return errNo
			}
			return nil
		}
		a.produce(t, "other", 50, "b")
		h := a.host(t, Options{})
		done := start(h)
		after(time.Second)
		a.produce(t, "in", 60, "c")
		a.produce(t, "other", 70, "d")
		after(5 * time.Minute)
		wantLines(t, "out", a.out(), "b @50")
		if s := h.Status().Workers[0].Partitions; len(s) != 2 || s[0].Stopped == "" || s[1].Stopped == "" {
			t.Errorf("the status says nothing of it: %+v", s)
		}
		a.mu.Lock()
		broken = false
		a.mu.Unlock()
		after(5 * time.Minute)
		if s := h.Status().Workers[0].Partitions; len(s) != 2 || s[0].Stopped != "" || s[1].Stopped != "" {
			t.Errorf("the status still says: %+v", s)
		}
		drained(t, h, done)
		got := a.out()
		if len(got) < 4 || got[1] != "advance 50 50 false @50" {
			t.Errorf("out: %q", got)
		}
	})
}

// What an advance emits is part of the transaction: where that is aborted the
// call is made again, and its outputs count once.
func TestAnAdvanceIsRolledBackWithItsTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := range 4 {
			a := newAdvApp(true, OnError{})
			a.produce(t, "in", 10, "a")
			a.produce(t, "other", 50, "b")
			for range n + 1 {
				a.b.Fail(hosttest.Call{Op: hosttest.OpCommitTxn}, hosttest.BeforeEffect, &abortable{"a test"})
			}
			h := a.host(t, Options{UntilIdle: true})
			if err := endsWithin(t, h, start(h), time.Hour); err != nil {
				t.Fatal(err)
			}
			got := a.out()
			slices.Sort(got)
			wantLines(t, fmt.Sprint("out after ", n, " aborts"), got, "a @10", "advance 50 50 false @50", "advance 50 50 true @50", "b @50")
		}
	})
}

// A handler that is told that nothing follows may emit to a topic that another
// one reads: that one is told last.
func TestTheLastAdvancesGoDownTheTopology(t *testing.T) {
	both(t, func(t *testing.T, exactlyOnce bool) {
		a := newAdvApp(exactlyOnce, OnError{})
		mid := topicSource("mid")
		mid.Sub, mid.Handlers = 1, []HandlerSource{{Handler: 2}}
		call := Source{ID: "advance:late", Kind: SourceCall, Batch: abi.KindAdvance, Sub: 1, Handlers: []HandlerSource{{Handler: 2}}}
		a.plan.Sources = append(a.plan.Sources, mid, call)
		a.plan.Handlers[0].Sinks = []Sink{topicSink("mid")}
		// The binding is that of the one that passes on; both take advances.
		a.plan.Handlers = append(a.plan.Handlers, Handler{ID: "late", Binding: 0, Sinks: []Sink{topicSink("out")}})
		a.plan.Subs = append(a.plan.Subs, Sub{Name: "late", Inputs: []int{3}})
		a.plan.Advances = []int{4, 2}
		a.produce(t, "in", 10, "a")
		h := a.host(t, Options{UntilIdle: true})
		if err := endsWithin(t, h, start(h), time.Hour); err != nil {
			t.Fatal(err)
		}
		wantLines(t, "calls", a.calls(), "advance 10 10 true", "advance 10 10 true")
		wantLines(t, "out", a.out(), "a @10", "advance 10 10 true @10", "advance 10 10 true @10")
	})
}

func TestNothingIsAllocatedToKnowStreamTimes(t *testing.T) {
	w := &worker{plan: &Plan{Advances: []int{0}, Sources: []Source{{}}}, advancing: []bool{true}}
	b := &batch{source: &Source{Handlers: []HandlerSource{{}}}}
	b.load(b.source, abi.BatchHeader{Count: 1}, abi.AppendRecord(nil, 0, 7, nil, nil, nil))
	w.reach = [][]int{nil}
	r := run{w: w, in: &input{task: running()}, root: b, limit: 1}
	r.know()
	if n := testing.AllocsPerRun(100, r.know); n != 0 || !r.in.task.knows(0) || r.in.task.known[0] != 7 {
		t.Errorf("%v allocations, known %v", n, r.in.task.known)
	}
}
