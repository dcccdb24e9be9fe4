package slip

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

func TestWindowBoundsHoldAtTheEndsOfTime(t *testing.T) {
	for _, tc := range []struct{ ts, size, start, end int64 }{
		{0, 10, 0, 10},
		{9, 10, 0, 10},
		{10, 10, 10, 20},
		{-1, 10, -10, 0},
		{-10, 10, -10, 0},
		{-11, 10, -20, -10},
		{5, 1, 5, 6},
		{math.MaxInt64, 10, math.MaxInt64 - 7, math.MaxInt64},
		{math.MinInt64, 10, math.MinInt64, math.MinInt64 + 10},
		{math.MinInt64, math.MaxInt64, math.MinInt64, -1},
		{math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64},
	} {
		w := Tumbling{Size: tc.size}
		if got := w.At(tc.ts); got.Start != tc.start || got.End != tc.end {
			t.Errorf("%d of size %d: %d to %d, want %d to %d", tc.ts, tc.size, got.Start, got.End, tc.start, tc.end)
		}
	}
}

// TestBorderIsWhereWindowsBeginToBeOpen compares the border with the rule that
// defines it.
func TestBorderIsWhereWindowsBeginToBeOpen(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 10_000 {
		w := Tumbling{Size: 1 + r.Int64N(20), Grace: r.Int64N(30)}
		now := r.Int64N(200) - 100
		sp := w.spans()
		border := sp.border(now)
		if expired := func(start int64) bool { return start+w.Size+w.Grace <= now }; expired(border) ||
			!expired(border-w.Size) || border%w.Size != 0 {
			t.Fatalf("seed %d: size %d grace %d now %d: border %d", seed, w.Size, w.Grace, now, border)
		}
	}
	if b := (&spans{size: 10, step: 10, grace: math.MaxInt64}).border(-1); b != math.MinInt64+10 {
		t.Errorf("border %d", b)
	}
}

func TestWindowKeysAreInOrderOfTime(t *testing.T) {
	in, _ := one(t, func(*Call, Record) error { return nil })
	c := &Call{in: in}
	var last []byte
	for _, start := range []int64{math.MinInt64, -256, -255, -1, 0, 1, 255, 256, math.MaxInt64} {
		key := windowKey(c, start, []byte("k"))
		if bytes.Compare(last, key) >= 0 {
			t.Errorf("%d is not above the one before", start)
		}
		if got, ok := startOf(key); got != start || !ok {
			t.Errorf("%d became %d, %v", start, got, ok)
		}
		last = key
	}
	if _, ok := startOf([]byte("short")); ok {
		t.Error("5 bytes have a start")
	}
}

func TestExpiredWindowsAreLookedForOncePerBorder(t *testing.T) {
	k := Cache("w")
	w := Tumbling{Cache: k, Size: 10}
	fail := false
	in, h := withCaches(t, func(c *Call, rec Record) error {
		_, _, err := w.Update(c, rec.Key, rec.Timestamp, func([]byte) ([]byte, error) { return rec.Value, nil })
		if err == nil && fail {
			err = Drop("asked to")
		}
		return err
	}, k)
	scans := func(timestamp int64) int {
		h.Begin(0, timestamp)
		h.calls = 0
		in.process(0, batchOf([]byte("v")))
		return h.calls - 2 // get and put
	}
	// The records have timestamp 100, so stream time decides how often.
	for i, step := range []struct {
		now  int64
		fail bool
		want int
	}{
		{100, false, 1},
		{101, false, 0},
		{109, false, 0},
		{105, false, 0},
		{109, true, 0}, // it failed: what was swept may be back
		{109, false, 1},
		{109, false, 0},
	} {
		fail = step.fail
		if got := scans(step.now); got != step.want {
			t.Errorf("step %d: %d scans, want %d", i, got, step.want)
		}
	}
	if n := len(in.swept); n != 1 {
		t.Errorf("%d borders kept", n)
	}
}
