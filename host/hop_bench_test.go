package host

import (
	"context"
	"fmt"
	"testing"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/state"
)

// passer emits what it gets, as a guest does that costs nothing; with a cache
// it writes that there instead.
type passer struct {
	state  module.State
	caches []int // by binding, how many caches it has
	reply  []byte
	sinks  []int
}

func (p *passer) Process(_ context.Context, handler, count int32, _, records []byte) ([]byte, int32, error) {
	p.reply = p.reply[:0]
	rd := abi.NewReader(records)
	var rec abi.Record
	for i := range count {
		abi.ReadRecord(&rd, &rec)
		if p.caches[handler] > 0 {
			p.state.CachePut(module.At{Handler: handler, Record: i}, 0, rec.Key, rec.Value)
		}
		if p.sinks[handler] > 0 {
			p.reply = abi.AppendResult(p.reply, i, abi.StatusOK, 1)
			p.reply = abi.AppendOutput(p.reply, &abi.Output{Sink: abi.EverySink, Key: rec.Key, Value: rec.Value})
		}
	}
	return p.reply, count, rd.Err()
}
func (*passer) RequestStop()                {}
func (*passer) Renew()                      {}
func (*passer) Close(context.Context) error { return nil }

// chain is a plan of n handlers joined by proxies; with cached the last two are
// joined by the updates of a cache.
func chain(n int, cached bool) *Plan {
	in, out := topicSource("in"), topicSink("out")
	in.Handlers = []HandlerSource{{Handler: 0}}
	p := &Plan{App: "app", Clusters: []string{"default"}, Sources: []Source{in}, Modules: []string{"m"}, Subs: []Sub{{Name: "h0", Inputs: []int{0}}}}
	for i := range n {
		h := Handler{ID: fmt.Sprint("h", i), Binding: i, Sinks: []Sink{out}}
		if i+1 < n {
			id := len(p.Sources)
			p.Proxies = append(p.Proxies, id)
			p.Sources = append(p.Sources, Source{ID: fmt.Sprint("p", i), Kind: SourceProxy, Handlers: []HandlerSource{{Handler: i + 1}}})
			to := Sink{ID: fmt.Sprint("p", i), Kind: SinkProxy, Proxy: id}
			h.Sinks = []Sink{to}
			if cached && i+2 == n {
				h.Sinks, h.Caches = nil, []int{0}
				p.Caches = []Cache{{ID: "c", Kind: state.Local, Updates: &to}}
				p.Subs[0].Caches = []int{0}
			}
		}
		p.Handlers = append(p.Handlers, h)
	}
	return p
}

// chained returns a function that takes n records through a plan.
func chained(t testing.TB, plan *Plan, n int) (run func()) {
	var store *state.Store
	if len(plan.Caches) > 0 {
		var err error
		if store, err = hosttest.Store(state.Cache{Name: "c", Kind: state.Local}); err != nil {
			t.Fatal(err)
		}
	}
	h := New(plan, Options{}, []int{0}, 0, Backends{
		Producer: func(context.Context, int, int) (Producer, error) { return &sinkhole{}, nil },
		Invoker: func(_ context.Context, _, _ int, s module.State) (Invoker, error) {
			p := &passer{state: s}
			for i := range plan.Handlers {
				p.caches = append(p.caches, len(plan.Handlers[i].Caches))
				p.sinks = append(p.sinks, len(plan.Handlers[i].Sinks))
			}
			return p, nil
		},
		Store: store, Clock: realClock{},
	}, discard)
	w := h.workers[0]
	w.topics = nil
	ctx := context.Background()
	if err := w.open(ctx); err != nil {
		t.Fatal(err)
	}
	in := &input{task: running()}
	if store != nil {
		if err := w.attach(in.task); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		w.close(ctx)
		if store != nil {
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	var wire []byte
	value := make([]byte, 100)
	for i := range n {
		wire = abi.AppendRecord(wire, int64(i), 0, fmt.Appendf(nil, "key%05d", i), value, nil)
	}
	head := abi.BatchHeader{Count: int32(n)}
	return func() {
		if done, _, err := w.dispatch(ctx, in, head, wire); done != n || err != nil {
			t.Fatal(done, err)
		}
		if w.overlay != nil {
			w.overlay.Commit()
		}
	}
}

// BenchmarkHop tells what the engine takes for a record that passes one
// handler, and for each more behind a proxy, which is also what a function of a
// pipe is, or behind a cache. The handlers are native and cost little.
func BenchmarkHop(b *testing.B) {
	const n = 1024
	for _, c := range []struct {
		name   string
		length int
		cached bool
	}{{"handler", 1, false}, {"proxy", 2, false}, {"pipe-of-3", 4, false}, {"cache", 2, true}} {
		b.Run(c.name, func(b *testing.B) {
			run := chained(b, chain(c.length, c.cached), n)
			run()
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/rec")
		})
	}
}

// In steady state a record on its way through proxies and caches allocates
// nothing.
func TestHopsAllocateNothing(t *testing.T) {
	for _, cached := range []bool{false, true} {
		run := chained(t, chain(3, cached), 64)
		if a := testing.AllocsPerRun(50, run); a > 2 {
			t.Errorf("cached %v: %.0f allocations for 64 records", cached, a)
		}
	}
}
