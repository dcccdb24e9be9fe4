package cases

import (
	"testing"

	"github.com/sliphost/sliphost/sdk/go/sliptest"
)

// native is a handler on the test host.
type native struct {
	t testing.TB
	h *sliptest.Harness
}

// Native returns the handler of a case on the test host, as a guest. The
// options come beside those that the case asks for.
func Native(t testing.TB, c *Case, options ...sliptest.Option) Guest {
	t.Helper()
	options = append(options, sliptest.Staged(c.Staged))
	for name, v := range c.Params {
		options = append(options, sliptest.Param(name, v))
	}
	return &native{t: t, h: sliptest.New(t, c.Handler, options...)}
}

func (n *native) Load(cache string, e Entry) {
	if !n.h.PutTo(cache, e.Partition, e.Key, e.Value) {
		n.t.Fatalf("cache %s does not take %s", cache, e)
	}
}

func (n *native) Send(records []Record) []string {
	var in []sliptest.Record
	for _, r := range records {
		in = append(in, sliptest.Record{Key: r.Key, Value: r.Value, Timestamp: r.Time, Partition: r.Partition})
	}
	return outcomes(n.h.Send(in...), len(in))
}

func (n *native) Advance(r *Record) string {
	return outcomes(n.h.AdvanceOf(r.Partition, r.Time, r.Final), 1)[0]
}

// outcomes returns what became of n records.
func outcomes(res *sliptest.Result, n int) []string {
	outputs := make([][]Output, n)
	for _, o := range res.Outputs {
		outputs[o.Record] = append(outputs[o.Record], Output{Sink: o.Sink, Key: o.Key, Value: o.Value})
	}
	lines := make([]string, n)
	for i := range lines {
		lines[i] = Outcome(outputs[i])
	}
	for _, e := range res.Errors {
		lines[e.Record] = Failure(e.Code, e.Message)
	}
	return lines
}

func (n *native) Restart() {
	if err := n.h.Restart(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *native) Entries(cache string) (entries []Entry) {
	for partition := range int32(2) {
		if partition > 0 && Global(cache) {
			break
		}
		for key, value := range n.h.CacheOf(cache, partition) {
			entries = append(entries, Entry{Key: []byte(key), Value: value, Partition: partition})
		}
	}
	return entries
}

func (n *native) Metric(name string) float64 { return n.h.Metric(name) }
