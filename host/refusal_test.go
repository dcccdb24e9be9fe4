package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
)

// refuseValue makes a broker refuse every record of a topic with a value.
func refuseValue(topic, value string) func(hosttest.Record) error {
	return func(r hosttest.Record) error {
		if r.Topic == topic && string(r.Value) == value {
			return errors.New("the broker does not like it")
		}
		return nil
	}
}

// outputsFirst fails the test when positions are committed while outputs
// before them are not acknowledged.
func outputsFirst(t *testing.T, b *hosttest.Broker) {
	open := false
	b.Fault = func(op string) error {
		switch op {
		case "send":
			open = true
		case "flush":
			open = false
		case "commit":
			if open {
				t.Error("positions committed before the outputs were flushed")
			}
		}
		return nil
	}
}

func TestOutputsAreFlushedBeforePositionsAreCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		feed(t, b, 0, 50, 1)
		outputsFirst(t, b)
		h := fakeHost(t, b, onePlan(OnError{}), Options{MaxRecords: 3, CommitInterval: time.Millisecond}, 1, []fakeFunc{passThrough})
		done := start(h)
		time.Sleep(time.Second)
		feed(t, b, 50, 50, 1)
		time.Sleep(time.Second)
		drained(t, h, done)
		if n := len(b.Records("out")); n != 100 {
			t.Errorf("%d of 100 records out", n)
		}
	})
}

func TestWhatAFailedFlushLostComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		feed(t, b, 0, 30, 1)
		n := 0
		b.Fault = func(op string) error {
			if op == "flush" {
				switch n++; n {
				case 1:
					return errors.New("all lost")
				case 2:
					return &hosttest.LostError{Kept: 3, Err: errors.New("some lost")}
				}
			}
			return nil
		}
		h := fakeHost(t, b, onePlan(OnError{}), Options{UntilIdle: true}, 1, []fakeFunc{passThrough})
		if err := runIdle(t, h); err != nil {
			t.Fatal(err)
		}
		got := count(b)
		for i := range 30 {
			if got[fmt.Sprint(i)] == 0 {
				t.Errorf("record %d lost", i)
			}
		}
	})
}

func TestOutputsRefusedInTheLastCommitAreNotCommittedByTheClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "a", "b", "c")
		b.Refuse = func(hosttest.Record) error { return errNo }
		n := 0
		var h *Host
		f := func(rec *abi.Record, emit func(abi.Output)) error {
			if n++; n == 3 {
				h.Drain()
				time.Sleep(time.Second)
			}
			return passThrough(rec, emit)
		}
		h = fakeHost(t, b, onePlan(OnError{}), Options{CommitInterval: time.Hour}, 1, []fakeFunc{f})
		if err := h.Run(context.Background()); err == nil {
			t.Error("Run returned nil although outputs were refused")
		}
		if out, at := len(b.Records("out")), b.Committed("app", "in", 0); int64(out) < at {
			t.Errorf("%d records out, committed %d", out, at)
		}
	})
}

// Partitions are given up while outputs of those that stay are refused: the
// refusal is told in that commit, and must count for all of them.
func TestOutputsRefusedAtAHandOverComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const parts = 4
		b := newBroker(t, parts)
		var refuse atomic.Bool
		refuse.Store(true)
		b.Refuse = func(r hosttest.Record) error {
			if refuse.Load() && r.Topic == "out" {
				return errNo
			}
			return nil
		}
		opts := Options{CommitInterval: 10 * time.Second}
		h := fakeHost(t, b, onePlan(OnError{}), opts, 1, []fakeFunc{passThrough})
		done := start(h)
		time.Sleep(11 * time.Second) // the positions 0 are committed
		feed(t, b, 0, 40, parts)
		time.Sleep(time.Second) // processed and sent, not flushed
		h2 := fakeHost(t, b, onePlan(OnError{}), opts, 1, []fakeFunc{passThrough})
		done2 := start(h2)
		time.Sleep(time.Second) // the hand-over: h's flush is refused
		refuse.Store(false)
		time.Sleep(time.Minute)
		drained(t, h, done)
		drained(t, h2, done2)
		n := count(b)
		for i := range 40 {
			if n[fmt.Sprint(i)] == 0 {
				t.Errorf("record %d of partition %d lost; committed %d", i, i%parts, b.Committed("app", "in", int32(i%parts)))
			}
		}
	})
}

