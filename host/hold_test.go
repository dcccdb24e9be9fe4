package host

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
)

// Two records wait, one behind the other: when the first is through, the
// position moves behind it alone.
func TestAHeldRecordMovesThePositionByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "a", "bad1", "bad2", "c", "d")
		plan := onePlan(OnError{Policy: PolicySkip, Attempts: 5, Backoff: time.Second})
		h := fakeHost(t, b, plan, Options{}, 1, []fakeFunc{failFor(3, errNo)})
		runUntil(t, h, func() bool { return len(b.Records("out")) == 2 })()
		if d := cmp.Diff([]string{"a", "bad1"}, values(b.Records("out"))); d != "" {
			t.Errorf("out (-want +got):\n%s", d)
		}
		if at := b.Committed("app", "in", 0); at != 2 {
			t.Errorf("committed %d, want 2: bad2 comes again", at)
		}
	})
}

func TestRecordsThatArriveWhileOneWaitsQueueBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "bad1")
		calls := 0
		f := failFor(1, errNo)
		counted := func(rec *abi.Record, emit func(abi.Output)) error { calls++; return f(rec, emit) }
		h := fakeHost(t, b, onePlan(OnError{Policy: PolicySkip, Attempts: 1, Backoff: time.Minute}), Options{}, 1, []fakeFunc{counted})
		done := start(h)
		time.Sleep(time.Second)
		feed(t, b, 0, 5, 1)
		after(time.Second)
		if calls != 1 {
			t.Errorf("%d calls while the first record waits, want 1", calls)
		}
		if n := len(b.Records("out")); n != 0 {
			t.Errorf("%d records out while the first waits", n)
		}
		time.Sleep(2 * time.Minute)
		drained(t, h, done)
		if d := cmp.Diff([]string{"bad1", "0", "1", "2", "3", "4"}, values(b.Records("out"))); d != "" {
			t.Errorf("out (-want +got):\n%s", d)
		}
	})
}

// The retry of a record takes long, and new records of its partition arrive
// in the poll that follows at once: they queue behind what the drain left.
func TestABacklogThatIsNotDueIsNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "bad1", "bad2", "x")
		f := failFor(2, errNo)
		h := fakeHost(t, b, onePlan(OnError{Policy: PolicySkip, Attempts: 9, Backoff: 50 * time.Millisecond}), Options{MaxRecords: 2}, 1, []fakeFunc{f})
		done := start(h)
		for i := range 40 {
			feed(t, b, i, 1, 1)
			time.Sleep(7 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		drained(t, h, done)
		want := []string{"bad1", "bad2", "x"}
		for i := range 40 {
			want = append(want, fmt.Sprint(i))
		}
		if d := cmp.Diff(want, values(b.Records("out"))); d != "" {
			t.Errorf("out (-want +got):\n%s", d)
		}
	})
}

// What waits behind a held record is bounded: its partition is not fetched
// until the backlog is worked off, and then it is again.
func TestALargeBacklogPausesItsPartitionUntilItIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "bad")
		big := strings.Repeat("x", 1<<20)
		for i := range 30 {
			produce(t, b, hosttest.Record{Topic: "in", Value: fmt.Appendf(nil, "%d-%s", i, big)})
		}
		h, c := watchedHost(b, onePlan(OnError{Policy: PolicySkip, Attempts: 1, Backoff: 10 * time.Second}), Options{MaxRecords: 1}, []fakeFunc{failFor(1, errNo)})
		done := start(h)
		after(5 * time.Second)
		if n := c.bytes.Load(); n < maxBacklog || n > maxBacklog+2<<20 {
			t.Errorf("%d bytes wait, want about %d", n, maxBacklog)
		}
		time.Sleep(time.Minute)
		if n := len(b.Records("out")); n != 31 {
			t.Errorf("%d of 31 records out", n)
		}
		if p, r := c.pauses.Load(), c.resumes.Load(); p != 1 || r != 1 {
			t.Errorf("paused %d times, resumed %d times", p, r)
		}
		drained(t, h, done)
	})
}

func TestTheBacklogsMemoryIsReusedWhileItNeverEmpties(t *testing.T) {
	var l backlog
	rec := abi.AppendRecord(nil, 0, 0, nil, make([]byte, 1000), nil)
	l.add(abi.Run{Count: 1}, rec)
	for range 10000 {
		l.add(abi.Run{Count: 1}, rec)
		l.take(1)
	}
	if n := cap(l.buf); n > 100*len(rec) {
		t.Errorf("%d bytes held for one record of %d", n, len(rec))
	}
}

