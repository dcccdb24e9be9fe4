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
	"github.com/sliphost/sliphost/host/codec"
	"github.com/sliphost/sliphost/host/hosttest"
)

// onePlan is one handler from topic in to topic out.
func onePlan(onError OnError) *Plan {
	p := &Plan{App: "app", Clusters: []string{"default"}, Modules: []string{"fake"}, Sources: []Source{topicSource("in")}}
	p.Handlers = []Handler{{ID: "h", ModuleSHA256: "abc", Sinks: []Sink{topicSink("out")}, OnError: onError}}
	p.Sources[0].Handlers = []HandlerSource{{}}
	return p
}

func newBroker(t testing.TB, partitions int, values ...string) *hosttest.Broker {
	t.Helper()
	b := hosttest.NewBroker(map[string]int{"in": partitions, "out": 1, "dead": 1})
	for _, v := range values {
		produce(t, b, hosttest.Record{Topic: "in", Key: []byte("k"), Value: []byte(v), Timestamp: 1000})
	}
	return b
}

func produce(t testing.TB, b *hosttest.Broker, r hosttest.Record) {
	t.Helper()
	if _, err := b.Produce(r); err != nil {
		t.Fatal(err)
	}
}

func values(recs []hosttest.Record) []string {
	var s []string
	for _, r := range recs {
		s = append(s, string(r.Value))
	}
	return s
}

func headers(t testing.TB, r hosttest.Record) map[string]string {
	t.Helper()
	m := map[string]string{}
	it := abi.ReadHeaders(r.HeadersWire)
	for {
		name, value, ok := it.Next()
		if !ok {
			break
		}
		m[string(name)] = string(value)
	}
	if err := it.Err(); err != nil {
		t.Fatal(err)
	}
	return m
}

// failFor is a pass-through that fails the first n tries of each record whose
// value starts with "bad".
func failFor(n int, err error) fakeFunc {
	tries := map[string]int{}
	return func(rec *abi.Record, emit func(abi.Output)) error {
		emit(abi.Output{Sink: abi.EverySink, Key: rec.Key, Value: rec.Value})
		if strings.HasPrefix(string(rec.Value), "bad") {
			if tries[string(rec.Value)]++; tries[string(rec.Value)] <= n {
				return err
			}
		}
		return nil
	}
}

func TestRetrySucceedsInOrderWithoutDoubles(t *testing.T) {
	synctest.Test(t, testRetrySucceedsInOrderWithoutDoubles)
}

func testRetrySucceedsInOrderWithoutDoubles(t *testing.T) {
	for _, size := range []int{1, 2, 1024} {
		b := newBroker(t, 1, "a", "bad1", "b", "bad2", "c")
		plan := onePlan(OnError{Policy: PolicySkip, Attempts: 3, Backoff: time.Millisecond})
		h := fakeHost(t, b, plan, Options{UntilIdle: true, MaxRecords: size}, 1, []fakeFunc{failFor(3, errors.New("no"))})
		if err := runIdle(t, h); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"a", "bad1", "b", "bad2", "c"}, values(b.Records("out"))); d != "" {
			t.Errorf("batch size %d (-want +got):\n%s", size, d)
		}
	}
}

func TestRetryHoldsOnlyItsPartition(t *testing.T) { synctest.Test(t, testRetryHoldsOnlyItsPartition) }

