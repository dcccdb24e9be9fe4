package host

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/state"
)

// replayed adds to a plan the topic through which the letters of handler 0
// come back, from each of the sources.
func replayed(p *Plan, topic string, sources ...int) *Plan {
	var routes []int
	for _, from := range sources {
		s := p.Sources[from]
		var hs []HandlerSource
		for _, h := range s.Handlers {
			if h.Handler == 0 {
				hs = append(hs, h)
			}
		}
		routes = append(routes, len(p.Sources))
		p.Sources = append(p.Sources, Source{ID: s.ID, Kind: SourceReplayed, Sub: s.Sub, Key: s.Key, Value: s.Value, Handlers: hs, Lockstep: true})
	}
	if len(p.Subs) > 0 {
		p.Subs[0].Inputs = append(p.Subs[0].Inputs, len(p.Sources))
	}
	p.Sources = append(p.Sources, Source{ID: topic, Kind: SourceTopic, Topic: topic, Internal: true, Replays: routes})
	return p
}

// letterOf is a dead letter of handler from source, whose root was at offset
// of partition 0 of "in".
func letterOf(handler, source, key, value string, offset int) hosttest.Record {
	hs := abi.AppendArrayHeader(nil, 8)
	for _, h := range [][2]string{
		{"trace", "1"},
		{HeaderHandler, handler},
		{HeaderSource, source},
		{HeaderTopic, "in"},
		{HeaderPartition, "0"},
		{HeaderOffset, fmt.Sprint(offset)},
		{HeaderN, "3"},
		{HeaderTimestamp, "77"},
	} {
		hs = abi.AppendHeader(hs, h[0], []byte(h[1]))
	}
	return hosttest.Record{Topic: "letters", Key: []byte(key), Value: []byte(value), HeadersWire: hs, Timestamp: 77}
}

// Whatever the moment a process dies at, each letter reaches its handler and
// its caches once.
func TestLettersAreDeliveredOnceWhereverAProcessDies(t *testing.T) {
	for cut := range 30 {
		synctest.Test(t, func(t *testing.T) {
			b := hosttest.NewBroker(map[string]int{"in": 1, "out": 1, "app-counts-changelog": 1, "letters": 1})
			const each = 40
			for i := range each {
				produce(t, b, letterOf("count", "in", fmt.Sprint("k", i%2), "x", i))
				produce(t, b, hosttest.Record{Topic: "in", Key: []byte("k0"), Value: []byte("x")})
			}
			plan := replayed(countPlan(), "letters", 0)
			l := &life{b, "h", state.NewMemory()}
			opts := Options{CommitInterval: 20 * time.Millisecond, MaxRecords: 9, UntilIdle: true}
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(cut*4)*time.Millisecond)
			New(plan, opts, []int{0}, 0, l.backends(t, plan, []statefulFunc{countKeys}), discard).Run(ctx)
			cancel()
			h := New(plan, opts, []int{0}, 0, l.backends(t, plan, []statefulFunc{countKeys}), discard)
			ctx, cancel = context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			if err := h.Run(ctx); err != nil {
				t.Fatalf("cut at %d ms: %v", cut*4, err)
			}
			seen := map[string]int{}
			for _, r := range b.Records("out") {
				seen[string(r.Value)]++
			}
			for k, most := range []int{each + each/2, each / 2} {
				for n := 1; n <= most; n++ {
					if v := fmt.Sprintf("k%d-%d", k, n); seen[v] != 1 {
						t.Errorf("cut at %d ms: %s came out %d times", cut*4, v, seen[v])
					}
				}
			}
			if want := 2 * each; len(b.Records("out")) != want {
				t.Errorf("cut at %d ms: %d outputs, want %d", cut*4, len(b.Records("out")), want)
			}
		})
	}
}

// headWitness shows the functions the head of their batch.
type headWitness struct {
	*fakeInvoker
	head *abi.BatchHeader
}

func (w *headWitness) Process(ctx context.Context, handler, count int32, head, records []byte) ([]byte, int32, error) {
	r := abi.NewReader(append(head[:len(head):len(head)], records...))
	abi.ReadBatchHeader(&r, w.head)
	return w.fakeInvoker.Process(ctx, handler, count, head, records)
}

