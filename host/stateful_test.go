package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/state"
)

// statefulFunc stands in for a handler with caches.
type statefulFunc func(c *fakeCall, rec *abi.Record) error

// fakeCall is what a statefulFunc works with.
type fakeCall struct {
	state module.State
	at    module.At
	outs  []byte
	n     int
}

func (c *fakeCall) emit(o abi.Output) { c.outs = abi.AppendOutput(c.outs, &o); c.n++ }

func (c *fakeCall) get(cache int32, key string) (string, bool) {
	buf := make([]byte, 1024)
	n := c.state.CacheGet(c.at, cache, []byte(key), buf)
	if n == module.StateFailed {
		panic(errState)
	}
	if n < 0 {
		return "", false
	}
	return string(buf[:n]), true
}

func (c *fakeCall) put(cache int32, key, value string) {
	if c.state.CachePut(c.at, cache, []byte(key), []byte(value)) == module.StateFailed {
		panic(errState)
	}
}

var errState = errors.New("state failed")

// statefulInvoker runs statefulFuncs in place of a module, as an SDK does.
type statefulInvoker struct {
	funcs []statefulFunc
	state module.State
	stop  atomic.Bool
	reply []byte
}

func (f *statefulInvoker) Process(_ context.Context, handler, count int32, head, records []byte) (reply []byte, done int32, err error) {
	r := abi.NewReader(append(head[:len(head):len(head)], records...))
	var h abi.BatchHeader
	abi.ReadBatchHeader(&r, &h)
	f.reply = f.reply[:0]
	defer func() {
		if e := recover(); e != nil {
			if e != errState {
				panic(e)
			}
			reply, done, err = nil, 0, module.ErrState
		}
	}()
	for i := range count {
		var rec abi.Record
		abi.ReadRecord(&r, &rec)
		if r.Err() != nil {
			return nil, 0, r.Err()
		}
		c := &fakeCall{state: f.state, at: module.At{Handler: handler, Record: i}}
		switch err := f.funcs[handler](c, &rec); {
		case errors.Is(err, errTrap):
			return f.reply, i, &module.TrapError{Module: "fake", Kind: module.TrapUnreachable, Guilty: i}
		case err != nil:
			f.state.Savepoint(c.at, abi.SavepointRollbackRecord)
			code := abi.CodeFailed
			if ge := (guestError{}); errors.As(err, &ge) {
				code = ge.code
			}
			f.reply = abi.AppendResultError(f.reply, i, code, err.Error(), 0)
		case c.n > 0:
			f.reply = append(abi.AppendResult(f.reply, i, abi.StatusOK, c.n), c.outs...)
		}
		if f.stop.CompareAndSwap(true, false) {
			return f.reply, i + 1, nil
		}
	}
	return f.reply, count, nil
}

func (f *statefulInvoker) RequestStop()                { f.stop.Store(true) }
func (f *statefulInvoker) Renew()                      {}
func (f *statefulInvoker) Close(context.Context) error { return nil }

// countPlan counts the records of each key in a cache and emits the counts.
func countPlan() *Plan {
	in, out := topicSource("in"), topicSink("out")
	in.Handlers = []HandlerSource{{Handler: 0}}
	return &Plan{
		App: "app", Clusters: []string{"default"}, ExactlyOnce: true,
		Sources:  []Source{in},
		Handlers: []Handler{{ID: "count", Sinks: []Sink{out}, Caches: []int{0}, Staged: 1 << 20}},
		Modules:  []string{"m"},
		Subs:     []Sub{{Name: "count", Inputs: []int{0}, Caches: []int{0}}},
		Caches:   []Cache{{ID: "counts", Kind: state.KV, Topic: "app-counts-changelog"}},
	}
}

