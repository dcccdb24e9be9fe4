package slip_test

import (
	"fmt"

	slip "github.com/sliphost/sliphost/sdk/go"
	"github.com/sliphost/sliphost/sdk/go/sliptest"
)

var minutes = slip.IntParam("minutes", 15, "delay above which a flight is late")

func init() { slip.Handle("late", late, minutes) }

// late passes late flights on with one more field. It checks nothing: a flight
// without a delay fails by itself, and nothing of it is emitted.
func late(c *slip.Call, rec slip.Record) error {
	flight := rec.Doc()
	if flight.Get("delay").Int() > int64(minutes.Get(c)) {
		c.EmitValue(rec.Key, flight.Edit().Set("late", true))
	}
	return nil
}

func Example_document() {
	h, err := sliptest.Start("late", sliptest.Codec("json"), sliptest.KeyCodec("string"))
	if err != nil {
		fmt.Println(err)
		return
	}
	got := h.Send(
		sliptest.KV("DTW", `{"delay":66,"destination":"LAS"}`),
		sliptest.KV("HNL", `{"delay":-5,"destination":"SFO"}`),
		sliptest.KV("SEA", `{"delay":"?"}`),
	)
	for _, o := range got.Outputs {
		fmt.Printf("%s %s\n", o.Key, o.Value)
	}
	for _, e := range got.Errors {
		fmt.Println("record", e.Record, e.Code+":", e.Message)
	}
	// Output:
	// DTW {"delay":66,"destination":"LAS","late":true}
	// record 2 decode: field "delay": want integer, got string
}
