// Command go is the module of example 14: a handler that fails in several ways
// after it has written to its cache.
package main

import (
	"errors"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var (
	totals = slip.Cache("totals")
	limit  = slip.IntParam("limit", 1000, "cents above which a bill is refused")
)

func init() { slip.Handle("share", share, totals, limit) }

func main() {}

// share divides a bill by the people at the table and adds it up by the key. A
// bill over the limit fails, and one of nobody divides by zero, which panics:
// both after the total was written.
func share(c *slip.Call, rec slip.Record) error {
	bill := rec.Doc()
	cents := bill.Get("cents").Int()
	total, err := totals.AddInt(c, rec.Key, cents)
	if err != nil {
		return err
	}
	if cents > int64(limit.Get(c)) {
		return errors.New("over the limit")
	}
	each := cents / bill.Get("people").Int()
	c.EmitValue(rec.Key, c.NewMap().Set("each", each).Set("total", total))
	return nil
}
