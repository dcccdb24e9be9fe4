package host

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
)

// network is a random plan with deterministic handlers.
type network struct {
	plan  *Plan
	funcs []fakeFunc
}

func drawNetwork(t *rapid.T) network {
	topics := []string{"in", "out-a", "out-b", "dead"}
	plan := &Plan{App: "prop", Clusters: []string{"default"}, Modules: []string{"fake"}}
	plan.Sources = append(plan.Sources, topicSource("in"))
	proxies := rapid.IntRange(0, 4).Draw(t, "proxies")
	for i := range proxies {
		plan.Proxies = append(plan.Proxies, len(plan.Sources))
		plan.Sources = append(plan.Sources, Source{ID: fmt.Sprintf("p%d", i), Kind: SourceProxy})
	}
	n := network{plan: plan}
	for i := range rapid.IntRange(1, 5).Draw(t, "handlers") {
		src := 0
		if i > 0 && proxies > 0 {
			src = rapid.IntRange(0, proxies).Draw(t, "source")
		}
		h := Handler{ID: fmt.Sprintf("h%d", i), Binding: i}
		for range rapid.IntRange(1, 3).Draw(t, "sinks") {
			// A proxy leads to later ones only, so there are no cycles.
			if k := rapid.IntRange(0, 3).Draw(t, "sink"); k < 2 {
				h.Sinks = append(h.Sinks, topicSink(topics[1+k]))
			} else if src < proxies {
				p := rapid.IntRange(src+1, proxies).Draw(t, "proxy")
				if !hasProxy(h.Sinks, p) {
					h.Sinks = append(h.Sinks, Sink{ID: plan.Sources[p].ID, Kind: SinkProxy, Proxy: p})
				}
			}
		}
		switch rapid.IntRange(0, 2).Draw(t, "policy") {
		case 0:
			h.OnError = OnError{Policy: PolicySkip}
		case 1:
			h.OnError = OnError{Policy: PolicyDLQ, Topic: "dead"}
		default:
			h.OnError = OnError{Policy: PolicySkip, Attempts: 1, Backoff: time.Microsecond}
		}
		plan.Handlers = append(plan.Handlers, h)
		plan.Sources[src].Handlers = append(plan.Sources[src].Handlers, HandlerSource{Handler: i})
		n.funcs = append(n.funcs, drawFunc(i, len(h.Sinks), rapid.Uint64().Draw(t, "seed")))
	}
	return n
}

func hasProxy(sinks []Sink, p int) bool {
	for _, s := range sinks {
		if s.Kind == SinkProxy && s.Proxy == p {
			return true
		}
	}
	return false
}

// drawFunc makes a handler whose behaviour depends on the record alone.
func drawFunc(id, sinks int, seed uint64) fakeFunc {
	return func(rec *abi.Record, emit func(abi.Output)) error {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d/%d/%s", seed, id, rec.Value)
		x := h.Sum64()
		n := int(x>>8) % 4
		for i := range n {
			o := abi.Output{Sink: abi.EverySink, Key: rec.Key, Value: fmt.Appendf(nil, "%s>%d.%d", rec.Value, id, i)}
			if sinks > 0 && x>>(16+i)&1 == 1 {
				o.Sink = int32(x>>20) & 0xff % int32(sinks)
			}
			emit(o)
		}
		switch x % 16 {
		case 0:
			return errors.New("refused")
		case 1:
			return errTrap
		case 2:
			return guestError{code: abi.CodeDrop}
		}
		return nil
	}
}

// oneByOne is the meaning of a plan: one record at a time, depth first.
func (n network) oneByOne(source int, rec abi.Record, root int64, calls *int, out *[]hosttest.Record) {
	for _, hs := range n.plan.Sources[source].Handlers {
		h := &n.plan.Handlers[hs.Handler]
		*calls++
		var outs []abi.Output
		err := n.funcs[hs.Handler](&rec, func(o abi.Output) { outs = append(outs, o) })
		var ge guestError
		if err != nil {
			if !errors.As(err, &ge) && h.OnError.Policy == PolicyDLQ {
				*out = append(*out, hosttest.Record{Topic: "dead", Key: rec.Key, Value: rec.Value})
			}
			continue
		}
		for _, o := range outs {
			sinks := h.Sinks
			if o.Sink >= 0 {
				sinks = sinks[o.Sink : o.Sink+1]
			}
			for _, s := range sinks {
				if s.Kind == SinkProxy {
					next := rec
					next.Key, next.Value = o.Key, o.Value
					n.oneByOne(s.Proxy, next, root, calls, out)
				} else {
					*out = append(*out, hosttest.Record{Topic: s.Topic, Key: o.Key, Value: o.Value})
				}
			}
		}
	}
}

// TestBatchingIsNotObservable compares what comes out, over all topics and in
// order, with the plan's meaning, for batches of 1, 7 and 1024 records.
func TestBatchingIsNotObservable(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := drawNetwork(rt)
		count := rapid.IntRange(1, 40).Draw(rt, "records")
		var want []hosttest.Record
		for i := range count {
			rec := abi.Record{Key: []byte("k"), Value: fmt.Appendf(nil, "r%d", i)}
			calls := 0
			n.oneByOne(0, rec, int64(i), &calls, &want)
		}
		for _, size := range []int{1, 7, 1024} {
			var got []hosttest.Record
			var at int64
			var err error
			synctest.Test(t, func(t *testing.T) { got, at, err = n.run(t, count, size) })
			if err != nil {
				rt.Fatalf("batch size %d: %v", size, err)
			}
			if d := cmp.Diff(brief(want), brief(got)); d != "" {
				rt.Fatalf("batch size %d (-want +got):\n%s", size, d)
			}
			if at != int64(count) {
				rt.Fatalf("batch size %d: committed %d of %d", size, at, count)
			}
		}
	})
}

// run feeds count records through the engine in batches of size and returns
// what came out and the committed offset.
func (n network) run(t *testing.T, count, size int) ([]hosttest.Record, int64, error) {
	b := hosttest.NewBroker(map[string]int{"in": 1, "out-a": 1, "out-b": 1, "dead": 1})
	for i := range count {
		produce(t, b, hosttest.Record{Topic: "in", Key: []byte("k"), Value: fmt.Appendf(nil, "r%d", i), Timestamp: int64(1000 + i)})
	}
	h := fakeHost(t, b, n.plan, Options{UntilIdle: true, MaxRecords: size, CommitInterval: time.Millisecond}, 1, n.funcs)
	err := runIdle(t, h)
	return b.All()[count:], b.Committed("prop", "in", 0), err
}

func brief(recs []hosttest.Record) []string {
	var s []string
	for _, r := range recs {
		s = append(s, fmt.Sprintf("%s %s=%s", r.Topic, r.Key, bytes.TrimSpace(r.Value)))
	}
	return s
}
