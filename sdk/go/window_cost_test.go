package slip

import (
	"fmt"
	"testing"
)

// timed are the helpers of time as handlers of one record.
func timed(k *CacheRef) map[string]func(c *Call, rec Record) error {
	value := []byte("value")
	hop := &Hopping{Cache: k, Size: 1 << 40, Step: 1 << 39}
	session := &Session{Cache: k, Gap: 1 << 40, Merge: func(_ *Call, a, _ []byte) ([]byte, error) { return a, nil }}
	join := &Join{Cache: k, Before: 1 << 40, After: 1 << 40, Kind: OuterJoin, Emit: func(*Call, Pair) error { return nil }}
	dedup := &Dedup{Cache: k, TTL: 1 << 40}
	set := func([]byte) ([]byte, error) { return value, nil }
	return map[string]func(c *Call, rec Record) error{
		"hopping": func(c *Call, rec Record) error {
			_, err := hop.Update(c, rec.Key, 100, set)
			return err
		},
		"session": func(c *Call, rec Record) error {
			_, _, err := session.Update(c, rec.Key, c.StreamTime(), set)
			return err
		},
		"join": func(c *Call, rec Record) error {
			_, err := join.Left(c, rec.Value, c.StreamTime(), value)
			return err
		},
		"dedup": func(c *Call, rec Record) error {
			_, err := dedup.First(c, rec.Value)
			return err
		},
	}
}

// opened returns an instance in whose cache there are as many windows, sessions
// or records as that, each of a key of its own.
func opened(t testing.TB, k *CacheRef, handle func(c *Call, rec Record) error, open int) (*instance, *stateful) {
	t.Helper()
	now := []byte("key of the record")
	in, h := withCaches(t, func(c *Call, rec Record) error {
		if string(rec.Value) == "record" {
			rec.Key, rec.Value = now, now
		} else {
			rec.Key = rec.Value
		}
		return handle(c, rec)
	}, k)
	for i := range open {
		h.Begin(0, 100)
		in.process(0, batchOf(fmt.Appendf(nil, "%07d", i)))
	}
	return in, h
}

// TestCostDoesNotGrowWithWhatIsOpen counts calls of the host: each looks at a
// bounded number of keys.
func TestCostDoesNotGrowWithWhatIsOpen(t *testing.T) {
	k := Cache("w")
	for name, handle := range timed(k) {
		var calls []int
		for _, open := range []int{1, 5000} {
			in, h := opened(t, k, handle, open)
			h.calls = 0
			for range 3 {
				h.Begin(0, 100)
				if _, failed := stream(t, in.process(0, batchOf([]byte("record")))); len(failed) > 0 {
					t.Fatal(name, failed)
				}
			}
			calls = append(calls, h.calls)
		}
		if calls[0] != calls[1] || calls[0] > 24 {
			t.Errorf("%s: 3 records took %d calls of the host with 1 open, %d with 5000", name, calls[0], calls[1])
		}
	}
}

// BenchmarkTime measures a record of the helpers of time beside many open ones,
// over a host in memory.
func BenchmarkTime(b *testing.B) {
	k := Cache("w")
	for _, name := range []string{"hopping", "session", "dedup"} {
		for _, open := range []int{100, 10_000, 50_000} {
			b.Run(fmt.Sprintf("%s/open=%d", name, open), func(b *testing.B) {
				in, h := opened(b, k, timed(k)[name], open)
				msg := batchOf([]byte("record"))
				h.Begin(0, 101)
				in.process(0, msg)
				b.ReportAllocs()
				for b.Loop() {
					h.Begin(0, 101)
					in.process(0, msg)
				}
			})
		}
	}
}