func testRetryHoldsOnlyItsPartition(t *testing.T) {
	b := newBroker(t, 2)
	for i := range 4 {
		produce(t, b, hosttest.Record{Topic: "in", Partition: 0, Value: fmt.Appendf(nil, "bad-p0-%d", i)})
		produce(t, b, hosttest.Record{Topic: "in", Partition: 1, Value: fmt.Appendf(nil, "p1-%d", i)})
	}
	plan := onePlan(OnError{Policy: PolicySkip, Attempts: 1, Backoff: 50 * time.Millisecond})
	h := fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{failFor(1, errors.New("no"))})
	if err := runIdle(t, h); err != nil {
		t.Fatal(err)
	}
	got := values(b.Records("out"))
	want := []string{"p1-0", "p1-1", "p1-2", "p1-3", "bad-p0-0", "bad-p0-1", "bad-p0-2", "bad-p0-3"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDeadLetterCarriesTheRecordAndItsStory(t *testing.T) {
	synctest.Test(t, testDeadLetterCarriesTheRecordAndItsStory)
}

func testDeadLetterCarriesTheRecordAndItsStory(t *testing.T) {
	b := newBroker(t, 1, "a")
	hs := abi.AppendArrayHeader(nil, 2)
	hs = abi.AppendHeader(hs, "trace", []byte("1"))
	hs = abi.AppendHeader(hs, "none", nil)
	produce(t, b, hosttest.Record{Topic: "in", Key: nil, Value: []byte("bad"), Timestamp: 77, HeadersWire: hs})
	produce(t, b, hosttest.Record{Topic: "in", Key: []byte("k"), Value: []byte("z")})
	plan := onePlan(OnError{Policy: PolicyDLQ, Topic: "dead", Attempts: 2, Backoff: time.Microsecond})
	h := fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{failFor(100, errors.New("no such airport"))})
	if err := runIdle(t, h); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a", "z"}, values(b.Records("out"))); d != "" {
		t.Errorf("out (-want +got):\n%s", d)
	}
	dead := b.Records("dead")
	if len(dead) != 1 || dead[0].Key != nil || string(dead[0].Value) != "bad" || dead[0].Timestamp != 77 {
		t.Fatalf("dead letters: %+v", dead)
	}
	want := map[string]string{
		"trace": "1", "none": "", HeaderHandler: "h", HeaderModule: "abc", HeaderCode: "failed", HeaderError: "no such airport",
		HeaderSource: "in", HeaderTopic: "in", HeaderPartition: "0", HeaderOffset: "1", HeaderN: "0", HeaderTimestamp: "77", HeaderAttempts: "3",
	}
	if d := cmp.Diff(want, headers(t, dead[0])); d != "" {
		t.Errorf("headers (-want +got):\n%s", d)
	}
	s := h.Status().Handlers[0]
	if s.DeadLetters != 1 || s.Failed != 3 {
		t.Errorf("status: %+v", s)
	}
}

func TestDeadLetterTooLargeGoesByReference(t *testing.T) {
	synctest.Test(t, testDeadLetterTooLargeGoesByReference)
}

func testDeadLetterTooLargeGoesByReference(t *testing.T) {
	b := newBroker(t, 1, "bad"+strings.Repeat("x", 5000))
	plan := onePlan(OnError{Policy: PolicyDLQ, Topic: "dead", MaxBytes: 2000})
	h := fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{failFor(100, errors.New("no"))})
	if err := runIdle(t, h); err != nil {
		t.Fatal(err)
	}
	dead := b.Records("dead")
	if len(dead) != 1 || dead[0].Value != nil || headers(t, dead[0])[HeaderReference] != "true" {
		t.Fatalf("dead letters: %+v", dead)
	}
}

func TestFailPolicyStopsThePartitionAndUntilIdleSaysSo(t *testing.T) {
	synctest.Test(t, testFailPolicyStopsThePartitionAndUntilIdleSaysSo)
}

func testFailPolicyStopsThePartitionAndUntilIdleSaysSo(t *testing.T) {
	b := newBroker(t, 1, "a", "bad", "b")
	h := fakeHost(t, b, onePlan(OnError{Policy: PolicyFail}), Options{UntilIdle: true}, 1, []fakeFunc{failFor(100, errors.New("no"))})
	err := runIdle(t, h)
	if !errors.Is(err, ErrStopped) || !strings.Contains(err.Error(), `handler "h": in[0]@1: no`) {
		t.Fatalf("error: %v", err)
	}
	if d := cmp.Diff([]string{"a"}, values(b.Records("out"))); d != "" {
		t.Errorf("out (-want +got):\n%s", d)
	}
	if at := b.Committed("app", "in", 0); at != 1 {
		t.Errorf("committed %d, want 1: the record that failed comes again", at)
	}
}

