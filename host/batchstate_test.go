package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
	"github.com/sliphost/sliphost/state"
)

// TestBatchingIsNotObservableInCaches runs the handlers of the chaos test, with
// their errors, traps, limits, savepoints and scans, on the same records in
// batches of 1, 7 and 1024: outputs, dead letters and changelogs are equal.
func TestBatchingIsNotObservableInCaches(t *testing.T) {
	for _, seed := range schedules(t, 15) {
		var first []string
		for _, size := range []int{1, 7, 1024} {
			var got []string
			synctest.Test(t, func(t *testing.T) { got = batchRun(t, seed, size) })
			if first == nil {
				first = got
			}
			for i := range max(len(got), len(first)) {
				if i >= len(got) || i >= len(first) || got[i] != first[i] {
					t.Fatalf("SLIPHOST_SEED=%d: batches of %d differ from single records at %d of %d and %d:\n%q\n%q", seed, size, i, len(got), len(first), got[min(i, len(got)-1)], first[min(i, len(first)-1)])
				}
			}
		}
	}
}

// batchRun returns all that comes of 200 records of one partition.
func batchRun(t *testing.T, seed uint64, size int) (all []string) {
	c := newStateChaos(t, seed)
	c.exactly, c.quiet, c.stores = true, true, false
	c.plan.ExactlyOnce = true
	if c.join { // how inputs interleave is not promised
		c.plan.Sources[1] = Source{ID: "unused", Kind: SourceProxy}
		c.plan.Subs[0].Inputs, c.join = []int{0}, false
	}
	for range 200 {
		produce(t, c.b, hosttest.Record{
			Topic: "in", Key: fmt.Append(nil, "k", c.rnd.IntN(5)), Value: fmt.Append(nil, c.total),
			Timestamp: 1000 + int64(c.total) - int64(c.rnd.IntN(30)),
		})
		c.total++
	}
	p := &process{c: c, id: "h", workers: 1, disk: state.NewMemory()}
	l := &life{c.b, "h", p.disk}
	bk := l.backends(t, c.plan, []statefulFunc{c.handler("a"), c.handler("b"), c.handler("c"), c.handler("d")})
	h := New(c.plan, Options{MaxRecords: size, CommitInterval: 50 * time.Millisecond, UntilIdle: true}, []int{0}, 0, bk, discard)
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	if err := h.Run(ctx); err != nil {
		t.Errorf("SLIPHOST_SEED=%d: batches of %d: %v", seed, size, err)
	}
	byKey := map[string][]string{} // of d, which sees two partitions
	for _, topic := range []string{"out", "out2", "out3", "out4", "dead"} {
		parts := int32(chaosParts)
		if topic == "dead" {
			parts = 1
		}
		for part := range parts {
			for _, r := range c.b.View(topic, part) {
				s := fmt.Sprintf("%s[%d] %q %q %d %q", topic, part, r.Key, r.Value, r.Timestamp, r.HeadersWire)
				if h := headers(t, r); topic == "dead" && h[HeaderHandler] == "d" {
					s = fmt.Sprintf("%q %q %s %s", r.Key, r.Value, h[HeaderCode], h[HeaderAttempts]) // offsets count markers
				}
				if topic == "out4" || topic == "dead" && headers(t, r)[HeaderHandler] == "d" {
					byKey[topic+string(r.Key)] = append(byKey[topic+string(r.Key)], s)
					continue
				}
				all = append(all, s)
			}
		}
	}
	for _, list := range byKey {
		all = append(all, fmt.Sprint(list))
	}
	for i := range c.plan.Caches {
		fold := map[string]string{}
		for part := range int32(chaosParts) {
			for _, r := range c.b.View(c.plan.Caches[i].Topic, part) {
				fold[string(r.Key)] = fmt.Sprint(part, r.Value)
			}
		}
		all = append(all, fmt.Sprint(fold))
	}
	slices.Sort(all[len(all)-len(byKey)-len(c.plan.Caches):])
	return all
}

// What waits in the backlogs of a task's inputs is taken by timestamp, as what
// comes from a poll is.
func TestBacklogsAreMergedByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hosttest.NewBroker(map[string]int{"in": 1, "in2": 1, "out": 1, "app-counts-changelog": 1})
		plan := countPlan()
		two := topicSource("in2")
		two.Handlers = []HandlerSource{{Handler: 0, Position: 1}}
		plan.Sources = append(plan.Sources, two)
		plan.Subs[0].Inputs = []int{0, 1}
		for i := range 20 {
			produce(t, b, hosttest.Record{Topic: []string{"in", "in2"}[i/3%2], Value: fmt.Append(nil, i), Timestamp: int64(1000 + i)})
		}
		pass := func(c *fakeCall, rec *abi.Record) error {
			c.emit(abi.Output{Sink: abi.EverySink, Value: rec.Value})
			return nil
		}
		bk := (&life{b, "h", state.NewMemory()}).backends(t, plan, []statefulFunc{pass})
		// The task has no offsets, so its first commit comes before its records,
		// which wait meanwhile.
		h := New(plan, Options{UntilIdle: true}, []int{0}, 0, bk, discard)
		if err := runIdle(t, h); err != nil {
			t.Fatal(err)
		}
		for i, v := range values(b.View("out", 0)) {
			if v != fmt.Sprint(i) {
				t.Fatalf("came out in the order %v", values(b.View("out", 0)))
			}
		}
	})
}

