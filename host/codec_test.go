package host

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sliphost/sliphost/host/codec"
)

// fickle is raw text that cannot be had while down is set. It refuses "bad".
type fickle struct {
	codec.String
	down *atomic.Bool
}

func (m fickle) Name() string { return "fickle" }

func (m fickle) translate(dst, src []byte) ([]byte, error) {
	switch {
	case strings.HasPrefix(string(src), "wait") && m.down.Load():
		return dst, &codec.Unavailable{Codec: "fickle", Reason: "the registry is down"}
	case string(src) == "bad":
		return dst, &codec.Error{Codec: "fickle", Reason: "bad"}
	}
	return append(dst, src...), nil
}

func (m fickle) Decode(dst, src []byte) ([]byte, error) { return m.translate(dst, src) }
func (m fickle) Encode(dst, src []byte) ([]byte, error) { return m.translate(dst, src) }

// A registry that is down is no record's fault: the partition waits whatever
// the policy, and nothing is skipped, doubled or out of order.
func TestWhatACodecCannotHaveNowWaits(t *testing.T) {
	for name, encode := range map[string]bool{"decode": false, "encode": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testWhatACodecCannotHaveNowWaits(t, encode) })
		})
	}
}

func testWhatACodecCannotHaveNowWaits(t *testing.T, encode bool) {
	var down atomic.Bool
	down.Store(true)
	plan := onePlan(OnError{Policy: PolicySkip})
	if encode {
		plan.Handlers[0].Sinks[0].Value = fickle{down: &down}
	} else {
		plan.Sources[0].Value = fickle{down: &down}
	}
	b := newBroker(t, 1, "a", "bad", "wait1", "b", "wait2", "c")
	h := New(plan, Options{}, []int{0}, 0, fakeBackends(plan, one(b), []fakeFunc{failFor(0, nil)}), discard)
	done := start(h)
	after(time.Minute)
	if diff := cmp.Diff([]string{"a"}, values(b.Records("out"))); diff != "" {
		t.Error(diff)
	}
	s := h.Status()
	if p := s.Workers[0].Partitions[0]; !strings.Contains(p.Stopped, "the registry is down") {
		t.Errorf("stopped: %q", p.Stopped)
	}
	down.Store(false)
	after(time.Minute)
	if diff := cmp.Diff([]string{"a", "wait1", "b", "wait2", "c"}, values(b.Records("out"))); diff != "" {
		t.Error(diff)
	}
	if s := h.Status(); s.Handlers[0].Skipped != 1 || s.Handlers[0].CodecErrors == 0 {
		t.Errorf("skipped %d, codec errors %d", s.Handlers[0].Skipped, s.Handlers[0].CodecErrors)
	}
	drained(t, h, done)
}
