package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/host/module"
)

// runScript runs values through a scripted module until idle. It returns the
// values in out, the instances that were made and Run's error.
func runScript(t *testing.T, policy OnError, n int, script func(call int, count int32) ([]byte, int32, error)) (b *hosttest.Broker, made []*scripted, h *Host, err error) {
	t.Helper()
	b = newBroker(t, 1)
	feed(t, b, 0, n, 1)
	plan := onePlan(policy)
	bk := fakeBackends(plan, one(b))
	calls := 0
	bk.Invoker = func(context.Context, int, int, module.State) (Invoker, error) {
		s := &scripted{script: func(_ int, count int32) ([]byte, int32, error) { calls++; return script(calls, count) }}
		made = append(made, s)
		return s, nil
	}
	h = New(plan, Options{UntilIdle: true}, []int{0}, 0, bk, discard)
	err = endsWithin(t, h, start(h), time.Hour)
	return b, made, h, err
}

// A module that contradicts the ABI is not believed in anything: nothing of
// the call comes out, the partition stops with a sentence, and the instance is
// replaced.
func TestRepliesThatBreakTheABIStopThePartition(t *testing.T) {
	for name, c := range map[string]struct {
		reply []byte
		done  int32
		says  string
	}{
		"results in another order":     {okReply(okReply(okReply(nil, 1, "x"), 0, "x"), 2, "x"), 3, "a result for record 0 where 2 or a later one was due"},
		"a result twice":               {okReply(okReply(nil, 0, "x"), 0, "x"), 3, "a result for record 0"},
		"a result between pieces":      {okReply(moreReply(nil, 0, "x"), 1, "x"), 3, "a result for record 1"},
		"pieces without an end":        {moreReply(okReply(nil, 0, "x"), 1, "x"), 3, "no end to the outputs of record 1"},
		"a result beyond the batch":    {okReply(nil, 3, "x"), 3, "a result for record 3 of which 3 are done"},
		"fewer records than it was to": {okReply(nil, 0, "x"), 1, "it ends after 1 of 3 records"},
		"no result to read":            {append(okReply(nil, 0, "x"), 0xc1), 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, made, _, err := runScript(t, OnError{Policy: PolicySkip}, 3, func(int, int32) ([]byte, int32, error) { return c.reply, c.done, nil })
				if !errors.Is(err, ErrStopped) || !strings.Contains(err.Error(), "breaks the ABI") || !strings.Contains(err.Error(), c.says) {
					t.Errorf("error %v", err)
				}
				if out := values(b.Records("out")); len(out) > 0 {
					t.Errorf("out %q", out)
				}
				if len(made) < 2 || !made[0].closed {
					t.Errorf("%d instances made, the first closed: %v", len(made), made[0].closed)
				}
				if at := b.Committed("app", "in", 0); at != 0 {
					t.Errorf("committed %d", at)
				}
			})
		})
	}
}

// The call breaks off in its second stretch: what its first one emitted and
// counted is kept, what follows is not.
func TestABrokenCallTakesBackItsOwnEffectsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, _, err := runScript(t, OnError{Policy: PolicySkip}, 4, func(call int, count int32) ([]byte, int32, error) {
			switch call {
			case 1: // record 1 is guilty
				return okReply(nil, 0, "zero"), 1, guilty(1)
			case 2: // once more, alone: fine
				return okReply(nil, 0, "one"), 1, nil
			}
			// records 2 and 3, later both again: one result, then nonsense
			return append(okReply(nil, 0, "two"), 0xc1), count, nil
		})
		if !errors.Is(err, ErrStopped) {
			t.Errorf("error %v", err)
		}
		if d := cmp.Diff([]string{"zero", "one"}, values(b.Records("out"))); d != "" {
			t.Errorf("out (-want +got):\n%s", d)
		}
		if at := b.Committed("app", "in", 0); at != 2 {
			t.Errorf("committed %d, want 2", at)
		}
	})
}