// An output that is never taken ends as a failure of the handler that emitted
// it, whose policy acts; what is around it comes out, in order.
func TestAnOutputThatIsNeverTakenFollowsThePolicyOfItsHandler(t *testing.T) {
	rest := []string{"0", "2", "4", "6", "8", "10", "12", "14", "16", "18", "1", "3", "5", "9", "11", "13", "15", "17", "19"}
	for name, c := range map[string]struct {
		policy OnError
		dead   []string
		out    []string
		err    error
	}{
		"dlq":  {OnError{Policy: PolicyDLQ, Topic: "dead"}, []string{"7"}, rest, nil},
		"skip": {OnError{Policy: PolicySkip}, nil, rest, nil},
		"dlq after attempts": {
			OnError{Policy: PolicyDLQ, Topic: "dead", Attempts: 2, Backoff: time.Second},
			[]string{"7"},
			rest, nil,
		},
		"fail": {OnError{Policy: PolicyFail}, nil, rest, ErrStopped},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t, 2)
				feed(t, b, 0, 20, 2)
				b.Refuse = refuseValue("out", "7")
				h := fakeHost(t, b, onePlan(c.policy), Options{UntilIdle: true}, 1, []fakeFunc{passThrough})
				if err := endsWithin(t, h, start(h), time.Hour); !errors.Is(err, c.err) {
					t.Errorf("error %v, want %v", err, c.err)
				}
				n := count(b)
				for _, v := range c.out {
					if n[v] == 0 {
						t.Errorf("record %s lost", v)
					}
					// Once more for each time the worker went back.
					if n[v] > 1+carefulAfter {
						t.Errorf("record %s came out %d times", v, n[v])
					}
				}
				if n["7"] > 0 || len(n) != len(c.out) {
					t.Errorf("%d values out, want %d: %v", len(n), len(c.out), n)
				}
				if d := cmp.Diff(c.dead, values(b.Records("dead"))); d != "" {
					t.Errorf("dead letters (-want +got):\n%s", d)
				}
				// Under the policy fail, what is behind the record came out while
				// nobody knew yet which one it is; the position has not moved.
				if at := b.Committed("app", "in", 1); (at == 3) != (c.policy.Policy == PolicyFail) {
					t.Errorf("committed %d", at)
				}
				for _, l := range b.Records("dead") {
					hs := headers(t, l)
					if hs[HeaderCode] != "output" || hs[HeaderOffset] != "3" || hs[HeaderPartition] != "1" || !strings.Contains(hs[HeaderError], "does not like it") {
						t.Errorf("dead letter: %v", hs)
					}
				}
			})
		})
	}
}

// One of two handlers of a record has the output that is refused, the second
// in a chain: it alone is to blame, and attempts of it are counted.
func TestARefusedOutputBehindAProxyIsTheSecondHandlersFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		feed(t, b, 0, 10, 1)
		b.Refuse = refuseValue("out", "5.1+b")
		plan := proxyPlan(OnError{Policy: PolicyDLQ, Topic: "dead", Attempts: 2, Backoff: time.Second})
		plan.Handlers[0].Sinks = append(plan.Handlers[0].Sinks, topicSink("out"))
		plan.Handlers[0].OnError = OnError{Policy: PolicyFail}
		fa := func(rec *abi.Record, emit func(abi.Output)) error {
			for i := range 2 {
				emit(abi.Output{Sink: abi.EverySink, Value: fmt.Appendf(nil, "%s.%d", rec.Value, i)})
			}
			return nil
		}
		fb := func(rec *abi.Record, emit func(abi.Output)) error {
			emit(abi.Output{Sink: 0, Value: append(rec.Value[:len(rec.Value):len(rec.Value)], "+b"...)})
			return nil
		}
		h := fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{fa, fb})
		if err := endsWithin(t, h, start(h), time.Hour); err != nil {
			t.Fatal(err)
		}
		n := count(b)
		for i := range 10 {
			for j := range 2 {
				v := fmt.Sprintf("%d.%d", i, j)
				if n[v] == 0 {
					t.Errorf("%s lost", v)
				}
				if n[v+"+b"] == 0 && v != "5.1" {
					t.Errorf("%s+b lost", v)
				}
			}
		}
		dead := b.Records("dead")
		if d := cmp.Diff([]string{"5.1"}, values(dead)); d != "" {
			t.Fatalf("dead letters (-want +got):\n%s", d)
		}
		hs := headers(t, dead[0])
		if hs[HeaderHandler] != "b" || hs[HeaderOffset] != "5" || hs[HeaderAttempts] != "3" {
			t.Errorf("dead letter: %v", hs)
		}
	})
}

