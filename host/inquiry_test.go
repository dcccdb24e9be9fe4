package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/state"
)

// countBroker has n records of each of the keys k0 to k4 in partition 0 of
// countPlan's input.
func countBroker(t *testing.T, n int) *hosttest.Broker {
	t.Helper()
	b := hosttest.NewBroker(map[string]int{"in": 2, "out": 2, "app-counts-changelog": 2})
	for i := range n * 5 {
		if _, err := b.Produce(hosttest.Record{Topic: "in", Key: fmt.Appendf(nil, "k%d", i%5), Value: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// ask returns the keys of one answer.
func ask(t *testing.T, h *Host, q Inquiry) (keys []string, more bool) {
	t.Helper()
	page, more, err := h.Inquire(context.Background(), &q)
	if err != nil {
		t.Fatal(err)
	}
	for i := range page.Len() {
		key, value := page.Entry(i)
		keys = append(keys, fmt.Sprintf("%s=%d", key, value[7]))
	}
	return keys, more
}

func TestAnInquiryShowsWhatIsCommitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := countBroker(t, 3)
		plan := countPlan()
		l := &life{b, "h", state.NewMemory()}
		// Nothing would be committed within the test by itself.
		h := New(plan, Options{CommitInterval: time.Hour}, []int{0}, 0, l.backends(t, plan, []statefulFunc{countKeys}), discard)
		done := start(h)
		after(time.Second)
		if got := len(b.Records("out")); got != 0 {
			t.Fatalf("%d outputs are committed already", got)
		}
		keys, more := ask(t, h, Inquiry{Cache: "counts", Limit: 2})
		if got := strings.Join(keys, " "); got != "k0=3 k1=3" || !more {
			t.Errorf("page: %s, more %v", got, more)
		}
		if got := len(b.Records("out")); got != 15 {
			t.Errorf("%d outputs are committed behind the answer, want 15", got)
		}
		keys, more = ask(t, h, Inquiry{Cache: "counts", From: []byte("k1"), To: []byte("k4"), Reverse: true})
		if got := strings.Join(keys, " "); got != "k3=3 k2=3 k1=3" || more {
			t.Errorf("reverse: %s, more %v", got, more)
		}
		if keys, _ := ask(t, h, Inquiry{Cache: "counts", Partition: 1}); len(keys) != 0 {
			t.Errorf("partition 1 has %v", keys)
		}
		drained(t, h, done)
	})
}

func TestAnInquiryThatHasNoAnswerSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := countBroker(t, 1)
		plan := countPlan()
		l := &life{b, "h", state.NewMemory()}
		h := New(plan, Options{}, []int{0}, 0, l.backends(t, plan, []statefulFunc{countKeys}), discard)
		done := start(h)
		after(time.Second)
		var ie *InquiryError
		_, _, err := h.Inquire(context.Background(), &Inquiry{Cache: "count"})
		if !errors.As(err, &ie) || !ie.Unknown {
			t.Errorf("an unknown cache: %v", err)
		}
		_, _, err = h.Inquire(context.Background(), &Inquiry{Cache: "counts", Partition: 2})
		if !errors.As(err, &ie) || !ie.Elsewhere {
			t.Errorf("a partition that is not here: %v", err)
		}
		drained(t, h, done)
		began := time.Now()
		_, _, err = h.Inquire(context.Background(), &Inquiry{Cache: "counts"})
		if !errors.As(err, &ie) || time.Since(began) > 2*inquiryTimeout {
			t.Errorf("after the end: %v after %s", err, time.Since(began))
		}
	})
}

// A worker that is in a handler does not hold up who asks for longer than the
// bound.
func TestAnInquiryDoesNotWaitForASlowHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := countBroker(t, 1)
		plan := countPlan()
		l := &life{b, "h", state.NewMemory()}
		h := New(plan, Options{}, []int{0}, 0, l.backends(t, plan, []statefulFunc{countKeys}), discard)
		done := start(h)
		after(time.Second)
		stuck := make(chan struct{})
		bk := l.engine.(*state.Memory)
		bk.Hook(func(state.Call) error { <-stuck; return nil })
		if _, err := b.Produce(hosttest.Record{Topic: "in", Key: []byte("new"), Value: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		after(time.Second)
		began := time.Now()
		_, _, err := h.Inquire(context.Background(), &Inquiry{Cache: "counts"})
		if err == nil || !strings.Contains(err.Error(), "does not answer within 5s") || time.Since(began) > 6*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		close(stuck)
		after(time.Second)
		if keys, _ := ask(t, h, Inquiry{Cache: "counts", From: []byte("new")}); len(keys) != 1 {
			t.Errorf("afterwards: %v", keys)
		}
		drained(t, h, done)
	})
}

func TestStatusShowsTasksAndCaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := countBroker(t, 4)
		plan := countPlan()
		l := &life{b, "h", state.NewMemory()}
		h := New(plan, Options{CommitInterval: 10 * time.Millisecond}, []int{0}, 0, l.backends(t, plan, []statefulFunc{countKeys}), discard)
		done := start(h)
		after(time.Second)
		w := h.Status().Workers[0]
		if len(w.Tasks) != 2 || w.Tasks[1] != (TaskStatus{Sub: "count", Partition: 1, Phase: "running"}) {
			t.Errorf("tasks %+v", w.Tasks)
		}
		if w.CacheHits+w.CacheMisses == 0 {
			t.Errorf("no reads were counted: %+v", w.WorkerState)
		}
		caches := h.Caches()
		if len(caches) != 1 || caches[0].Kind != "kv" || caches[0].Key != "bytes" || len(caches[0].Owned) != 2 {
			t.Errorf("caches %+v", caches)
		}
		drained(t, h, done)
	})
}
