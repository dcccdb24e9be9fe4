package slip_test

import (
	"bytes"
	"fmt"

	slip "github.com/sliphost/sliphost/sdk/go"
	"github.com/sliphost/sliphost/sdk/go/sliptest"
)

var (
	lines = slip.Cache("lines")
	empty = slip.Sink("empty")
	limit = slip.IntParam("limit", 100, "lines emitted per record")
)

func init() { slip.Handle("split", split, lines, empty, limit) }

// split emits one output per line; records without any go to a sink of their
// own.
func split(c *slip.Call, rec slip.Record) error {
	n := 0
	for line := range bytes.Lines(rec.Value) {
		if n++; n > limit.Get(c) {
			return slip.Drop("too many lines")
		}
		c.Emit(rec.Key, bytes.TrimSpace(line)) // to every sink of the handler
	}
	if n == 0 {
		empty.Emit(c, rec.Key, nil) // to one
		return nil
	}
	return lines.Put(c, rec.Key, rec.Value)
}

func Example() {
	h, err := sliptest.Start("split", sliptest.Param("limit", 2), sliptest.Sink("out", "raw"))
	if err != nil {
		fmt.Println(err)
		return
	}
	got := h.Send(sliptest.KV("a", "one\ntwo\n"), sliptest.KV("b", "1\n2\n3\n"), sliptest.KV("c", ""))
	for _, o := range got.Outputs {
		fmt.Printf("%s %s %q\n", o.Sink, o.Key, o.Value)
	}
	for _, e := range got.Errors {
		fmt.Println("record", e.Record, e.Code+":", e.Message)
	}
	// Output:
	// empty a "one"
	// out a "one"
	// empty a "two"
	// out a "two"
	// empty c ""
	// record 1 drop: too many lines
}