// A dead letter is an output as well. There is nowhere left for its record,
// so the partition stands still, and a run until idle says so.
func TestARefusedDeadLetterStopsThePartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 2)
		produce(t, b, hosttest.Record{Topic: "in", Partition: 0, Value: []byte("bad")})
		produce(t, b, hosttest.Record{Topic: "in", Partition: 0, Value: []byte("behind")})
		produce(t, b, hosttest.Record{Topic: "in", Partition: 1, Value: []byte("other")})
		b.Refuse = refuseValue("dead", "bad")
		h := fakeHost(t, b, onePlan(OnError{Policy: PolicyDLQ, Topic: "dead"}), Options{UntilIdle: true}, 1, []fakeFunc{failFor(1000, errNo)})
		err := endsWithin(t, h, start(h), time.Hour)
		if !errors.Is(err, ErrStopped) || !strings.Contains(err.Error(), "does not like it") {
			t.Errorf("error %v", err)
		}
		n := count(b)
		if n["other"] == 0 || len(b.Records("dead")) > 0 {
			t.Errorf("out %v, dead %q", n, values(b.Records("dead")))
		}
		if at := b.Committed("app", "in", 0); at != 0 {
			t.Errorf("committed %d, want 0", at)
		}
		if at := b.Committed("app", "in", 1); at != 1 {
			t.Errorf("the other partition: committed %d, want 1", at)
		}
	})
}

// Two clusters: one takes everything, the other refuses one record. Whoever
// reads the first may see a record again; nobody misses one.
func TestARefusalOfOneOfTwoClustersBlamesTheRightRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newBroker(t, 1), hosttest.NewBroker(map[string]int{"out": 1, "dead": 1})
		feed(t, a, 0, 12, 1)
		b.Refuse = refuseValue("out", "5")
		plan := onePlan(OnError{Policy: PolicyDLQ, Topic: "dead"})
		plan.Clusters = []string{"a", "b"}
		other := topicSink("out")
		other.Cluster = 1
		plan.Handlers[0].Sinks = append(plan.Handlers[0].Sinks, other)
		h := New(plan, Options{UntilIdle: true}, []int{0}, 0, fakeBackends(plan, []*hosttest.Broker{a, b}, []fakeFunc{passThrough}), discard)
		if err := endsWithin(t, h, start(h), time.Hour); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"5"}, values(a.Records("dead"))); d != "" {
			t.Errorf("dead letters (-want +got):\n%s", d)
		}
		na, nb := count(a), count(b)
		for i := range 12 {
			v := fmt.Sprint(i)
			if v != "5" && (na[v] == 0 || nb[v] == 0) {
				t.Errorf("record %s: %d and %d times out", v, na[v], nb[v])
			}
		}
	})
}