// A letter goes to the handler that failed alone, as it saw the record, and
// one that fails again is the same letter.
func TestALetterReachesTheHandlerThatFailedAsItWas(t *testing.T) {
	b := hosttest.NewBroker(map[string]int{"in": 2, "out": 1, "dead": 1, "letters": 2})
	h := Handler{ID: "h", Sinks: []Sink{topicSink("out")}, OnError: OnError{Policy: PolicyDLQ, Topic: "dead"}}
	plan := &Plan{
		App: "app", Clusters: []string{"default"}, Modules: []string{"m"},
		Sources: []Source{
			topicSource("in"),
			{ID: "p", Kind: SourceProxy, Handlers: []HandlerSource{{Handler: 0, Position: 4}, {Handler: 1}}},
		},
		Proxies:  []int{1},
		Handlers: []Handler{h, {ID: "other", Binding: 1, Sinks: []Sink{topicSink("out")}}},
	}
	plan.Sources[0].Handlers = []HandlerSource{{Handler: 1}}
	plan = replayed(plan, "letters", 1)
	var got []string
	var head abi.BatchHeader
	funcs := []fakeFunc{
		func(rec *abi.Record, emit func(abi.Output)) error {
			it := abi.ReadHeaders(rec.Headers)
			got = append(got, fmt.Sprint(head.Source, " ", head.Partition, " ", head.BaseOffset+rec.OffsetDelta, " ", head.BaseTimestamp+rec.TimestampDelta, " ", string(rec.Value), " ", it.Len()))
			if string(rec.Value) == "bad" {
				return errors.New("still bad")
			}
			emit(abi.Output{Sink: abi.EverySink, Value: rec.Value})
			return nil
		},
		func(*abi.Record, func(abi.Output)) error {
			t.Error("a letter reached another handler")
			return nil
		},
	}
	produce(t, b, letterOf("h", "p", "k", "good", 5))
	produce(t, b, letterOf("h", "p", "k", "bad", 6))
	produce(t, b, letterOf("gone", "p", "k", "good", 7))
	produce(t, b, hosttest.Record{Topic: "letters", Value: []byte("no letter")})
	bk := fakeBackends(plan, one(b), funcs)
	bk.Invoker = func(context.Context, int, int, module.State) (Invoker, error) {
		return &headWitness{newFakeInvoker(funcs), &head}, nil
	}
	if err := runIdle(t, New(plan, Options{UntilIdle: true}, []int{0}, 0, bk, discard)); err != nil {
		t.Fatal(err)
	}
	if want := "[4 0 5 77 good 1 4 0 6 77 bad 1]"; fmt.Sprint(got) != want {
		t.Errorf("the handler saw %v, want %s", got, want)
	}
	if out := values(b.Records("out")); len(out) != 1 || out[0] != "good" {
		t.Errorf("out %v", out)
	}
	dead := b.Records("dead")
	if len(dead) != 1 {
		t.Fatalf("%d letters", len(dead))
	}
	hs := headers(t, dead[0])
	for name, want := range map[string]string{HeaderTopic: "in", HeaderOffset: "6", HeaderN: "3", HeaderSource: "p", HeaderError: "still bad", "trace": "1"} {
		if hs[name] != want {
			t.Errorf("header %s is %q, want %q", name, hs[name], want)
		}
	}
	if len(hs) != 12 {
		t.Errorf("headers %v", hs)
	}
}

// What is in the topic of the letters can be written by anybody.
func FuzzReadLetter(f *testing.F) {
	good := letterOf("count", "in", "k", "v", 5)
	f.Add(good.HeadersWire)
	f.Add([]byte(nil))
	f.Add(good.HeadersWire[:20])
	w := &worker{plan: replayed(countPlan(), "letters", 0)}
	src := &w.plan.Sources[len(w.plan.Sources)-1]
	f.Fuzz(func(t *testing.T, wire []byte) {
		l, headers, why := w.readLetter(src, &abi.Record{Headers: wire})
		if why != "" {
			return
		}
		if w.plan.Sources[l.source].Kind != SourceReplayed {
			t.Errorf("it goes to source %d", l.source)
		}
		it := abi.ReadHeaders(headers)
		for {
			name, _, ok := it.Next()
			if !ok {
				break
			}
			if len(name) >= 5 && string(name[:5]) == letterHead {
				t.Errorf("the handler would see %q", name)
			}
		}
		if it.Err() != nil {
			t.Error(it.Err())
		}
	})
}
