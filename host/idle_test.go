package host

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
)

func TestAnIdleRunPassesRecordsOfAbortedTransactions(t *testing.T) {
	for name, first := range map[string]string{"at once": "a", "behind a record that waits": "bad1"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBroker(t, 1, first, "b")
				if err := b.Abort("in", 0, 3); err != nil {
					t.Fatal(err)
				}
				h := fakeHost(t, b, onePlan(OnError{Policy: PolicySkip, Attempts: 3, Backoff: time.Second}), Options{UntilIdle: true}, 1, []fakeFunc{failFor(2, errNo)})
				if err := endsWithin(t, h, start(h), time.Hour); err != nil {
					t.Fatal(err)
				}
				if at := b.Committed("app", "in", 0); at != 5 {
					t.Errorf("committed %d of 5", at)
				}
				if n := len(b.Records("out")); n != 2 {
					t.Errorf("%d of 2 records out", n)
				}
			})
		})
	}
}

func TestAnIdleRunWaitsForAnOpenTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "a")
		end := b.Begin("in", 0)
		produce(t, b, hosttest.Record{Topic: "in", Value: []byte("b")})
		h := fakeHost(t, b, onePlan(OnError{}), Options{UntilIdle: true}, 1, []fakeFunc{passThrough})
		done := start(h)
		time.Sleep(time.Minute)
		select {
		case err := <-done:
			t.Fatalf("ended with %q out: %v", values(b.Records("out")), err)
		default:
		}
		end()
		if err := endsWithin(t, h, done, time.Hour); err != nil {
			t.Fatal(err)
		}
		if n := len(b.Records("out")); n != 2 {
			t.Errorf("%d of 2 records out", n)
		}
	})
}

// boundsConsumer is a consumer that lies about bounds.
type boundsConsumer struct {
	*hosttest.Consumer
	bounds func([]abi.Bounds)
}

func (c *boundsConsumer) Bounds(ctx context.Context, parts []abi.TopicPartition) ([]abi.Bounds, error) {
	b, err := c.Consumer.Bounds(ctx, parts)
	c.bounds(b)
	return b, err
}

// The last stable offset lies behind the high watermark although the group
// has read everything: something is open.
func TestAnIdleRunLooksAtTheLastStableOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "a")
		var open atomic.Bool
		open.Store(true)
		plan := onePlan(OnError{})
		bk := fakeBackends(plan, one(b), []fakeFunc{passThrough})
		bk.Consumer = func(context.Context, int, int) (Consumer, error) {
			return &boundsConsumer{b.Consumer("app"), func(bs []abi.Bounds) {
				if open.Load() {
					bs[0].LastStable--
				}
			}}, nil
		}
		h := New(plan, Options{UntilIdle: true}, []int{0}, 0, bk, discard)
		done := start(h)
		time.Sleep(time.Minute)
		select {
		case err := <-done:
			t.Fatalf("ended: %v", err)
		default:
		}
		open.Store(false)
		if err := endsWithin(t, h, done, time.Hour); err != nil {
			t.Fatal(err)
		}
	})
}

// A worker without partitions waits for the records that another process of
// the group still has to do.
func TestAnIdleRunWaitsForOtherProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		feed(t, b, 0, 10, 1)
		slow := func(rec *abi.Record, emit func(abi.Output)) error {
			time.Sleep(10 * time.Second)
			return passThrough(rec, emit)
		}
		other := fakeHost(t, b, onePlan(OnError{}), Options{MaxRecords: 1}, 1, []fakeFunc{slow})
		doneOther := start(other)
		time.Sleep(time.Second)
		h := fakeHost(t, b, onePlan(OnError{}), Options{UntilIdle: true}, 1, []fakeFunc{passThrough})
		done := start(h)
		if err := endsWithin(t, h, done, time.Hour); err != nil {
			t.Fatal(err)
		}
		if n := len(b.Records("out")); n != 10 {
			t.Errorf("ended with %d of 10 records out", n)
		}
		drained(t, other, doneOther)
	})
}

func TestAnIdleRunWaitsForRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		src := &fileSource{n: 3}
		tries := 0
		f := func(rec *abi.Record, emit func(abi.Output)) error {
			if string(rec.Value) == "0" {
				if tries++; tries == 1 {
					return errNo
				}
			}
			return passThrough(rec, emit)
		}
		h := fileHost(b, onePlan(OnError{Policy: PolicySkip, Attempts: 1, Backoff: time.Minute}), Options{UntilIdle: true}, src, []fakeFunc{f})
		if err := endsWithin(t, h, start(h), time.Hour); err != nil {
			t.Fatal(err)
		}
		if n := len(b.Records("out")); n != 3 {
			t.Errorf("%d of 3 records out", n)
		}
	})
}