// What the guilty record had emitted before the trap does not count.
func TestPiecesOfTheGuiltyRecordDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, h, err := runScript(t, OnError{Policy: PolicyDLQ, Topic: "dead"}, 3, func(call int, count int32) ([]byte, int32, error) {
			switch call {
			case 1:
				return moreReply(okReply(nil, 0, "zero"), 1, "piece"), 1, guilty(1)
			case 2:
				return moreReply(nil, 0, "piece"), 0, guilty(0)
			}
			return okReply(nil, 0, "two"), count, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"zero", "two"}, values(b.Records("out"))); d != "" {
			t.Errorf("out (-want +got):\n%s", d)
		}
		if d := cmp.Diff([]string{"1"}, values(b.Records("dead"))); d != "" {
			t.Errorf("dead letters (-want +got):\n%s", d)
		}
		if s := h.Status().Handlers[0]; s.Outputs != 2 || s.Traps != 2 || s.Records != 2 {
			t.Errorf("status %+v", s)
		}
	})
}

// An output that the host cannot take fails its record, and what that record
// emits afterwards, in the same piece or in later ones, does not count.
func TestNothingOfARecordCountsAfterAnOutputThatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, h, err := runScript(t, OnError{Policy: PolicySkip}, 2, func(_ int, count int32) ([]byte, int32, error) {
			reply := abi.AppendResult(nil, 0, abi.StatusMore, 1)
			reply = abi.AppendOutput(reply, &abi.Output{Sink: 9, Value: []byte("no such sink")})
			reply = okReply(moreReply(reply, 0, "later piece"), 0, "last piece")
			return okReply(reply, 1, "one"), count, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"one"}, values(b.Records("out"))); d != "" {
			t.Errorf("out (-want +got):\n%s", d)
		}
		if s := h.Status().Handlers[0]; s.Failed != 1 || s.Skipped != 1 || s.Outputs != 1 {
			t.Errorf("status %+v", s)
		}
	})
}

// A trap that no record is guilty of and that comes after the last record
// takes nothing back and repeats nothing.
func TestATrapAfterTheLastRecordRepeatsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		b, _, h, err := runScript(t, OnError{Policy: PolicyDLQ, Topic: "dead"}, 3, func(call int, count int32) ([]byte, int32, error) {
			calls = call
			return passReply(count), count, guilty(-1)
		})
		if err != nil {
			t.Fatal(err)
		}
		if calls != 1 || len(b.Records("out")) != 3 || len(b.Records("dead")) != 0 {
			t.Errorf("%d calls, %d records out, %d dead letters", calls, len(b.Records("out")), len(b.Records("dead")))
		}
		if s := h.Status().Handlers[0]; s.Traps != 1 || s.Failed != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// A batch as a whole is too much for a guest, no record is guilty: smaller
// ones are tried, and no record becomes a dead letter.
func TestABatchThatIsTooMuchIsHalved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sizes []int32
		b, _, _, err := runScript(t, OnError{Policy: PolicyDLQ, Topic: "dead"}, 10, func(_ int, count int32) ([]byte, int32, error) {
			sizes = append(sizes, count)
			if count > 3 {
				return nil, 0, guilty(-1)
			}
			return passReply(count), count, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Records("out")) != 10 || len(b.Records("dead")) != 0 {
			t.Errorf("%d records out, %d dead letters", len(b.Records("out")), len(b.Records("dead")))
		}
		if d := cmp.Diff([]int32{10, 5, 2, 2, 2, 2, 2}, sizes); d != "" {
			t.Errorf("batches (-want +got):\n%s", d)
		}
	})
}

// A single record that is too much is the guilty one.
func TestARecordThatIsTooMuchAloneFollowsThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, _, err := runScript(t, OnError{Policy: PolicyDLQ, Topic: "dead"}, 1, func(int, int32) ([]byte, int32, error) {
			return nil, 0, guilty(-1)
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{"0"}, values(b.Records("dead"))); d != "" {
			t.Errorf("dead letters (-want +got):\n%s", d)
		}
	})
}

