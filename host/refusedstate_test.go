package host

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sliphost/sliphost/abi"
	"github.com/sliphost/sliphost/host/hosttest"
	"github.com/sliphost/sliphost/state"
)

// An output that is never taken is found although a record before it has to be
// tried twice on each way there, which commits attempts in between.
func TestARefusedOutputIsFoundAmongCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hosttest.NewBroker(map[string]int{"in": 1, "out": 1, "dead": 1, "app-counts-changelog": 1})
		b.Refuse = func(r hosttest.Record) error {
			if r.Topic == "out" && string(r.Key) == "bad" {
				return errors.New("never taken")
			}
			return nil
		}
		plan := countPlan()
		plan.Handlers[0].OnError = OnError{Policy: PolicyDLQ, Topic: "dead"}
		plan.Handlers = append(plan.Handlers, Handler{ID: "slow", Binding: 1, OnError: OnError{Attempts: 5000, Backoff: time.Second}})
		plan.Sources[0].Handlers = append(plan.Sources[0].Handlers, HandlerSource{Handler: 1})
		for _, key := range []string{"slow", "bad", "good"} {
			produce(t, b, hosttest.Record{Topic: "in", Key: []byte(key), Value: []byte("x")})
		}
		tries := 0
		slow := func(_ *fakeCall, rec *abi.Record) error {
			if string(rec.Key) != "slow" {
				return nil
			}
			if tries++; tries%2 == 1 {
				return guestError{code: abi.CodeRetry, after: 200}
			}
			return nil
		}
		bk := (&life{b, "h", state.NewMemory()}).backends(t, plan, []statefulFunc{countKeys, slow})
		h := New(plan, Options{}, []int{0}, 0, bk, discard)
		done := start(h)
		after(5 * time.Minute)
		if dead, out := len(b.View("dead", 0)), len(b.View("out", 0)); dead != 1 || out != 2 {
			t.Errorf("%d dead letters, %d outputs", dead, out)
		}
		drained(t, h, done)
	})
}

// At least once, too, a record whose output is refused leaves nothing in the
// changelog, and what was committed before it stays.
func TestARefusedOutputLeavesNoStateBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hosttest.NewBroker(map[string]int{"in": 1, "out": 1, "dead": 1, "app-counts-changelog": 1})
		b.Refuse = func(r hosttest.Record) error {
			if r.Topic == "out" && string(r.Key) == "bad" {
				return errors.New("never taken")
			}
			return nil
		}
		plan := countPlan()
		plan.ExactlyOnce = false
		plan.Handlers[0].OnError = OnError{Policy: PolicyDLQ, Topic: "dead"}
		for i := range 20 {
			key := fmt.Sprint("k", i)
			if i%7 == 3 {
				key = "bad"
			}
			produce(t, b, hosttest.Record{Topic: "in", Key: []byte(key), Value: []byte("x")})
		}
		l := &life{b, "h", state.NewMemory()}
		bk := l.backends(t, plan, []statefulFunc{countKeys})
		bk.Producer = fakeBackends(plan, one(b)).Producer
		if err := runIdle(t, New(plan, Options{UntilIdle: true, MaxRecords: 5}, []int{0}, 0, bk, discard)); err != nil {
			t.Fatal(err)
		}
		last := map[string]bool{}
		for _, r := range b.View("app-counts-changelog", 0) {
			last[string(r.Key)] = r.Value != nil
		}
		if last["bad"] || len(last) != 17 || len(b.View("dead", 0)) != 3 {
			t.Errorf("the changelog has %v; %d dead letters", last, len(b.View("dead", 0)))
		}
	})
}