// Both clusters refuse a record of the same batch. The client of the second
// tells so at its next flush, when the worker has gone back: that refusal is
// about records of the time before and must not be blamed on others.
func TestARefusalFromBeforeTheWorkerWentBackBlamesNobody(t *testing.T) {
	for _, op := range []string{"refused", "send"} {
		synctest.Test(t, func(t *testing.T) {
			a, b := newBroker(t, 1), hosttest.NewBroker(map[string]int{"out": 1})
			feed(t, a, 0, 12, 1)
			rounds := 0
			if op == "send" {
				a.Fault = func(op string) error {
					if op == "send" {
						if rounds++; rounds <= carefulAfter {
							return errNo
						}
					}
					return nil
				}
			} else {
				a.Refuse = func(r hosttest.Record) error { // the last record, in each round
					if string(r.Value) == "11" && rounds < carefulAfter {
						rounds++
						return errNo
					}
					return nil
				}
			}
			refusals := 0
			second := b
			if op == "send" {
				second = a // half of what was staged is under way
			}
			second.Refuse = func(r hosttest.Record) error { // the first record, as often
				if string(r.Value) == "0" && refusals < carefulAfter {
					refusals++
					return errNo
				}
				return nil
			}
			plan := onePlan(OnError{Policy: PolicyDLQ, Topic: "dead"})
			plan.Clusters = []string{"a", "b"}
			other := topicSink("out")
			other.Cluster = 1
			plan.Handlers[0].Sinks = append(plan.Handlers[0].Sinks, other)
			h := New(plan, Options{UntilIdle: true}, []int{0}, 0, fakeBackends(plan, []*hosttest.Broker{a, b}, []fakeFunc{passThrough}), discard)
			if err := endsWithin(t, h, start(h), time.Hour); err != nil {
				t.Fatal(err)
			}
			if d := a.Records("dead"); len(d) > 0 {
				t.Errorf("%s: dead letters %q, though every output would be taken by now", op, values(d))
			}
			na, nb := count(a), count(b)
			for i := range 12 {
				if v := fmt.Sprint(i); na[v] == 0 || nb[v] == 0 {
					t.Errorf("%s: record %s: %d and %d times out", op, v, na[v], nb[v])
				}
			}
		})
	}
}

// A connector delivers nothing twice, and need not: what is not committed is
// kept, so that the worker can go back.
func TestTheRecordsOfAConnectorComeAgainAfterARefusal(t *testing.T) {
	for _, exactly := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBroker(t, 1)
			b.Refuse = refuseValue("out", "3")
			src := &fileSource{n: 10}
			plan := onePlan(OnError{Policy: PolicySkip})
			plan.ExactlyOnce = exactly
			plan.Sources[0] = Source{ID: "file:x", Kind: SourceConnector, Handlers: plan.Sources[0].Handlers}
			bk := fakeBackends(plan, one(b), []fakeFunc{passThrough})
			bk.Source = func(context.Context, int) (ConnectorSource, error) { return src, nil }
			if exactly {
				bk.Producer = func(_ context.Context, _, w int) (Producer, error) {
					return b.TransactionalProducer(fmt.Sprint("h-", w)), nil
				}
			}
			h := New(plan, Options{UntilIdle: true}, []int{0}, 0, bk, discard)
			if err := endsWithin(t, h, start(h), time.Hour); err != nil {
				t.Fatal(err)
			}
			if n := h.Status().Rewinds; n == 0 {
				t.Error("nothing was refused")
			}
			if src.committed != 10 {
				t.Errorf("position %d of 10 stored", src.committed)
			}
			got := values(b.Records("out"))
			if exactly {
				got = values(b.View("out", 0))
			}
			seen := map[string]int{}
			for _, v := range got {
				seen[v]++
			}
			for i := range 10 {
				v := fmt.Sprint(i)
				switch n := seen[v]; {
				case v == "3" && n > 0, v != "3" && n == 0, exactly && n > 1:
					t.Errorf("exactly once %v: %s came out %d times", exactly, v, n)
				}
			}
			if skipped := h.Status().Handlers[0].Skipped; skipped != 1 {
				t.Errorf("%d records skipped", skipped)
			}
		})
	}
}

// A partition that was paused for its backlog is read again after a rewind.
func TestARewindResumesAPausedPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 2, "bad")
		big := strings.Repeat("x", 1<<20)
		for i := range 20 {
			produce(t, b, hosttest.Record{Topic: "in", Value: fmt.Appendf(nil, "%d-%s", i, big)})
		}
		var refuse atomic.Bool
		b.Refuse = func(hosttest.Record) error {
			if refuse.CompareAndSwap(true, false) {
				return errNo
			}
			return nil
		}
		tries := 0
		f := func(rec *abi.Record, emit func(abi.Output)) error {
			if string(rec.Value) == "bad" {
				if tries++; tries == 1 {
					return errNo
				}
			}
			return passThrough(rec, emit)
		}
		h, c := watchedHost(b, onePlan(OnError{Policy: PolicySkip, Attempts: 1, Backoff: 30 * time.Second}), Options{MaxRecords: 1}, []fakeFunc{f})
		done := start(h)
		after(10 * time.Second)
		if c.pauses.Load() == 0 {
			t.Fatal("not paused")
		}
		refuse.Store(true)
		produce(t, b, hosttest.Record{Topic: "in", Partition: 1, Value: []byte("refused once")})
		time.Sleep(2 * time.Minute)
		drained(t, h, done)
		if n := len(count(b)); n != 22 {
			t.Errorf("%d of 22 values out", n)
		}
	})
}