func TestAnOutputBefore1970FailsItsRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "a")
		f := func(rec *abi.Record, emit func(abi.Output)) error {
			emit(abi.Output{Sink: abi.EverySink, Value: rec.Value, Timestamp: -7, HasTimestamp: true})
			return nil
		}
		h := fakeHost(t, b, onePlan(OnError{Policy: PolicyDLQ, Topic: "dead"}), Options{UntilIdle: true}, 1, []fakeFunc{f})
		if err := runIdle(t, h); err != nil {
			t.Fatal(err)
		}
		if len(b.Records("dead")) != 1 || len(b.Records("out")) != 0 {
			t.Errorf("%d dead letters, %d records out", len(b.Records("dead")), len(b.Records("out")))
		}
	})
}

// An output without headers inherits the record's traceparent and nothing
// else; one with headers has its own.
func TestAnOutputInheritsTheTraceparentUnlessItHasHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		hs := abi.AppendArrayHeader(nil, 2)
		hs = abi.AppendHeader(hs, "other", []byte("x"))
		hs = abi.AppendHeader(hs, "traceparent", []byte("00-1-2-01"))
		produce(t, b, hosttest.Record{Topic: "in", Value: []byte("a"), HeadersWire: hs})
		own := abi.AppendHeader(abi.AppendArrayHeader(nil, 1), "mine", []byte("y"))
		f := func(rec *abi.Record, emit func(abi.Output)) error {
			emit(abi.Output{Sink: abi.EverySink, Value: rec.Value})
			emit(abi.Output{Sink: abi.EverySink, Value: rec.Value, Headers: own})
			return nil
		}
		h := fakeHost(t, b, onePlan(OnError{}), Options{UntilIdle: true}, 1, []fakeFunc{f})
		if err := runIdle(t, h); err != nil {
			t.Fatal(err)
		}
		out := b.Records("out")
		if len(out) != 2 {
			t.Fatalf("%d records out", len(out))
		}
		for i, want := range []map[string]string{{"traceparent": "00-1-2-01"}, {"mine": "y"}} {
			if d := cmp.Diff(want, headers(t, out[i])); d != "" {
				t.Errorf("output %d: headers (-want +got):\n%s", i, d)
			}
		}
	})
}

// Times survive a proxy: those of the record and those a handler sets.
func TestTimestampsPassAProxy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1)
		for i := range 3 {
			produce(t, b, hosttest.Record{Topic: "in", Value: fmt.Appendf(nil, "%d", i), Timestamp: int64(5000 + 10*i)})
		}
		first := func(rec *abi.Record, emit func(abi.Output)) error {
			emit(abi.Output{Sink: 0, Value: rec.Value})
			emit(abi.Output{Sink: 0, Value: rec.Value, Timestamp: 77, HasTimestamp: true})
			return nil
		}
		h := fakeHost(t, b, proxyPlan(OnError{}), Options{UntilIdle: true}, 1, []fakeFunc{first, passThrough})
		if err := runIdle(t, h); err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, r := range b.Records("out") {
			got = append(got, r.Timestamp)
		}
		if d := cmp.Diff([]int64{5000, 77, 5010, 77, 5020, 77}, got); d != "" {
			t.Errorf("timestamps (-want +got):\n%s", d)
		}
	})
}

func TestTheErrorHeaderOfADeadLetterIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBroker(t, 1, "bad")
		h := fakeHost(t, b, onePlan(OnError{Policy: PolicyDLQ, Topic: "dead"}), Options{UntilIdle: true}, 1,
			[]fakeFunc{failFor(9, errors.New(strings.Repeat("long ", 2000)))})
		if err := runIdle(t, h); err != nil {
			t.Fatal(err)
		}
		dead := b.Records("dead")
		if len(dead) != 1 {
			t.Fatalf("%d dead letters", len(dead))
		}
		if n := len(headers(t, dead[0])[HeaderError]); n != maxErrorText {
			t.Errorf("%d bytes of error text, want %d", n, maxErrorText)
		}
	})
}
