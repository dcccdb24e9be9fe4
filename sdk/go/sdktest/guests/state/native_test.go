package main

import (
	"testing"

	"github.com/sliphost/sliphost/sdk/go/sdktest/cases"
	"github.com/sliphost/sliphost/sdk/go/sliptest"
)

// native is a handler on the test host.
type native struct {
	t *testing.T
	h *sliptest.Harness
	c *cases.Case
}

func TestCasesNatively(t *testing.T) {
	all, err := cases.Load("../../testdata/state")
	if err != nil {
		t.Fatal(err)
	}
	for i := range all {
		c := &all[i]
		t.Run(c.Handler+"/"+c.Name, func(t *testing.T) {
			cases.Run(t, c, func(t *testing.T, c *cases.Case) cases.Guest {
				options := []sliptest.Option{sliptest.Staged(c.Staged)}
				for name, v := range c.Params {
					options = append(options, sliptest.Param(name, v))
				}
				switch c.Handler {
				case "typed":
					for _, cache := range []string{"ints", "floats", "bools"} {
						options = append(options, sliptest.CacheKey(cache, cases.KeyType(cache)))
					}
				case "lookup":
					options = append(options, sliptest.GlobalCache("side"))
				}
				return &native{t: t, h: sliptest.New(t, c.Handler, options...), c: c}
			})
		})
	}
}

func (n *native) Load(cache string, e cases.Entry) {
	if !n.h.PutTo(cache, e.Partition, e.Key, e.Value) {
		n.t.Fatalf("cache %s does not take %s", cache, e)
	}
}

func (n *native) Send(records []cases.Record) []string {
	var in []sliptest.Record
	for _, r := range records {
		in = append(in, sliptest.Record{Key: r.Key, Value: r.Value, Timestamp: r.Time, Partition: r.Partition})
	}
	res := n.h.Send(in...)
	outputs := make([][]cases.Output, len(in))
	for _, o := range res.Outputs {
		outputs[o.Record] = append(outputs[o.Record], cases.Output{Sink: o.Sink, Key: o.Key, Value: o.Value})
	}
	lines := make([]string, len(in))
	for i := range lines {
		lines[i] = cases.Outcome(outputs[i])
	}
	for _, e := range res.Errors {
		lines[e.Record] = cases.Failure(e.Code, e.Message)
	}
	return lines
}

func (n *native) Restart() {
	if err := n.h.Restart(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *native) Entries(cache string) (entries []cases.Entry) {
	for partition := range int32(2) {
		if partition > 0 && cases.Global(cache) {
			break
		}
		for key, value := range n.h.CacheOf(cache, partition) {
			entries = append(entries, cases.Entry{Key: []byte(key), Value: value, Partition: partition})
		}
	}
	return entries
}

func (n *native) Metric(name string) float64 { return n.h.Metric(name) }