// A run until idle ends no sooner than everything is committed, even if
// commits come seldom: a file's position is stored, and a fault that comes
// with the last commit would be too late.
func TestAnIdleRunHasCommittedBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		src := &fileSource{n: 30}
		began := time.Now()
		h := fileHost(b, onePlan(OnError{}), Options{UntilIdle: true, MaxRecords: 7, CommitInterval: time.Minute}, src, []fakeFunc{passThrough})
		if err := endsWithin(t, h, start(h), time.Hour); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d < time.Minute {
			t.Errorf("ended after %s, before the first commit was due", d)
		}
		if src.committed != 30 || len(b.Records("out")) != 30 {
			t.Errorf("position %d stored, %d records out, want 30 each", src.committed, len(b.Records("out")))
		}
	})
}

func TestPositionsOfFilesAreStoredWhileTheRunGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		src := &fileSource{n: 30}
		h := fileHost(b, onePlan(OnError{}), Options{MaxRecords: 7}, src, []fakeFunc{passThrough})
		done := start(h)
		after(time.Second)
		if src.committed != 30 {
			t.Errorf("position %d stored, want 30", src.committed)
		}
		drained(t, h, done)
	})
}

// A timer never ends: it is not waited for. Another connector is.
func TestAnIdleRunDoesNotWaitForTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		plan := onePlan(OnError{})
		plan.Sources[0].Batch = abi.KindTimer
		h := fileHost(b, plan, Options{UntilIdle: true}, endless{}, []fakeFunc{passThrough})
		if err := endsWithin(t, h, start(h), time.Hour); err != nil {
			t.Fatal(err)
		}
		h = fileHost(b, onePlan(OnError{}), Options{UntilIdle: true}, endless{}, []fakeFunc{passThrough})
		done := start(h)
		time.Sleep(time.Hour)
		select {
		case err := <-done:
			t.Errorf("ended before the connector's end: %v", err)
		default:
			drained(t, h, done)
		}
	})
}

// endless is a connector that has nothing yet.
type endless struct{}

func (endless) Poll(b *abi.Packed, _, _ int) (bool, error) { b.Reset(); return false, nil }
func (endless) Ready() <-chan struct{}                     { return nil }
func (endless) Commit(int64) error                         { return nil }
func (endless) Close() error                               { return nil }

// A file whose record stands still ends the run, though the file has more.
func TestAnIdleRunEndsWithAStoppedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		f := func(rec *abi.Record, emit func(abi.Output)) error {
			if string(rec.Value) == "3" {
				return errNo
			}
			return passThrough(rec, emit)
		}
		src := &fileSource{n: 25}
		h := fileHost(b, onePlan(OnError{Policy: PolicyFail}), Options{UntilIdle: true, MaxRecords: 10}, src, []fakeFunc{f})
		if err := endsWithin(t, h, start(h), 24*time.Hour); !errors.Is(err, ErrStopped) {
			t.Errorf("error %v", err)
		}
		if src.committed != 3 {
			t.Errorf("position %d stored, want 3", src.committed)
		}
	})
}

// A stopped partition goes on while another worker is still busy: the run
// must not end with records of it undone.
func TestAnIdleRunSeesAStoppedPartitionGoOn(t *testing.T) {
	for delay := range 20 {
		synctest.Test(t, func(t *testing.T) {
			b := newBroker(t, 2)
			produce(t, b, hosttest.Record{Topic: "in", Partition: 0, Value: []byte("bad")})
			for i := range 300 {
				produce(t, b, hosttest.Record{Topic: "in", Partition: 0, Value: fmt.Appendf(nil, "%d", i)})
			}
			produce(t, b, hosttest.Record{Topic: "in", Partition: 1, Value: []byte("slow")})
			began := time.Now()
			f := func(rec *abi.Record, emit func(abi.Output)) error {
				switch string(rec.Value) {
				case "bad":
					if time.Since(began) < 2*time.Second {
						return errNo
					}
				case "slow":
					time.Sleep(2500*time.Millisecond + time.Duration(delay)*50*time.Millisecond)
				default:
					time.Sleep(time.Millisecond)
				}
				return passThrough(rec, emit)
			}
			h := fakeHost(t, b, onePlan(OnError{Policy: PolicyFail}), Options{UntilIdle: true, MaxRecords: 100}, 2, []fakeFunc{f})
			err := endsWithin(t, h, start(h), time.Hour)
			if n := len(b.Records("out")); err == nil && n != 302 {
				t.Errorf("delay %d: Run returned nil with %d of 302 records out", delay, n)
			}
		})
	}
}