func TestFailPolicyGoesOnWhenTheRecordSucceeds(t *testing.T) {
	synctest.Test(t, testFailPolicyGoesOnWhenTheRecordSucceeds)
}

func testFailPolicyGoesOnWhenTheRecordSucceeds(t *testing.T) {
	b := newBroker(t, 1, "a", "bad", "b")
	h := fakeHost(t, b, onePlan(OnError{Policy: PolicyFail}), Options{}, 1, []fakeFunc{failFor(1, errors.New("no"))})
	stop := runUntil(t, h, func() bool { return len(b.Records("out")) == 3 })
	stop()
	if d := cmp.Diff([]string{"a", "bad", "b"}, values(b.Records("out"))); d != "" {
		t.Errorf("out (-want +got):\n%s", d)
	}
}

// runUntil runs h until done holds and returns what drains it and waits.
func runUntil(t *testing.T, h *Host, done func() bool) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	for !done() {
		select {
		case err := <-ended:
			cancel()
			t.Fatalf("run ended: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	return func() {
		h.Drain()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		cancel()
	}
}

func TestTrapIsTriedOnceMoreThenPolicyActs(t *testing.T) {
	synctest.Test(t, testTrapIsTriedOnceMoreThenPolicyActs)
}

func testTrapIsTriedOnceMoreThenPolicyActs(t *testing.T) {
	b := newBroker(t, 1, "a", "bad1", "b")
	plan := onePlan(OnError{Policy: PolicyDLQ, Topic: "dead"})
	h := fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{failFor(1, errTrap)})
	if err := runIdle(t, h); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a", "bad1", "b"}, values(b.Records("out"))); d != "" {
		t.Errorf("a trap that does not repeat (-want +got):\n%s", d)
	}
	b = newBroker(t, 1, "a", "bad1", "b")
	h = fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{failFor(100, errTrap)})
	if err := runIdle(t, h); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a", "b"}, values(b.Records("out"))); d != "" {
		t.Errorf("a trap that repeats (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"bad1"}, values(b.Records("dead"))); d != "" {
		t.Errorf("dead letters (-want +got):\n%s", d)
	}
	if s := h.Status().Handlers[0]; s.Traps != 2 {
		t.Errorf("traps = %d, want 2", s.Traps)
	}
}

func TestDropAndRetryErrors(t *testing.T) { synctest.Test(t, testDropAndRetryErrors) }

func testDropAndRetryErrors(t *testing.T) {
	b := newBroker(t, 1, "a", "bad", "b")
	h := fakeHost(t, b, onePlan(OnError{Policy: PolicyFail}), Options{UntilIdle: true}, 1, []fakeFunc{failFor(100, guestError{code: abi.CodeDrop})})
	if err := runIdle(t, h); err != nil {
		t.Fatal(err)
	}
	if s := h.Status().Handlers[0]; s.Dropped != 1 || len(b.Records("out")) != 2 {
		t.Errorf("dropped %d, out %q", s.Dropped, values(b.Records("out")))
	}
	b = newBroker(t, 1, "a", "bad", "b")
	h = fakeHost(t, b, onePlan(OnError{Policy: PolicyFail}), Options{UntilIdle: true}, 1, []fakeFunc{failFor(5, guestError{code: abi.CodeRetry, after: 1})})
	if err := runIdle(t, h); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"a", "bad", "b"}, values(b.Records("out"))); d != "" {
		t.Errorf("retry without a number in the manifest (-want +got):\n%s", d)
	}
}

func TestOutputsTheHostCannotTakeFailTheirRecordAlone(t *testing.T) {
	synctest.Test(t, testOutputsTheHostCannotTakeFailTheirRecordAlone)
}