// count is the handler of countPlan.
func countKeys(c *fakeCall, rec *abi.Record) error {
	v, _ := c.get(0, string(rec.Key))
	n := uint64(0)
	if v != "" {
		n = binary.BigEndian.Uint64([]byte(v))
	}
	n++
	c.put(0, string(rec.Key), string(binary.BigEndian.AppendUint64(nil, n)))
	c.emit(abi.Output{Sink: abi.EverySink, Key: rec.Key, Value: fmt.Appendf(nil, "%s-%d", rec.Key, n)})
	return nil
}

// life is one process: a store that outlives it and an id.
type life struct {
	b      *hosttest.Broker
	id     string
	engine state.Engine
}

// backends are those of one start of the process.
func (l *life) backends(t testing.TB, plan *Plan, funcs []statefulFunc) Backends {
	t.Helper()
	var caches []state.Cache
	for _, c := range plan.Caches {
		caches = append(caches, state.Cache{Name: c.ID, Kind: c.Kind, Key: c.Key})
	}
	store, err := hosttest.StoreOn(l.engine, caches...)
	if err != nil {
		t.Fatal(err)
	}
	return Backends{
		Consumer: func(_ context.Context, _, w int) (Consumer, error) {
			return l.b.StaticConsumer(plan.App, fmt.Sprint(l.id, "-", w)), nil
		},
		Producer: func(_ context.Context, _, w int) (Producer, error) {
			return l.b.TransactionalProducer(fmt.Sprint(l.id, "-", w)), nil
		},
		Invoker: func(_ context.Context, _, _ int, st module.State) (Invoker, error) {
			return &statefulInvoker{funcs: funcs, state: st}, nil
		},
		LogReader: func(context.Context, int) (LogReader, error) { return l.b.LogReader(), nil },
		LogBounds: func(_ context.Context, _ int, parts []LogPartition) ([]Bounds, error) {
			var all []Bounds
			for _, p := range parts {
				all = append(all, l.b.Bounds(p.Topic, p.Partition))
			}
			return all, nil
		},
		Topics: func(ctx context.Context, _ int, names []string) ([]Topic, error) {
			ids, err := l.b.Identities(ctx, names)
			var all []Topic
			for i, id := range ids {
				all = append(all, Topic{id, int32(l.b.Partitions(names[i]))})
			}
			return all, err
		},
		Store: store,
		Clock: realClock{},
	}
}

// Whatever the moment a process dies at, each record counts once.
func TestCountsAreExactWhereverAProcessDies(t *testing.T) {
	for cut := range 60 {
		synctest.Test(t, func(t *testing.T) {
			b := hosttest.NewBroker(map[string]int{"in": 2, "out": 2, "app-counts-changelog": 2})
			const keys, each = 7, 40
			for i := range keys * each {
				key := fmt.Sprint("k", i%keys)
				if _, err := b.Produce(hosttest.Record{Topic: "in", Partition: int32(i % keys % 2), Key: []byte(key), Value: []byte("x")}); err != nil {
					t.Fatal(err)
				}
			}
			plan := countPlan()
			l := &life{b, "h", state.NewMemory()}
			opts := Options{CommitInterval: 20 * time.Millisecond, MaxRecords: 9, UntilIdle: true}
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(cut*3)*time.Millisecond)
			New(plan, opts, []int{0}, 0, l.backends(t, plan, []statefulFunc{countKeys}), discard).Run(ctx)
			cancel()
			h := New(plan, opts, []int{0}, 0, l.backends(t, plan, []statefulFunc{countKeys}), discard)
			ctx, cancel = context.WithTimeout(context.Background(), 10*time.Minute)
			defer cancel()
			if err := h.Run(ctx); err != nil {
				t.Fatalf("cut at %d ms: %v", cut*3, err)
			}
			seen := map[string]int{}
			for _, r := range b.Records("out") {
				seen[string(r.Value)]++
			}
			for k := range keys {
				for n := 1; n <= each; n++ {
					if v := fmt.Sprintf("k%d-%d", k, n); seen[v] != 1 {
						t.Errorf("cut at %d ms: %s came out %d times", cut*3, v, seen[v])
					}
				}
			}
		})
	}
}
