// Command go is the module of example 11: sales are counted, and at each tick of
// a timer what was sold since the last one is told.
package main

import (
	"strconv"

	slip "github.com/sliphost/sliphost/sdk/go"
)

var sold = slip.Cache("sold")

func init() { slip.Handle("till", till, sold) }

func main() {}

// till gets sales, and ticks: records without a value.
func till(c *slip.Call, rec slip.Record) error {
	if rec.Value == nil {
		return closing(c)
	}
	before, err := sold.GetOr(c, rec.Value, []byte("0"))
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(before))
	if err != nil {
		return err
	}
	return sold.Put(c, rec.Value, []byte(strconv.Itoa(n+1)))
}

// closing tells what was sold and begins anew.
func closing(c *slip.Call) error {
	for item, n := range sold.Items(c, slip.Prefix(nil)) {
		c.Emit(item, []byte(string(n)+" x "+string(item)))
		if err := sold.Delete(c, item); err != nil {
			return err
		}
	}
	return nil
}