// fussySink refuses its first line.
type fussySink struct{ n int }

func (s *fussySink) Append(*SinkRecord) error {
	if s.n++; s.n == 1 {
		return errors.New("no room")
	}
	return nil
}
func (*fussySink) Flush(context.Context) error { return nil }
func (*fussySink) Close() error                { return nil }

// A connector sink that fails in the middle of a record's outputs takes the
// others of that record along.
func TestAFailingSinkDoublesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hosttest.NewBroker(map[string]int{"in": 1, "out": 1})
		for i := range 4 {
			produce(t, b, hosttest.Record{Topic: "in", Value: fmt.Append(nil, i)})
		}
		plan := onePlan(OnError{})
		plan.ExactlyOnce = true
		plan.Handlers[0].Sinks = append(plan.Handlers[0].Sinks, Sink{ID: "file:x", Kind: SinkConnector})
		bk := fakeBackends(plan, one(b), []fakeFunc{passThrough})
		bk.Producer = func(_ context.Context, _, w int) (Producer, error) {
			return b.TransactionalProducer(fmt.Sprint("h-", w)), nil
		}
		sink := &fussySink{}
		bk.Sink = func(context.Context, int) (ConnectorSink, error) { return sink, nil }
		if err := runIdle(t, New(plan, Options{UntilIdle: true}, []int{0}, 1, bk, discard)); err != nil {
			t.Fatal(err)
		}
		if got := values(b.View("out", 0)); !slices.Equal(got, []string{"0", "1", "2", "3"}) {
			t.Errorf("came out %v", got)
		}
	})
}

// stateReader gets and puts as a guest does, without allocating.
type stateReader struct {
	state module.State
	reply []byte
	buf   [64]byte
}

func (s *stateReader) Process(_ context.Context, _, count int32, _, _ []byte) ([]byte, int32, error) {
	for i := range count {
		at := module.At{Record: i}
		key := keys[i%int32(len(keys))]
		n := max(s.state.CacheGet(at, 0, key, s.buf[:]), 0)
		if n == 0 {
			n = 8
		}
		s.buf[0]++
		s.state.CachePut(at, 0, key, s.buf[:n])
	}
	return s.reply, count, nil
}
func (*stateReader) RequestStop()                {}
func (*stateReader) Renew()                      {}
func (*stateReader) Close(context.Context) error { return nil }

var keys = [][]byte{[]byte("a"), []byte("b"), []byte("c")}

// In steady state a record that reads and writes a cache allocates nothing, in
// lock-step or not.
func TestCallsAboutCachesAllocateNothing(t *testing.T) {
	for _, lockstep := range []bool{false, true} {
		plan := countPlan()
		plan.ExactlyOnce, plan.Sources[0].Lockstep = false, lockstep
		store, err := hosttest.Store(state.Cache{Name: "counts"})
		if err != nil {
			t.Fatal(err)
		}
		const n = 64
		reply := passReply(n)
		if lockstep {
			reply = passReply(1)
		}
		h := New(plan, Options{}, []int{0}, 0, Backends{
			Producer: func(context.Context, int, int) (Producer, error) { return &sinkhole{}, nil },
			Invoker: func(_ context.Context, _, _ int, s module.State) (Invoker, error) {
				return &stateReader{state: s, reply: reply}, nil
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
		if err := w.attach(in.task); err != nil {
			t.Fatal(err)
		}
		var wire []byte
		for i := range n {
			wire = abi.AppendRecord(wire, int64(i), 0, []byte("k"), []byte("value"), nil)
		}
		head := abi.BatchHeader{Count: n}
		if a := testing.AllocsPerRun(50, func() {
			if done, _, err := w.dispatch(ctx, in, head, wire); done != n || err != nil {
				t.Fatal(done, err)
			}
			if err := w.stageChangelogs(); err != nil {
				t.Fatal(err)
			}
			w.overlay.Commit()
		}); a > 2 { // a closure or two a commit, none a record
			t.Errorf("lock-step %v: %.0f allocations for %d records", lockstep, a, n)
		}
		w.close(ctx)
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}
