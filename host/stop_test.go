package host

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
)

// failing makes a broker fail an operation while on is set.
func failing(b *hosttest.Broker, op string, on *atomic.Bool) {
	b.Fault = func(o string) error {
		if o == op && on.Load() {
			return errNo
		}
		return nil
	}
}

func TestAFailedLastCommitIsRunsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "a", "b", "c")
		var fail atomic.Bool
		failing(b, "commit", &fail)
		h := fakeHost(t, b, onePlan(OnError{}), Options{CommitInterval: time.Hour}, 1, []fakeFunc{passThrough})
		done := start(h)
		time.Sleep(time.Second)
		fail.Store(true)
		h.Drain()
		if err := <-done; err == nil || !strings.Contains(err.Error(), "last commit") {
			t.Errorf("Run returned %v with %d records out and %d committed", err, len(b.Records("out")), b.Committed("app", "in", 0))
		}
	})
}

// Positions that the group does not take are tried again; the outputs are
// there, so nothing comes twice.
func TestAFailedCommitIsTriedAgainWithoutARewind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "a", "b", "c")
		var fail atomic.Bool
		fail.Store(true)
		failing(b, "commit", &fail)
		h := fakeHost(t, b, onePlan(OnError{}), Options{}, 1, []fakeFunc{passThrough})
		done := start(h)
		time.Sleep(3 * time.Second)
		fail.Store(false)
		time.Sleep(time.Minute)
		if at := b.Committed("app", "in", 0); at != 3 {
			t.Errorf("committed %d of 3", at)
		}
		if n, r := len(b.Records("out")), h.Status().Rewinds; n != 3 || r != 0 {
			t.Errorf("%d records out, %d rewinds", n, r)
		}
		drained(t, h, done)
	})
}

// After a rewind there is nothing to commit: the worker must not commit before
// it has done something again.
func TestARewindLeavesNothingToCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		flushes, commits, rewound := 0, 0, false
		b.Fault = func(op string) error {
			switch op {
			case "flush":
				if flushes++; flushes == 1 {
					rewound = true
					return errNo
				}
			case "send":
				rewound = false
			case "commit":
				if rewound {
					commits++
				}
			}
			return nil
		}
		h := fakeHost(t, b, onePlan(OnError{}), Options{}, 1, []fakeFunc{passThrough})
		done := start(h)
		time.Sleep(time.Second)
		n := h.Status().Commits
		feed(t, b, 0, 5, 1)
		after(time.Minute)
		if got := h.Status().Commits - n; got != 1 || commits != 0 {
			t.Errorf("%d commits after the records, %d of them before anything was done again", got, commits)
		}
		drained(t, h, done)
	})
}

func TestCancellingTheContextEndsARunThatHasNothingToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "a")
		h := fakeHost(t, b, onePlan(OnError{}), Options{}, 1, []fakeFunc{passThrough})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		time.Sleep(time.Second)
		cancel()
		if err := endsWithin(t, h, done, time.Minute); err == nil {
			t.Error("a cancelled run returned nil")
		}
	})
}

// Drain finds workers that are still opening: they see the order when they
// are open, and Run ends without an error.
func TestDrainFindsWorkersThatAreStillOpening(t *testing.T) {
	for i := range 5 {
		synctest.Test(t, func(t *testing.T) {
			b := newBroker(t, 1, "a")
			plan := onePlan(OnError{})
			bk := fakeBackends(plan, one(b), []fakeFunc{passThrough})
			bk.Invoker = func(_ context.Context, _, w int, _ module.State) (Invoker, error) {
				time.Sleep(time.Duration(w) * time.Millisecond)
				return newFakeInvoker([]fakeFunc{passThrough}), nil
			}
			h := New(plan, Options{}, []int{0, 0}, 0, bk, discard)
			done := start(h)
			time.Sleep(time.Duration(i) * 500 * time.Microsecond)
			h.Drain()
			if err := endsWithin(t, h, done, time.Minute); err != nil {
				t.Error(err)
			}
		})
	}
}

// honouring ends a stop request with the call that honours it, as an instance
// does.
type honouring struct{ *fakeInvoker }

func (h *honouring) Process(ctx context.Context, handler, count int32, head, records []byte) ([]byte, int32, error) {
	defer h.stop.Store(false)
	return h.fakeInvoker.Process(ctx, handler, count, head, records)
}

// The first of two handlers is told to stop after a record: the second one
// gets that far and no further, so that every record is done by both or none.
func TestADrainStopsAllHandlersAtTheSameRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		feed(t, b, 0, 1000, 1)
		var h *Host
		first, second := 0, 0
		f1 := func(rec *abi.Record, emit func(abi.Output)) error {
			if first++; first == 10 {
				h.Drain()
				time.Sleep(time.Second)
			}
			return passThrough(rec, emit)
		}
		f2 := func(rec *abi.Record, emit func(abi.Output)) error { second++; return passThrough(rec, emit) }
		plan := onePlan(OnError{})
		plan.Handlers = append(plan.Handlers, Handler{ID: "h2", Binding: 1, Sinks: []Sink{topicSink("out")}})
		plan.Sources[0].Handlers = append(plan.Sources[0].Handlers, HandlerSource{Handler: 1})
		bk := fakeBackends(plan, one(b))
		bk.Invoker = func(context.Context, int, int, module.State) (Invoker, error) {
			return &honouring{newFakeInvoker([]fakeFunc{f1, f2})}, nil
		}
		h = New(plan, Options{}, []int{0}, 0, bk, discard)
		if err := h.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if out, at := len(b.Records("out")), b.Committed("app", "in", 0); first != 10 || second != 10 || out != 20 || at != 10 {
			t.Errorf("handlers saw %d and %d records, %d out, committed %d", first, second, out, at)
		}
	})
}