func TestWaitsDoubleUpToAMinute(t *testing.T) {
	for _, c := range []struct {
		base    time.Duration
		attempt int
		want    time.Duration
	}{
		{time.Second, 1, time.Second},
		{time.Second, 2, 2 * time.Second},
		{time.Second, 6, 32 * time.Second},
		{time.Second, 7, time.Minute},
		{time.Second, 1000, time.Minute},
		{2 * time.Minute, 1, time.Minute},
		{0, 5, 0},
	} {
		if got := backoff(c.base, c.attempt); got != c.want {
			t.Errorf("backoff(%s, %d) = %s, want %s", c.base, c.attempt, got, c.want)
		}
	}
}

// A record far back in a batch must not wait in place of one before it.
func TestTheFirstOfSeveralFailuresOfABatchHoldsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "a", "b", "c")
		plan := onePlan(OnError{Policy: PolicySkip, Attempts: 1, Backoff: time.Second})
		plan.Handlers[0].Sinks = []Sink{{ID: "p", Kind: SinkProxy, Proxy: 1}}
		plan.Sources = append(plan.Sources, Source{ID: "p", Kind: SourceProxy, Handlers: []HandlerSource{{Handler: 1}}})
		plan.Proxies = []int{1}
		plan.Handlers = append(plan.Handlers, Handler{ID: "h2", Binding: 1, Sinks: []Sink{topicSink("out")}, OnError: plan.Handlers[0].OnError})
		failed := map[string]bool{}
		once := func(value, id string) error {
			if k := value + id; (k == "b1" || k == "a2" || k == "b2" || k == "c1") && !failed[k] {
				failed[k] = true
				return errNo
			}
			return nil
		}
		first := func(rec *abi.Record, emit func(abi.Output)) error {
			_ = passThrough(rec, emit)
			return once(string(rec.Value), "1")
		}
		second := func(rec *abi.Record, emit func(abi.Output)) error {
			_ = passThrough(rec, emit)
			return once(string(rec.Value), "2")
		}
		h := fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{first, second})
		if err := runIdle(t, h); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"a", "b", "c"}, values(b.Records("out"))); d != "" {
			t.Errorf("out (-want +got):\n%s", d)
		}
	})
}

// Two handlers of one source fail on different records of a batch, the later
// record in the first handler: the batch is held at the earlier one.
func TestALaterHandlersEarlierFailureWins(t *testing.T) {
	r := &run{limit: 10}
	r.holdAt(hold{root: 5, reason: errors.New("five")})
	r.holdAt(hold{root: 7, reason: errors.New("seven")})
	if r.limit != 5 || r.hold.reason.Error() != "five" {
		t.Errorf("limit %d, hold %v", r.limit, r.hold.reason)
	}
	r.holdAt(hold{root: 2, reason: errors.New("two")})
	if r.limit != 2 || r.hold.reason.Error() != "two" {
		t.Errorf("limit %d, hold %v", r.limit, r.hold.reason)
	}
}

// One handler reads two proxies: its attempts are counted for each.
func TestAttemptsAreCountedForEachSourceOfAHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "x")
		plan := &Plan{App: "app", Clusters: []string{"default"}, Modules: []string{"fake"}, Proxies: []int{1, 2}}
		plan.Sources = []Source{topicSource("in"), {ID: "p", Kind: SourceProxy}, {ID: "q", Kind: SourceProxy}}
		plan.Handlers = []Handler{
			{ID: "a", Sinks: []Sink{{ID: "p", Kind: SinkProxy, Proxy: 1}, {ID: "q", Kind: SinkProxy, Proxy: 2}}},
			{ID: "b", Binding: 1, Sinks: []Sink{topicSink("out")}, OnError: OnError{Policy: PolicyDLQ, Topic: "dead", Attempts: 2, Backoff: time.Millisecond}},
		}
		plan.Sources[0].Handlers = []HandlerSource{{Handler: 0}}
		plan.Sources[1].Handlers = []HandlerSource{{Handler: 1}}
		plan.Sources[2].Handlers = []HandlerSource{{Handler: 1, Position: 1}}
		fa := func(_ *abi.Record, emit func(abi.Output)) error {
			emit(abi.Output{Sink: 0, Value: []byte("p")})
			emit(abi.Output{Sink: 1, Value: []byte("q")})
			return nil
		}
		// p fails twice and then works; q fails twice after that and would work.
		seen := map[string]int{}
		fb := func(rec *abi.Record, emit func(abi.Output)) error {
			k := string(rec.Value)
			if k == "q" && seen["p"] < 3 {
				return passThrough(rec, emit)
			}
			if seen[k]++; seen[k] <= 2 {
				return errNo
			}
			return passThrough(rec, emit)
		}
		h := fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{fa, fb})
		if err := runIdle(t, h); err != nil {
			t.Fatal(err)
		}
		if d := b.Records("dead"); len(d) > 0 {
			t.Errorf("dead letter after %s attempts of 3: tries %v", headers(t, d[0])[HeaderAttempts], seen)
		}
	})
}

