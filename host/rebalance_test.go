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

func TestPositionsThatCannotBeLearnedAreAskedForWithPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "a")
		n := 0
		b.Fault = func(op string) error {
			if op == "committed" {
				if n++; n <= 20 {
					return errors.New("not authorized")
				}
			}
			return nil
		}
		began := time.Now()
		h := fakeHost(t, b, onePlan(OnError{}), Options{UntilIdle: true}, 1, []fakeFunc{passThrough})
		if err := endsWithin(t, h, start(h), time.Hour); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d < 30*time.Second || d > 2*time.Minute {
			t.Errorf("20 tries in %s", d)
		}
	})
}

// Who has lost its membership commits nothing: the partitions may be another
// member's by now, with later positions.
func TestALostMembershipCommitsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		var expelled atomic.Bool
		var told atomic.Int32
		b.Fault = func(op string) error {
			switch {
			case op == "committed": // it has joined anew
				expelled.Store(false)
			case op == "commit" && expelled.Load():
				told.Add(1)
			}
			return nil
		}
		plan := onePlan(OnError{})
		bk := fakeBackends(plan, one(b), []fakeFunc{passThrough})
		var c *hosttest.Consumer
		bk.Consumer = func(context.Context, int, int) (Consumer, error) { c = b.Consumer("app"); return c, nil }
		h := New(plan, Options{CommitInterval: time.Minute}, []int{0}, 0, bk, discard)
		done := start(h)
		after(61 * time.Second)
		feed(t, b, 0, 10, 1)
		time.Sleep(time.Second)
		expelled.Store(true)
		c.Expel()
		time.Sleep(2 * time.Minute)
		if n := told.Load(); n > 0 {
			t.Errorf("%d commits of a membership that is lost", n)
		}
		drained(t, h, done)
		if n := len(count(b)); n != 10 || b.Committed("app", "in", 0) != 10 {
			t.Errorf("%d of 10 values out, committed %d", n, b.Committed("app", "in", 0))
		}
	})
}

func TestRecordsDeletedBeforeTheStartAreNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		feed(t, b, 0, 5, 1)
		h := fakeHost(t, b, onePlan(OnError{}), Options{UntilIdle: true}, 1, []fakeFunc{passThrough})
		if err := runIdle(t, h); err != nil {
			t.Fatal(err)
		}
		feed(t, b, 5, 10, 1)
		b.DeleteRecords("in", 0, 12)
		plan := onePlan(OnError{})
		plan.OnChange.RecordsGone = ChangeEarliest
		h = fakeHost(t, b, plan, Options{}, 1, []fakeFunc{passThrough})
		var from int64
		h.workers[0].backends.Consumer = func(context.Context, int, int) (Consumer, error) {
			return &startConsumer{b.Consumer("app"), &from}, nil
		}
		done := start(h)
		after(time.Minute)
		if from != 12 {
			t.Errorf("begins at %d, want the oldest record, 12", from)
		}
		drained(t, h, done)
		if d := cmp.Diff([]string{"0", "1", "2", "3", "4", "12", "13", "14"}, values(b.Records("out"))); d != "" {
			t.Errorf("out (-want +got):\n%s", d)
		}
	})
}

// startConsumer notes where the only partition begins.
type startConsumer struct {
	*hosttest.Consumer
	from *int64
}

func (c *startConsumer) Subscribe(topics []string, assigned func([]abi.TopicPartition) []int64, revoked func([]abi.TopicPartition, bool)) error {
	return c.Consumer.Subscribe(topics, func(p []abi.TopicPartition) []int64 {
		starts := assigned(p)
		*c.from = starts[0]
		return starts
	}, revoked)
}

func TestACommittedOffsetBehindTheEndStartsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		feed(t, b, 0, 5, 1)
		h := fakeHost(t, b, onePlan(OnError{}), Options{UntilIdle: true}, 1, []fakeFunc{passThrough})
		if err := runIdle(t, h); err != nil {
			t.Fatal(err)
		}
		b.DeleteTopic("in")
		feed(t, b, 5, 3, 1)
		plan := onePlan(OnError{})
		plan.OnChange.TopicRecreated = ChangeRestart
		h = fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{passThrough})
		if err := endsWithin(t, h, start(h), time.Hour); err != nil {
			t.Fatal(err)
		}
		if n := len(count(b)); n != 8 {
			t.Errorf("%d of 8 values out", n)
		}
	})
}