// slowConsumer takes a while for each poll that has records, as a fetch does.
type slowConsumer struct {
	*hosttest.Consumer
	delay time.Duration
}

func (c *slowConsumer) Poll(b *abi.Packed, n, m int, wait time.Duration) error {
	err := c.Consumer.Poll(b, n, m, wait)
	if len(b.Runs) > 0 {
		time.Sleep(c.delay)
	}
	return err
}

// Two clusters in a chain, in on the first, then mid and out on the second:
// idle workers of the second wait for what the first still writes.
func TestAnIdleRunFollowsAChainOverTwoClusters(t *testing.T) {
	for i := range 25 {
		synctest.Test(t, func(t *testing.T) {
			a := hosttest.NewBroker(map[string]int{"in": 1})
			b := hosttest.NewBroker(map[string]int{"mid": 1, "out": 1})
			for j := range 20 {
				produce(t, a, hosttest.Record{Topic: "in", Value: fmt.Appendf(nil, "%d", j)})
			}
			plan := &Plan{App: "app", Clusters: []string{"a", "b"}, Modules: []string{"m"}}
			mid, toMid, toOut := topicSource("mid"), topicSink("mid"), topicSink("out")
			mid.Cluster, toMid.Cluster, toOut.Cluster = 1, 1, 1
			plan.Sources = []Source{topicSource("in"), mid}
			plan.Handlers = []Handler{{ID: "x", Sinks: []Sink{toMid}}, {ID: "y", Binding: 1, Sinks: []Sink{toOut}}}
			plan.Sources[0].Handlers = []HandlerSource{{Handler: 0}}
			plan.Sources[1].Handlers = []HandlerSource{{Handler: 1}}
			slow := func(rec *abi.Record, emit func(abi.Output)) error {
				time.Sleep(50 * time.Millisecond)
				return passThrough(rec, emit)
			}
			brokers := []*hosttest.Broker{a, b}
			bk := fakeBackends(plan, brokers, []fakeFunc{slow, passThrough})
			bk.Consumer = func(_ context.Context, c, _ int) (Consumer, error) {
				return &slowConsumer{brokers[c].Consumer("app"), time.Duration(c*i) * 20 * time.Millisecond}, nil
			}
			h := New(plan, Options{UntilIdle: true}, []int{0, 1}, 0, bk, discard)
			err := endsWithin(t, h, start(h), time.Hour)
			if n := len(b.Records("out")); err != nil || n != 20 {
				t.Errorf("fetches of %d ms: %d of 20 records out, error %v", i*20, n, err)
			}
		})
	}
}

// manyPartitions is a consumer of one topic that is drained.
type manyPartitions struct {
	Consumer
	n     int32
	asked int
}

func (c *manyPartitions) Partitions(context.Context) ([]int32, error) { return []int32{c.n}, nil }

func (c *manyPartitions) Committed(_ context.Context, offsets []abi.TopicOffset) error {
	c.asked = len(offsets)
	for i := range offsets {
		offsets[i].Offset = 7
	}
	return nil
}

func (c *manyPartitions) Bounds(_ context.Context, parts []abi.TopicPartition) ([]Bounds, error) {
	all := make([]Bounds, len(parts))
	for i := range all {
		all[i] = Bounds{LastStable: 7, High: 7}
	}
	return all, nil
}

// What a worker asks itself before a run ends does not grow with the square of
// the number of partitions: with 50,000 that would be 10 seconds each time,
// instead of a few hundredths.
func TestDrainedWithManyPartitions(t *testing.T) {
	const n = 50_000
	plan := onePlan(OnError{})
	h := New(plan, Options{UntilIdle: true}, []int{0, 0}, 0, Backends{Clock: realClock{}}, discard)
	for p := range int32(n) {
		s := PartitionStatus{Source: "in", Partition: p}
		switch p {
		case 17:
			s.Stopped = "no"
		case 49_000:
			s.Held = "not yet"
		}
		w := h.workers[p%2]
		w.status.Partitions = append(w.status.Partitions, s)
	}
	c := &manyPartitions{n: n}
	w := h.workers[0]
	w.consumer, w.topics = c, []int{0}
	began := time.Now()
	drained, err := w.drained(t.Context())
	took := time.Since(began)
	if err != nil || !drained || c.asked != n-2 {
		t.Errorf("drained %v, %v; asked about %d partitions, want %d", drained, err, c.asked, n-2)
	}
	if took > 2*time.Second {
		t.Errorf("took %s", took)
	}
}
