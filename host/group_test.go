package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
)

func passThrough(rec *abi.Record, emit func(abi.Output)) error {
	emit(abi.Output{Sink: abi.EverySink, Key: rec.Key, Value: rec.Value})
	return nil
}

// feed produces n numbered records over all partitions of topic in.
func feed(t testing.TB, b *hosttest.Broker, from, n, partitions int) {
	for i := from; i < from+n; i++ {
		produce(t, b, hosttest.Record{Topic: "in", Partition: int32(i % partitions), Value: fmt.Appendf(nil, "%d", i)})
	}
}

// count returns how often each value is in topic out.
func count(b *hosttest.Broker) map[string]int {
	n := map[string]int{}
	for _, r := range b.Records("out") {
		n[string(r.Value)]++
	}
	return n
}

func TestWorkersAndHostsShareThePartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const parts, records = 7, 700
		b := newBroker(t, parts)
		feed(t, b, 0, records, parts)
		var wg sync.WaitGroup
		for range 2 {
			h := fakeHost(t, b, onePlan(OnError{}), Options{UntilIdle: true, MaxRecords: 10}, 2, []fakeFunc{passThrough})
			wg.Go(func() {
				if err := runIdle(t, h); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		n := count(b)
		for i := range records {
			if n[fmt.Sprint(i)] != 1 {
				t.Fatalf("record %d came out %d times", i, n[fmt.Sprint(i)])
			}
		}
	})
}

// TestJoinsAndLeavesLoseAndDoubleNothing lets hosts come and go in good order
// while records arrive.
func TestJoinsAndLeavesLoseAndDoubleNothing(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		const parts = 5
		b := newBroker(t, parts)
		type member struct {
			h    *Host
			done chan error
		}
		var members []member
		join := func() {
			h := fakeHost(t, b, onePlan(OnError{}), Options{MaxRecords: 1 + rnd.IntN(20)}, 1+rnd.IntN(2), []fakeFunc{passThrough})
			m := member{h, make(chan error, 1)}
			go func() { m.done <- h.Run(context.Background()) }()
			members = append(members, m)
		}
		leave := func(i int) {
			members[i].h.Drain()
			if err := <-members[i].done; err != nil {
				t.Error(err)
			}
			members = append(members[:i], members[i+1:]...)
		}
		total := 0
		for range 60 {
			switch {
			case len(members) == 0 || len(members) < 3 && rnd.IntN(3) == 0:
				join()
			case rnd.IntN(4) == 0:
				leave(rnd.IntN(len(members)))
			}
			n := rnd.IntN(50)
			feed(t, b, total, n, parts)
			total += n
			time.Sleep(time.Duration(rnd.IntN(300)) * time.Millisecond)
		}
		if len(members) == 0 {
			join()
		}
		time.Sleep(10 * time.Second)
		for len(members) > 0 {
			leave(0)
		}
		n := count(b)
		for i := range total {
			if n[fmt.Sprint(i)] != 1 {
				t.Fatalf("seed %d: record %d came out %d times", seed, i, n[fmt.Sprint(i)])
			}
		}
		for p := range int32(parts) {
			if at, end := b.Committed("app", "in", p), int64((total+parts-1-int(p))/parts); at != end {
				t.Errorf("seed %d: partition %d: committed %d of %d", seed, p, at, end)
			}
		}
	})
}