// Retention overtakes a reader: its error names the partition, the log begins
// behind the position, and the partition goes on with the oldest record.
func TestAReaderThatRetentionOvertookGoesOnWithTheOldestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		overtaken := onePlan(OnError{})
		overtaken.OnChange.RecordsGone = ChangeEarliest
		b := newBroker(t, 2, "bad")
		// The first record waits in its handler, so the rest is deleted unread.
		f := func(rec *abi.Record, emit func(abi.Output)) error {
			if string(rec.Value) == "bad" {
				time.Sleep(10 * time.Second)
			}
			return passThrough(rec, emit)
		}
		h := fakeHost(t, b, overtaken, Options{}, 1, []fakeFunc{f})
		done := start(h)
		time.Sleep(time.Second)
		feed(t, b, 0, 20, 2)
		b.DeleteRecords("in", 0, 6)
		time.Sleep(9*time.Second + 500*time.Millisecond)
		if n := len(b.Records("out")); n != 16 { // at once, without a back-off
			t.Errorf("%d of 16 records out when the reader has failed", n)
		}
		drained(t, h, done)
		n := count(b)
		for i := range 20 {
			want := 1
			if i%2 == 0 && i/2+1 < 6 { // behind "bad", below the new beginning
				want = 0
			}
			if n[fmt.Sprint(i)] != want {
				t.Errorf("record %d came out %d times, want %d", i, n[fmt.Sprint(i)], want)
			}
		}
		if at := b.Committed("app", "in", 0); at != 11 {
			t.Errorf("committed %d of 11", at)
		}
	})
}

// Any other error of a reader stops its partition for a while; the others go
// on, and it is read again later.
func TestAPartitionThatCannotBeReadIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 2)
		var bad atomic.Bool
		bad.Store(true)
		var tries atomic.Int32
		b.Unreadable = func(_ string, p int32) error {
			if p == 1 && bad.Load() {
				tries.Add(1)
				return errors.New("the disk is broken")
			}
			return nil
		}
		feed(t, b, 0, 20, 2)
		h := fakeHost(t, b, onePlan(OnError{}), Options{}, 1, []fakeFunc{passThrough})
		done := start(h)
		time.Sleep(10 * time.Minute)
		if n := len(b.Records("out")); n != 10 {
			t.Errorf("%d of 10 records of the other partition out", n)
		}
		if s := h.Status().Workers[0].Partitions[1].Stopped; !strings.Contains(s, "the disk is broken") {
			t.Errorf("stopped: %q", s)
		}
		if n := tries.Load(); n < 10 || n > 40 { // 30 s apart in the end
			t.Errorf("%d tries in 10 minutes", n)
		}
		bad.Store(false)
		time.Sleep(time.Minute)
		if n := len(b.Records("out")); n != 20 {
			t.Errorf("%d of 20 records out", n)
		}
		if s := h.Status().Workers[0].Partitions[1]; s.Stopped != "" || s.Committed != 10 {
			t.Errorf("partition 1 after it can be read again: %+v", s)
		}
		drained(t, h, done)
	})
}

// A client that fails for good is replaced, and nothing of the time before is
// kept: partitions come anew, from what was committed.
func TestNewClientsStartFromWhatWasCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 2)
		var die atomic.Bool
		b.Fault = func(op string) error {
			if op == "poll" && die.CompareAndSwap(true, false) {
				return clientError{errNo, true}
			}
			return nil
		}
		plan := onePlan(OnError{})
		bk := fakeBackends(plan, one(b), []fakeFunc{passThrough})
		bk.Consumer = func(context.Context, int, int) (Consumer, error) {
			return &mute{b.Consumer("app")}, nil
		}
		h := New(plan, Options{CommitInterval: time.Minute}, []int{0}, 0, bk, discard)
		done := start(h)
		time.Sleep(61 * time.Second)
		feed(t, b, 0, 10, 2)
		time.Sleep(time.Second)
		die.Store(true)
		kept := true
		for range 100 { // until new clients have joined
			time.Sleep(10 * time.Millisecond)
			kept = kept && len(h.Status().Workers[0].Partitions) > 0
		}
		if kept {
			t.Error("the partitions of a consumer that is gone were kept")
		}
		time.Sleep(5 * time.Minute)
		drained(t, h, done)
		if n := len(count(b)); n != 10 {
			t.Errorf("%d of 10 values out", n)
		}
	})
}

// mute is a consumer that is beyond telling what it gives up.
type mute struct{ *hosttest.Consumer }

func (m *mute) Subscribe(topics []string, assigned func([]abi.TopicPartition) []int64, _ func([]abi.TopicPartition, bool)) error {
	return m.Consumer.Subscribe(topics, assigned, func([]abi.TopicPartition, bool) {})
}