// A poll holds records of two partitions and, behind them, the partitions'
// ends. The drain comes in the first: the second's end lies behind records
// that nobody processed.
func TestADrainDoesNotPassTheEndsOfWhatItLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 2)
		feed(t, b, 0, 20, 2)
		var h *Host
		n := 0
		f := func(rec *abi.Record, emit func(abi.Output)) error {
			if n++; n == 10 { // the last one of the first partition
				h.Drain()
				time.Sleep(time.Second)
			}
			return passThrough(rec, emit)
		}
		h = fakeHost(t, b, onePlan(OnError{}), Options{}, 1, []fakeFunc{f})
		if err := h.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if p, q := b.Committed("app", "in", 0), b.Committed("app", "in", 1); n != 10 || p != 10 || q != 0 {
			t.Errorf("%d records processed, committed %d and %d", n, p, q)
		}
	})
}

// A broker that is away for minutes ends no host: it tries again with growing
// waits, whatever it was doing when the broker went, and goes on when it is
// back, each record once.
func TestABrokerThatIsAwayEndsNoHost(t *testing.T) {
	for _, away := range []time.Duration{10 * time.Second, 3 * time.Minute, time.Hour} {
		for _, op := range []string{hosttest.OpSend, hosttest.OpFlush, hosttest.OpSendOffsets, hosttest.OpCommitTxn, hosttest.OpPoll} {
			t.Run(fmt.Sprint(op, ", for ", away), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := newCounting(t, OnChange{})
					c.b.SessionTimeout, c.b.TransactionTimeout = 10*time.Second, 20*time.Second
					h := c.host(Options{})
					out := newOutage(c.b, h)
					done := start(h)
					c.feed(3)
					after(time.Second)
					out.begins(op)
					c.feed(3)
					time.Sleep(away)
					if !out.gone.Load() {
						t.Fatal("the broker has not gone away")
					}
					if len(done) > 0 {
						t.Fatalf("the host has ended: %v", <-done)
					}
					out.ends()
					after(2 * time.Minute)
					c.feed(1)
					after(time.Minute)
					if got := c.counts(); got != "1 2 3 4 5 6 7" {
						t.Errorf("counts %q", got)
					}
					drained(t, h, done)
				})
			})
		}
	}
}

// outage is a time in which none of a host's clients gets an answer.
type outage struct {
	b       *hosttest.Broker
	gone    atomic.Bool
	mu      sync.Mutex
	clients []string
	op      string // ahead of which it begins
}

func newOutage(b *hosttest.Broker, h *Host) *outage {
	o := &outage{b: b}
	consumer, producer := h.backends.Consumer, h.backends.Producer
	h.backends.Consumer = func(ctx context.Context, cluster, w int) (Consumer, error) {
		k, err := consumer(ctx, cluster, w)
		o.meet(k.(*hosttest.Consumer).ID())
		return k, err
	}
	h.backends.Producer = func(ctx context.Context, cluster, w int) (Producer, error) {
		k, err := producer(ctx, cluster, w)
		o.meet(k.(*hosttest.Producer).ID())
		return k, err
	}
	b.Before = func(call hosttest.Call) error {
		o.mu.Lock()
		defer o.mu.Unlock()
		if call.Op == o.op && !o.gone.Swap(true) {
			for _, id := range o.clients {
				b.Cut(id)
			}
		}
		if o.gone.Load() && call.Op != hosttest.OpPoll {
			return hosttest.NewError(hosttest.Retriable, call.Op+": no answer")
		}
		return nil
	}
	return o
}

func (o *outage) meet(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clients = append(o.clients, id)
	if o.gone.Load() {
		o.b.Cut(id)
	}
}

func (o *outage) begins(op string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.op = op
}

func (o *outage) ends() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.op = ""
	o.gone.Store(false)
	for _, id := range o.clients {
		o.b.Heal(id)
	}
}

// Clients that are fatally broken while the broker answers end it, as before.
func TestClientsThatAreNeverOfUseEndAHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCounting(t, OnChange{})
		c.feed(1)
		c.b.Before = func(call hosttest.Call) error {
			if call.Op == hosttest.OpInit {
				return hosttest.NewError(hosttest.Fatal, "not authorized")
			}
			if call.Op == hosttest.OpCommitTxn {
				return hosttest.NewError(hosttest.Unclassified, "what?")
			}
			return nil
		}
		inits := 0
		h := c.host(Options{})
		producer := h.backends.Producer
		h.backends.Producer = func(ctx context.Context, cluster, w int) (Producer, error) {
			inits++
			return producer(ctx, cluster, w)
		}
		// The first one works.
		before := c.b.Before
		c.b.Before = func(call hosttest.Call) error {
			if call.Op == hosttest.OpInit && inits == 1 {
				return nil
			}
			return before(call)
		}
		done := start(h)
		time.Sleep(time.Hour)
		if len(done) == 0 {
			t.Fatal("the host tries for ever")
		}
		if err := <-done; err == nil || inits != 1+maxRestarts {
			t.Errorf("ended with %v after %d producers", err, inits)
		}
	})
}