// One partition is gone through record by record, and in the same poll the
// output of another one's record is refused: that one comes again as well.
func TestARefusalWhileAnotherPartitionIsGoneThroughCarefullyLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 2)
		produce(t, b, hosttest.Record{Topic: "in", Partition: 1, Value: []byte("poison")})
		refusedOnce := false
		b.Refuse = func(r hosttest.Record) error {
			switch string(r.Value) {
			case "poison":
				if r.Topic == "out" {
					return errNo
				}
			case "other":
				if !refusedOnce {
					refusedOnce = true
					return errNo
				}
			}
			return nil
		}
		h := fakeHost(t, b, onePlan(OnError{Policy: PolicyDLQ, Topic: "dead"}), Options{}, 1, []fakeFunc{passThrough})
		done := start(h)
		time.Sleep(2 * time.Second) // gone back twice; the next poll is careful
		if h.Status().Rewinds != carefulAfter {
			t.Fatalf("%d rewinds", h.Status().Rewinds)
		}
		produce(t, b, hosttest.Record{Topic: "in", Partition: 0, Value: []byte("other")})
		time.Sleep(time.Hour)
		drained(t, h, done)
		if d := cmp.Diff([]string{"other"}, values(b.Records("out"))); d != "" {
			t.Errorf("out (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]string{"poison"}, values(b.Records("dead"))); d != "" {
			t.Errorf("dead letters (-want +got):\n%s", d)
		}
		if p, q := b.Committed("app", "in", 0), b.Committed("app", "in", 1); !refusedOnce || p != 1 || q != 1 {
			t.Errorf("refused %v, committed %d and %d", refusedOnce, p, q)
		}
	})
}

// Going back fails half way, again and again, until the host gives up: what
// was dropped must not be committed when it leaves the group.
func TestAFailedRewindCommitsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 4)
		feed(t, b, 0, 40, 4)
		b.Fault = func(op string) error {
			if op == "seek" || op == "flush" {
				return clientError{errors.New(op + " failed"), op == "seek"}
			}
			return nil
		}
		h := fakeHost(t, b, onePlan(OnError{}), Options{}, 1, []fakeFunc{passThrough})
		done := start(h)
		if err := endsWithin(t, h, done, time.Hour); err == nil {
			t.Error("Run returned nil")
		}
		for p := range int32(4) {
			if at := b.Committed("app", "in", p); at > 0 {
				t.Errorf("partition %d: committed %d, and %d records are out", p, at, len(b.Records("out")))
			}
		}
	})
}

// One handler's record is a dead letter, the next one's output is refused:
// letters count where a refusal names a record by its number.
func TestARefusalBehindADeadLetterBlamesTheRightHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "bad1")
		b.Refuse = refuseValue("out", "bad1")
		dlq := OnError{Policy: PolicyDLQ, Topic: "dead"}
		plan := onePlan(dlq)
		plan.Handlers = append(plan.Handlers, Handler{ID: "h2", Binding: 1, Sinks: []Sink{topicSink("out")}, OnError: dlq})
		plan.Sources[0].Handlers = append(plan.Sources[0].Handlers, HandlerSource{Handler: 1})
		h := fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{failFor(1000, errNo), passThrough})
		if err := endsWithin(t, h, start(h), time.Hour); err != nil {
			t.Fatal(err)
		}
		by := map[string]string{}
		for _, l := range b.Records("dead") {
			hs := headers(t, l)
			by[hs[HeaderHandler]] = hs[HeaderCode]
		}
		if d := cmp.Diff(map[string]string{"h": "failed", "h2": "output"}, by); d != "" {
			t.Errorf("dead letters by handler (-want +got):\n%s", d)
		}
	})
}