// TestFaultsLoseNothing breaks every operation now and then and takes
// memberships away: at least once means that each record comes out, in order
// of its first time.
func TestFaultsLoseNothing(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	synctest.Test(t, func(t *testing.T) {
		rnd := newSeeded(seed, 2) // the faults come on the workers' goroutines
		const parts, records = 3, 600
		b := newBroker(t, parts)
		var consumers []*hosttest.Consumer
		var mu sync.Mutex
		var faults int
		b.Fault = func(op string) error { // the broker's lock is held
			if faults < 60 && rnd.IntN(8) == 0 && op != "poll" {
				faults++
				return clientError{errors.New(op + " failed"), rnd.IntN(6) == 0}
			}
			return nil
		}
		plan := onePlan(OnError{})
		h := New(plan, Options{MaxRecords: 10}, []int{0, 0}, 0, Backends{
			Consumer: func(context.Context, int, int) (Consumer, error) {
				mu.Lock()
				defer mu.Unlock()
				c := b.Consumer("app")
				consumers = append(consumers, c)
				return c, nil
			},
			Producer: func(context.Context, int, int) (Producer, error) { return b.Producer(), nil },
			Invoker: func(context.Context, int, int, module.State) (Invoker, error) {
				return newFakeInvoker([]fakeFunc{passThrough}), nil
			},
			Clock: realClock{},
		}, discard)
		done := make(chan error, 1)
		go func() { done <- h.Run(context.Background()) }()
		for i := range 20 {
			feed(t, b, i*records/20, records/20, parts)
			time.Sleep(time.Duration(rnd.IntN(500)) * time.Millisecond)
			mu.Lock()
			if rnd.IntN(3) == 0 && len(consumers) > 0 { // a fault may have been first
				consumers[rnd.IntN(len(consumers))].Expel()
			}
			mu.Unlock()
		}
		time.Sleep(time.Hour)
		h.Drain()
		if err := <-done; err != nil {
			t.Error(err)
		}
		first := map[string]bool{}
		next := make([]int, parts)
		for _, r := range b.Records("out") {
			if first[string(r.Value)] {
				continue
			}
			first[string(r.Value)] = true
			var n int
			fmt.Sscan(string(r.Value), &n)
			if want := next[n%parts]*parts + n%parts; n != want {
				t.Fatalf("seed %d: record %d came first where %d was due", seed, n, want)
			}
			next[n%parts]++
		}
		if len(first) != records {
			t.Fatalf("seed %d: %d of %d records came out; committed %d %d %d; %+v", seed, len(first), records, b.Committed("app", "in", 0), b.Committed("app", "in", 1), b.Committed("app", "in", 2), h.Status())
		}
	})
}

// clientError is an error of a client, which it may not survive.
type clientError struct {
	error
	fatal bool
}

func (e clientError) Fatal() bool   { return e.fatal }
func (e clientError) Unwrap() error { return e.error }

func TestStartPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		start Start
		want  int
	}{
		"earliest": {Start{}, 6},
		"latest":   {Start{Policy: StartLatest}, 2},
		"time":     {Start{Policy: StartTime, Time: 1002}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t, 1)
				for i := range 4 {
					produce(t, b, hosttest.Record{Topic: "in", Value: fmt.Appendf(nil, "%d", i), Timestamp: int64(1000 + i)})
				}
				plan := onePlan(OnError{})
				plan.Sources[0].Start = c.start
				// A first host commits where it starts and is killed before it does
				// anything else; what arrives then belongs to the second.
				h := fakeHost(t, b, plan, Options{}, 1, []fakeFunc{passThrough})
				runUntil(t, h, func() bool { return b.Committed("app", "in", 0) >= 0 })()
				feed(t, b, 4, 2, 1)
				h = fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{passThrough})
				if err := runIdle(t, h); err != nil {
					t.Fatal(err)
				}
				if n := len(b.Records("out")); n != c.want {
					t.Errorf("%d records came out, want %d", n, c.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		plan := onePlan(OnError{})
		plan.Sources[0].Start.Policy = StartError
		h := fakeHost(t, newBroker(t, 1, "a"), plan, Options{UntilIdle: true}, 1, []fakeFunc{passThrough})
		if err := runIdle(t, h); err == nil {
			t.Error("start = error ran without a committed offset")
		}
	})
}

// TestDrainStopsAtARecordBorder drains in the middle of a large batch: what
// is done is committed, the rest is not.
func TestDrainStopsAtARecordBorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		feed(t, b, 0, 500, 1)
		var h *Host
		n := 0
		f := func(rec *abi.Record, emit func(abi.Output)) error {
			if n++; n == 100 {
				h.Drain()
				time.Sleep(time.Second) // lets the order arrive
			}
			return passThrough(rec, emit)
		}
		h = fakeHost(t, b, onePlan(OnError{}), Options{}, 1, []fakeFunc{f})
		if err := h.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if out, at := len(b.Records("out")), b.Committed("app", "in", 0); out != 100 || at != 100 {
			t.Errorf("%d records out, committed %d, want 100 of each", out, at)
		}
	})
}