func testOutputsTheHostCannotTakeFailTheirRecordAlone(t *testing.T) {
	jsonCodec, _ := codec.ByName("json")
	outs := map[string]abi.Output{
		"sink":      {Sink: 7, Value: []byte{0xc0}},
		"partition": {Sink: 0, Value: []byte{0xc0}, Partition: 9, HasPartition: true},
		"encode":    {Sink: 0, Value: []byte{0xc1}},
		"large":     {Sink: 0, Value: append([]byte{0xda, 0x27, 0x10}, strings.Repeat("x", 10000)...)},
	}
	for name, out := range outs {
		b := newBroker(t, 1, "a", "bad", "b")
		plan := onePlan(OnError{Policy: PolicyDLQ, Topic: "dead"})
		s := &plan.Handlers[0].Sinks[0]
		s.Value, s.MaxBytes, s.Partitions = jsonCodec, 5000, 1
		f := func(rec *abi.Record, emit func(abi.Output)) error {
			emit(abi.Output{Sink: 0, Value: abi.AppendStr(nil, string(rec.Value))})
			if string(rec.Value) == "bad" {
				emit(out)
			}
			return nil
		}
		h := fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{f})
		if err := runIdle(t, h); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff([]string{`"a"`, `"b"`}, values(b.Records("out"))); d != "" {
			t.Errorf("%s: out (-want +got):\n%s", name, d)
		}
		if dead := b.Records("dead"); len(dead) != 1 || string(dead[0].Value) != "bad" {
			t.Errorf("%s: dead letters %q", name, values(dead))
		} else if code := headers(t, dead[0])[HeaderCode]; code != "output" && code != "too-large" {
			t.Errorf("%s: code %q", name, code)
		}
	}
}

func TestUndecodableRecordsFollowThePolicy(t *testing.T) {
	synctest.Test(t, testUndecodableRecordsFollowThePolicy)
}

func testUndecodableRecordsFollowThePolicy(t *testing.T) {
	jsonCodec, _ := codec.ByName("json")
	b := newBroker(t, 1, `1`, `{"a":`, `"x"`, `nope`, `[2]`)
	plan := onePlan(OnError{Policy: PolicyDLQ, Topic: "dead"})
	plan.Sources[0].Value = jsonCodec
	plan.Handlers[0].Sinks[0].Value = jsonCodec
	pass := func(rec *abi.Record, emit func(abi.Output)) error {
		emit(abi.Output{Sink: abi.EverySink, Key: rec.Key, Value: rec.Value})
		return nil
	}
	h := fakeHost(t, b, plan, Options{UntilIdle: true}, 1, []fakeFunc{pass})
	if err := runIdle(t, h); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{`1`, `"x"`, `[2]`}, values(b.Records("out"))); d != "" {
		t.Errorf("out (-want +got):\n%s", d)
	}
	dead := b.Records("dead")
	if d := cmp.Diff([]string{`{"a":`, `nope`}, values(dead)); d != "" {
		t.Fatalf("dead letters (-want +got):\n%s", d)
	}
	if code := headers(t, dead[0])[HeaderCode]; code != "undecodable" {
		t.Errorf("code %q", code)
	}
}

func TestRefusedOutputsGoBackToTheLastCommit(t *testing.T) {
	synctest.Test(t, testRefusedOutputsGoBackToTheLastCommit)
}

func testRefusedOutputsGoBackToTheLastCommit(t *testing.T) {
	for _, op := range []string{"send", "flush"} {
		b := newBroker(t, 1, "a", "b", "c")
		var left atomic.Int32
		left.Store(2)
		b.Fault = func(o string) error {
			if o == op && left.Add(-1) >= 0 {
				return errors.New("broker says no")
			}
			return nil
		}
		h := fakeHost(t, b, onePlan(OnError{Policy: PolicySkip}), Options{UntilIdle: true}, 1, []fakeFunc{failFor(0, nil)})
		if err := runIdle(t, h); err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, v := range values(b.Records("out")) {
			seen[v] = true
		}
		if len(seen) != 3 || b.Committed("app", "in", 0) != 3 {
			t.Errorf("%s: out %q, committed %d", op, values(b.Records("out")), b.Committed("app", "in", 0))
		}
	}
}