// Several outputs of one record reach the next handler and each of them
// fails: every one has attempts of its own.
func TestAttemptsAreCountedForEachOutputOfARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "x")
		plan := proxyPlan(OnError{Policy: PolicyDLQ, Topic: "dead", Attempts: 1, Backoff: time.Millisecond})
		fa := func(_ *abi.Record, emit func(abi.Output)) error {
			emit(abi.Output{Sink: 0, Value: []byte("one")})
			emit(abi.Output{Sink: 0, Value: []byte("two")})
			return nil
		}
		seen := map[string]int{}
		fb := func(rec *abi.Record, emit func(abi.Output)) error {
			k := string(rec.Value)
			if seen[k]++; k == "one" && seen[k] <= 1 || k == "two" && seen[k] <= 2 && seen["one"] > 1 {
				if k == "two" && seen["two"] == 1 {
					return passThrough(rec, emit)
				}
				return errNo
			}
			return passThrough(rec, emit)
		}
		h := fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{fa, fb})
		if err := runIdle(t, h); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"one", "two"}, values(b.Records("out"))); d != "" {
			t.Errorf("out (-want +got):\n%s; dead letters %q; tries %v", d, values(b.Records("dead")), seen)
		}
	})
}

// proxyPlan is handler a from topic in to a proxy, and handler b from there
// to topic out.
func proxyPlan(b OnError) *Plan {
	p := onePlan(OnError{})
	p.Handlers[0].ID = "a"
	p.Handlers[0].Sinks = []Sink{{ID: "p", Kind: SinkProxy, Proxy: 1}}
	p.Handlers = append(p.Handlers, Handler{ID: "b", Binding: 1, Sinks: []Sink{topicSink("out")}, OnError: b})
	p.Sources = append(p.Sources, Source{ID: "p", Kind: SourceProxy, Handlers: []HandlerSource{{Handler: 1}}})
	p.Proxies = []int{1}
	return p
}

// After a rewind nothing of the time before counts: neither what waited nor
// how often it was tried.
func TestARewindForgetsWhatWaitedAndWhatWasTried(t *testing.T) {
	tk := &input{
		task:      running(),
		committed: 3, next: 7, delivered: 9, due: time.Now(), stopped: errNo, tries: 4, reseek: time.Now(),
		attempts: map[callKey]int{{}: 2}, refusals: map[callKey]string{{}: "no"},
	}
	tk.backlog.add(abi.Run{Count: 1}, abi.AppendRecord(nil, 0, 0, nil, nil, nil))
	at := tk.rewind()
	if at != 3 || tk.next != 3 || tk.delivered != 3 || tk.held() || !tk.backlog.empty() || tk.stopped != nil || tk.tries != 0 ||
		len(tk.attempts) != 0 || len(tk.refusals) != 0 || !tk.reseek.IsZero() {
		t.Errorf("rewind to %d: %+v", at, tk)
	}
	if at := (&input{task: running(), committed: abi.OffsetNone, start: 5, next: 9}).rewind(); at != 5 {
		t.Errorf("without a commit it goes back to %d, want the start 5", at)
	}
}

func TestAStoppedPartitionThatGoesOnIsNotCalledStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "a", "bad", "b")
		h := fakeHost(t, b, onePlan(OnError{Policy: PolicyFail}), Options{UntilIdle: true}, 2, []fakeFunc{failFor(2, errNo)})
		done := start(h)
		time.Sleep(50 * time.Millisecond)
		// The idle run ends at once with the stopped partition.
		if err := endsWithin(t, h, done, time.Hour); !errors.Is(err, ErrStopped) {
			t.Errorf("error %v", err)
		}
		h = fakeHost(t, b, onePlan(OnError{Policy: PolicyFail}), Options{}, 1, []fakeFunc{failFor(1, errNo)})
		done = start(h)
		time.Sleep(100 * time.Millisecond)
		if s := h.Status().Workers[0].Partitions[0]; s.Stopped == "" {
			t.Errorf("not stopped while the record waits: %+v", s)
		}
		time.Sleep(time.Minute)
		if s := h.Status().Workers[0].Partitions[0]; s.Stopped != "" || s.Committed != 3 {
			t.Errorf("stopped after it went on: %+v", s)
		}
		drained(t, h, done)
	})
}