// The error of a record that used a cache otherwise than the manifest declares
// it says how that is, whatever the guest makes of the refusal; other records
// have their own errors alone.
func TestAnErrorTellsWhatTheManifestDeclares(t *testing.T) {
	at := func(call *fakeCall, key string) int64 {
		return call.state.CacheGet(call.at, 0, []byte(key), make([]byte, 8))
	}
	scan := func(call *fakeCall, req abi.ScanRequest) int64 {
		return call.state.CacheScan(call.at, 0, abi.AppendScanRequest(nil, &req), make([]byte, 64))
	}
	for _, k := range []struct {
		name string
		key  state.KeyType
		call func(*fakeCall) int64
		want string
	}{
		{"get", state.KeyInt, func(c *fakeCall) int64 { return at(c, "short") }, `refused; the manifest declares cache "counts" with keys of type int: a key of type int has 8 bytes, not 5`},
		{"put", state.KeyBool, func(c *fakeCall) int64 { return int64(c.state.CachePut(c.at, 0, []byte{2}, nil)) }, `refused; the manifest declares cache "counts" with keys of type bool: a key of type bool is 0 or 1, not 2`},
		{"delete", state.KeyFloat, func(c *fakeCall) int64 { return int64(c.state.CacheDelete(c.at, 0, []byte("x"))) }, `refused; the manifest declares cache "counts" with keys of type float: a key of type float has 8 bytes, not 1`},
		{"scan", state.KeyInt, func(c *fakeCall) int64 { return scan(c, abi.ScanRequest{From: []byte("x"), Limit: 1}) }, `refused; the manifest declares cache "counts" with keys of type int: a key of type int has 8 bytes, not 1`},
		{"prefix", state.KeyInt, func(c *fakeCall) int64 { return scan(c, abi.ScanRequest{Prefix: []byte("x"), Limit: 1}) }, `refused; the manifest declares cache "counts" with keys of type int: they have no prefixes`},
		{"delete range", state.KeyBool, func(c *fakeCall) int64 { return int64(c.state.CacheDeleteRange(c.at, 0, nil, nil)) }, `refused; the manifest declares cache "counts" with keys of type bool: there are no ranges of them`},
		{"fits", state.KeyString, func(c *fakeCall) int64 { at(c, "short"); return abi.ResultInvalid }, "refused"},
	} {
		t.Run(k.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := hosttest.NewBroker(map[string]int{"in": 1, "out": 1, "dead": 1, "app-counts-changelog": 1})
				plan := countPlan()
				plan.Caches[0].Key = k.key
				plan.Handlers[0].OnError = OnError{Policy: PolicyDLQ, Topic: "dead"}
				for _, v := range []string{"fine", "wrong", "other", "fine"} {
					produce(t, b, hosttest.Record{Topic: "in", Key: []byte("a"), Value: []byte(v)})
				}
				f := func(c *fakeCall, rec *abi.Record) error {
					switch string(rec.Value) {
					case "wrong":
						if n := k.call(c); n != abi.ResultInvalid {
							t.Errorf("the call answers %d", n)
						}
						return errors.New("refused")
					case "other":
						return errors.New("something else")
					}
					return nil
				}
				bk := (&life{b, "h", state.NewMemory()}).backends(t, plan, []statefulFunc{f})
				if err := runIdle(t, New(plan, Options{UntilIdle: true}, []int{0}, 0, bk, discard)); err != nil {
					t.Fatal(err)
				}
				dead := b.View("dead", 0)
				if len(dead) != 2 {
					t.Fatalf("%d dead letters", len(dead))
				}
				if got := headers(t, dead[0])[HeaderError]; got != k.want {
					t.Errorf("error\n%s, want\n%s", got, k.want)
				}
				if got := headers(t, dead[1])[HeaderError]; got != "something else" {
					t.Errorf("error of another record: %s", got)
				}
			})
		})
	}
}

// The search for a refused output ends in the middle of a poll: a second one
// behind it is searched for by itself, and no partition stands still.
func TestRefusedOutputsAreFoundOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := hosttest.NewBroker(map[string]int{"in": 1, "out": 1, "dead": 1, "app-counts-changelog": 1})
		write := func(n, bad int) {
			for i := range n {
				key := fmt.Sprint("k", i)
				if i == bad {
					key = "bad"
				}
				produce(t, b, hosttest.Record{Topic: "in", Key: []byte(key), Value: []byte("x")})
			}
		}
		refusals := 0
		b.Refuse = func(r hosttest.Record) error {
			if r.Topic != "out" || string(r.Key) != "bad" {
				return nil
			}
			if refusals++; refusals == 2 { // the search reaches as far as the first poll did
				go write(30, 25) // the broker is locked now
			}
			return errors.New("never taken")
		}
		plan := countPlan()
		plan.Handlers[0].OnError = OnError{Policy: PolicyDLQ, Topic: "dead"}
		write(30, 20)
		bk := (&life{b, "h", state.NewMemory()}).backends(t, plan, []statefulFunc{countKeys})
		if err := runIdle(t, New(plan, Options{UntilIdle: true}, []int{0}, 0, bk, discard)); err != nil {
			t.Error(err)
		}
		if dead, out := len(b.View("dead", 0)), len(b.View("out", 0)); dead != 2 || out != 58 {
			t.Errorf("%d dead letters, %d outputs", dead, out)
		}
	})
}
